#include "rules/splice.h"

#include <algorithm>
#include <vector>

#include "rules/print.h"

namespace rewall {
namespace {

struct Block {
  std::string_view chain{};
  std::string_view policy{};
  std::string_view rules{};
};

std::string_view take_line(std::string_view& text) {
  const auto line = text.substr(0, std::min(text.find('\n'), text.size() - 1) + 1);
  text.remove_prefix(line.size());
  return line;
}

bool is_rule_of(std::string_view line, std::string_view chain) {
  return line.size() > chain.size() + 3 && line.substr(3, chain.size()) == chain &&
         (line[chain.size() + 3] == ' ' || line[chain.size() + 3] == '\n');
}

// The chains between "*TABLE\n" and "COMMIT\n"; nothing where rules do not stand in the order of the chains.
std::optional<std::vector<Block>> blocks_of(std::string_view section) {
  std::vector<Block> blocks;
  while (section.starts_with(':')) {
    const auto line = take_line(section);
    const auto name = line.find(' ');
    const auto policy = line.find(' ', name + 1);
    if (policy == std::string_view::npos) return std::nullopt;
    blocks.push_back({.chain = line.substr(1, name - 1), .policy = line.substr(name + 1, policy - name - 1)});
  }
  for (auto& block : blocks) {
    const auto whole = section;
    while (section.starts_with("-A ") && is_rule_of(section, block.chain)) take_line(section);
    block.rules = whole.substr(0, whole.size() - section.size());
  }
  return section.empty() ? std::optional(std::move(blocks)) : std::nullopt;
}

void put(std::vector<Block>& blocks, const ChainText& chain, std::span<const std::string> built_in) {
  const auto before = [&](std::string_view a, std::string_view b) { return comes_before(a, b, built_in); };
  const auto place = std::ranges::lower_bound(blocks, std::string_view(chain.chain), before, &Block::chain);
  const bool there = place != blocks.end() && place->chain == chain.chain;
  const Block block{.chain = chain.chain, .policy = chain.policy, .rules = chain.rules};
  if (chain.policy.empty()) {
    if (there) blocks.erase(place);
  } else if (there) {
    *place = block;
  } else {
    blocks.insert(place, block);
  }
}

bool says_nothing(const Block& block) {
  return block.policy == "ACCEPT" && block.rules.empty();
}

}  // namespace

std::optional<std::string> with_chains(std::string_view text, std::string_view table,
                                       std::span<const ChainText> chains) {
  const std::string head = "*" + std::string(table) + "\n";
  auto begin = text.starts_with(head) ? 0 : text.find("\n" + head);
  if (begin == std::string_view::npos) return std::nullopt;
  begin += head.size() + (begin == 0 ? 0 : 1);
  const auto end = text.find("COMMIT\n", begin) == begin ? begin : text.find("\nCOMMIT\n", begin) + 1;
  if (end == 0) return std::nullopt;
  auto blocks = blocks_of(text.substr(begin, end - begin));
  if (!blocks) return std::nullopt;
  const auto built_in = built_in_chains(table);
  for (const auto& chain : chains) put(*blocks, chain, built_in);
  if (std::ranges::all_of(*blocks, says_nothing)) return std::nullopt;

  std::string out;
  out.reserve(text.size() + 4096);
  out.append(text.substr(0, begin));
  for (const auto& block : *blocks)
    out.append(":").append(block.chain).append(" ").append(block.policy).append(" [0:0]\n");
  for (const auto& block : *blocks) out.append(block.rules);
  out.append(text.substr(end));
  return out;
}

}  // namespace rewall

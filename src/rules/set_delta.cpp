#include "rules/set_delta.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <map>
#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "rules/parse.h"
#include "rules/set_change.h"
#include "rules/sets.h"

namespace rewall {
namespace {

// A set of a canonical text: its create line, and its add lines.
struct SetBlock {
  std::string_view create{};
  std::string_view members{};
};

// memmem(3), as std::string_view::find stops at each line.
std::size_t next_set(std::string_view text) {
  constexpr std::string_view kBegin = "\ncreate ";
  const void* found = ::memmem(text.data(), text.size(), kBegin.data(), kBegin.size());
  return found == nullptr ? text.size()
                          : static_cast<std::size_t>(static_cast<const char*>(found) - text.data()) + 1;
}

std::vector<std::pair<std::string, SetBlock>> set_blocks(std::string_view text) {
  std::vector<std::pair<std::string, SetBlock>> blocks;
  while (!text.empty()) {
    const auto whole = text.substr(0, next_set(text));
    text.remove_prefix(whole.size());
    const auto end = std::min(whole.find('\n'), whole.size() - 1) + 1;
    SetBlock block{.create = whole.substr(0, end), .members = whole.substr(end)};
    const auto name = block.create.substr(std::min(block.create.find(' ') + 1, block.create.size()));
    blocks.emplace_back(std::string(name.substr(0, name.find_first_of(" \n"))), block);
  }
  return blocks;
}

// Removes the lines that both begin and end with.
void drop_common_lines(std::string_view& one, std::string_view& other) {
  const auto begin = static_cast<std::size_t>(std::ranges::mismatch(one, other).in1 - one.begin());
  const auto line = begin == 0 ? std::string_view::npos : one.rfind('\n', begin - 1);
  const std::size_t skip = line == std::string_view::npos ? 0 : line + 1;
  one.remove_prefix(skip);
  other.remove_prefix(skip);
  std::size_t end = 0;
  while (end < one.size() && end < other.size() && one[one.size() - 1 - end] == other[other.size() - 1 - end])
    ++end;
  // What is left ends with a whole line on both sides.
  const auto tail = one.substr(one.size() - end);
  const auto first = end == one.size() || end == other.size() ? std::string_view::npos : tail.find('\n');
  const std::size_t cut = first == std::string_view::npos ? 0 : end - first - 1;
  one.remove_suffix(cut);
  other.remove_suffix(cut);
}

MemberSum without(MemberSum sum, const std::vector<std::string>& members) {
  MemberSum gone;
  for (const auto& member : members) add_member(gone, member, false);
  return {.count = sum.count - gone.count, .low = sum.low - gone.low, .high = sum.high - gone.high};
}

// Two texts of sets that grow together, and the members that are left out of both.
struct Pieces {
  std::string from{};
  std::string to{};
  std::map<std::string, MemberSum, std::less<>> left_out{};
};

std::string lines_of(const std::string& name, const std::vector<std::string>& members) {
  std::string lines;
  for (const auto& member : members)
    lines.append("add ").append(name).append(" ").append(member).append("\n");
  return lines;
}

Status add_both(Pieces& pieces, const std::string& name, const SetBlock& from, const SetBlock& to,
                const SetDigest* digest) {
  pieces.from.append(from.create);
  pieces.to.append(to.create);
  if (digest != nullptr && from.create == to.create) {
    if (from.members == to.members) {
      pieces.left_out.emplace(name, digest->members);
      return {};
    }
    auto olds = from.members;
    auto news = to.members;
    drop_common_lines(olds, news);
    const auto one = TRY(parse_sets(std::string(from.create).append(olds), "ipset"));
    const auto other = TRY(parse_sets(std::string(to.create).append(news), "ipset"));
    if (few_members(one.sets.front(), other.sets.front())) {
      const auto few = differing_members(one.sets.front(), other.sets.front());
      pieces.from += lines_of(name, few.removed);
      pieces.to += lines_of(name, few.added);
      pieces.left_out.emplace(name, without(digest->members, few.removed));
      return {};
    }
  }
  pieces.from.append(from.members);
  pieces.to.append(to.members);
  return {};
}

Result<Sets> read_piece(std::string text, const Pieces& pieces) {
  auto sets = parse_sets(std::move(text), "ipset");
  if (!sets) return sets;
  for (Set& set : sets->sets) {
    if (const auto sum = pieces.left_out.find(set.name); sum != pieces.left_out.end())
      set.left_out = sum->second;
  }
  return sets;
}

}  // namespace

Result<std::pair<Sets, Sets>> differing_sets(std::string_view from, std::string_view to,
                                             const SetsDigest& digest) {
  Pieces pieces;
  auto others = set_blocks(to);
  std::map<std::string_view, const SetBlock*> by_name;
  for (const auto& [name, block] : others) by_name.emplace(name, &block);
  for (const auto& [name, block] : set_blocks(from)) {
    const auto other = by_name.find(name);
    if (other == by_name.end()) {
      pieces.from.append(block.create).append(block.members);
      continue;
    }
    const auto known = digest.find(name);
    TRY(add_both(pieces, name, block, *other->second, known == digest.end() ? nullptr : &known->second));
    by_name.erase(other);
  }
  for (const auto& [name, block] : others) {
    if (by_name.contains(name)) pieces.to.append(block.create).append(block.members);
  }
  auto one = TRY(read_piece(std::move(pieces.from), pieces));
  auto other = TRY(read_piece(std::move(pieces.to), pieces));
  return std::pair{std::move(one), std::move(other)};
}

Sets with_left_out(const Sets& whole, const Sets& from, const Sets& to) {
  Sets out = to;
  out.texts.insert(out.texts.end(), whole.texts.begin(), whole.texts.end());
  const auto by_name = [](const Sets& sets) {
    std::unordered_map<std::string_view, const Set*> all;
    for (const Set& set : sets.sets) all.emplace(set.name, &set);
    return all;
  };
  const auto whole_sets = by_name(whole);
  const auto from_sets = by_name(from);
  for (Set& set : out.sets) {
    const auto in_whole = whole_sets.find(set.name);
    const auto in_from = from_sets.find(set.name);
    const Set* all = in_whole == whole_sets.end() ? nullptr : in_whole->second;
    const Set* some = in_from == from_sets.end() ? nullptr : in_from->second;
    if (set.left_out.count == 0 || all == nullptr || some == nullptr) continue;
    const std::unordered_set<std::string_view> gone(some->members.begin(), some->members.end());
    std::vector<std::string_view> members = std::move(set.members);
    for (const auto member : all->members)
      if (!gone.contains(member)) members.push_back(member);
    if (!is_list(set)) sort_members(members);
    set.members = std::move(members);
    set.left_out = {};
  }
  return out;
}

}  // namespace rewall

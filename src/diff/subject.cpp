#include <algorithm>
#include <array>
#include <utility>

#include "core/format.h"
#include "core/text.h"
#include "diff/diff.h"
#include "rules/meaning.h"
#include "rules/native_meaning.h"
#include "rules/table_forms.h"

namespace rewall {
namespace {

constexpr std::size_t kMost = 72;

// The changes of one chain or of one set.
struct Block {
  const Change& first;
  std::vector<const Change*> changes{};

  std::size_t count(ChangeKind kind) const {
    return static_cast<std::size_t>(std::ranges::count(changes, kind, &Change::kind));
  }
  const Change* find(ChangeKind kind) const {
    const auto found = std::ranges::find(changes, kind, &Change::kind);
    return found == changes.end() ? nullptr : *found;
  }
};

bool same_place(const Change& a, const Change& b) {
  return a.set == b.set && a.object == b.object && a.family == b.family && a.backend == b.backend &&
         a.native == b.native && a.table == b.table && a.chain == b.chain;
}

// A native table that comes or goes is one place, with all that is in it.
bool in_same_block(const Change& first, const Change& change) {
  const bool whole = first.kind == ChangeKind::table_added || first.kind == ChangeKind::table_removed;
  return whole ? first.native == change.native && first.table == change.table : same_place(first, change);
}

std::vector<Block> blocks_of(const Diff& diff) {
  std::vector<Block> out;
  for (const auto& change : diff.changes) {
    if (out.empty() || !in_same_block(out.back().first, change)) out.push_back(Block{.first = change});
    out.back().changes.push_back(&change);
  }
  return out;
}

bool on_two_backends(const Diff& diff) {
  const auto on = [&](Backend backend) {
    return std::ranges::any_of(diff.changes, [&](const Change& change) { return change.backend == backend; });
  };
  return on(Backend::nft) && on(Backend::legacy);
}

std::string place_of(const Change& change, bool with_backend) {
  if (change.native) {
    const auto table = format("{} {}", name(*change.native), change.table);
    if (!change.set.empty()) return format("{} {} {}", table, change.object, change.set);
    return change.chain.empty() ? table : table + '/' + change.chain;
  }
  if (!change.set.empty()) return "set " + change.set;
  return format("{}{}{}{}{}", with_backend && change.backend == Backend::legacy ? "legacy " : "",
                change.family == Family::ipv6 ? "ip6 " : "", change.table, change.chain.empty() ? "" : "/",
                change.chain);
}

// An option as it is spoken: "! --dport" is "not dport"; protocol and target need no name.
std::string spoken(std::string_view option) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kNames = {
      {{"-s", "from"}, {"-d", "to"}, {"-i", "in"}, {"-o", "out"}, {"-p", ""}, {"-j", ""}}};
  const bool negated = option.starts_with("! ");
  if (negated) option.remove_prefix(2);
  const auto known = std::ranges::find(kNames, option, [](const auto& name) { return name.first; });
  if (known != kNames.end()) {
    option = known->second;
  } else {
    option.remove_prefix(std::min(option.find_first_not_of('-'), option.size()));
  }
  return std::string(negated ? "not " : "") + std::string(option);
}

void append_word(std::string& out, std::string_view word) {
  if (word.empty()) return;
  if (!out.empty() && !out.ends_with(' ')) out += ' ';
  out += word;
}

std::string spoken_rule(std::string_view words, Family family) {
  std::string out;
  for (const auto& part : named_parts(words, family)) {
    append_word(out, spoken(part.name));
    append_word(out, part.value);
  }
  return out;
}

std::string spoken_part(const PartChange& part) {
  std::string out;
  if (!part.to) out = "without ";
  append_word(out, spoken(part.part));
  if (part.from) append_word(out, *part.from);
  if (part.from && part.to) out += " ->";
  if (part.to) append_word(out, *part.to);
  return out;
}

// nft's words are spoken as they are. Of an order the whole rule would be said twice.
std::string spoken_native_part(const PartChange& part) {
  if (part.part == "order") return part.part;
  std::string out = part.part == "verdict" ? "" : part.part;
  if (!part.to) out = out.empty() ? "without" : "without " + out;
  if (part.from) append_word(out, *part.from);
  if (part.from && part.to) out += " ->";
  if (part.to) append_word(out, *part.to);
  return out;
}

std::string spoken_parts(const Change& change) {
  std::vector<std::string> out;
  for (const auto& part : change.parts)
    out.push_back(is_in_words_of_nft(part.part) ? spoken_native_part(part) : spoken_part(part));
  return join(out, ", ");
}

std::string spoken_rule(const Change& change, const std::string& words) {
  if (change.native && is_in_words_of_nft(words)) return native_rule_words(words);
  return spoken_rule(words, change.family.value_or(Family::ipv4));
}

std::string member_counts(const Change& change) {
  const auto added =
      std::ranges::count_if(change.parts, [](const PartChange& part) { return part.to.has_value(); });
  const auto removed = static_cast<std::ptrdiff_t>(change.parts.size()) - added;
  std::string out;
  if (added > 0) out += format("+{} ", added);
  if (removed > 0) out += format("-{} ", removed);
  return out + (change.parts.size() == 1 ? "member" : "members");
}

// What was done to a chain's rules, or to a set: "+2 -1".
std::string counts(const Block& block) {
  std::string out;
  const auto tally = [&](char mark, std::size_t n) {
    if (n > 0) append_word(out, format("{}{}", mark, n));
  };
  tally('+', block.count(ChangeKind::added));
  tally('-', block.count(ChangeKind::removed));
  tally('~', block.count(ChangeKind::changed) + block.count(ChangeKind::comment));
  tally('>', block.count(ChangeKind::moved));
  if (block.find(ChangeKind::set_added) != nullptr) append_word(out, "added");
  if (block.find(ChangeKind::set_removed) != nullptr) append_word(out, "removed");
  if (block.find(ChangeKind::set_changed) != nullptr) append_word(out, "options");
  if (const auto* changed = block.find(ChangeKind::table_changed))
    append_word(out, changed->parts.front().part == "form" ? spoken_parts(*changed) : "options");
  if (const auto* members = block.find(ChangeKind::members)) append_word(out, member_counts(*members));
  return out;
}

// The same with what was done to the chain itself.
std::string all_counts(const Block& block) {
  if (block.first.kind == ChangeKind::table_removed) return "removed";
  if (block.first.kind == ChangeKind::table_added) {
    const auto rules = block.count(ChangeKind::added);
    return rules == 0 ? "added" : format("added +{}", rules);
  }
  const auto rules = counts(block);
  if (block.find(ChangeKind::chain_added) != nullptr) return rules.empty() ? "added" : "added " + rules;
  if (block.find(ChangeKind::chain_removed) != nullptr) return "removed";
  std::string out;
  if (const auto* policy = block.find(ChangeKind::policy)) out = format("policy {}", *policy->to);
  if (const auto* renamed = block.find(ChangeKind::chain_renamed)) out = format("was {}", *renamed->from);
  append_word(out, rules);
  return out;
}

std::string single(const Change& change) {
  switch (change.kind) {
    case ChangeKind::added:
      return "+1 " + spoken_rule(change, *change.to);
    case ChangeKind::removed:
      return "-1 " + spoken_rule(change, *change.from);
    case ChangeKind::changed:
      return "~1 " + spoken_parts(change);
    case ChangeKind::moved:
      return format("rule {} -> {} {}", *change.from_pos, *change.to_pos, spoken_rule(change, *change.to));
    case ChangeKind::comment:
      return format("rule {} {}", *change.to_pos, spoken_parts(change));
    case ChangeKind::policy:
      return format("policy {} -> {}", *change.from, *change.to);
    case ChangeKind::chain_added:
      return "chain added";
    case ChangeKind::chain_removed:
      return "chain removed";
    case ChangeKind::chain_renamed:
      return "chain renamed from " + *change.from;
    case ChangeKind::set_added:
      if (change.native && change.object != "set" && change.object != "map") return "added";
      return "added with " + counted(change.parts.size(), "member");
    case ChangeKind::set_removed:
      return "removed";
    case ChangeKind::set_changed:
    case ChangeKind::table_changed:
      return spoken_parts(change);
    case ChangeKind::table_added:
      return "added";
    case ChangeKind::table_removed:
      return "removed";
    case ChangeKind::members:
      return member_counts(change);
  }
  return {};
}

// Cut between characters; the text is valid UTF-8.
std::string shortened(std::string text) {
  static constexpr std::string_view kMark = "...";
  if (text.size() <= kMost) return text;
  auto end = kMost - kMark.size();
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end).append(kMark);
}

std::string list_of(const std::vector<Block>& blocks, bool with_backend) {
  std::string out;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const auto words = escape(place_of(blocks[i].first, with_backend) + ' ' + all_counts(blocks[i]));
    const auto more = format(", {} more", blocks.size() - i);
    const bool last = i + 1 == blocks.size();
    if (i > 0 && out.size() + 2 + words.size() + (last ? 0 : more.size()) > kMost) return out + more;
    if (i > 0) out += ", ";
    out += words;
  }
  return out;
}

}  // namespace

std::string subject(const Diff& diff) {
  const auto blocks = blocks_of(diff);
  if (blocks.empty()) return diff.respelled ? "same rules, other words" : "no change";
  const bool with_backend = on_two_backends(diff);
  if (blocks.size() > 1) return shortened(list_of(blocks, with_backend));
  const auto& block = blocks.front();
  const auto what = block.changes.size() == 1 ? single(block.first) : all_counts(block);
  return shortened(escape(place_of(block.first, with_backend) + ": " + what));
}

}  // namespace rewall

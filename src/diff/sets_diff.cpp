#include "diff/sets_diff.h"

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <utility>

#include "core/text.h"
#include "diff/interner.h"
#include "diff/sequence.h"
#include "rules/meaning.h"
#include "rules/sets.h"

namespace rewall {
namespace {

using Members = std::vector<std::string_view>;

void drop_common_ends(Members& from, Members& to) {
  const auto [from_begin, to_begin] = std::ranges::mismatch(from, to);
  from.erase(from.begin(), from_begin);
  to.erase(to.begin(), to_begin);
  while (!from.empty() && !to.empty() && from.back() == to.back()) {
    from.pop_back();
    to.pop_back();
  }
}

// Takes away what is on both sides; both are sorted, by `meaning` of a member.
template <class Member, class Meaning>
void drop_common(std::vector<Member>& from, std::vector<Member>& to, Meaning meaning) {
  if (from.empty() || to.empty()) return;
  std::vector<Member> only_from;
  std::vector<Member> only_to;
  std::ranges::set_difference(from, to, std::back_inserter(only_from), {}, meaning, meaning);
  std::ranges::set_difference(to, from, std::back_inserter(only_to), {}, meaning, meaning);
  from = std::move(only_from);
  to = std::move(only_to);
}

struct Member {
  std::string_view meaning{};
  std::string_view words{};
};

std::vector<Member> with_meanings(const Members& members, std::deque<std::string>& kept) {
  std::vector<Member> out;
  out.reserve(members.size());
  for (const auto words : members) out.push_back({.meaning = meaning_of_member(words, kept), .words = words});
  return out;
}

void sort_by_meaning(std::vector<Member>& members) {
  if (!std::ranges::is_sorted(members, {}, &Member::meaning))
    std::ranges::sort(members, {}, &Member::meaning);
}

Members words_of(const std::vector<Member>& members) {
  Members out;
  for (const auto& member : members) out.push_back(member.words);
  return out;
}

MemberChanges compare_in_order(const Set& from, const Set& to) {
  std::deque<std::string> kept;
  const auto olds = with_meanings(from.members, kept);
  const auto news = with_meanings(to.members, kept);
  Interner number;
  std::vector<std::uint32_t> before;
  std::vector<std::uint32_t> after;
  for (const auto& member : olds) before.push_back(number(member.meaning));
  for (const auto& member : news) after.push_back(number(member.meaning));
  auto common = common_subsequence(before, after);
  common.emplace_back(olds.size(), news.size());
  MemberChanges out;
  std::size_t i = 0;
  std::size_t j = 0;
  for (const auto& [old_at, new_at] : common) {
    for (; i < old_at; ++i) out.removed.push_back(olds[i].words);
    for (; j < new_at; ++j) out.added.push_back(news[j].words);
    i = old_at + 1;
    j = new_at + 1;
  }
  return out;
}

std::map<std::string, std::string> options_by_name(const Set& set) {
  std::map<std::string, std::string> out;
  const auto meaning = meaning_of_options(set);
  const auto words = split(meaning, ' ');
  out["type"] = words[0];
  for (std::size_t i = 1; i < words.size(); ++i) {
    auto& value = out[std::string(words[i])];
    if (!is_flag(words[i]) && i + 1 < words.size()) value = words[++i];
  }
  return out;
}

std::vector<PartChange> differing_options(const Set& from, const Set& to) {
  const auto before = options_by_name(from);
  const auto after = options_by_name(to);
  std::vector<PartChange> out;
  for (const auto& [name, value] : before) {
    const auto other = after.find(name);
    if (other == after.end()) {
      out.push_back({.part = name, .from = value});
    } else if (other->second != value) {
      out.push_back({.part = name, .from = value, .to = other->second});
    }
  }
  for (const auto& [name, value] : after) {
    if (!before.contains(name)) out.push_back({.part = name, .to = value});
  }
  return out;
}

std::vector<PartChange> member_parts(const MemberChanges& members) {
  std::vector<PartChange> out;
  out.reserve(members.removed.size() + members.added.size());
  std::deque<std::string> kept;
  for (const auto words : members.removed)
    out.push_back({.part = "member", .from = std::string(meaning_of_member(words, kept))});
  for (const auto words : members.added)
    out.push_back({.part = "member", .to = std::string(meaning_of_member(words, kept))});
  const auto meaning = [](const PartChange& part) -> const std::string& {
    return part.from ? *part.from : *part.to;
  };
  if (!std::ranges::is_sorted(out, {}, meaning)) std::ranges::stable_sort(out, {}, meaning);
  return out;
}

void report_added(const Set& set, Diff& out) {
  out.changes.push_back({.kind = ChangeKind::set_added,
                         .set = set.name,
                         .to = create_line(set),
                         .parts = member_parts({.removed = {}, .added = set.members})});
}

void report_removed(const Set& set, Diff& out) {
  out.changes.push_back({.kind = ChangeKind::set_removed,
                         .set = set.name,
                         .from = create_line(set),
                         .parts = member_parts({.removed = set.members, .added = {}})});
}

void compare_set(const Set& from, const Set& to, Diff& out) {
  if (!same_options_but_for_traffic(from, to)) {
    if (same_options(from, to)) {
      out.respelled = true;
    } else {
      out.changes.push_back({.kind = ChangeKind::set_changed,
                             .set = to.name,
                             .from = create_line(from),
                             .to = create_line(to),
                             .parts = differing_options(from, to)});
    }
  }
  auto members = compare_members(from, to);
  if (members.empty()) return;
  out.changes.push_back({.kind = ChangeKind::members, .set = to.name, .parts = member_parts(members)});
}

std::map<std::string_view, const Set*> by_name(const Sets& sets) {
  std::map<std::string_view, const Set*> out;
  for (const auto& set : sets.sets) out.emplace(set.name, &set);
  return out;
}

}  // namespace

MemberChanges compare_members(const Set& from, const Set& to) {
  if (from.members == to.members) return {};
  if (is_list(from) || is_list(to)) return compare_in_order(from, to);
  MemberChanges out{.removed = from.members, .added = to.members};
  drop_common_ends(out.removed, out.added);
  sort_members(out.removed);
  sort_members(out.added);
  drop_common(out.removed, out.added, std::identity{});
  std::deque<std::string> kept;
  auto removed = with_meanings(out.removed, kept);
  auto added = with_meanings(out.added, kept);
  sort_by_meaning(removed);
  sort_by_meaning(added);
  drop_common(removed, added, &Member::meaning);
  return {.removed = words_of(removed), .added = words_of(added)};
}

bool same_options(const Set& from, const Set& to) {
  return meaning_of_options(from) == meaning_of_options(to);
}

std::string create_line(const Set& set) {
  return "create " + set.name + ' ' + set.type + (set.options.empty() ? "" : ' ' + set.options);
}

void compare_sets(const Sets& from, const Sets& to, Diff& out) {
  const auto before = by_name(from);
  const auto after = by_name(to);
  auto names = before;
  names.insert(after.begin(), after.end());
  for (const auto& [name, set] : names) {
    const auto older = before.find(name);
    const auto newer = after.find(name);
    if (newer == after.end()) {
      report_removed(*set, out);
    } else if (older == before.end()) {
      report_added(*set, out);
    } else {
      compare_set(*older->second, *newer->second, out);
    }
  }
}

}  // namespace rewall

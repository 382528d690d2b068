#include "rules/set_change.h"

#include <algorithm>
#include <cstddef>
#include <deque>
#include <iterator>
#include <string>

#include "rules/meaning.h"
#include "rules/sets.h"
#include "rules/tokenizer.h"

namespace rewall {
namespace {

// A set is filled aside and swapped where more members change.
constexpr std::size_t kFew = 256;

bool is_exception(std::string_view member) {
  Tokenizer words(member);
  while (const auto word = words.next()) {
    if (word->is("nomatch")) return true;
  }
  return false;
}

bool has_exception(const std::vector<std::string>& members) {
  return std::ranges::any_of(members, [](const std::string& member) { return is_exception(member); });
}

void drop_common_ends(std::vector<std::string_view>& from, std::vector<std::string_view>& to) {
  const auto [from_begin, to_begin] = std::ranges::mismatch(from, to);
  from.erase(from.begin(), from_begin);
  to.erase(to.begin(), to_begin);
  while (!from.empty() && !to.empty() && from.back() == to.back()) {
    from.pop_back();
    to.pop_back();
  }
}

std::vector<std::string_view> meanings(const std::vector<std::string_view>& members,
                                       std::deque<std::string>& kept) {
  std::vector<std::string_view> out;
  out.reserve(members.size());
  for (const auto member : members) out.push_back(meaning_of_member(member, kept));
  sort_members(out);
  return out;
}

}  // namespace

FewMembers differing_members(const Set& from, const Set& to) {
  auto olds = from.members;
  auto news = to.members;
  drop_common_ends(olds, news);
  std::deque<std::string> kept;
  olds = meanings(olds, kept);
  news = meanings(news, kept);
  FewMembers members;
  const auto keep = [](std::vector<std::string>& out, const auto& these, const auto& those) {
    std::vector<std::string_view> only;
    std::ranges::set_difference(these, those, std::back_inserter(only));
    out.assign(only.begin(), only.end());
  };
  keep(members.removed, olds, news);
  keep(members.added, news, olds);
  return members;
}

std::optional<FewMembers> few_members(const Set& from, const Set& to) {
  if (is_list(to) || !same_options_but_for_traffic(from, to) || from.left_out != to.left_out)
    return std::nullopt;
  const auto sizes = std::minmax({from.members.size(), to.members.size()});
  if (sizes.second - sizes.first > kFew) return std::nullopt;
  FewMembers few = differing_members(from, to);
  if (few.removed.size() + few.added.size() > kFew || has_exception(few.removed) || has_exception(few.added))
    return std::nullopt;
  if (few.removed.empty() || few.added.empty()) return few;
  const bool same_element = few.removed.size() == 1 && few.added.size() == 1 &&
                            element_of(few.removed.front()) == element_of(few.added.front());
  if (!same_element) return std::nullopt;
  few.removed.clear();
  return few;
}

}  // namespace rewall

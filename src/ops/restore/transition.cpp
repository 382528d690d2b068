#include "ops/restore/transition.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "core/format.h"
#include "rules/print.h"
#include "rules/set_digest.h"
#include "rules/table_forms.h"

namespace rewall {
namespace {

Place place_of(const Ruleset& ruleset, Slot slot, const std::string& table) {
  return {slot.family, ruleset.backend_of(slot), table, ""};
}

Place place_of(const NativeTable& table) {
  return {std::nullopt, std::nullopt, table.title(), ""};
}

Place place_of(const Set& set) {
  return {std::nullopt, std::nullopt, "", set.name};
}

/// `native` is false where the ruleset beside this one does not say which native tables there are.
std::map<Place, std::string> texts_of(const Ruleset& ruleset, bool native) {
  std::map<Place, std::string> texts;
  for (const Slot slot : Ruleset::slots()) {
    for (const auto& table : ruleset[slot].tables) {
      if (!is_empty(table)) texts.emplace(place_of(ruleset, slot, table.name), canonical_text(table));
    }
  }
  for (Set set : ruleset.sets.sets) {
    const Place place = place_of(set);
    set.options = kind_of(set.type, set.options);
    texts.emplace(place, canonical_text(Sets{.sets = {std::move(set)}}));
  }
  if (native && ruleset.native)
    for (const NativeTable& table : ruleset.native->tables)
      texts.emplace(place_of(table), print_native(table));
  return texts;
}

Differing differing(const Ruleset& one, const Ruleset& other) {
  Differing found;
  const bool native = one.native && other.native;
  const auto texts = texts_of(one, native);
  const auto others = texts_of(other, native);
  for (const auto& [place, text] : texts) {
    const auto same = others.find(place);
    if (same == others.end() || same->second != text) found.words.insert(place);
  }
  for (const auto& [place, text] : others) {
    if (!texts.contains(place)) found.words.insert(place);
  }
  for (const auto& change : compare(one, other).changes) found.meaning.insert(rewall::place_of(change));
  // Each form of a table is a place of its own.
  for (const auto& [family, table] : tables_in_different_forms(one, other)) {
    found.meaning.insert({family, Backend::nft, table, ""});
    found.meaning.insert({std::nullopt, std::nullopt, format("{} {}", short_name(family), table), ""});
  }
  return found;
}

// kernel/set_loader.h
bool is_helper(const std::string& name) {
  constexpr std::string_view kPrefix = "rewall-";
  return name.starts_with(kPrefix) && name.size() > kPrefix.size() &&
         name.find_first_not_of("0123456789", kPrefix.size()) == std::string::npos;
}

template <class Text>
void append(std::vector<Text>& to, const std::vector<Text>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

}  // namespace

Place place_of(const Change& change) {
  if (change.native)
    return {std::nullopt, std::nullopt, format("{} {}", name(*change.native), change.table), ""};
  return {change.family, change.backend, change.table, change.set};
}

Transition::Transition(Ruleset from, Ruleset to)
    : before(std::move(from)), wanted(std::move(to)), change(differing(before, wanted)) {}

Side side_of(const Transition& transition, const Ruleset& live) {
  const auto is = [&](const Ruleset& ruleset) {
    const Differing from = differing(ruleset, live);
    return std::ranges::none_of(transition.change.words, [&](const Place& place) {
      return (transition.change.meaning.contains(place) ? from.meaning : from.words).contains(place);
    });
  };
  if (is(transition.before)) return Side::before;
  return is(transition.wanted) ? Side::wanted : Side::mix;
}

bool holds_more(const Transition& transition, const Ruleset& live) {
  const auto from_before = differing(transition.before, live).words;
  const auto from_wanted = differing(transition.wanted, live).words;
  const Places& overwritten =
      live.backend == transition.before.backend ? transition.change.words : from_before;
  return std::ranges::any_of(overwritten, [&](const Place& place) {
    return from_before.contains(place) && from_wanted.contains(place);
  });
}

Ruleset without_helpers(Ruleset live, const Transition& transition) {
  std::erase_if(live.sets.sets, [&](const Set& set) {
    return is_helper(set.name) && transition.before.sets.find(set.name) == nullptr &&
           transition.wanted.sets.find(set.name) == nullptr;
  });
  return live;
}

Ruleset undone(const Transition& transition, const Ruleset& live) {
  const Ruleset& before = transition.before;
  if (live.backend != before.backend) return before;
  const Places& places = transition.change.words;
  Ruleset target = without_helpers(live, transition);
  for (const Slot slot : Ruleset::slots()) {
    std::erase_if(target[slot].tables,
                  [&](const Table& table) { return places.contains(place_of(target, slot, table.name)); });
    for (const auto& table : before[slot].tables) {
      if (places.contains(place_of(before, slot, table.name))) target[slot].tables.push_back(table);
    }
    append(target[slot].texts, before[slot].texts);
  }
  std::erase_if(target.sets.sets, [&](const Set& set) { return places.contains(place_of(set)); });
  for (const auto& set : before.sets.sets) {
    if (places.contains(place_of(set))) target.sets.sets.push_back(set);
  }
  append(target.sets.texts, before.sets.texts);
  if (target.native && before.native) {
    std::erase_if(target.native->tables,
                  [&](const NativeTable& table) { return places.contains(place_of(table)); });
    for (const NativeTable& table : before.native->tables)
      if (places.contains(place_of(table))) target.native->tables.push_back(table);
    append(target.native->texts, before.native->texts);
    target.native->sort();
  }
  return target;
}

}  // namespace rewall

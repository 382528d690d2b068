#include "rules/stricter.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "rules/extensions.h"
#include "rules/meaning.h"
#include "rules/rule.h"
#include "rules/stable_rules.h"

namespace rewall {

namespace {

/// What a rule can do to a packet.
enum class Effect { none, accept, drop, path, unsure };

bool is_plain(const Match& match) {
  const ExtensionSpec* spec = match.known ? find_match(match.name) : nullptr;
  if (spec == nullptr || spec->stateful || writes(match)) return false;
  return match.name != "set" || match.options.size() == 1;  // others ask its counters
}

Effect effect_of(const Rule& rule, const ChainIndex& chains, Family family) {
  static constexpr std::array<std::string_view, 4> kQuiet = {"LOG", "NFLOG", "AUDIT", "TRACE"};
  const auto parts = parse_rule(rule.words, family);
  if (!parts || !parts->unknown.empty() || !std::ranges::all_of(parts->matches, is_plain))
    return Effect::unsure;
  if (!parts->target) return Effect::none;
  const std::string& target = parts->target->name;
  // Before the names of targets: a chain can have one.
  if (chains.find(target) != nullptr) return Effect::path;
  if (target == "ACCEPT") return Effect::accept;
  if (target == "DROP" || target == "REJECT") return Effect::drop;
  if (std::ranges::find(kQuiet, target) != kQuiet.end()) return Effect::none;
  return target == "RETURN" ? Effect::path : Effect::unsure;
}

template <class Allowed>
bool every_rule(const Table& table, Family family, const Allowed& allowed) {
  const ChainIndex chains(&table);
  for (const Chain& chain : table.chains)
    for (const Rule& rule : chain.rules)
      if (!allowed(effect_of(rule, chains, family))) return false;
  return true;
}

bool drops_nothing(const Table& table, Family family) {
  return std::ranges::find(table.chains, "DROP", &Chain::policy) == table.chains.end() &&
         every_rule(table, family,
                    [](Effect effect) { return effect != Effect::drop && effect != Effect::unsure; });
}

/// The rules of a chain that are not among `stay`, ascending, have this effect or none.
bool others_only(Effect effect, const Chain& chain, const std::vector<std::uint32_t>& stay,
                 const ChainIndex& chains, Family family) {
  auto next = stay.begin();
  for (std::uint32_t i = 0; i < chain.rules.size(); ++i) {
    if (next != stay.end() && *next == i) {
      ++next;
      continue;
    }
    const Effect own = effect_of(chain.rules[i], chains, family);
    if (own != effect && own != Effect::none) return false;
  }
  return true;
}

bool changes_only_close(const Table& from, const Table& to, Family family) {
  const ChainIndex before(&from);
  const ChainIndex behind(&to);
  for (const Chain& chain : from.chains) {
    const Chain* same = behind.find(chain.name);
    if (same == nullptr && !chain.built_in()) continue;
    const Chain nothing{.name = chain.name, .policy = "ACCEPT"};
    const Chain& after = same != nullptr ? *same : nothing;
    if (chain.policy == "DROP" && after.policy != "DROP") return false;
    std::vector<std::uint32_t> left;
    std::vector<std::uint32_t> right;
    for (const auto& [old_place, new_place] : stable_rules(chain.rules, after.rules)) {
      left.push_back(old_place);
      right.push_back(new_place);
    }
    if (!others_only(Effect::accept, chain, left, before, family)) return false;
    if (!others_only(Effect::drop, after, right, behind, family)) return false;
  }
  return true;  // a built-in chain that only `to` has took every packet before
}

}  // namespace

bool only_stricter(const Table& from, const Table& to, Family family) {
  // The rules that stay are looked at in `to`, those that went in changes_only_close.
  return (changes_only_close(from, to, family) || drops_nothing(from, family)) &&
         every_rule(to, family, [](Effect effect) { return effect != Effect::unsure; });
}

}  // namespace rewall

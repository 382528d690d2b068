#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <tuple>
#include <utility>

#include "diff/diff.h"
#include "diff/pairs.h"
#include "rules/print.h"
#include "rules/table_forms.h"

namespace rewall {
namespace {

class Owning {
 public:
  Owning(const Ruleset& from, const Ruleset& to, std::span<const Owner> owners)
      : rulesets_{&from, &to}, backends_(pair_backends(from, to)), ownership_(owners, rulesets_) {}

  // Null: a person's.
  const Owner* of(const Change& change) const {
    if (change.native && !iptables_family(*change.native, change.table))
      return ownership_.of_table(*change.native, change.table);
    if (change.native && !change.set.empty()) return nullptr;
    switch (change.kind) {
      case ChangeKind::policy:
      case ChangeKind::table_added:
      case ChangeKind::table_removed:
      case ChangeKind::table_changed:
        return nullptr;
      case ChangeKind::chain_added:
      case ChangeKind::chain_removed:
        return of_chain(change.chain);
      case ChangeKind::chain_renamed:
        return of_chain(*change.from) == of_chain(change.chain) ? of_chain(change.chain) : nullptr;
      case ChangeKind::set_added:
      case ChangeKind::set_removed:
      case ChangeKind::set_changed:
      case ChangeKind::members:
        return ownership_.of_set(change.set);
      case ChangeKind::added:
      case ChangeKind::removed:
      case ChangeKind::changed:
      case ChangeKind::moved:
      case ChangeKind::comment:
        break;
    }
    return of_rule(change);
  }

 private:
  const Owner* of_chain(const std::string& chain) const {
    const Owner* owner = ownership_.of_chain(chain);
    return owner != nullptr ? owner : ownership_.of_shared(chain);
  }

  const Owner* of_rule(const Change& change) const {
    if (!is_built_in(change.table, change.chain)) {
      if (const Owner* owner = ownership_.of_chain(change.chain)) return owner;
    }
    const auto of_words = [&](const std::optional<std::string>& words) {
      return words ? ownership_.of_rule(change.chain, *words) : nullptr;
    };
    const Owner* was = of_words(change.from);
    const Owner* is = of_words(change.to);
    if ((was == nullptr && change.from) || (is == nullptr && change.to))
      return change.kind == ChangeKind::moved ? of_passed(change) : nullptr;
    return is != nullptr ? is : was;
  }

  // One answer for all that moved in a chain, whose changes come one after the other.
  const Owner* of_passed(const Change& change) const {
    const auto chain = std::tuple(change.family, change.backend, std::string_view(change.table),
                                  std::string_view(change.chain));
    if (!passed_ || passed_->first != chain) passed_.emplace(chain, find_passed(change));
    return passed_->second;
  }

  // Where a person's rules kept their order among themselves, it is the others that moved.
  const Owner* find_passed(const Change& change) const {
    const auto tables = std::ranges::find_if(backends_, [&](const BackendPair& pair) {
      return pair.family == change.family && pair.backend == change.backend;
    });
    const Chain* from = tables == backends_.end() ? nullptr : find(*tables->from, change);
    const Chain* to = tables == backends_.end() ? nullptr : find(*tables->to, change);
    if (from == nullptr || to == nullptr) return nullptr;
    auto [was, is] = std::ranges::mismatch(from->rules, to->rules, {}, &Rule::words, &Rule::words);
    const Owner* passed = nullptr;
    const auto skip_foreign = [&](auto at, const Chain& chain) {
      for (; at != chain.rules.end(); ++at) {
        const Owner* owner = ownership_.of_rule(chain.name, at->words);
        if (owner == nullptr) break;
        passed = owner;
      }
      return at;
    };
    while (true) {
      was = skip_foreign(was, *from);
      is = skip_foreign(is, *to);
      if (was == from->rules.end() && is == to->rules.end()) return passed;
      if (was == from->rules.end() || is == to->rules.end() || was->words != is->words) return nullptr;
      ++was;
      ++is;
    }
  }

  static const Chain* find(const Tables& tables, const Change& change) {
    const Table* table = tables.find(change.table);
    return table == nullptr ? nullptr : table->find(change.chain);
  }

  std::array<const Ruleset*, 2> rulesets_;
  BackendPairs backends_;
  Ownership ownership_;
  using Place = std::tuple<std::optional<Family>, std::optional<Backend>, std::string_view, std::string_view>;
  mutable std::optional<std::pair<Place, const Owner*>> passed_{};
};

}  // namespace

void mark_foreign(Diff& diff, const Ruleset& from, const Ruleset& to, std::span<const Owner> owners) {
  const Owning owning(from, to, owners);
  for (auto& change : diff.changes) {
    const Owner* owner = owning.of(change);
    change.foreign = owner == nullptr ? "" : owner->name;
  }
}

std::vector<std::string> foreign_only(const Diff& diff, const Ruleset& from, const Ruleset& to,
                                      std::span<const Owner> owners) {
  if (diff.equal()) return {};
  const Owning owning(from, to, owners);
  std::set<std::string> names;
  for (const auto& change : diff.changes) {
    const Owner* owner = owning.of(change);
    if (owner == nullptr) return {};
    names.insert(owner->name);
  }
  return {names.begin(), names.end()};
}

}  // namespace rewall

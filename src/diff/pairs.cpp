#include "diff/pairs.h"

#include <algorithm>
#include <string>
#include <unordered_map>

#include "rules/print.h"

namespace rewall {
namespace {

const Table kNoTable{};
const Tables kNoTables4{.family = Family::ipv4};
const Tables kNoTables6{.family = Family::ipv6};

// Chains come in the same order nearly always; only what is out of step is looked up by name.
class ChainPairing {
 public:
  ChainPairing(const Table& from, const Table& to, Family family, TablePair& out)
      : from_(from), to_(to), family_(family), out_(out), matched_(from.chains.size(), false) {}

  void run() {
    out_.chains.reserve(std::max(from_.chains.size(), to_.chains.size()));
    std::vector<const Chain*> added;
    for (const auto& chain : to_.chains) {
      if (const auto* old = find_in_from(chain.name)) {
        out_.chains.push_back({old, &chain});
      } else if (chain.built_in()) {
        out_.chains.push_back({made(chain.name), &chain});
      } else {
        added.push_back(&chain);
      }
    }
    std::vector<const Chain*> gone;
    for (std::size_t i = 0; i < matched_.size(); ++i) {
      const auto& chain = from_.chains[i];
      if (matched_[i]) continue;
      if (chain.built_in()) {
        out_.chains.push_back({&chain, made(chain.name)});
      } else {
        gone.push_back(&chain);
      }
    }
    pair_renamed(gone, added);
  }

 private:
  const Chain* find_in_from(std::string_view name) {
    if (next_ >= from_.chains.size() || from_.chains[next_].name != name) {
      if (by_name_.empty()) {
        for (std::size_t i = 0; i < from_.chains.size(); ++i) by_name_.emplace(from_.chains[i].name, i);
      }
      const auto found = by_name_.find(name);
      if (found == by_name_.end()) return nullptr;
      next_ = found->second;
    }
    matched_[next_] = true;
    return &from_.chains[next_++];
  }

  const Chain* made(const std::string& name) {
    const auto& chain =
        out_.made.emplace_back(std::make_unique<Chain>(Chain{.name = name, .policy = "ACCEPT"}));
    return chain.get();
  }

  void pair_renamed(const std::vector<const Chain*>& gone, const std::vector<const Chain*>& added) {
    out_.renames = find_renames(gone, added, family_);
    std::unordered_map<std::string_view, const Chain*> old_of;
    for (const auto* chain : gone) {
      const auto renamed = out_.renames.find(chain->name);
      if (renamed == out_.renames.end()) {
        out_.chains.push_back({chain, nullptr});
      } else {
        old_of.emplace(renamed->second, chain);
      }
    }
    for (const auto* chain : added) {
      const auto old = old_of.find(chain->name);
      out_.chains.push_back({old == old_of.end() ? nullptr : old->second, chain});
    }
  }

  const Table& from_;
  const Table& to_;
  Family family_;
  TablePair& out_;
  std::vector<bool> matched_;
  std::unordered_map<std::string_view, std::size_t> by_name_{};
  std::size_t next_ = 0;
};

bool changed_backend(const Ruleset& from, const Ruleset& to) {
  return from.backend != to.backend && holds(from, from.backend) && !holds(from, to.backend) &&
         holds(to, to.backend) && !holds(to, from.backend);
}

}  // namespace

BackendPairs pair_backends(const Ruleset& from, const Ruleset& to) {
  const auto pair = [&](Family family, Backend backend) {
    return BackendPair{family, backend, &from.tables(family, backend), &to.tables(family, backend)};
  };
  return {pair(Family::ipv4, Backend::nft), pair(Family::ipv6, Backend::nft),
          pair(Family::ipv4, Backend::legacy), pair(Family::ipv6, Backend::legacy)};
}

BackendPairs pair_backends_by_meaning(const Ruleset& from, const Ruleset& to) {
  if (!changed_backend(from, to)) return pair_backends(from, to);
  return {{{Family::ipv4, to.backend, &from.v4, &to.v4},
           {Family::ipv6, to.backend, &from.v6, &to.v6},
           {Family::ipv4, from.backend, &kNoTables4, &kNoTables4},
           {Family::ipv6, from.backend, &kNoTables6, &kNoTables6}}};
}

bool holds_nothing(const Ruleset& ruleset) {
  return !holds(ruleset, Backend::nft) && !holds(ruleset, Backend::legacy) && ruleset.sets.sets.empty() &&
         (!ruleset.native || ruleset.native->empty());
}

bool holds(const Ruleset& ruleset, Backend backend) {
  return std::ranges::any_of(std::array{Family::ipv4, Family::ipv6}, [&](Family family) {
    return !std::ranges::all_of(ruleset.tables(family, backend).tables, is_empty);
  });
}

std::vector<TablePair> pair_tables(const Tables& from, const Tables& to) {
  std::vector<std::string_view> names;
  for (const auto& table : from.tables) names.push_back(table.name);
  for (const auto& table : to.tables) names.push_back(table.name);
  std::ranges::sort(names, {}, [](std::string_view name) { return std::pair(table_rank(name), name); });
  names.erase(std::unique(names.begin(), names.end()), names.end());

  std::vector<TablePair> out;
  for (const auto name : names) {
    const auto* old_table = from.find(name);
    const auto* new_table = to.find(name);
    auto& pair = out.emplace_back(TablePair{.name = name});
    ChainPairing(old_table == nullptr ? kNoTable : *old_table, new_table == nullptr ? kNoTable : *new_table,
                 to.family, pair)
        .run();
  }
  return out;
}

bool same_text(const ChainPair& pair) {
  return pair.from != nullptr && pair.to != nullptr && pair.from->name == pair.to->name &&
         pair.from->policy == pair.to->policy &&
         std::ranges::equal(pair.from->rules, pair.to->rules, {}, &Rule::words, &Rule::words);
}

}  // namespace rewall

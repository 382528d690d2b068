#include <catch2/catch.hpp>
#include <filesystem>
#include <set>

#include "core/file.h"
#include "diff/diff.h"
#include "random_rules.h"
#include "rules/meaning.h"
#include "rules/rules_file.h"
#include "support/corpus.h"
#include "support/rulesets.h"

using namespace rewall;
using namespace rewall::testing;

namespace {

const Chain kNoChain{};

const Chain& chain_of(const Ruleset& ruleset, std::string_view name) {
  const auto* table = ruleset.v4.find("filter");
  const auto* chain = table == nullptr ? nullptr : table->find(name);
  return chain == nullptr ? kNoChain : *chain;
}

std::map<std::string, std::string> renamed_chains(const Diff& diff) {
  std::map<std::string, std::string> out;
  for (const auto& change : diff.changes) {
    if (change.kind == ChangeKind::chain_renamed) out[*change.to] = *change.from;
  }
  return out;
}

// What the changes of one chain say of it.
struct Account {
  std::size_t added = 0;
  std::size_t removed = 0;
  std::set<std::uint32_t> from_positions{};
  std::set<std::uint32_t> to_positions{};
};

Account account_of(const Diff& diff, const std::string& chain, const Chain& from, const Chain& to) {
  Account out;
  for (const auto& change : diff.changes) {
    if (change.chain != chain) continue;
    if (change.kind == ChangeKind::added) ++out.added;
    if (change.kind == ChangeKind::removed) ++out.removed;
    if (change.from_pos) {
      REQUIRE(*change.from_pos <= from.rules.size());
      REQUIRE(from.rules[*change.from_pos - 1].words == *change.from);
      REQUIRE(out.from_positions.insert(*change.from_pos).second);
    }
    if (change.to_pos) {
      REQUIRE(*change.to_pos <= to.rules.size());
      REQUIRE(to.rules[*change.to_pos - 1].words == *change.to);
      REQUIRE(out.to_positions.insert(*change.to_pos).second);
    }
  }
  return out;
}

// Rules that no change names are those that both sides have, in the same order.
void check_untouched(const Account& account, const Chain& from, const Chain& to) {
  Lines before;
  Lines after;
  for (std::uint32_t i = 1; i <= from.rules.size(); ++i) {
    if (!account.from_positions.contains(i))
      before.push_back(meaning(from.rules[i - 1].words, Family::ipv4).key);
  }
  for (std::uint32_t j = 1; j <= to.rules.size(); ++j) {
    if (!account.to_positions.contains(j)) after.push_back(meaning(to.rules[j - 1].words, Family::ipv4).key);
  }
  REQUIRE(before == after);
}

// Policy, and what each rule means with its comment, chain by chain: equal exactly when nothing differs.
std::map<std::string, Lines> essence(const Ruleset& ruleset) {
  std::map<std::string, Lines> out;
  for (const auto* chain : {"INPUT", "FORWARD", "OUTPUT"}) out[chain] = {"ACCEPT"};
  for (const auto& table : ruleset.v4.tables) {
    for (const auto& chain : table.chains) {
      auto& lines = out[chain.name] = {chain.policy};
      for (const auto& rule : chain.rules) {
        const auto means = meaning(rule.words, Family::ipv4);
        lines.push_back(means.key + '#' + means.comment);
      }
    }
  }
  return out;
}

std::string written(const Ruleset& ruleset) {
  std::string out;
  std::string key;
  write_meaning(
      ruleset,
      [&key](std::string_view rule, Family family) -> std::string_view {
        return key = meaning(rule, family).key;
      },
      [&out](std::string_view piece) { out += std::to_string(piece.size()) + ':' + std::string(piece); });
  return out;
}

}  // namespace

TEST_CASE("the changes account for every rule") {
  RandomRules random(6);
  for (int round = 0; round < 400; ++round) {
    const auto from = v4(random.filter());
    const auto to = v4(random.filter());
    const auto diff = compare(from, to);
    auto renamed = renamed_chains(diff);
    for (const std::string name : {"INPUT", "FORWARD", "OUTPUT", "A", "B", "C", "D", "E"}) {
      const auto& older = chain_of(from, renamed.contains(name) ? renamed[name] : name);
      const auto& newer = chain_of(to, name);
      // An old name that was taken away by a rename is told under the new one.
      if (newer.name.empty() &&
          std::ranges::any_of(renamed, [&](const auto& pair) { return pair.second == name; }))
        continue;
      const auto account = account_of(diff, name, older, newer);
      REQUIRE(newer.rules.size() == older.rules.size() - account.removed + account.added);
      if (renamed.empty()) check_untouched(account, older, newer);
    }
  }
}

TEST_CASE("rulesets are equal exactly when their meanings are") {
  RandomRules random(7);
  int equal = 0;
  for (int round = 0; round < 400; ++round) {
    const auto text = random.filter();
    const auto from = v4(text);
    // Half of the pairs differ in one rule's place or spelling only.
    auto to = random.one_in(2) ? v4(text) : v4(random.filter());
    for (auto& chain : to.v4.tables[0].chains) {
      if (chain.rules.size() < 2 || !random.one_in(6)) continue;
      std::swap(chain.rules[0], chain.rules[random.below(chain.rules.size())]);
    }
    const bool same = essence(from) == essence(to);
    REQUIRE(compare(from, to).equal() == same);
    REQUIRE(compare(from, from).equal());
    if (same) ++equal;
  }
  CHECK(equal > 50);
}

TEST_CASE("the same meaning is written of rulesets that differ in nothing but comments") {
  RandomRules random(8);
  int equal = 0;
  Ruleset before;
  for (int round = 0; round < 400; ++round) {
    auto after = random.one_in(4) ? before : random.next(before);
    for (auto& table : after.v4.tables) {
      if (random.one_in(3)) std::ranges::reverse(table.chains);
    }
    if (random.one_in(3)) std::ranges::reverse(after.sets.sets);
    const auto diff = compare(before, after);
    const bool same = std::ranges::all_of(
        diff.changes, [](const Change& change) { return change.kind == ChangeKind::comment; });
    REQUIRE((written(before) == written(after)) == same);
    if (same) ++equal;
    before = std::move(after);
  }
  CHECK(equal > 50);
}

TEST_CASE("every dump of the corpus equals itself") {
  const auto dumps = corpus() / "dumps";
  int compared = 0;
  for (const auto& entry : std::filesystem::directory_iterator(dumps)) {
    const auto text = read_file(entry.path());
    REQUIRE(text);
    const auto families = find_families("dump", *text);
    const auto family = families ? families->families.front() : Family::ipv4;
    const auto first = parse_tables(*text, family, "dump");
    const auto second = parse_tables(*text, family, "dump");
    if (!first || !second) continue;
    INFO(entry.path());
    const auto diff = family == Family::ipv6 ? compare({.v6 = *first}, {.v6 = *second})
                                             : compare({.v4 = *first}, {.v4 = *second});
    REQUIRE(diff.equal());
    REQUIRE_FALSE(diff.respelled);
    ++compared;
  }
  CHECK(compared > 50);
}

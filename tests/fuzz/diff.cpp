// Two texts of iptables-save with a line `%` between them.

#include "diff/diff.h"

#include <algorithm>
#include <map>

#include "fuzz/must.h"
#include "rules/meaning.h"
#include "rules/parse.h"
#include "rules/print.h"
#include "rules/rules_file.h"

namespace rewall::fuzz {
namespace {

using Keys = std::vector<std::string>;

Keys keys_of(const Ruleset& ruleset, const std::string& table, const std::string& chain) {
  Keys out;
  const auto* found = ruleset.v4.find(table);
  const auto* rules = found == nullptr ? nullptr : found->find(chain);
  if (rules == nullptr) return out;
  for (const auto& rule : rules->rules) {
    const auto means = meaning(rule.words, Family::ipv4);
    out.push_back(means.key + '#' + means.comment);
  }
  return out;
}

struct Places {
  std::map<std::uint32_t, std::string> gone{};   // positions in the older chain
  std::map<std::uint32_t, std::string> there{};  // positions in the newer chain
  std::string older{};                           // the chain's name, where it was renamed
};

// What no change names stays in its order, and the rest stands where the changes say: the newer chain.
void apply(const Ruleset& from, const Ruleset& to, const Diff& diff, const std::string& text) {
  std::map<std::pair<std::string, std::string>, Places> chains;
  for (const auto& change : diff.changes) {
    auto& places = chains[{change.table, change.chain}];
    if (change.kind == ChangeKind::chain_renamed) places.older = *change.from;
    if (change.from_pos) {
      must(places.gone.emplace(*change.from_pos, *change.from).second, "a rule goes twice", text);
    }
    if (change.to_pos)
      must(places.there.emplace(*change.to_pos, *change.to).second, "a place is taken twice", text);
  }
  for (const auto& [names, places] : chains) {
    const auto wanted = keys_of(to, names.first, names.second);
    const auto older = keys_of(from, names.first, places.older.empty() ? names.second : places.older);
    // Jumps to a renamed chain are no change.
    if (std::ranges::any_of(diff.changes,
                            [](const Change& change) { return change.kind == ChangeKind::chain_renamed; }))
      continue;
    Keys kept;
    for (std::uint32_t i = 1; i <= older.size(); ++i) {
      if (!places.gone.contains(i)) kept.push_back(older[i - 1]);
    }
    Keys made;
    auto next = kept.begin();
    for (std::uint32_t j = 1; made.size() < kept.size() + places.there.size(); ++j) {
      const auto placed = places.there.find(j);
      if (placed != places.there.end()) {
        const auto means = meaning(placed->second, Family::ipv4);
        made.push_back(means.key + '#' + means.comment);
      } else {
        must(next != kept.end(), "a place stays empty", text);
        made.push_back(*next++);
      }
    }
    must(made == wanted, "the changes of " + names.second + " do not make it", text);
  }
}

void check(const Ruleset& from, const Ruleset& to, const std::string& text) {
  must(compare(from, from).identical(), "it differs from itself", text);
  const auto diff = compare(from, to);
  apply(from, to, diff, text);
  must(diff.equal() == compare(to, from).equal(), "it differs in one direction", text);
  must(subject(diff).size() <= 72, "the subject is long", text);
  (void)summary(diff);
  const auto lines = commands(from, to);
  must(!lines.empty() || diff.equal(), "a difference without a command", text);
}

}  // namespace
}  // namespace rewall::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rewall;
  const auto text = fuzz::text_of(data, size);
  const auto middle = text.find("\n%\n");
  if (middle == std::string_view::npos) return 0;
  auto from = parse_saved(std::string(text.substr(0, middle + 1)), Family::ipv4, "from");
  auto to = parse_saved(std::string(text.substr(middle + 3)), Family::ipv4, "to");
  if (!from || !to) return 0;
  fuzz::check(Ruleset{.v4 = *std::move(from)}, Ruleset{.v4 = *std::move(to)}, std::string(text));
  return 0;
}

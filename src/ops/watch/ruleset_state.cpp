#include "ops/watch/ruleset_state.h"

#include <tuple>
#include <utility>

#include "ops/context/ruleset_files.h"
#include "ops/history/revision.h"
#include "rules/text_delta.h"

namespace rewall {

Result<StateDifference> compare_states(const RulesetState& from, const RulesetState& to,
                                       const std::string& head) {
  Files one;
  Files two;
  for (const auto& [name, text] : *from.files) {
    const auto other = to.files->find(name);
    if (other == to.files->end())
      one[name] = text;
    else if (name.starts_with("rules.") && is_canonical(text) && from.backends == to.backends)
      std::tie(one[name], two[name]) = differing_chains(text, other->second);
    else if (text != other->second)
      std::tie(one[name], two[name]) = std::pair{text, other->second};
  }
  for (const auto& [name, text] : *to.files)
    if (!from.files->contains(name)) two[name] = text;
  auto first = ruleset_of(std::move(one), "HEAD:", from.backends);
  if (!first) {
    // The error of the whole file has the number of the line there.
    const auto whole = ruleset_of(*from.files, "HEAD:", from.backends);
    return unreadable_snapshot(head, whole ? first.error() : whole.error());
  }
  auto second = TRY(ruleset_of(std::move(two), "LIVE:", to.backends));
  StateDifference difference{.from = *std::move(first), .to = std::move(second)};
  difference.diff = compare(difference.from, difference.to);
  return difference;
}

}  // namespace rewall

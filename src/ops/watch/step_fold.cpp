#include "ops/watch/step_fold.h"

#include <algorithm>
#include <utility>

#include "core/digest.h"
#include "kernel/expressions.h"

namespace rewall {
namespace {

using Kind = ChainStep::Kind;

// Nobody can make another rule with the same digest.
std::string content_of(const RawRule& rule) {
  Digest digest;
  digest.add(comparable(rule.expressions, ExtensionData::taken));
  digest.add(rule.userdata);
  const auto value = digest.take();
  return {value.begin(), value.end()};
}

std::string key_of(const ChainStep& step) {
  switch (step.kind) {
    case Kind::rule_added:
    case Kind::rule_removed:
      return content_of(step.rule);
    case Kind::chain_added:
    case Kind::chain_removed:
      return "chain";
    case Kind::policy:
      return "policy";
  }
  return {};
}

// Policies are two, so that each change of one takes back the change before. A rule holds the number of a
// set, which another set may have by the time that somebody else adds such a rule again.
bool takes_back(const ChainStep& later, const ChainStep& earlier, bool by_the_same) {
  if (!by_the_same && later.kind == Kind::rule_added && !set_numbers(later.rule.expressions).empty())
    return false;
  return later.kind == Kind::policy || later.kind != earlier.kind;
}

}  // namespace

void StepFold::add(const ChainStep& step, std::size_t change) {
  if (step.kind == Kind::policy) {
    auto found = policies_.find(step.chain);
    if (found == policies_.end()) found = policies_.emplace(step.chain, policy_before_(step.chain)).first;
    if (found->second == step.policy) return;
    found->second = step.policy;
  }
  auto& open = open_[{step.chain, key_of(step)}];
  if (open.empty() || !takes_back(step, *open.back().step, open.back().change == change)) {
    open.push_back({.step = &step, .change = change, .place = next_++});
    return;
  }
  undone_.push_back({.step = open.back().step, .by = open.back().change, .back_by = change});
  open.pop_back();
}

std::map<ChainName, std::set<std::size_t>> StepFold::standing() const {
  std::map<ChainName, std::set<std::size_t>> standing;
  for (const auto& [key, open] : open_)
    for (const auto& step : open) standing[key.first].insert(step.change);
  return standing;
}

std::vector<const ChainStep*> StepFold::standing_steps() const {
  std::vector<Open> all;
  for (const auto& [key, open] : open_) all.insert(all.end(), open.begin(), open.end());
  std::ranges::sort(all, {}, &Open::place);
  std::vector<const ChainStep*> steps;
  for (const auto& open : all) steps.push_back(open.step);
  return steps;
}

}  // namespace rewall

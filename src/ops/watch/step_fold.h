#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "kernel/events.h"

namespace rewall {

/// Finds, in a series of steps, those that still stand at its end, and pairs of steps of which the later one
/// took the earlier one back: a rule that was added and removed, or removed and added again, a chain that
/// came and went, a policy that was changed and set back. Where in its chain a rule stood does not matter.
/// The steps must outlive the object.
class StepFold {
 public:
  /// `policy_before` says the policy that a built-in chain had before the first step.
  explicit StepFold(std::function<std::string(const ChainName&)> policy_before)
      : policy_before_(std::move(policy_before)) {}

  /// Adds the next step; `change` is a number of the caller's for whoever did it.
  void add(const ChainStep& step, std::size_t change);

  struct Pair {
    const ChainStep* step = nullptr;  ///< the earlier one
    std::size_t by = 0;
    std::size_t back_by = 0;
  };
  const std::vector<Pair>& undone() const { return undone_; }
  /// The changes that have steps which stand, by chain.
  std::map<ChainName, std::set<std::size_t>> standing() const;
  /// The steps that stand, in their order.
  std::vector<const ChainStep*> standing_steps() const;

 private:
  struct Open {
    const ChainStep* step = nullptr;
    std::size_t change = 0;
    std::size_t place = 0;
  };
  std::function<std::string(const ChainName&)> policy_before_;
  std::map<ChainName, std::string> policies_{};
  std::map<std::pair<ChainName, std::string>, std::vector<Open>> open_{};
  std::vector<Pair> undone_{};
  std::size_t next_ = 0;
};

}  // namespace rewall

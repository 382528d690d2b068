#pragma once

#include <chrono>
#include <limits>
#include <optional>

#include "core/result.h"
#include "kernel/firewall.h"
#include "ops/context/session.h"

namespace rewall {

/// How often and how long a change of LIVE is tried. A try fails when another process changed the firewall
/// meanwhile, when the kernel refuses the change (which it also does when the rules to change are gone), or
/// when LIVE reads back different from the wanted ruleset. The three policies below are constants.
struct RetryPolicy {
  int tries = 3;
  int refusals = 3;                      ///< the number of refusals of the kernel that ends the tries
  std::chrono::milliseconds patience{};  ///< the try that begins after this time is the last; zero: no limit
  std::chrono::milliseconds pause{};     ///< between two tries
};

/// The policy of a command that somebody waits for, and of putting back what a command changed.
constexpr RetryPolicy kFewTries{};
/// The policies of a guard and a boot, which must end with a ruleset in force: restores by the first, then
/// loads by the second. The last load names no generation, so no other program can make it fail.
constexpr RetryPolicy kPatientTries{.tries = std::numeric_limits<int>::max(),
                                    .patience = std::chrono::seconds{2},
                                    .pause = std::chrono::milliseconds{100}};
constexpr RetryPolicy kStubbornTries{
    .tries = 5, .patience = std::chrono::seconds{2}, .pause = std::chrono::milliseconds{100}};

/// Counts the tries of one change by a policy: `for (Tries tries(policy); tries.next();)`. Lives as long as
/// the loop.
class Tries {
 public:
  explicit Tries(const RetryPolicy& policy) : policy_(policy) {}

  /// Begins a try, after a pause unless the try is the first. False after the last try.
  bool next();
  /// True in the last try: no try is left, or the patience is over.
  bool last() const { return last_; }
  /// Counts a refusal of the kernel; true when the policy allows no more of them.
  bool refused_too_often() { return ++refused_ >= policy_.refusals; }

 private:
  RetryPolicy policy_;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  int begun_ = 0;
  int refused_ = 0;
  bool last_ = false;
};

/// LIVE as it was read after a load. A value.
struct ReadBack : Capture {
  /// True where the changed chains alone were read, and they and the generation prove that LIVE equals the
  /// staged ruleset word for word.
  bool as_staged = false;
  /// Another process changed tables of the nft backend after they were as staged, and before they were read.
  bool others_came = false;
};

/// Loads a staged ruleset in place of `live`, the ruleset in force, and reads LIVE back; the caller compares.
/// `generation` is that of `live`; absent for a load that succeeds at any generation. The errors of
/// Firewall::load(); the errors of reading back have LiveState::unknown.
Result<ReadBack> apply(Session& session, const Staged& staged, const Capture& live,
                       const std::optional<Generation>& generation);

/// Stages `wanted`, a ruleset that was in force before, and applies it. Where staging fails, the tables are
/// loaded one by one. The errors of apply().
Result<ReadBack> apply_again(Session& session, const Ruleset& wanted, const Capture& live);

}  // namespace rewall

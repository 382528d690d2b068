#pragma once

#include <chrono>
#include <limits>
#include <optional>

#include "core/result.h"
#include "kernel/firewall.h"
#include "ops/context/session.h"

namespace rewall {

/// How often and how long a change of LIVE is tried again. A try fails when somebody changed the firewall
/// meanwhile, when the kernel refuses (it also refuses a change of rules that are gone meanwhile), or when
/// LIVE reads back otherwise.
struct RetryPolicy {
  int tries = 3;
  int refusals = 3;                      ///< so many refusals of the kernel end it
  std::chrono::milliseconds patience{};  ///< no further try after so long; zero: no limit
  std::chrono::milliseconds pause{};     ///< between two tries
};

/// For a command that somebody waits for, and to put back what it changed.
constexpr RetryPolicy kFewTries{};
/// For a guard or a boot, which end in force: by a restore for as long as this, then by a load of five tries,
/// of which the last gives way to nobody.
constexpr RetryPolicy kPatientTries{.tries = std::numeric_limits<int>::max(),
                                    .patience = std::chrono::seconds{2},
                                    .pause = std::chrono::milliseconds{100}};
constexpr RetryPolicy kStubbornTries{
    .tries = 5, .patience = std::chrono::seconds{2}, .pause = std::chrono::milliseconds{100}};

/// The tries by one policy: `for (Tries tries(policy); tries.next();)`.
class Tries {
 public:
  explicit Tries(const RetryPolicy& policy) : policy_(policy) {}

  /// Begins a try; false where the one before was the last. Waits for the pause before every try but the
  /// first.
  bool next();
  /// True in the last try: by its number, or as the patience is over.
  bool last() const { return last_; }
  /// Counts a refusal of the kernel; true when there were as many as the policy allows.
  bool refused_too_often() { return ++refused_ >= policy_.refusals; }

 private:
  RetryPolicy policy_;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  int begun_ = 0;
  int refused_ = 0;
  bool last_ = false;
};

/// LIVE as it was read after a load.
struct ReadBack : Capture {
  /// The kernel's own list proves that LIVE is word for word what was staged; no program was asked.
  bool as_staged = false;
};

/// Makes LIVE, which is `live`, what was staged, and reads LIVE back; the caller compares. The errors of
/// Firewall::load(). Those of reading back have LiveState::unknown. `generation`: absent for a load that
/// gives way to nobody.
Result<ReadBack> apply(Session& session, const Staged& staged, const Capture& live,
                       const std::optional<Generation>& generation);

/// Stages `wanted`, which was in force once, and applies it. A ruleset that cannot be staged is loaded table
/// by table.
Result<ReadBack> apply_again(Session& session, const Ruleset& wanted, const Capture& live);

}  // namespace rewall

#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "core/result.h"
#include "kernel/firewall.h"
#include "ops/context/session.h"
#include "ops/history/record.h"

namespace rewall {

/// A change of LIVE that the history cannot record when it is made: a folder `unrecorded-SECONDS` below
/// /run/rewall, else below .git/rewall, holds LIVE from before the change, and how the change is recorded as
/// soon as it can be (rewall-repository(5)). Lives during the change; the folder lives on.
class UnrecordedChange {
 public:
  explicit UnrecordedChange(Session& session) : session_(session) {}

  /// Keeps `live`, which is about to be replaced; calls after the first do nothing. Kind repository: it can
  /// be kept nowhere.
  Status keep(const Ruleset& live);
  /// Notes that LIVE is `now`, and how record_unrecorded() records it. `why` says why it is not recorded. A
  /// failure is logged.
  void note(const Capture& now, RecordOptions options, const std::string& why);

  /// Empty before keep().
  const std::filesystem::path& folder() const { return folder_; }

 private:
  Status make_folder();
  Session& session_;
  std::filesystem::path folder_{};
  std::string backends_before_{};  ///< of what keep() got; empty without one
};

/// What record_unrecorded() recorded of one change.
struct RecordedLate {
  std::optional<Recorded> before{};  ///< absent where HEAD was LIVE from before the change
  Recorded after{};
};
/// Records the changes of this repository that could not be recorded when they were made, the oldest first.
/// Returns the newest; absent where there were none. The caller holds the repository's lock. The errors of
/// record(); what is not recorded is noted still.
Result<std::optional<RecordedLate>> record_unrecorded(Session& session, Repository& repository);

/// True where there is something to record.
bool has_unrecorded(const Session& session);

}  // namespace rewall

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "core/time.h"
#include "diff/diff.h"
#include "ops/context/identity.h"
#include "ops/context/session.h"
#include "ops/context/settings.h"

namespace rewall {

/// The newest snapshot, read completely. A value; it is out of date after the next record().
struct Head {
  std::string hash{};      ///< full hash; empty before the first snapshot
  std::string backends{};  ///< its Rewall-Backend
  Files files{};
  Ruleset ruleset{};
};
/// Reads HEAD. Kind repository: HEAD cannot be read or parsed.
Result<Head> read_head(const Repository& repository);

/// LIVE and HEAD of one moment.
struct LiveAndHead {
  Capture live{};
  Head head{};
};
/// Reads LIVE and HEAD side by side, and logs the notes of the capture as warnings. The errors of read_head()
/// and Firewall::capture().
Result<LiveAndHead> read_live_and_head(Session& session, const Repository& repository);

/// The message, the trailers and the author of a snapshot. Lives during the call.
struct RecordOptions {
  std::string message{};  ///< the subject, and the body after the first line; empty: made from the diff
  std::string trigger = "manual";
  std::string hook{};                   ///< prefix of the subject where another program runs rewall
  std::vector<std::string> commands{};  ///< as Rewall-Command
  std::vector<PartAuthor> parts{};      ///< as Rewall-Part
  std::string restores{};               ///< as Rewall-Restores, full hash
  std::string undoes{};                 ///< as Rewall-Undoes, full hash
  bool exact = false;                   ///< as Rewall-Exact
  bool allow_empty = false;             ///< commits even where nothing differs
  std::optional<Actor> actor{};         ///< the author; else the person behind this process
  std::vector<std::string> notes{};     ///< lines of the body
  bool last = false;                    ///< of a process that ends, perhaps with the system
};

/// Of a ruleset that a command finds in force and did not make: nothing says who did, so nobody is the
/// author.
RecordOptions found_change(std::string message = {});

/// The trigger of a snapshot that the end of the system made. Such a snapshot is never booted or exported.
inline constexpr std::string_view kShutdown = "shutdown";

/// The result of a recording.
struct Recorded {
  std::string hash{};     ///< of the snapshot that holds the ruleset, the new one or HEAD; full hash
  std::string subject{};  ///< of that snapshot
  bool changed = false;   ///< true where a snapshot was made
  std::vector<std::string> notes{};  ///< warnings for people: a table that had rules in HEAD is gone
};

/// The files of a capture that were written ahead, to save record() the work. Valid for that capture alone.
struct PreparedFiles {
  std::shared_ptr<const Files> files{};  ///< the files that Repository::prepare() wrote
  std::string tree{};                    ///< their git tree, full hash
  const Diff* diff = nullptr;            ///< from HEAD to the capture; null where it was not made
};

/// Commits `capture` on top of `head` where they differ, with the trigger shutdown where the system is going
/// down and nobody asked for this ruleset (ops/context/stopping.h), notes the generation, and notifies the
/// session's observers. The caller holds the repository's lock. `prepared` holds the files of the capture;
/// null where none were written. Kind usage: HEAD has rules of a backend that the session does not look at.
/// The errors of Repository::commit().
Result<Recorded> record(Session& session, Repository& repository, const Head& head, const Capture& capture,
                        const RecordOptions& options, const PreparedFiles* prepared = nullptr);

/// Captures LIVE and records it: `rewall snapshot`. The errors of read_live_and_head() and record().
Result<Recorded> record_live(Session& session, const Lock& held, const RecordOptions& options);

/// Makes the session's repository and its first snapshot: `rewall init`. Captures LIVE first, so that a
/// failure leaves no repository. `remote_url` becomes the remote `origin`; empty for none.
Result<Recorded> make_repository(Session& session, const std::string& remote_url,
                                 const std::vector<Assignment>& assignments = {});

}  // namespace rewall

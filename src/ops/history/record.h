#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/result.h"
#include "core/time.h"
#include "diff/diff.h"
#include "ops/context/identity.h"
#include "ops/context/session.h"

namespace rewall {

/// What HEAD says; `hash` is empty before the first snapshot.
struct Head {
  std::string hash{};
  std::string backends{};  ///< its Rewall-Backend
  Files files{};
  Ruleset ruleset{};
};
Result<Head> read_head(const Repository& repository);

struct LiveAndHead {
  Capture live{};
  Head head{};
};
/// Both, read side by side; says the capture's notes.
Result<LiveAndHead> read_live_and_head(Session& session, const Repository& repository);

struct RecordOptions {
  std::string message{};  ///< the subject; made from the diff where empty
  std::string trigger = "manual";
  std::string hook{};  ///< what called, of another program: the subject begins with it
  std::vector<std::string> commands{};
  std::string restores{};
  bool allow_empty = false;
  std::optional<Actor> actor{};      ///< who began it; else who runs this process
  std::vector<std::string> notes{};  ///< lines of the body
};

struct Recorded {
  std::string hash{};  ///< of the snapshot that holds the ruleset: the new one, or HEAD
  std::string subject{};
  bool changed = false;              ///< a snapshot was made
  std::vector<std::string> notes{};  ///< worth saying: a table that HEAD had is gone
};

/// What is known of a capture already.
struct PreparedFiles {
  std::shared_ptr<const Files> files{};  ///< that Repository::prepare() wrote
  std::string tree{};                    ///< that it says
  const Diff* diff = nullptr;            ///< against HEAD; null where it was not made
};

/// Commits `capture` on top of `head` when it differs, remembers its generation, and notifies the session's
/// observers. The caller holds the lock. `prepared`: of the capture.
Result<Recorded> record(Session& session, Repository& repository, const Head& head, const Capture& capture,
                        const RecordOptions& options, const PreparedFiles* prepared = nullptr);

/// `rewall snapshot`: captures LIVE and reads HEAD side by side, then records.
Result<Recorded> record_live(Session& session, const Lock& held, const RecordOptions& options);

/// `rewall init`: captures first, so that a host that cannot be read gets no repository.
Result<Recorded> make_repository(Session& session, const std::string& remote_url);

}  // namespace rewall

#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "ops/context/session.h"
#include "ops/guard/fallback.h"
#include "ops/guard/guard_state.h"
#include "ops/restore/restore_options.h"

namespace rewall {

/// The old ruleset of a guard, from the repository, else from the copy outside of it. The errors of
/// read_revision().
Result<Revision> read_before(Session& session, const Guard& guard);

/// The same as the first candidate of a way back. The session must outlive the candidate.
Candidate old_ruleset(Session& session, const Guard& guard);

/// How a guard's old ruleset is restored.
RestoreOptions options_of(const Guard& guard);

/// The guard as it stands now; absent once it has ended. `known` where the state file cannot be read: that is
/// nobody's answer.
std::optional<Guard> still_armed(const std::filesystem::path& path, const Guard& known);

/// While it lives, the session looks at the backend that the guarded change looked at, and records the
/// command that it ran.
class InGuardsName {
 public:
  InGuardsName(Session& session, const Guard& guard)
      : backend_(session, guard.looks_at), session_(session), line_(session.command_line) {
    session_.command_line = guard.command;
  }
  InGuardsName(const InGuardsName&) = delete;
  InGuardsName& operator=(const InGuardsName&) = delete;
  ~InGuardsName() { session_.command_line = line_; }

 private:
  BackendScope backend_;
  Session& session_;
  std::string line_;
};

}  // namespace rewall

#pragma once

#include "commands/command.h"
#include "commands/command_output.h"
#include "ops/guard/guarded_change.h"
#include "ops/restore/restore.h"

namespace rewall {

/// What every command that changes LIVE takes (the contract's section 2).
struct ChangeOptions {
  RestoreOptions restore{};
  std::optional<std::chrono::milliseconds> guarded{};  ///< how long the guard waits
  std::optional<GuardedChange> guard{};
  bool yes = false;
  bool force = false;
};

void add_common(Syntax& syntax, ChangeOptions& options);

/// `--family` and `--table`.
void add_part(Syntax& syntax, RestoreOptions& options);

/// Call it first: refuses what the options cannot have (kind usage), and gives the change its guard.
Status begin_change(Context& context, ChangeOptions& options);

/// Says what a restore did, or with --dry-run would do: the answer of every command that changes LIVE.
Result<Answer> print_restored(Context& context, const ChangeOptions& options, Result<Restored> restored);

}  // namespace rewall

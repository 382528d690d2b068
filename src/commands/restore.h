#pragma once

#include "commands/command.h"
#include "commands/command_output.h"
#include "ops/guard/guarded_change.h"
#include "ops/restore/change_check.h"
#include "ops/restore/restore.h"

namespace rewall {

/// The options of every command that changes LIVE (rewall-changes(7)).
struct ChangeOptions {
  RestoreOptions restore{};
  std::optional<std::chrono::milliseconds> guarded{};  ///< how long the guard waits; absent: no guard
  std::optional<std::chrono::milliseconds> expires{};  ///< when what the change adds is taken out (apply)
  std::optional<GuardedChange> guard{};
  ChangeCheck check{};
  bool yes = false;
  bool force = false;
  bool whole_diff = false;  ///< shows the changes themselves, not their numbers
};

/// Adds the options of ChangeOptions, but for --family and --table.
void add_change_options(Syntax& syntax, ChangeOptions& options);

/// Adds `--family` and `--table`.
void add_family_and_table(Syntax& syntax, RestoreOptions& options);

/// Checks the options, and prepares the guard of the change and what is checked before it. Call it first.
/// Kind usage: a table that does not exist.
Status begin_change(Context& context, ChangeOptions& options);

/// Prints what a restore did, or with --dry-run would do. All commands that change LIVE end with it.
Result<Answer> print_restored(Context& context, const ChangeOptions& options, Result<Restored> restored);

}  // namespace rewall

#pragma once

#include "commands/command.h"
#include "commands/command_output.h"
#include "ops/restore/restore.h"

namespace rewall {

/// What every command that changes LIVE takes (the contract's section 2).
struct ChangeOptions {
  RestoreOptions restore{};
  bool yes = false;
  bool force = false;
};

void add_common(CLI::App& app, ChangeOptions& options);

/// `--family` and `--table`.
void add_part(CLI::App& app, RestoreOptions& options);

/// Refuses what the options cannot have. Kind usage.
Status check_options(const ChangeOptions& options);

/// Says what a restore did, or with --dry-run would do: the answer of every command that changes LIVE.
Result<Answer> print_restored(Context& context, const ChangeOptions& options, Result<Restored> restored);

}  // namespace rewall

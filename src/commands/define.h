#pragma once

#include "commands/command.h"

namespace rewall {

// One a subcommand, in the file of its name: its options, and what it does with them.
Action define_init(CLI::App& app);
Action define_snapshot(CLI::App& app);
Action define_status(CLI::App& app);
Action define_watch(CLI::App& app);
Action define_import(CLI::App& app);
Action define_verify(CLI::App& app);
Action define_gc(CLI::App& app);
Action define_doctor(CLI::App& app);
Action define_log(CLI::App& app);
Action define_show(CLI::App& app);
Action define_diff(CLI::App& app);
Action define_blame(CLI::App& app);
Action define_checkout(CLI::App& app);
Action define_restore(CLI::App& app);
Action define_undo(CLI::App& app);
Action define_apply(CLI::App& app);
Action define_edit(CLI::App& app);
Action define_try(CLI::App& app);
Action define_confirm(CLI::App& app);
Action define_rollback(CLI::App& app);
Action define_tag(CLI::App& app);
Action define_remote(CLI::App& app);
Action define_push(CLI::App& app);
Action define_fetch(CLI::App& app);
Action define_clone(CLI::App& app);
Action define_fleet(CLI::App& app);
Action define_hooks(CLI::App& app);
Action define_config(CLI::App& app);

}  // namespace rewall

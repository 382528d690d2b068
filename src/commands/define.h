#pragma once

#include "commands/command.h"

namespace rewall {

// One function for each command, in the file of its name or of its group (restore.cpp, guard.cpp): adds the
// options of the command to `syntax`, and returns the action that the command runs.
Action define_init(Syntax& syntax);
Action define_snapshot(Syntax& syntax);
Action define_status(Syntax& syntax);
Action define_watch(Syntax& syntax);
Action define_import(Syntax& syntax);
Action define_verify(Syntax& syntax);
Action define_gc(Syntax& syntax);
Action define_doctor(Syntax& syntax);
Action define_log(Syntax& syntax);
Action define_show(Syntax& syntax);
Action define_diff(Syntax& syntax);
Action define_blame(Syntax& syntax);
Action define_checkout(Syntax& syntax);
Action define_ports(Syntax& syntax);
Action define_restore(Syntax& syntax);
Action define_undo(Syntax& syntax);
Action define_redo(Syntax& syntax);
Action define_apply(Syntax& syntax);
Action define_edit(Syntax& syntax);
Action define_try(Syntax& syntax);
Action define_confirm(Syntax& syntax);
Action define_rollback(Syntax& syntax);
Action define_tag(Syntax& syntax);
Action define_check(Syntax& syntax);
Action define_expect(Syntax& syntax);
Action define_trace(Syntax& syntax);
Action define_remote(Syntax& syntax);
Action define_push(Syntax& syntax);
Action define_fetch(Syntax& syntax);
Action define_clone(Syntax& syntax);
Action define_fleet(Syntax& syntax);
Action define_template(Syntax& syntax);
Action define_hooks(Syntax& syntax);
Action define_config(Syntax& syntax);
Action define_completion(Syntax& syntax);

}  // namespace rewall

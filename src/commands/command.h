#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "commands/syntax.h"
#include "core/result.h"
#include "ops/context/session.h"
#include "ui/terminal.h"

namespace rewall {

/// What a command works with. Everything it uses is here, so that a test can hand it other things.
struct Context {
  Session& session;
  Terminal& terminal;
  bool json = false;
};

/// How a command that did its work ended: the exit status. `partly`: what of a remote was refused was said.
enum class Answer { same = 0, different = 1, partly = 7 };

using Action = std::function<Result<Answer>(Context&)>;

/// What a command may change. A restore that was interrupted and cannot be recovered stops all commands but
/// those that look.
enum class Effect {
  looks,    ///< neither LIVE nor the history
  records,  ///< the history
  changes   ///< LIVE too
};

/// A row of the table that help, completion and the parser are made of.
struct CommandEntry {
  std::string_view name;
  std::string_view alias;
  std::string_view group;
  Effect effect;
  std::string_view summary;
  std::string_view examples;  ///< one a line, for --help
  Action (*define)(Syntax& syntax);
};

std::span<const CommandEntry> command_table();

}  // namespace rewall

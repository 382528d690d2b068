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

/// What a command works with: all of it is passed in, so that a test can pass other things.
struct Context {
  Session& session;
  Terminal& terminal;
  bool json = false;
};

/// The exit status of a command that did its work.
enum class Answer {
  same = 0,
  different = 1,
  reverted = 3,  ///< a guarded change, as the person at the terminal asked
  partly = 7     ///< a remote's branches were fetched; some were refused, or that of this host was rewritten
};

using Action = std::function<Result<Answer>(Context&)>;

/// What a command may change. A restore that was interrupted and cannot be recovered stops all commands but
/// those that look.
enum class Effect {
  looks,    ///< neither LIVE nor the history
  records,  ///< the history
  changes   ///< LIVE too
};

/// A row of the table of commands. Help and the parser are made from it.
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

#pragma once

#include <string>
#include <variant>

#include "commands/command.h"

namespace rewall {

/// The options that stand before or after every command.
struct Globals {
  std::string repository{};
  std::string backend = "auto";
  std::string colour = "auto";
  bool no_pager = false;
  bool quiet = false;
  bool json = false;
  int verbosity = 0;
};

/// A command that the command line asks for, with its options read.
struct Chosen {
  const CommandEntry* command = nullptr;
  Globals globals{};
  Syntax syntax{};  ///< which the action may ask
  Action action{};
};

/// --help and --version: a text to print instead of running a command.
using HelpText = std::string;

/// Reads the command line. Kind usage: no such command, option or value.
Result<std::variant<Chosen, HelpText>> parse_command_line(int argc, char** argv);

}  // namespace rewall

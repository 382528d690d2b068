#include <algorithm>
#include <array>
#include <string>

#include "commands/define.h"
#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"

namespace rewall {
namespace {

/// A command as a shell completes it.
struct Completed {
  std::string name{};
  std::string summary{};
  std::vector<std::string> options{};  ///< "--message", "-m"
  std::vector<std::string> words{};    ///< the values that its positional arguments may have
  bool takes_revision = false;
  bool takes_file = false;
};

Completed completed(const CommandEntry& entry) {
  Completed command{.name = std::string(entry.name), .summary = std::string(entry.summary)};
  Syntax syntax;
  static_cast<void>(entry.define(syntax));
  for (const auto& argument : syntax.arguments()) {
    if (argument.names.starts_with('-')) {
      for (const auto name : split(argument.names, ',')) command.options.emplace_back(name);
      continue;
    }
    command.words.insert(command.words.end(), argument.words.begin(), argument.words.end());
    command.takes_revision = command.takes_revision || argument.names.find("REV") != std::string::npos ||
                             argument.names == "RANGE";
    command.takes_file = command.takes_file || argument.names.find("FILE") != std::string::npos;
  }
  return command;
}

std::vector<Completed> completed_commands() {
  std::vector<Completed> commands;
  for (const auto& entry : command_table()) commands.push_back(completed(entry));
  commands.push_back({.name = "help", .summary = "Show the help of a command, or the list of commands"});
  for (const auto& entry : command_table()) commands.back().words.emplace_back(entry.name);
  return commands;
}

constexpr std::string_view kGlobals =
    "-C --repo --backend --color --no-pager -q --quiet -v --verbose --json --help --version";
// Words that need no repository, and the tags where there is one.
constexpr std::string_view kRevisions =
    "HEAD LIVE $(rewall --json tag 2>/dev/null | grep -o '\"name\":\"[^\"]*' | cut -d'\"' -f4)";

/// Finds the command among the words of a command line, an array of the shell, and opens a `case` about it.
std::string begin_case(std::string_view array, std::string_view first, std::string_view end) {
  return format(R"(  for ((i = {1}; i < {2}; i++)); do
    case ${{{0}[i]}} in
      -C | --repo | --backend | --color) ((i++)) ;;
      -*) ;;
      *) command=${{{0}[i]}}; break ;;
    esac
  done
  case $command in
)",
                array, first, end);
}

std::string bash_script() {
  std::string text = std::string(R"(# bash completion for rewall: rewall completion bash
_rewall() {
  local word=${COMP_WORDS[COMP_CWORD]} command= words= i
  COMPREPLY=()
)") + begin_case("COMP_WORDS", "1", "COMP_CWORD");
  std::string names;
  for (const auto& command : completed_commands()) {
    names += (names.empty() ? "" : " ") + command.name;
    text += format("    {}) words=\"{}\"", command.name, join(command.options, " "));
    if (!command.words.empty()) text += format("; words+=\" {}\"", join(command.words, " "));
    if (command.takes_revision) text += format("; [[ $word == -* ]] || words+=\" {}\"", kRevisions);
    if (command.takes_file)
      text +=
          "; [[ $word == -* ]] || { compopt -o filenames 2>/dev/null; "
          "mapfile -t COMPREPLY < <(compgen -f -- \"$word\"); }";
    text += " ;;\n";
  }
  text += format("    \"\") words=\"{}\" ;;\n  esac\n", names);
  text += format("  [[ $word == -* ]] && words+=\" {}\"\n", kGlobals);
  text +=
      "  mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
      "}\n"
      "complete -F _rewall rewall\n";
  return text;
}

std::string zsh_script() {
  std::string text = std::string(R"(#compdef rewall
# zsh completion for rewall: rewall completion zsh
_rewall() {
  local -a commands options
  local command= i
)") + begin_case("words", "2", "CURRENT");
  std::string described;
  for (const auto& command : completed_commands()) {
    std::string summary = command.summary;
    std::erase(summary, '\'');
    described += format("      '{}:{}'\n", command.name, summary);
    std::string line = join(command.options, " ");
    if (!command.words.empty()) line += " " + join(command.words, " ");
    text += format("    {}) options=({}{})", command.name, line,
                   command.takes_revision ? format(" {}", kRevisions) : "");
    if (command.takes_file) text += "; _files";
    text += " ;;\n";
  }
  text +=
      format("    \"\")\n      commands=(\n{}      )\n      _describe command commands\n      ;;\n  esac\n",
             described);
  text += format("  options+=({})\n  compadd -a options\n}}\n", kGlobals);
  text += "if [ \"$funcstack[1]\" = _rewall ]; then _rewall \"$@\"; else compdef _rewall rewall; fi\n";
  return text;
}

std::string fish_script() {
  std::string text = "# fish completion for rewall: rewall completion fish\ncomplete -c rewall -f\n";
  const auto add_option = [&text](const std::string& condition, std::string_view option) {
    const bool is_long = option.starts_with("--");
    text += format("complete -c rewall {}-{} {}\n", condition, is_long ? "l" : "s",
                   option.substr(is_long ? 2 : 1));
  };
  for (const auto word : split(kGlobals, ' ')) add_option("", word);
  for (const auto& command : completed_commands()) {
    std::string summary = command.summary;
    std::erase(summary, '\'');
    text += format("complete -c rewall -n __fish_use_subcommand -a {} -d '{}'\n", command.name, summary);
    const auto within = format("-n '__fish_seen_subcommand_from {}' ", command.name);
    for (const auto& option : command.options) add_option(within, option);
    if (!command.words.empty())
      text += format("complete -c rewall {}-a '{}'\n", within, join(command.words, " "));
    if (command.takes_revision)
      text += format(
          "complete -c rewall {}-a 'HEAD LIVE (rewall tag 2>/dev/null | string split -f1 \" \")'\n", within);
    if (command.takes_file) text += format("complete -c rewall {}-F\n", within);
  }
  return text;
}

}  // namespace

Action define_completion(Syntax& syntax) {
  auto shell = std::make_shared<std::string>();
  auto& name = syntax.positional("SHELL", shell.get(), "bash, zsh or fish");
  name.words = {"bash", "zsh", "fish"};
  name.required = true;
  return [shell](Context& context) -> Result<Answer> {
    context.terminal.out(*shell == "bash" ? bash_script() : *shell == "zsh" ? zsh_script() : fish_script());
    return Answer::same;
  };
}

}  // namespace rewall

#include <algorithm>
#include <array>
#include <memory>
#include <string>

#include "commands/define.h"
#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"

namespace rewall {
namespace {

/// Words that a command prints, as the values of a member of its JSON.
struct Listed {
  std::string_view command{};
  std::string_view member{};
};
constexpr Listed kTags{"tag", "name"};
constexpr Listed kRemotes{"remote", "name"};
constexpr Listed kHosts{"fleet list", "host"};
constexpr Listed kHooks{"hooks list", "name"};
constexpr Listed kKeys{"config --list", "key"};
constexpr Listed kTemplates{"template list", "name"};
/// Behind `template --set`, of the template before it; in fish of all.
constexpr Listed kPlacesInBash{R"(template show "${COMP_WORDS[i+2]}")", "place"};
constexpr Listed kPlacesInZsh{R"(template show "${words[i+2]}")", "place"};
constexpr Listed kPlacesInFish{"template list", "place"};

/// A command as a shell completes it.
struct Completed {
  std::string name{};
  std::string alias{};
  std::string summary{};
  std::vector<std::string> options{};  ///< "--message", "-m"
  std::vector<std::string> words{};    ///< the values that its positional arguments may have
  std::vector<Listed> listed{};        ///< those that a command lists
  bool takes_file = false;
};

Completed completed(const CommandEntry& entry) {
  Completed command{.name = std::string(entry.name),
                    .alias = std::string(entry.alias),
                    .summary = std::string(entry.summary)};
  const auto list = [&](const Listed& listed) { command.listed.push_back(listed); };
  Syntax syntax;
  static_cast<void>(entry.define(syntax));
  for (const auto& argument : syntax.arguments()) {
    if (argument.names.starts_with('-')) {
      for (const auto name : split(argument.names, ',')) command.options.emplace_back(name);
      continue;
    }
    command.words.insert(command.words.end(), argument.words.begin(), argument.words.end());
    if (argument.names == "REV" || argument.names == "RANGE") {
      command.words.insert(command.words.end(), {"HEAD", "LIVE"});
      list(kTags);
    }
    if (argument.names == "REMOTE" || (entry.name == "remote" && argument.names == "NAME")) list(kRemotes);
    if (argument.names == "HOST") list(kHosts);
    if (argument.names == "KEY") list(kKeys);
    if (entry.name == "hooks" && argument.names == "NAME") list(kHooks);
    if (entry.name == "template" && argument.names == "NAME") list(kTemplates);
    command.takes_file = command.takes_file || argument.names.find("FILE") != std::string::npos;
  }
  if (const auto& other = syntax.other_words())
    command.options.insert(command.options.end(), other->options.begin(), other->options.end());
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
    "-C --repo --backend --color --no-pager -q --quiet -v --verbose --json -h --help -V --version";
/// The values that an option of any command can have.
constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kValues{
    {{"--family", "ipv4 ipv6"},
     {"--expect", "ACCEPT DROP REJECT DEPENDS"},
     {"--hook", "PREROUTING INPUT FORWARD OUTPUT POSTROUTING"},
     {"--state", "NEW ESTABLISHED RELATED INVALID UNTRACKED"},
     {"--ctstate", "NEW ESTABLISHED RELATED INVALID UNTRACKED"},
     {"--table", "filter nat mangle raw security"},
     {"--backend", "auto nft legacy"},
     {"--color", "auto always never"}}};

/// What prints the words of a list, in the repository that `at` names: "-C DIR", or nothing.
std::string printing(const Listed& listed, std::string_view at) {
  return format(R"(rewall {} --json {} 2>/dev/null | grep -o '"{}":"[^"]*' | cut -d'"' -f4)", at,
                listed.command, listed.member);
}

/// What prints PLACE= for each place of a list.
std::string printing_places(const Listed& places, std::string_view at) {
  return printing(places, at) + " | sort -u | sed 's/$/=/'";
}

/// The words of a command, for bash and zsh.
std::string words_of(const Completed& command) {
  std::string words = join(command.words, " ");
  for (const auto& listed : command.listed)
    words += format("{}$({})", words.empty() ? "" : " ", printing(listed, "\"${at[@]}\""));
  return words;
}

/// "snapshot | commit".
std::string pattern_of(const Completed& command) {
  return command.name + (command.alias.empty() ? "" : " | " + command.alias);
}

/// Finds the command among the words of a command line, an array of the shell, and opens a `case` about it.
std::string begin_case(std::string_view array, std::string_view first, std::string_view end) {
  return format(R"(  for ((i = {1}; i < {2}; i++)); do
    case ${{{0}[i]}} in
      -C | --repo) at=(-C "${{{0}[++i]}}") ;;
      --backend | --color) ((i++)) ;;
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
  local -a at=()
  COMPREPLY=()
)") + begin_case("COMP_WORDS", "1", "COMP_CWORD");
  std::string names;
  for (const auto& command : completed_commands()) {
    names += (names.empty() ? "" : " ") + command.name;
    text += format("    {}) words=\"{}\"", pattern_of(command), join(command.options, " "));
    if (const auto words = words_of(command); !words.empty())
      text += format("; [[ $word == -* ]] || words+=\" {}\"", words);
    if (command.takes_file)
      text +=
          "; [[ $word == -* ]] || { compopt -o filenames 2>/dev/null; "
          "mapfile -t COMPREPLY < <(compgen -f -- \"$word\"); }";
    text += " ;;\n";
  }
  text += format("    \"\") words=\"{}\" ;;\n  esac\n", names);
  text += format("  [[ $word == -* ]] && words+=\" {}\"\n", kGlobals);
  text += "  case ${COMP_WORDS[COMP_CWORD-1]} in\n";
  for (const auto& [option, values] : kValues) text += format("    {}) words=\"{}\" ;;\n", option, values);
  text += format("    --set) words=$({}); compopt -o nospace 2>/dev/null ;;\n",
                 printing_places(kPlacesInBash, "\"${at[@]}\""));
  text +=
      "    -C | --repo) words=; compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "
      "\"$word\") ;;\n  esac\n";
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
  local -a commands options at
  local command= i
)") + begin_case("words", "2", "CURRENT");
  std::string described;
  for (const auto& command : completed_commands()) {
    std::string summary = command.summary;
    std::erase(summary, '\'');
    described += format("      '{}:{}'\n", command.name, summary);
    text +=
        format("    {}) options=({} {})", pattern_of(command), join(command.options, " "), words_of(command));
    if (command.takes_file) text += "; _files";
    text += " ;;\n";
  }
  text +=
      format("    \"\")\n      commands=(\n{}      )\n      _describe command commands\n      ;;\n  esac\n",
             described);
  text += format("  options+=({})\n  case ${{words[CURRENT-1]}} in\n", kGlobals);
  for (const auto& [option, values] : kValues) text += format("    {}) options=({}) ;;\n", option, values);
  text += format("    --set) options=($({})); compadd -S '' -a options; return ;;\n",
                 printing_places(kPlacesInZsh, "\"${at[@]}\""));
  text += "    -C | --repo) _files -/; return ;;\n  esac\n  compadd -a options\n}\n";
  text += "if [ \"$funcstack[1]\" = _rewall ]; then _rewall \"$@\"; else compdef _rewall rewall; fi\n";
  return text;
}

/// Inside double quotes of fish, which expand nothing but variables and escapes.
std::string in_fish(std::string_view text) {
  std::string quoted;
  for (const char c : text) {
    if (c == '"' || c == '$' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted;
}

std::string fish_script() {
  std::string text = "# fish completion for rewall: rewall completion fish\ncomplete -c rewall -f\n";
  const auto add_option = [&text](const std::string& condition, std::string_view option) {
    const bool is_long = option.starts_with("--");
    text += format("complete -c rewall {}-{} {}\n", condition, is_long ? "l" : "s",
                   option.substr(is_long ? 2 : 1));
  };
  for (const auto word : split(kGlobals, ' ')) add_option("", word);
  for (const auto& [option, values] : kValues)
    text += format("complete -c rewall -l {} -x -a '{}'\n", option.substr(2), values);
  text += format("complete -c rewall -n '__fish_seen_subcommand_from template' -l set -x -a \"({})\"\n",
                 in_fish(printing_places(kPlacesInFish, "")));
  for (const auto& command : completed_commands()) {
    std::string summary = command.summary;
    std::erase(summary, '\'');
    text += format("complete -c rewall -n __fish_use_subcommand -a {} -d '{}'\n", command.name, summary);
    if (!command.alias.empty())
      text += format("complete -c rewall -n __fish_use_subcommand -a {} -d '{}'\n", command.alias, summary);
    const auto within = format("-n '__fish_seen_subcommand_from {} {}' ", command.name, command.alias);
    for (const auto& option : command.options) add_option(within, option);
    if (!command.words.empty())
      text += format("complete -c rewall {}-a '{}'\n", within, join(command.words, " "));
    for (const auto& listed : command.listed)
      text += format("complete -c rewall {}-a \"({})\"\n", within, in_fish(printing(listed, "")));
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

#include "cli/parser.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <sstream>
#include <utility>
#include <vector>

#include "cli/brought_words.h"
#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"
#include "core/time.h"
#include "ui/width.h"

namespace rewall {
namespace {

// The lines of help: as wide as the terminal, 80 columns elsewhere, and no longer than people like to read.
std::size_t help_width() {
  const auto columns = terminal_width(STDOUT_FILENO);
  return columns == 0 ? 80 : std::clamp<std::size_t>(columns, 40, 100);
}

// Where the descriptions begin: below their names on a narrow terminal.
std::size_t help_column() {
  return help_width() < 64 ? 6 : 30;
}

std::string row(const std::string& name, const std::string& description) {
  const auto column = help_column();
  const bool beside = help_width() >= 64 && name.size() + 2 < column;
  return format("  {:<{}}{}{}\n", name, column - 2, beside ? "" : "\n" + std::string(column, ' '),
                wrapped(description, column, column, help_width()));
}

// "REV" as often as it may be given; "FILE...".
std::vector<std::string> usage_words(const CLI::Option& positional) {
  const auto name = positional.get_name(true);
  const int most = positional.get_expected_max();
  if (most >= CLI::detail::expected_max_vector_size) return {name + "..."};
  return std::vector<std::string>(static_cast<std::size_t>(std::max(most, 1)), name);
}

/// Help: `Usage: rewall diff [OPTIONS] [REV [REV]]`, and an option with its value alone.
class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const override;
  std::string make_usage(const CLI::App* app, std::string name) const override;
  std::string make_option(const CLI::Option* option, bool positional) const override;
  std::string make_subcommand(const CLI::App* command) const override;
  std::string make_option_opts(const CLI::Option* option) const override;
};

std::string HelpFormatter::make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const {
  std::string text = Formatter::make_help(app, std::move(name), mode);
  for (auto at = text.find("\n\n\n"); at != std::string::npos; at = text.find("\n\n\n")) text.erase(at, 1);
  std::vector<std::string> lines;
  // What is indented is wrapped already, or an example.
  for (const auto line : split(text, '\n'))
    lines.push_back(line.starts_with(' ') ? std::string(line) : wrapped(line, 0, 2, help_width()));
  return join(lines, "\n");
}

std::string HelpFormatter::make_usage(const CLI::App* app, std::string name) const {
  std::string text = format("Usage: {} [OPTIONS]", name);
  std::size_t open = 0;
  for (const auto* positional : app->get_options([](const CLI::Option* o) { return o->get_positional(); })) {
    for (const auto& word : usage_words(*positional)) {
      text += (positional->get_required() ? " " : " [") + word;
      if (!positional->get_required()) ++open;
    }
  }
  text += std::string(open, ']');
  const bool has_commands = !app->get_subcommands(std::function<bool(const CLI::App*)>{}).empty();
  return text + (has_commands ? " COMMAND\n" : "\n");
}

std::string HelpFormatter::make_option(const CLI::Option* option, bool positional) const {
  return row(make_option_name(option, positional) + make_option_opts(option), make_option_desc(option));
}

std::string HelpFormatter::make_subcommand(const CLI::App* command) const {
  return row(command->get_display_name(true), command->get_description());
}

std::string HelpFormatter::make_option_opts(const CLI::Option* option) const {
  if (option->get_type_size() == 0) return {};
  // CLI11 appends a colon and the name of the check.
  const auto type = option->get_type_name();
  const auto value = type.substr(0, type.find(':'));
  return value.empty() ? "" : " " + value;
}

void add_globals(Syntax& syntax, Globals& globals) {
  syntax.option("-C,--repo", "DIR", &globals.repository,
                "The repository (default: $REWALL_REPO, else /var/lib/rewall)");
  syntax.option("--backend", "auto|nft|legacy", &globals.backend, "Which iptables to use").words = {
      "auto", "nft", "legacy"};
  syntax.option("--color", "auto|always|never", &globals.colour, "When to use colours").words = {
      "auto", "always", "never"};
  syntax.flag("--no-pager", globals.no_pager, "Never start a pager");
  syntax.flag("-q,--quiet", globals.quiet, "Print results and errors only");
  syntax.flag("-v,--verbose", globals.verbosity, "Print more; twice: also the programs that are run");
  syntax.flag("--json", globals.json, "Print results as JSON");
}

template <class... Functions>
struct Overloaded : Functions... {
  using Functions::operator()...;
};
template <class... Functions>
Overloaded(Functions...) -> Overloaded<Functions...>;

/// The error of a value, in our words, which the library's exception would lose.
using ValueError = std::optional<Error>;

// The hint for a word that a command does not have: by the words of other programs, else by its letters.
std::string hint_for(std::string_view command, const std::string& word,
                     std::span<const std::string> candidates) {
  if (auto hint = hint_for_brought_word(command, word); !hint.empty()) return hint;
  const auto near = meant_by(word, candidates);
  if (!near.empty() && command.empty()) return format("did you mean 'rewall {}'?", near);
  if (!near.empty()) return format("did you mean '{}'?", near);
  return word.starts_with('-') ? "" : hint_for_any_word(command);
}

Error not_a_word_of(std::string_view command, const Argument& argument, const std::string& value) {
  auto error =
      error_of<messages::not_one_of>(value, join(argument.words, ", ")).within(std::string(argument.name()));
  error.hint = hint_for(command, value, argument.words);
  return error;
}

// Holds a value against the words that are possible. The library wants a text for an error.
std::string check_word(std::string_view command, const Argument& argument, const std::string& value,
                       ValueError& failed) {
  if (std::ranges::find(argument.words, value) != argument.words.end()) return {};
  failed = not_a_word_of(command, argument, value);
  return failed->message;
}

// A variable of a script that is empty must not mean HEAD.
std::string check_revision(const std::string& value, ValueError& failed) {
  if (!value.empty()) return {};
  failed = error_of<messages::empty_revision>();
  failed->live.reset();  // most commands that take a revision only look
  return failed->message;
}

CLI::Option* add_argument(CLI::App& app, Argument& argument, ValueError& failed) {
  const auto add = Overloaded{
      [&](bool* value) { return app.add_flag(argument.names, *value, argument.help); },
      [&](int* times) { return app.add_flag(argument.names, *times, argument.help); },
      [&](const Argument::Reader& read) {
        return app.add_option_function<std::string>(
            argument.names,
            [&argument, &read, &failed](const std::string& value) {
              auto taken = read(value);
              if (taken) return;
              failed = std::move(taken).error().within(std::string(argument.name()));
              throw CLI::ValidationError(std::string(argument.name()), failed->message);
            },
            argument.help);
      },
      [&](std::vector<std::string>* values) {
        auto* option = app.add_option(argument.names, *values, argument.help);
        if (argument.most != Argument::kMany) option->expected(1, static_cast<int>(argument.most));
        // An option that may come several times takes one value each time, not the words behind it.
        if (!option->get_positional()) option->allow_extra_args(false);
        return option;
      },
      [&](auto* value) { return app.add_option(argument.names, *value, argument.help); },
  };
  auto* option = std::visit(add, argument.target);
  // As everywhere: of an option that comes twice, the last one counts.
  if (!option->get_positional() && option->get_items_expected_max() == 1)
    option->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  if (argument.required) option->required();
  if (option->get_type_size() != 0) option->type_name(argument.type);
  if (argument.names == "REV")
    option->check([&failed](const std::string& value) { return check_revision(value, failed); });
  if (!argument.words.empty())
    option->check([&argument, &failed, command = app.get_name()](const std::string& value) {
      return check_word(command, argument, value, failed);
    });
  return option;
}

// Returns the options in the order of the arguments.
std::vector<CLI::Option*> add_syntax(CLI::App& app, Syntax& syntax, ValueError& failed) {
  std::vector<CLI::Option*> options;
  for (auto& argument : syntax.arguments()) options.push_back(add_argument(app, argument, failed));
  std::size_t at = 0;
  for (const auto& argument : syntax.arguments()) {
    for (const auto& other : argument.excludes) options[at]->excludes(app.get_option(other));
    ++at;
  }
  return options;
}

void note_given(Syntax& syntax, const std::vector<CLI::Option*>& options) {
  std::size_t at = 0;
  for (auto& argument : syntax.arguments()) argument.given = options[at++]->count() > 0;
}

std::vector<std::string> command_names() {
  std::vector<std::string> names;
  for (const auto& command : command_table()) {
    names.emplace_back(command.name);
    if (!command.alias.empty()) names.emplace_back(command.alias);
  }
  names.emplace_back("help");
  return names;
}

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const auto* option : app.get_options()) {
    if (option->get_group().empty()) continue;
    for (const auto& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

// The command as a part of `rewall COMMAND --help`.
std::string of(const CLI::App* command) {
  return command == nullptr ? "" : command->get_name() + " ";
}

Error unknown_word(const CLI::App& app, const CLI::App* command, const std::string& word,
                   std::span<const std::string> more_options = {}) {
  const auto hinted = [](Error error, std::string hint) {
    if (!hint.empty()) error.hint = std::move(hint);
    return error;
  };
  if (command == nullptr && !word.starts_with('-'))
    return hinted(error_of<messages::unknown_command>(word), hint_for("", word, command_names()));
  auto names = option_names(app);
  if (command == nullptr) {
    auto error = error_of<messages::unknown_option>(word, "");
    if (auto hint = hint_for_brought_word("", word); !hint.empty()) return hinted(std::move(error), hint);
    const auto near = meant_by(word.substr(0, word.find('=')), names);
    return hinted(std::move(error), near.empty() ? "" : format("did you mean '{}'?", near));
  }
  std::ranges::copy(option_names(*command), std::back_inserter(names));
  std::ranges::copy(more_options, std::back_inserter(names));
  auto error = word.starts_with('-') ? error_of<messages::unknown_option>(word, of(command))
                                     : error_of<messages::unexpected_argument>(word, of(command));
  return hinted(std::move(error), hint_for(command->get_name(), word.substr(0, word.find('=')), names));
}

const CLI::Option* find_option(const CLI::App& app, const CLI::App* command, const std::string& name) {
  const auto* own = command == nullptr ? nullptr : command->get_option_no_throw(name);
  return own != nullptr ? own : app.get_option_no_throw(name);
}

bool is_flag(const CLI::Option& option) {
  return option.get_items_expected_max() == 0;
}

// The option of a word that wants a value: in "--since", "-n", "-qC".
const CLI::Option* wants_value(const CLI::App& app, const CLI::App* command, const std::string& word) {
  if (word.starts_with("--")) {
    const auto* option = find_option(app, command, word);
    return option != nullptr && !is_flag(*option) ? option : nullptr;
  }
  for (std::size_t i = 1; word.starts_with('-') && i < word.size(); ++i) {
    const auto* option = find_option(app, command, format("-{}", word[i]));
    if (option == nullptr) return nullptr;
    if (!is_flag(*option)) return i + 1 == word.size() ? option : nullptr;
  }
  return nullptr;
}

bool is_dashed_number(const std::string& word) {
  return word.size() > 1 && word[0] == '-' && word.find_first_not_of("0123456789", 1) == std::string::npos;
}

Error missing_value(const CLI::App* command, const CLI::Option& option, const std::string& name) {
  const auto type = option.get_type_name();
  return error_of<messages::option_without_value>(name, of(command), type.substr(0, type.find(':')));
}

Error usage_error(const CLI::App& app, const CLI::ParseError& error) {
  const auto chosen = app.get_subcommands();
  const CLI::App* command = chosen.empty() ? nullptr : chosen.front();
  auto extras = app.remaining(true);
  if (!extras.empty()) return unknown_word(app, command, extras.front());
  const std::string said = error.what();
  const auto name = said.substr(0, said.find_first_of(": "));
  const auto* option = find_option(app, command, name);
  if (option != nullptr && dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr) {
    const auto most = static_cast<std::size_t>(std::max(option->get_expected_max(), 1));
    if (option->get_positional() && option->results().size() > most)
      return unknown_word(app, command, option->results()[most]);
    return missing_value(command, *option, name);
  }
  if (option != nullptr && dynamic_cast<const CLI::ExcludesError*>(&error) != nullptr)
    return error_of<messages::not_together>(name, of(command), said.substr(said.rfind(' ') + 1));
  if (option != nullptr && dynamic_cast<const CLI::RequiredError*>(&error) != nullptr) {
    auto missing = error_of<messages::argument_missing>(name, of(command));
    if (auto hint = hint_for_brought_word(command == nullptr ? "" : command->get_name(), name); !hint.empty())
      missing.hint = std::move(hint);
    return missing;
  }
  return error_of<messages::wrong_usage>(said, of(command));
}

// The last lines of a command's help: examples, and the page that has the rest.
std::string footer(std::string_view command, std::string_view examples) {
  std::string text = "Examples:\n";
  for (const auto line : split_lines(examples)) text += format("  {}\n", line);
  return text + format(
                    "\nGlobal options (-C, --json, ...; see 'rewall --help') work here too.\n"
                    "See rewall-{}(8) for details.",
                    command);
}

/// A row of the table of commands, as the parser knows it.
struct Defined {
  const CommandEntry* entry = nullptr;
  CLI::App* app = nullptr;
  Syntax syntax{};
  std::vector<CLI::Option*> options{};
  Action action{};
};

// The parser writes into the arguments of a Syntax: a deque does not move them.
std::deque<Defined> add_commands(CLI::App& app, ValueError& failed) {
  std::deque<Defined> commands;
  for (const auto& entry : command_table()) {
    auto* command = app.add_subcommand(std::string(entry.name), std::string(entry.summary));
    if (!entry.alias.empty()) command->alias(std::string(entry.alias));
    command->group(std::string(entry.group));
    command->footer(footer(entry.name, entry.examples));
    auto& defined = commands.emplace_back(Defined{.entry = &entry, .app = command});
    defined.action = entry.define(defined.syntax);
    defined.options = add_syntax(*command, defined.syntax, failed);
  }
  return commands;
}

// What stands for the first word of a command where git has the word and the command an option, or another
// word: `config get KEY` is `config KEY`. No setting has such a name. `behind` are the words after it.
std::optional<std::vector<std::string>> as_option(std::string_view command, std::string_view word,
                                                  std::span<const std::string> behind) {
  using Words = std::vector<std::string>;
  if (command == "config") {
    if ((word == "get" && !behind.empty()) || (word == "set" && behind.size() > 1)) return Words{};
    if (word == "list") return Words{"--list"};
    if (word == "unset") return Words{"--unset"};
  }
  const bool removes = word == "delete" || word == "remove" || word == "rm";
  if (removes && (command == "remote" || command == "expect" || command == "hooks")) return Words{"remove"};
  if (command == "tag" && removes && !behind.empty() && !behind[0].starts_with('-')) return Words{"--delete"};
  return std::nullopt;
}

// Takes the words at the place that are not the command's own options: how many. An option that neither knows
// is an error.
Result<std::size_t> take_other_words(const CLI::App& app, const Defined& command,
                                     std::span<const std::string> words) {
  const auto& other = *command.syntax.other_words();
  const auto& word = words.front();
  if (!word.starts_with('-') || word == "-") {
    const auto length = std::max<std::size_t>(other.length(words), 1);
    other.target->insert(other.target->end(), words.begin(),
                         words.begin() + static_cast<std::ptrdiff_t>(length));
    return length;
  }
  const auto name = word.starts_with("--") ? word.substr(0, word.find('=')) : word.substr(0, 2);
  if (find_option(app, command.app, name) != nullptr) return std::size_t{0};
  const auto length = other.length(words);
  if (length == 0) return unknown_word(app, command.app, word, other.options);
  other.target->insert(other.target->end(), words.begin(),
                       words.begin() + static_cast<std::ptrdiff_t>(length));
  return length;
}

// The command of `try` is written behind "--": its options would be taken for those of rewall. `from` is the
// first word behind `try`, `at` the first that is no option: the error names the words as they belong.
Status check_tried(const CLI::App& app, const CLI::App* command, std::span<const std::string> words,
                   std::size_t from, std::size_t at) {
  const auto known = [&](const std::string& word) {
    const auto name = word.starts_with("--") ? word.substr(0, word.find('=')) : word.substr(0, 2);
    return find_option(app, command, name) != nullptr;
  };
  const auto behind = words.subspan(at + 1);
  const auto dashes = std::ranges::find(behind, "--");
  const auto odd = std::find_if(behind.begin(), dashes, [&](const std::string& word) {
    return word.size() > 1 && word.starts_with('-') && !known(word);
  });
  if (dashes == behind.end() && odd == behind.end()) return {};
  const bool is_time = dashes != behind.end() && parse_duration(words[at]);
  std::vector<std::string> better{"rewall", "try"};
  for (std::size_t i = from; i < at; ++i) {
    const auto* waits = wants_value(app, command, words[i]);
    if (waits == find_option(app, command, "-C") && waits != nullptr)
      ++i;  // the hint gets it where it is printed
    else
      better.push_back(shell_quote(words[i]));
  }
  if (is_time) better.insert(better.end(), {"--for", words[at]});
  better.emplace_back("--");
  for (std::size_t i = at + (is_time ? 1 : 0); i < words.size(); ++i)
    if (words[i] != "--") better.push_back(shell_quote(words[i]));
  auto error = dashes != behind.end() ? error_of<messages::unexpected_argument>(words[at], of(command))
                                      : error_of<messages::unknown_option>(*odd, of(command));
  return std::move(error).hinted("write -- before the command: " + join(better, " "));
}

// The words as the library reads them rightly: a number behind a dash becomes the option that it stands for,
// and "--" goes where it protects nothing, because the library gives what follows it to the wrong command. An
// error for a value that is missing or too much; the library's own words for these are not ours.
Result<std::vector<std::string>> library_words(const CLI::App& app, const std::deque<Defined>& commands,
                                               std::vector<std::string> words) {
  const Defined* command = nullptr;
  std::vector<std::string> out;
  bool first = true;  // no word of the command itself came yet
  std::size_t chosen_at = 0;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const auto& word = words[i];  // `first` may put another one in its place
    const CLI::App* of_command = command == nullptr ? nullptr : command->app;
    const bool takes = command != nullptr && command->syntax.other_words();
    if (takes && word == "--") {
      auto& target = *command->syntax.other_words()->target;
      target.insert(target.end(), words.begin() + static_cast<std::ptrdiff_t>(i) + 1, words.end());
      return out;
    }
    if (takes && first && !word.starts_with('-')) {
      first = false;
      if (auto other = as_option(command->entry->name, word, std::span(words).subspan(i + 1)))
        words[i] = other->front();
      const auto* action = command->syntax.find("ACTION");
      if (action != nullptr && std::ranges::find(action->words, words[i]) == action->words.end())
        return not_a_word_of(command->entry->name, *action, words[i]);
    }
    if (takes) {
      const auto taken = TRY(take_other_words(app, *command, std::span(words).subspan(i)));
      i += taken;
      if (taken > 0) {
        --i;
        continue;
      }
    }
    if (word == "--") {
      const bool protects = std::any_of(words.begin() + static_cast<std::ptrdiff_t>(i) + 1, words.end(),
                                        [](const std::string& rest) { return rest.starts_with('-'); });
      out.insert(out.end(), words.begin() + static_cast<std::ptrdiff_t>(i) + (protects ? 0 : 1), words.end());
      return out;
    }
    if (const auto* waits = wants_value(app, of_command, word)) {
      if (i + 1 == words.size()) return missing_value(of_command, *waits, word);
      out.insert(out.end(), {word, words[++i]});
    } else if (is_dashed_number(word)) {
      const auto counts = command == nullptr ? nullptr : command->syntax.dashed();
      out.push_back(counts == nullptr ? word : format("{}={}", counts->name(), word.substr(1)));
    } else if (word.starts_with("--")) {
      const auto name = word.substr(0, word.find('='));
      const auto* option = find_option(app, of_command, name);
      if (option != nullptr && is_flag(*option) && name != word)
        return error_of<messages::option_takes_no_value>(name, of(of_command));
      if (option != nullptr && word.size() == name.size() + 1)
        return missing_value(of_command, *option, name);
      out.push_back(word);
    } else {
      if (command == nullptr && !word.starts_with('-')) {
        const auto found = std::ranges::find_if(
            commands, [&](const Defined& defined) { return defined.app->check_name(word); });
        if (found == commands.end() && word != "help") {
          out.push_back(word);  // the library would find a command behind it
          return out;
        }
        if (found == commands.end()) {
          out.insert(out.end(), words.begin() + static_cast<std::ptrdiff_t>(i), words.end());
          return out;
        }
        command = &*found;
        chosen_at = i;
      } else if (command != nullptr && std::exchange(first, false)) {
        if (command->entry->name == "try") TRY(check_tried(app, of_command, words, chosen_at + 1, i));
        if (auto option = as_option(command->entry->name, word, std::span(words).subspan(i + 1))) {
          std::ranges::move(*option, std::back_inserter(out));
          continue;
        }
      }
      out.push_back(word);
    }
  }
  return out;
}

CLI::App* add_help(CLI::App& app, std::string& topic) {
  auto* help = app.add_subcommand("help", "Show the help of a command, or the list of commands");
  help->group(std::string(command_table().back().group));
  help->footer("See rewall-help(8) for details.");
  help->add_option("COMMAND", topic, "The command")->type_name("");
  return help;
}

Result<std::variant<Chosen, HelpText>> help_about(const CLI::App& app, const std::string& topic) {
  // App::help() would be about the command "help".
  if (topic.empty())
    return std::variant<Chosen, HelpText>(
        app.get_formatter()->make_help(&app, app.get_name(), CLI::AppFormatMode::Normal));
  const auto found = app.get_subcommands([&](const CLI::App* command) { return command->check_name(topic); });
  if (found.empty()) return unknown_word(app, nullptr, topic);
  return std::variant<Chosen, HelpText>(found.front()->help("rewall"));
}

}  // namespace

Result<std::variant<Chosen, HelpText>> parse_command_line(int argc, char** argv) {
  CLI::App app{"Version control for a Linux firewall: iptables, ip6tables and ipset", "rewall"};
  app.formatter(std::make_shared<HelpFormatter>());
  Globals globals;
  Syntax syntax;
  add_globals(syntax, globals);
  ValueError failed;
  add_syntax(app, syntax, failed);
  app.set_version_flag("-V,--version", "rewall " REWALL_VERSION, "Print the version");
  app.set_help_flag("-h,--help", "Print this help");
  app.require_subcommand(0, 1);
  app.fallthrough();
  app.footer(
      "'rewall COMMAND --help' shows a command's options and examples;\nsee rewall-COMMAND(8) for details, "
      "and "
      "rewall(8) for an overview.");
  auto commands = add_commands(app, failed);
  std::string topic;
  auto* help = add_help(app, topic);
  auto words = TRY(library_words(app, commands, std::vector<std::string>(argv + 1, argv + argc)));
  try {
    // The library takes the words from the end.
    std::ranges::reverse(words);
    app.parse(std::move(words));
  } catch (const CLI::Success& asked) {
    std::ostringstream text;
    app.exit(asked, text);
    return std::variant<Chosen, HelpText>(std::move(text).str());
  } catch (const CLI::ParseError& error) {
    return failed ? *std::move(failed) : usage_error(app, error);
  }
  const auto chosen = app.get_subcommands();
  if (chosen.empty()) return std::variant<Chosen, HelpText>(app.help());
  if (chosen.front() == help) return help_about(app, topic);
  const auto command = std::ranges::find_if(
      commands, [&](const Defined& defined) { return !chosen.empty() && defined.app == chosen.front(); });
  note_given(command->syntax, command->options);
  return std::variant<Chosen, HelpText>(Chosen{.command = command->entry,
                                               .globals = std::move(globals),
                                               .syntax = std::move(command->syntax),
                                               .action = std::move(command->action)});
}

}  // namespace rewall

#include "cli/program.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <map>
#include <memory>
#include <new>
#include <sstream>
#include <string>
#include <vector>

#include "cli/help.h"
#include "commands/command.h"
#include "core/format.h"
#include "core/log.h"
#include "core/text.h"
#include "ops/context/event_hooks.h"
#include "ops/guard/guard_process.h"
#include "ops/guard/rollback.h"
#include "ops/history/export.h"
#include "ops/history/signature.h"
#include "ops/remote/background.h"
#include "ops/restore/recovery.h"
#include "store/repository.h"
#include "ui/diff_view.h"
#include "ui/json.h"

namespace rewall {
namespace {

struct Globals {
  std::string repository{};
  std::string backend = "auto";
  std::string colour = "auto";
  bool no_pager = false;
  bool quiet = false;
  bool json = false;
  int verbosity = 0;
};

void add_globals(CLI::App& app, Globals& globals) {
  app.add_option("-C,--repo", globals.repository, "The repository (else $REWALL_REPO, else /var/lib/rewall)")
      ->type_name("DIR");
  app.add_option("--backend", globals.backend, "Which iptables")
      ->type_name("auto|nft|legacy")
      ->check(CLI::IsMember({"auto", "nft", "legacy"}));
  app.add_option("--color", globals.colour, "When to use colours")
      ->type_name("auto|always|never")
      ->check(CLI::IsMember({"auto", "always", "never"}));
  app.add_flag("--no-pager", globals.no_pager, "Never start a pager");
  app.add_flag("-q,--quiet", globals.quiet, "Say nothing about the work");
  app.add_flag("-v,--verbose", globals.verbosity, "Say more; twice: the programs that run");
  app.add_flag("--json", globals.json, "Facts as JSON");
}

std::string repository_path(const Globals& globals) {
  if (!globals.repository.empty()) return globals.repository;
  const char* variable = std::getenv("REWALL_REPO");
  return variable != nullptr && *variable != '\0' ? variable : "/var/lib/rewall";
}

BackendChoice backend_choice(const std::string& word) {
  if (word == "nft") return BackendChoice::nft;
  return word == "legacy" ? BackendChoice::legacy : BackendChoice::automatic;
}

Colour colour_choice(const std::string& word) {
  if (word == "always") return Colour::always;
  return word == "never" ? Colour::never : Colour::automatic;
}

// For what is no command's answer: the status, else that of the failure to write.
int print_plainly(std::string_view text, int status) {
  Terminal terminal({.colour = Colour::never, .pager = false});
  terminal.out(text);
  auto written = terminal.finish();
  if (written) return status;
  Terminal::error(written.error());
  return status == 0 ? exit_code(written.error().kind) : status;
}

int fail(const Error& error, bool json) {
  if (json) return print_plainly(print(to_json(error)), exit_code(error.kind));
  Terminal::error(error);
  return exit_code(error.kind);
}

std::vector<std::string> command_names() {
  std::vector<std::string> names;
  for (const auto& command : command_table()) names.emplace_back(command.name);
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

Error unknown_word(const CLI::App& app, const CLI::App* command, const std::string& word) {
  if (command == nullptr && !word.starts_with('-')) {
    const auto near = nearest(word, command_names());
    return {.kind = ErrorKind::usage,
            .message = format("unknown command '{}'", word),
            .hint = near.empty() ? "'rewall --help' lists the commands"
                                 : format("did you mean 'rewall {}'?", near)};
  }
  auto names = option_names(app);
  if (command != nullptr) std::ranges::copy(option_names(*command), std::back_inserter(names));
  const auto near = nearest(word.substr(0, word.find('=')), names);
  const auto help =
      command == nullptr ? "'rewall --help'" : format("'rewall {} --help'", command->get_name());
  return {.kind = ErrorKind::usage,
          .message = format("{} '{}'", word.starts_with('-') ? "unknown option" : "one word too many:", word),
          .hint = near.empty() ? format("{} lists what there is", help) : format("did you mean '{}'?", near)};
}

Error usage_error(const CLI::App& app, const CLI::ParseError& error) {
  const auto chosen = app.get_subcommands();
  const CLI::App* command = chosen.empty() ? nullptr : chosen.front();
  auto extras = app.remaining(true);
  if (!extras.empty()) return unknown_word(app, command, extras.front());
  const auto name = command == nullptr ? "" : command->get_name() + " ";
  return {.kind = ErrorKind::usage,
          .message = error.what(),
          .hint = format("'rewall {}--help' shows how it is used", name)};
}

std::string footer(std::string_view examples) {
  std::string text = "Examples:\n";
  for (const auto line : split_lines(examples)) text += format("  {}\n", line);
  return text + "\nThe options of 'rewall --help' (-C, --json, ...) can stand here too.";
}

std::string command_line(int argc, char** argv) {
  std::string text = "rewall";
  for (int i = 1; i < argc; ++i) text += " " + shell_quote(argv[i]);
  return text;
}

std::map<const CLI::App*, Action> add_commands(CLI::App& app) {
  std::map<const CLI::App*, Action> actions;
  for (const auto& entry : command_table()) {
    auto* command = app.add_subcommand(std::string(entry.name), std::string(entry.summary));
    if (!entry.alias.empty()) command->alias(std::string(entry.alias));
    command->group(std::string(entry.group));
    command->footer(footer(entry.examples));
    actions[command] = entry.define(*command);
  }
  return actions;
}

std::string own_path() {
  std::error_code failed;
  const auto path = std::filesystem::read_symlink("/proc/self/exe", failed);
  // One that was replaced by an update goes on under this name.
  return failed || !std::filesystem::exists(path) ? "/proc/self/exe" : path.string();
}

// A restore that was interrupted and cannot be settled stops those who change LIVE or the history, not those
// who look or tidy up.
bool only_looks(const CLI::App& command) {
  static constexpr std::array<std::string_view, 6> kLooking{"status", "fleet", "config",
                                                            "verify", "gc",    "doctor"};
  return command.get_group() == "look" || std::ranges::find(kLooking, command.get_name()) != kLooking.end();
}

std::unique_ptr<Session> make_session(const std::filesystem::path& repository, BackendChoice backend) {
  auto session = std::make_unique<Session>(repository, backend, host_firewall());
  session->program = own_path();
  session->signer = sign_commit;
  session->record_observers = {export_snapshot, push_and_pack, queue_post_snapshot};
  session->diff_text = [](const Diff& diff) { return render(diff, {}); };
  return session;
}

// What an earlier rewall left: a restore that was killed, a guard whose process is gone, pushes that wait.
// Where that cannot be recovered, a command that looks says so, and one that changes something is refused the
// repository.
void take_up_what_was_left(Session& session, bool looks, bool sees_to_guard) {
  if (!session.repository()) return;  // the command reports it
  auto recovered = recover_interrupted_restore(session);
  if (recovered && !sees_to_guard) recovered = fire_overdue_guard(session);
  start_background_work(session);
  if (recovered) return;
  if (looks)
    log_warning("{}", escape(full_message(recovered.error())));
  else
    session.withhold_repository(std::move(recovered).error());
}

// These fire an overdue guard themselves, or put its old ruleset in force.
bool sees_to_guard(const CLI::App& command) {
  const auto* boot = command.get_option_no_throw("--boot");
  return command.get_name() == "status" || command.get_name() == "rollback" ||
         (boot != nullptr && boot->count() > 0);
}

int run_parsed(int argc, char** argv, const Globals& globals, const CLI::App& command, const Action& action) {
  start_log(globals.quiet ? -1 : globals.verbosity);
  const auto made = make_session(repository_path(globals), backend_choice(globals.backend));
  Session& session = *made;
  session.command_line = command_line(argc, argv);
  // doctor reports what was left.
  if (command.get_name() != "doctor")
    take_up_what_was_left(session, only_looks(command), sees_to_guard(command));
  Terminal terminal(
      {.colour = colour_choice(globals.colour), .pager = !globals.no_pager, .quiet = globals.quiet});
  Context context{session, terminal, globals.json};
  auto answer = action(context);
  run_queued_events(session);
  auto written = terminal.finish();
  if (!answer) return fail(answer.error(), globals.json);
  if (!written) {
    Terminal::error(written.error());
    return exit_code(written.error().kind);
  }
  return static_cast<int>(*answer);
}

// Not even an error that nobody foresaw may be taken for wrong usage, which changes nothing.
Error unexpected(std::string message, const std::string& command) {
  static constexpr std::array<std::string_view, 6> kChanging{"restore", "undo", "apply",
                                                             "edit",    "try",  "rollback"};
  if (std::ranges::find(kChanging, command) == kChanging.end()) {
    return {.kind = ErrorKind::repository, .message = std::move(message)};
  }
  return {.kind = ErrorKind::damaged,
          .message = std::move(message),
          .hint = "LIVE may be half changed: 'rewall diff' shows it, 'rewall restore' mends it"};
}

// `command` is set to the one that runs, for what is thrown there.
int run_words(int argc, char** argv, bool json, std::string& command) {
  const auto starting = start_early();
  CLI::App app{"Version control for a Linux firewall: iptables, ip6tables and ipset", "rewall"};
  app.formatter(std::make_shared<HelpFormatter>());
  Globals globals;
  add_globals(app, globals);
  app.set_version_flag("--version", "rewall " REWALL_VERSION, "Print the version");
  app.set_help_flag("-h,--help", "Print this help");
  app.require_subcommand(0, 1);
  app.fallthrough();
  app.footer("'rewall COMMAND --help' shows a command's options and examples;\nrewall(8) tells the rest.");
  const auto actions = add_commands(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {
    std::ostringstream text;
    const int status = app.exit(asked, text);
    return print_plainly(text.str(), status);
  } catch (const CLI::ParseError& error) {
    return fail(usage_error(app, error), json);
  }
  const auto chosen = app.get_subcommands();
  if (chosen.empty()) {
    return fail(
        {.kind = ErrorKind::usage, .message = "no command", .hint = "'rewall --help' lists the commands"},
        json);
  }
  command = chosen.front()->get_name();
  return run_parsed(argc, argv, globals, *chosen.front(), actions.at(chosen.front()));
}

}  // namespace

int run_program(int argc, char** argv) {
  hold_standard_descriptors();
  const bool json =
      std::any_of(argv + 1, argv + argc, [](const char* word) { return std::string_view(word) == "--json"; });
  std::string command;
  try {
    // The process of a guard: it sleeps for most of its life, so it starts nothing that it may never need.
    if (argc == 5 && argv[1] == std::string_view("-C") && argv[3] == std::string_view("guard")) {
      start_log(0);
      return keep_guard(argv[2], argv[4], make_session);
    }
    if (argc == 4 && argv[1] == std::string_view("-C") && argv[3] == std::string_view("background")) {
      start_log(0);
      return work_in_background(argv[2]);
    }
    return run_words(argc, argv, json, command);
  } catch (const std::bad_alloc&) {
    return fail(unexpected("out of memory", command), json);
  } catch (const std::exception& error) {
    return fail(unexpected(format("unexpected: {}", error.what()), command), json);
  }
}

}  // namespace rewall

#include "cli/program.h"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <memory>
#include <new>
#include <string>
#include <variant>

#include "cli/parser.h"
#include "commands/command.h"
#include "commands/command_output.h"
#include "core/file.h"
#include "core/format.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/messages.h"
#include "core/text.h"
#include "kernel/daemon.h"
#include "ops/context/event_hooks.h"
#include "ops/context/state_paths.h"
#include "ops/context/systemd.h"
#include "ops/expiry/expiry.h"
#include "ops/expiry/expiry_process.h"
#include "ops/guard/guard_process.h"
#include "ops/guard/rollback.h"
#include "ops/history/export.h"
#include "ops/history/signature.h"
#include "ops/remote/background.h"
#include "ops/remote/notify.h"
#include "ops/restore/recovery.h"
#include "store/repository.h"
#include "ui/diff_view.h"
#include "ui/foreground.h"
#include "ui/json.h"

namespace rewall {
namespace {

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

// Prints help or an error as JSON, and returns `status`, or the exit status of a failure to write.
int print_plainly(std::string_view text, int status) {
  Terminal terminal({.colour = Colour::never, .pager = false});
  terminal.out(text);
  auto written = terminal.finish();
  if (written) return status;
  Terminal::error(written.error());
  return status == 0 ? exit_code(written.error().kind) : status;
}

// `leaves_live`: where the error says nothing of LIVE, nothing was begun.
int fail(Error error, bool json, bool leaves_live, const Session* session = nullptr, bool changes = false) {
  if (session != nullptr) error.hint = for_repository(error.hint, session->path());
  // Of a wrong command line nobody thinks that it did something.
  const bool is_doubtful = error.kind != ErrorKind::usage && error.kind != ErrorKind::refused && changes;
  if ((json || is_doubtful) && !error.live && leaves_live) error.live = LiveState::untouched;
  if (json) return print_plainly(print(to_json(error)), exit_code(error.kind));
  Terminal::error(error);
  return exit_code(error.kind);
}

std::string command_line(int argc, char** argv) {
  std::string text = "rewall";
  for (int i = 1; i < argc; ++i) text += " " + shell_quote(argv[i]);
  return text;
}

std::string own_path() {
  std::error_code failed;
  const auto path = std::filesystem::read_symlink("/proc/self/exe", failed);
  // After an update the old program file is gone; this name still leads to it.
  return failed || !path_exists(path) ? "/proc/self/exe" : path.string();
}

/// The command that runs, for the message about an exception.
struct Running {
  std::unique_ptr<Session> session{};
  Effect effect = Effect::looks;
};

std::unique_ptr<Session> make_session(const std::filesystem::path& repository, BackendChoice backend) {
  auto firewall = host_firewall(std::chrono::minutes{2}, StatePaths(repository / ".git/rewall").proofs());
  auto session = std::make_unique<Session>(repository, backend, std::move(firewall));
  session->program = own_path();
  session->signer = sign_commit;
  session->record_observers = {export_snapshot, note_for_notify, push_and_pack, queue_post_snapshot};
  session->diff_text = [](const Diff& diff) { return render(diff, {}); };
  return session;
}

// What cannot be taken out now stays due, and is in nobody's way.
void see_to_expiries(Session& session) {
  if (auto done = take_out_expired(session); !done)
    log_warning("rules that expired are in force still: {}", escape(full_message(done.error())));
  wait_for_expiries(session);
}

// What an earlier rewall left: a restore that was killed, a guard whose process is gone, pushes that wait.
// Where that cannot be recovered, a command that looks says so, and one that changes something is refused the
// repository.
void take_up_what_was_left(Session& session, bool looks, bool sees_to_guard) {
  if (!session.repository()) return;  // the command reports it
  auto recovered = recover_interrupted_restore(session);
  if (recovered && !sees_to_guard) recovered = fire_overdue_guard(session);
  if (recovered) see_to_expiries(session);
  start_background_work(session);
  if (recovered) return;
  if (looks)
    log_warning("{}", escape(full_message(recovered.error())));
  else
    session.withhold_repository(std::move(recovered).error());
}

bool is_boot(const Chosen& chosen) {
  const auto* boot = chosen.syntax.find("--boot");
  return boot != nullptr && boot->given;
}

// These fire an overdue guard themselves.
bool sees_to_guard(const Chosen& chosen) {
  return chosen.command->name == "status" || chosen.command->name == "rollback";
}

// What ends a guard, or shows it, does not hang on a file of settings.
bool does_without_settings(const Chosen& chosen) {
  return sees_to_guard(chosen) || chosen.command->name == "confirm";
}

// An error of a restore says what became of LIVE as soon as its load has begun. What a command of `try` did,
// and what a guard or a boot loads without the history, is another matter.
bool leaves_live(const Chosen& chosen) {
  const auto name = chosen.command->name;
  return chosen.command->effect != Effect::changes ||
         (name != "try" && name != "rollback" && !sees_to_guard(chosen) && !is_boot(chosen));
}

// On a full disk a restore works still: it keeps what was in force in files, where these want a snapshot
// first.
Error with_way_out(Error error, const Chosen& chosen) {
  const auto name = chosen.command->name;
  if (error.hint == messages::kFreeSpace && (name == "undo" || name == "redo" || name == "try"))
    error.hint += "; on a full disk 'rewall restore REV' works, without a guard";
  return error;
}

// The guard's process starts with the limits of this one, unless systemd starts it. Too small, they would end
// this process in the middle of the arming.
Status check_limits(const Chosen& chosen) {
  const auto* guarded = chosen.syntax.find("--for");
  const bool arms = chosen.command->name == "try" || (guarded != nullptr && guarded->given);
  const auto limit = arms && !at_systemd() ? limit_too_small() : std::nullopt;
  return limit ? Status(error_of<messages::guard_limited>(*limit)) : Status{};
}

int run_chosen(int argc, char** argv, const Chosen& chosen, Running& running) {
  const auto& globals = chosen.globals;
  start_log(globals.quiet ? -1 : globals.verbosity);
  running.effect = chosen.command->effect;
  if (const auto enough = check_limits(chosen); !enough) return fail(enough.error(), globals.json, true);
  running.session = make_session(repository_path(globals), backend_choice(globals.backend));
  Session& session = *running.session;
  log_info("repository {}, backend {}", session.path().string(), globals.backend);
  session.command_line = command_line(argc, argv);
  session.does_without_settings = does_without_settings(chosen);
  // doctor reports what was left, and a boot sees to it.
  if (chosen.command->name != "doctor" && !is_boot(chosen))
    take_up_what_was_left(session, chosen.command->effect == Effect::looks, sees_to_guard(chosen));
  Terminal terminal(
      {.colour = colour_choice(globals.colour), .pager = !globals.no_pager, .quiet = globals.quiet});
  Context context{session, terminal, globals.json};
  auto answer = chosen.action(context);
  run_queued_events(session);
  auto written = terminal.finish();
  if (!answer)
    return fail(with_way_out(answer.error(), chosen), globals.json, leaves_live(chosen), &session,
                chosen.command->effect == Effect::changes);
  if (written) return static_cast<int>(*answer);
  if (running.effect == Effect::looks) {
    Terminal::error(written.error());
    return exit_code(written.error().kind);
  }
  // The work is done, and its exit status says so.
  log_warning("{}: the command did its work, but its output is lost", written.error().message);
  return static_cast<int>(*answer);
}

// An exception must not look like wrong usage, which changes nothing. While LIVE may be neither the old
// ruleset nor the new one, there is the journal of a restore.
Error unexpected(std::string message, const Running& running) {
  Error error{.kind = ErrorKind::repository, .message = std::move(message)};
  if (running.effect != Effect::changes) return error;
  std::error_code failed;
  if (running.session &&
      std::filesystem::exists(StatePaths(running.session->state_path()).journal(), failed)) {
    error.kind = ErrorKind::damaged;
    error.live = LiveState::unknown;
    error.hint = "'rewall status' finishes or reverts the restore that was interrupted";
  } else {
    error.hint = "'rewall diff' shows whether LIVE was changed";
  }
  return error;
}

int run_words(int argc, char** argv, bool json, Running& running) {
  use_large_pages();
  const auto starting = start_early();
  auto parsed = parse_command_line(argc, argv);
  if (!parsed) {
    auto error = std::move(parsed).error();
    // Of a wrong command line no more is known than what is written there.
    for (int i = 1; i + 1 < argc; ++i)
      if (argv[i] == std::string_view("-C") || argv[i] == std::string_view("--repo"))
        error.hint = for_repository(error.hint, argv[i + 1]);
    return fail(std::move(error), json, true);
  }
  if (const auto* help = std::get_if<HelpText>(&*parsed)) return print_plainly(*help, 0);
  return run_chosen(argc, argv, std::get<Chosen>(*parsed), running);
}

}  // namespace

int run_program(int argc, char** argv) {
  hold_standard_descriptors();
  make_files_private();
  // A file that is too big is an error, and who started us may not want to hear of children.
  std::signal(SIGXFSZ, SIG_IGN);
  std::signal(SIGCHLD, SIG_DFL);
  const bool json =
      std::any_of(argv + 1, argv + argc, [](const char* word) { return std::string_view(word) == "--json"; });
  Running running;
  try {
    // The process of a guard sleeps most of the time, so it loads nothing that it may never need.
    if (argc == 5 && argv[1] == std::string_view("-C") && argv[3] == std::string_view("guard")) {
      start_log(0);
      return keep_guard(argv[2], argv[4], make_session);
    }
    if (argc == 4 && argv[1] == std::string_view("-C") && argv[3] == kExpiryWork) {
      start_log(0);
      return keep_expiries(argv[2], make_session);
    }
    if (argc == 4 && argv[1] == std::string_view("-C") && argv[3] == std::string_view("background")) {
      start_log(0);
      become_independent(false);
      return work_in_background(argv[2], make_session);
    }
    return run_words(argc, argv, json, running);
  } catch (const std::bad_alloc&) {
    return fail(unexpected("out of memory", running), json, running.effect != Effect::changes,
                running.session.get());
  } catch (const std::exception& error) {
    return fail(unexpected(format("unexpected: {}", error.what()), running), json,
                running.effect != Effect::changes, running.session.get());
  }
}

}  // namespace rewall

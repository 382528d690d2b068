#include "commands/guard.h"

#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "commands/command_output.h"
#include "commands/define.h"
#include "commands/restore.h"
#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"
#include "kernel/process.h"
#include "ops/guard/arm.h"
#include "ops/guard/rollback.h"
#include "ui/foreground.h"
#include "ui/keys.h"

namespace rewall {
namespace {

constexpr std::chrono::milliseconds kTick{1000};

std::string clock_of(std::chrono::milliseconds left) {
  const auto end = local(now().seconds + std::chrono::ceil<std::chrono::seconds>(left).count());
  return rfc3339(end).substr(11, 8);
}

std::string armed_text(const Guard& guard) {
  const auto left = guard.deadline - boot_time();
  return format("GUARD ARMED: reverts at {} (in {}) unless you run 'rewall confirm'", clock_of(left),
                time_text(left));
}

/// Counts down, and ends when the person at the terminal or in another session decides.
class Countdown {
 public:
  Countdown(Context& context, const Guard& guard, std::string tried, Keys keys)
      : context_(context), guard_(guard), tried_(std::move(tried)), keys_(std::move(keys)) {}

  Result<Answer> run() {
    for (;;) {
      auto guard = read_guard(context_.session.state_path());
      if (guard && (!*guard || (*guard)->id != guard_.id)) return ended();
      if (guard) guard_ = **std::move(guard);
      const auto left = std::max(guard_.deadline - boot_time(), std::chrono::milliseconds{});
      keys_.show(left.count() == 0
                     ? "Time is up: reverting the change"
                     : format("Reverting in {}.  [c]onfirm  [r]evert now  [q]uit (guard stays armed) ",
                              time_text(left)));
      switch (keys_.next(kTick)) {
        case 'c':
          return confirmed();
        case 'r':
          return rolled_back();
        case 'q':
          keys_.show(armed_text(guard_) + "\n");
          return Answer::same;
        case Keys::kInterrupt:
          return interrupted();
        default:
          break;
      }
    }
  }

 private:
  Result<Answer> ended() {
    const bool kept = ending_of(context_.session.state_path(), guard_) == Ending::confirmed;
    keys_.show(kept ? "confirmed: the change is kept\n" : "");
    if (!kept) return error_of<messages::not_confirmed>(short_hash(tried_));
    return Answer::same;
  }

  Result<Answer> confirmed() {
    auto kept = confirm(context_.session, {});
    if (!kept && kept.error().kind == ErrorKind::refused) return ended();
    keys_.show("");
    if (!kept) return std::move(kept).error();
    keys_.show("confirmed: the change is kept\n");
    return Answer::same;
  }

  Result<Answer> rolled_back() {
    auto back = roll_back(context_.session);
    keys_.show("");
    if (!back) return std::move(back).error();
    context_.terminal.say(format(
        "reverted as requested; the live rules are back to {}. To try again: rewall restore --for 10m {}",
        short_hash(guard_.before), short_hash(tried_)));
    return Answer::reverted;
  }

  Result<Answer> interrupted() {
    keys_.show("\n" + armed_text(guard_) + "\n");
    left_ = true;
    return Answer::same;
  }

 public:
  /// True after Ctrl-C: the process then ends by the signal SIGINT.
  bool left() const { return left_; }

 private:
  Context& context_;
  Guard guard_;
  std::string tried_;
  Keys keys_;
  bool left_ = false;
};

}  // namespace

Json guard_json(const Guard& guard, std::chrono::milliseconds left, bool overdue) {
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(left).count();
  const auto deadline =
      overdue ? local(guard.armed.seconds + std::chrono::ceil<std::chrono::seconds>(guard.length).count())
              : local(now().seconds + seconds);
  return {{"deadline", rfc3339(deadline)}, {"seconds_left", seconds},  {"armed_by", guard.actor.text()},
          {"command", guard.command},      {"restores", guard.before}, {"overdue", overdue}};
}

void add_guard_time(Syntax& syntax, std::optional<std::chrono::milliseconds>& length,
                    const std::string& what) {
  syntax.option(
      "--for", "TIME",
      [&length](const std::string& word) -> Status {
        const auto time = TRY(parse_duration(word));
        if (time.count() == 0) return error_of<messages::guard_without_time>();
        length = time;
        return {};
      },
      what);
}

Result<Answer> stand_by(Context& context, const Guard& guard, const std::string& tried, bool may_ask) {
  const bool people = may_ask && !context.json && ::isatty(STDIN_FILENO) == 1 && ::isatty(STDERR_FILENO) == 1;
  auto keys = people ? Keys::open() : std::nullopt;
  if (!keys) {
    context.terminal.say(armed_text(guard));
    return Answer::same;
  }
  bool left = false;
  auto answer = [&] {
    Countdown countdown(context, guard, tried, *std::move(keys));
    auto ending = countdown.run();
    left = countdown.left();
    return ending;
  }();
  if (left) ::raise(SIGINT);
  return answer;
}

namespace {

struct TryOptions {
  std::optional<std::chrono::milliseconds> length{};
  std::string message{};
  std::vector<std::string> words{};
  bool yes = false;
};

Result<Foreground> program_of(std::vector<std::string> words) {
  const std::string& name = words[0];
  const std::string path =
      name.find('/') == std::string::npos ? find_program(name) : std::filesystem::absolute(name).string();
  if (path.empty() || ::access(path.c_str(), X_OK) != 0) return error_of<messages::command_not_found>(name);
  words[0] = path;
  Foreground program{.words = std::move(words)};
  for (char** variable = environ; *variable != nullptr; ++variable)
    program.environment.emplace_back(*variable);
  return program;
}

/// Runs the command and returns its exit status. Ctrl-C goes to the command alone.
Result<int> run_tried(Foreground program) {
  const SignalsForChild held;
  auto process = TRY(start(std::move(program)));
  return wait_for(process);
}

Result<Answer> run_try(Context& context, const TryOptions& options) {
  std::optional<Foreground> program;
  if (!options.words.empty()) {
    auto found = TRY(program_of(options.words));
    program = std::move(found);
  }
  auto guard = TRY(begin_try(context.session, options.length.value_or(std::chrono::minutes{10})));
  if (!program) {
    if (context.json) {
      Json json = answer_json(guard.before, "", false, "");
      json["guard"] = guard_json(guard, guard.deadline - boot_time(), false);
      context.terminal.out(print(json));
    }
    return stand_by(context, guard, guard.before, false);
  }
  auto status = run_tried(*std::move(program));
  auto recorded = TRY(end_try(context.session, guard, options.message));
  // Somebody may have confirmed while the command ran. A file that cannot be read is no answer of anybody's.
  const auto standing = read_guard(context.session.state_path());
  const bool armed = !standing || (*standing && (*standing)->id == guard.id);
  print_recorded(context, recorded, "", armed ? std::optional(guard) : std::nullopt);
  if (!status) return std::move(status).error();
  if (*status != 0)
    context.terminal.say(format("'{}' failed (exit {}). What it changed: rewall diff {}", options.words[0],
                                *status, short_hash(guard.before)));
  if (!armed) {
    context.terminal.say(
        "no guard is armed: somebody confirmed while the command ran, and all that it did is kept");
    return *status == 0 ? Answer::same : Answer::different;
  }
  auto answer = stand_by(context, guard, recorded.hash, !options.yes);
  return answer && *answer == Answer::same && *status != 0 ? Answer::different : std::move(answer);
}

}  // namespace

Action define_try(Syntax& syntax) {
  auto options = std::make_shared<TryOptions>();
  add_guard_time(syntax, options->length, "Revert after TIME unless 'rewall confirm' is run (default 10m)");
  syntax.option("-m,--message", "MSG", &options->message, "Subject of the snapshot that records the result");
  syntax.flag("--yes", options->yes, "Do not count down on the terminal");
  syntax.positional("COMMAND", &options->words,
                    "A command that changes the firewall; without one, only arm the guard");
  return [options](Context& context) { return run_try(context, *options); };
}

Action define_confirm(Syntax& syntax) {
  auto options = std::make_shared<ConfirmOptions>();
  syntax.option(
      "--extend", "TIME",
      [options](const std::string& word) -> Status {
        options->extend = TRY(parse_duration(word));
        return {};
      },
      "Extend the deadline by TIME without confirming");
  syntax.flag("--new-session", options->from_new_session,
              "Accept only from another login, which proves new connections work");
  syntax.option("-m,--message", "MSG", &options->message,
                "Subject of the snapshot, if the live rules are not recorded yet");
  return [options](Context& context) -> Result<Answer> {
    auto confirmed = TRY(confirm(context.session, *options));
    if (options->extend)
      context.terminal.say(armed_text(confirmed.guard));
    else
      context.terminal.say("confirmed: the change is kept");
    print_recorded(context, confirmed.recorded, "",
                   options->extend ? std::optional(confirmed.guard) : std::nullopt);
    if (!options->extend) say_in_force(context, confirmed.recorded);
    return Answer::same;
  };
}

Action define_rollback(Syntax&) {
  return [](Context& context) -> Result<Answer> {
    return print_restored(context, {}, roll_back(context.session));
  };
}

}  // namespace rewall

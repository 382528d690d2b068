#include "commands/guard.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <memory>

#include "commands/command_output.h"
#include "commands/define.h"
#include "commands/expiry.h"
#include "commands/restore.h"
#include "core/file.h"
#include "core/format.h"
#include "core/messages.h"
#include "core/parallel.h"
#include "core/text.h"
#include "core/time.h"
#include "kernel/process.h"
#include "ops/context/namespace_match.h"
#include "ops/context/rewall_command.h"
#include "ops/expiry/expiry.h"
#include "ops/guard/arm.h"
#include "ops/guard/guard_place.h"
#include "ops/guard/new_login.h"
#include "ops/guard/new_ssh.h"
#include "ops/guard/rollback.h"
#include "ops/guard/tried_command.h"
#include "ops/history/change_stack.h"
#include "ui/ask.h"
#include "ui/foreground.h"

namespace rewall {
namespace {

constexpr std::chrono::milliseconds kTick{1000};

std::string clock_of(std::chrono::milliseconds left) {
  const auto end = local(now().seconds + std::chrono::ceil<std::chrono::seconds>(left).count());
  // With the zone: who reads it may sit in another one.
  return rfc3339(end).substr(11);
}

// "9:58", "1:05:00".
std::string short_time(std::chrono::milliseconds left) {
  const auto all = std::chrono::ceil<std::chrono::seconds>(left).count();
  const auto hours = all / 3600;
  const auto minutes = all / 60 % 60;
  return hours > 0 ? format("{}:{:02}:{:02}", hours, minutes, all % 60)
                   : format("{}:{:02}", minutes, all % 60);
}

std::string armed_text(const Context& context, const Guard& guard) {
  const auto left = guard.deadline - boot_time();
  const auto rewall = rewall_command(context.session.path());
  const auto confirm = confirming_command(context.session);
  auto text = format("GUARD ARMED: reverts at {} (in {}) unless you run '{} confirm'", clock_of(left),
                     time_text(left), rewall);
  if (confirm != rewall + " confirm")
    text += format("; from a new login, which proves that it works: {}", confirm);
  return text;
}

/// "new ssh: BLOCKED (its packets in meet DROP by ip filter INPUT policy DROP)".
std::string new_ssh_text(const NewSsh& tried) {
  return format("new ssh: {}{}", tried.word(), tried.why.empty() ? "" : format(" ({})", tried.why));
}

// What a kept change means for the next login, where that is not known to be well.
void tell_of_new_ssh(Context& context, const NewSsh& tried) {
  if (tried.answer == NewSsh::Answer::ok) return;
  if (tried.answer == NewSsh::Answer::unknown) return context.terminal.tell(new_ssh_text(tried));
  context.terminal.tell(
      format("a new ssh login is BLOCKED ({}): do not close this session; '{}' reverts the change", tried.why,
             rewall_command(context.session, "undo")));
}

/// Absent where nobody reads what rewall says and can answer.
std::optional<Conversation> people_at_terminal(const Context& context) {
  if (context.json || ::isatty(STDIN_FILENO) != 1 || ::isatty(STDERR_FILENO) != 1) return std::nullopt;
  auto people = Conversation::open();
  if (people && !people->in_foreground()) return std::nullopt;
  return people;
}

/// Tries a new ssh connection beside the countdown, and again when the rules in force have changed.
class NewSshWatch {
 public:
  explicit NewSshWatch(Context& context) : context_(context), way_(callers_ssh()) {}

  /// True where there is something new to say.
  bool look() {
    if (!way_) return false;
    if (task_.valid()) {
      if (!*done_) return false;
      auto tried = task_.get();
      tried_ = tried ? *std::move(tried) : NewSsh{.why = tried.error().message};
      return true;
    }
    auto now = context_.session.firewall().generation();
    if (tried_ && now == of_) return false;
    of_ = std::move(now);
    done_ = std::make_shared<std::atomic<bool>>(false);
    task_ = beside("new ssh", ErrorKind::kernel,
                   [done = done_, way = *way_, backend = context_.session.backend()] {
                     const Finished finished{done};
                     return try_new_ssh(*host_firewall(), backend, way);
                   });
    return false;
  }
  const std::optional<NewSsh>& tried() const { return tried_; }

 private:
  /// Tells however the work ends.
  struct Finished {
    std::shared_ptr<std::atomic<bool>> done{};
    ~Finished() { *done = true; }
  };

  Context& context_;
  std::optional<SessionWay> way_;
  std::optional<Generation> of_{};
  std::shared_ptr<std::atomic<bool>> done_{};
  Task<NewSsh> task_{};
  std::optional<NewSsh> tried_{};
};

// Of a guard under which nothing was changed, that nothing is kept.
std::string confirmed_text(const Confirmed& confirmed) {
  return confirmed.recorded.hash == confirmed.guard.before
             ? "confirmed: the guard is ended; nothing was changed under it"
             : "confirmed: the change is kept";
}

/// Counts down, and ends when the person at the terminal or in another session decides.
class Countdown {
 public:
  Countdown(Context& context, const Guard& guard, std::string again, int terminal)
      : context_(context),
        guard_(guard),
        again_(std::move(again)),
        question_(terminal, {kConfirm, kRevert, kQuit}) {}

  Result<Answer> run() {
    for (;;) {
      auto guard = read_guard(context_.session.state_path());
      if (guard && (!*guard || (*guard)->id != guard_.id)) return ended();
      if (guard) guard_ = **std::move(guard);
      if (ssh_.look()) question_.close(escape(new_ssh_text(*ssh_.tried())) + "\n");
      question_.show(prompts());
      const auto came = question_.next(kTick);
      if (came == Question::Came::interrupt) return interrupted();
      if (came != Question::Came::answer) continue;
      if (question_.answer() == kConfirm) {
        if (is_doubted()) continue;
        return confirmed();
      }
      if (question_.answer() == kRevert) return rolled_back();
      question_.close(armed_text(context_, guard_) + "\n");
      return Answer::same;
    }
  }

 private:
  static constexpr const char* kConfirm = "confirm";
  static constexpr const char* kRevert = "revert";
  static constexpr const char* kQuit = "quit";

  std::vector<std::string> prompts() const {
    const auto left = std::max(guard_.deadline - boot_time(), std::chrono::milliseconds{});
    if (left.count() == 0) return {"Time is up: reverting the change ", "Time is up "};
    const auto& ssh = ssh_.tried();
    const auto time = time_text(left) + (ssh ? format(" (new ssh: {})", ssh->word()) : "");
    return {format("Reverting in {}. Type confirm, revert, or quit (the guard stays armed): ", time),
            format("Reverting in {}. confirm, revert or quit: ", time),
            format("confirm/revert/quit ({}{}): ", short_time(left),
                   !ssh                                     ? ""
                   : ssh->answer == NewSsh::Answer::blocked ? ", BLOCKED"
                                                            : format(", ssh {}", ssh->word())),
            format("{}: ", short_time(left))};
  }

  // Once: a second `confirm` keeps the change.
  bool is_doubted() {
    const auto& ssh = ssh_.tried();
    if (doubted_ || !ssh || ssh->answer != NewSsh::Answer::blocked) return false;
    doubted_ = true;
    question_.ask_again(
        escape(format("a new ssh login is BLOCKED ({}): when this session ends, nobody may get in; type "
                      "confirm once more to keep the change all the same",
                      ssh->why)) +
        "\n");
    return true;
  }

  Result<Answer> ended() {
    question_.close("");
    const auto ending = read_ending(context_.session.state_path(), guard_.id);
    if (!ending) return error_of<messages::ending_unknown>();
    if (ending->how != EndedBy::confirm) return error_of<messages::not_confirmed>(to_text(*ending), again_);
    context_.terminal.say(format("the change is kept: the guard {}", to_text(*ending)));
    return Answer::same;
  }

  Result<Answer> confirmed() {
    auto kept = confirm(context_.session, {});
    if (!kept && kept.error().kind == ErrorKind::refused) return ended();
    question_.close("");
    if (!kept) return std::move(kept).error();
    question_.close(confirmed_text(*kept) + "\n");
    if (const auto& ssh = ssh_.tried())
      tell_of_new_ssh(context_, *ssh);
    else if (const auto way = callers_ssh())
      tell_of_new_ssh(context_, try_new_ssh(context_.session.firewall(), context_.session.backend(), *way));
    return Answer::same;
  }

  Result<Answer> rolled_back() {
    auto back = roll_back(context_.session);
    question_.close("");
    if (!back) return std::move(back).error();
    context_.terminal.say(format("reverted as requested; the live rules are back to {}. To try again: {}",
                                 short_hash(guard_.before), for_repository(again_, context_.session.path())));
    return Answer::reverted;
  }

  Result<Answer> interrupted() {
    question_.close("\n" + armed_text(context_, guard_) + "\n");
    left_ = true;
    return Answer::same;
  }

 public:
  /// True after Ctrl-C: the process then ends by the signal SIGINT.
  bool left() const { return left_; }

 private:
  Context& context_;
  Guard guard_;
  std::string again_;
  NewSshWatch ssh_{context_};
  bool doubted_ = false;
  Question question_;
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

Json ending_json(const GuardEnding& ending) {
  return {{"ended", rfc3339(ending.ended)},
          {"how", name_of(ending.how)},
          {"by", or_null(ending.by)},
          {"tried", or_null(ending.tried)},
          {"armed_by", ending.guard.actor.text()},
          {"command", ending.guard.command},
          {"restores", ending.guard.before},
          {"in_force", or_null(ending.in_force)}};
}

void tell_armed_guard(Context& context, const std::string& of_it) {
  const auto guard = read_guard(context.session.state_path());
  if (guard && *guard) {
    const auto here = context.session.firewall().generation();
    if (match_namespace((*guard)->place, here) == NamespaceMatch::here &&
        time_left(**guard, here).count() > 0)
      context.terminal.tell(format("{}: {}", armed_text(context, **guard), of_it));
    return;
  }
  const auto other = guard_of_other_repository(context.session);
  if (!other || other->repository.empty()) return;
  context.terminal.tell(
      format("{}, of the repository {}, is armed and reverts this too unless you run 'rewall -C {} "
             "confirm': {}",
             other->name, other->repository, shell_quote(other->repository), of_it));
}

void add_guard_time(Syntax& syntax, std::optional<std::chrono::milliseconds>& length,
                    const std::string& what) {
  add_time(syntax, "--for", length, what);
}

std::string retry_command(const Guard& guard, const std::string& tried, bool expires) {
  return expires ? guard.command : format("rewall restore --for 10m {}", short_hash(tried));
}

std::string retry_command(const GuardEnding& ending) {
  const bool expires = ending.guard.command.find(" --expire") != std::string::npos;
  return retry_command(ending.guard, ending.tried, expires);
}

Result<Answer> stand_by(Context& context, const Guard& guard, const std::string& again, bool may_ask) {
  const auto people_at = may_ask ? people_at_terminal(context) : std::nullopt;
  if (!people_at) {
    context.terminal.tell(armed_text(context, guard));
    if (const auto way = callers_ssh(); way && !context.json)
      context.terminal.tell(
          new_ssh_text(try_new_ssh(context.session.firewall(), context.session.backend(), *way)));
    return Answer::same;
  }
  bool left = false;
  auto answer = [&] {
    Countdown countdown(context, guard, again, people_at->terminal());
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
  std::optional<std::chrono::milliseconds> expires{};
  bool keep = false;
  std::string message{};
  std::vector<std::string> words{};
  bool yes = false;
};

Result<Foreground> program_of(std::vector<std::string> words) {
  const std::string& name = words[0];
  const std::string path =
      name.find('/') == std::string::npos ? find_program(name) : absolute_path(name).string();
  if (is_folder(path)) return error_of<messages::command_is_folder>(escape(name));
  if (path_exists(path) && ::access(path.c_str(), X_OK) != 0)
    return error_of<messages::not_executable>(escape(name), shell_quote(name));
  if (path.empty() || ::access(path.c_str(), X_OK) != 0) return error_of<messages::command_not_found>(name);
  words[0] = path;
  Foreground program{.words = std::move(words)};
  for (char** variable = environ; *variable != nullptr; ++variable)
    program.environment.emplace_back(*variable);
  return program;
}

/// Runs the command and returns its exit status. Ctrl-C goes to the command alone.
Result<int> run_tried(Foreground program, const Session& session, const Guard& guard) {
  const SignalsForChild held;
  const auto variable = format("{}=", kGuardVariable);
  std::erase_if(program.environment, [&](const std::string& entry) { return entry.starts_with(variable); });
  program.environment.push_back(variable + guard.id);
  const TriedCommand command(session.state_path(), guard.id);
  auto process = TRY(start(std::move(program)));
  command.is(process);
  return wait_for(process);
}

Result<Answer> run_try(Context& context, const TryOptions& options) {
  std::optional<Foreground> program;
  if (!options.words.empty()) {
    auto found = TRY(program_of(options.words));
    program = std::move(found);
  }
  if (!program && (options.keep || options.expires)) return error_of<messages::expire_needs_command>();
  auto begun = begin_try(context.session, options.length.value_or(std::chrono::minutes{10}));
  if (!begun && !begun.error().live) begun.error().live = LiveState::untouched;  // the command did not run
  auto guard = TRY(std::move(begun));
  if (!program) {
    if (context.json) {
      Json json = answer_json(guard.before, "", false, "");
      json["guard"] = guard_json(guard, guard.deadline - boot_time(), false);
      context.terminal.out(print(json));
    }
    return stand_by(context, guard, retry_command(guard, guard.before, false), false);
  }
  auto status = run_tried(*std::move(program), context.session, guard);
  auto tried = TRY(end_try(context.session, guard, options.message, options.expires));
  const bool expires = !options.expires || tried.expiry || tried.recorded.hash == guard.before;
  const auto checked = check_in_force(context.session, guard.before, tried.recorded.hash);
  const bool fails = checked && checked->fails;
  const bool keeps = options.keep && tried.armed && status && *status == 0 && expires && !fails;
  if (keeps) TRY(confirm(context.session, {}));
  // The newest snapshot is not the command's where it did nothing.
  if (tried.recorded.hash != guard.before || context.json)
    print_recorded(context, tried.recorded, "", tried.armed && !keeps ? std::optional(guard) : std::nullopt,
                   tried.expiry);
  else
    for (const auto& note : tried.recorded.notes) context.terminal.say(escape(note));
  if (tried.expiry) context.terminal.say(expiry_text(context, *tried.expiry));
  if (options.expires && !tried.expiry)
    context.terminal.say(
        "nothing expires: the command added or altered no rule or chain in the words of iptables and no "
        "member "
        "of an ipset");
  if (checked)
    for (const auto& note : checked->notes) Terminal::tell(note);
  if (options.keep && fails) context.terminal.say("so it is not kept without a question");
  if (keeps) {
    context.terminal.say("kept without a question, as asked");
    say_in_force(context, tried.recorded);
    return Answer::same;
  }
  if (!status) return std::move(status).error();
  const bool changed = tried.recorded.hash != guard.before;
  if (*status != 0)
    context.terminal.say(changed
                             ? format("'{}' failed (exit {}). What it changed: {}", options.words[0], *status,
                                      rewall_command(context.session, "diff " + short_hash(guard.before)))
                             : format("'{}' failed (exit {}), and the live rules match {} as before it",
                                      options.words[0], *status, short_hash(guard.before)));
  else if (!changed && tried.armed)
    context.terminal.say(
        format("'{}' changed nothing: the live rules match {} as before it; the guard stays armed",
               options.words[0], short_hash(guard.before)));
  if (!tried.armed) {
    if (changed) say_in_force(context, tried.recorded);
    context.terminal.say(
        tried.ending ? format("no guard is armed: while the command ran, its guard {}; all that the "
                              "command did is kept",
                              to_text(*tried.ending))
                     : "no guard is armed, and nobody noted how the guard of the command ended; all that "
                       "the command did is in force");
    return *status == 0 && tried.ending ? Answer::same : Answer::different;
  }
  if (changed) say_in_force(context, tried.recorded);
  auto answer = stand_by(context, guard, retry_command(guard, tried.recorded.hash, tried.expiry.has_value()),
                         !options.yes);
  return answer && *answer == Answer::same && *status != 0 ? Answer::different : std::move(answer);
}

}  // namespace

Action define_try(Syntax& syntax) {
  auto options = std::make_shared<TryOptions>();
  add_guard_time(syntax, options->length, "Revert after TIME unless 'rewall confirm' is run (default 10m)");
  syntax.option("-m,--message", "MSG", &options->message, "Subject of the snapshot that records the result");
  syntax.flag("--yes", options->yes, "Do not count down on the terminal");
  add_expire(syntax, options->expires);
  syntax
      .flag("--keep", options->keep,
            "Keep the change without a question when COMMAND succeeds; the guard watches until then")
      .excludes = {"--yes"};
  syntax.positional("COMMAND", &options->words,
                    "A command that changes the firewall; without one, only arm the guard");
  return [options](Context& context) { return run_try(context, *options); };
}

namespace {

Result<Answer> confirm_expiry(Context& context, const std::string& id,
                              std::optional<std::chrono::milliseconds> extend) {
  auto expiry = TRY(keep_expiring(context.session, id, extend));
  const auto parts = count_text(expiry.parts);
  context.terminal.say(extend ? expiry_text(context, expiry) : format("kept for good: {}", parts));
  if (!context.json) return Answer::same;
  auto repository = TRY(context.session.repository());
  auto head = TRY(repository->head());
  auto snapshot = TRY(repository->snapshot(head));
  Json json = answer_json(head, snapshot.subject, false, "");
  json["expiry"] = extend ? expiry_json(expiry) : Json(nullptr);
  context.terminal.out(print(json));
  return Answer::same;
}

// An answer that comes later than this may be too late for the guard.
constexpr std::chrono::seconds kLeast{10};
constexpr std::chrono::seconds kMostPatience{60};

/// False where the person says no, or nothing in time.
bool keeps_all_the_same(Conversation& people, const NewSsh& tried, std::chrono::milliseconds patience) {
  people.show(escape(format("a new ssh login is BLOCKED ({}): when this session ends, nobody may get in",
                            tried.why)) +
              "\n");
  bool yes = false;
  {
    Question question(people.terminal(), {"yes", "no"});
    question.show({"Keep the change all the same? (yes or no) ", "(yes or no) "});
    yes = question.next(patience) == Question::Came::answer && question.answer() == "yes";
  }
  people.show("\n");
  return yes;
}

/// What is known of a new login before the change is kept, where a person can be asked and there is time:
/// where it is BLOCKED, the person decides. Kind refused: the change is not kept. Absent where it is to be
/// tried afterwards.
Result<std::optional<NewSsh>> ask_before_confirm(Context& context, const SessionWay& way) {
  const auto guard = read_guard(context.session.state_path());
  if (!guard || !*guard) return std::optional<NewSsh>{};
  const auto left = [&] { return time_left(**guard, context.session.firewall().generation()); };
  auto people = people_at_terminal(context);
  if (!people || left() < 2 * kLeast) return std::optional<NewSsh>{};
  auto tried = try_new_ssh(context.session.firewall(), context.session.backend(), way);
  const auto patience = std::min<std::chrono::milliseconds>(left() - kLeast, kMostPatience);
  if (tried.answer == NewSsh::Answer::blocked && patience.count() > 0 &&
      !keeps_all_the_same(*people, tried, patience))
    return error_of<messages::not_kept>();
  return std::optional(std::move(tried));
}

/// True where a change was made or undone since a snapshot: undo or redo goes back behind it.
bool has_change_since(Session& session, const std::string& before) {
  auto repository = session.repository();
  if (!repository) return false;
  const auto newest = [&](const std::string& at) -> Result<std::string> {
    const auto change = TRY(newest_done(**repository, at));
    return change ? change->hash : std::string();
  };
  const auto head = (*repository)->head();
  const auto now = head ? newest(*head) : Result<std::string>(head.error());
  const auto then = newest(before);
  return now && then && *now != *then;
}

}  // namespace

Action define_confirm(Syntax& syntax) {
  auto options = std::make_shared<ConfirmOptions>();
  auto expiry = std::make_shared<std::string>();
  add_time(syntax, "--extend", options->extend, "Extend the deadline by TIME without confirming");
  syntax.flag("--new-session", options->from_new_session,
              "Accept only from another login, which proves new connections work");
  syntax.option("-m,--message", "MSG", &options->message,
                "Subject of the snapshot, if the live rules are not recorded yet");
  syntax
      .option("--expiry", "ID", expiry.get(),
              "Keep for good what would expire (see 'rewall status'); with --extend, keep it longer")
      .excludes = {"--new-session", "--message"};
  auto* named = syntax.find("--expiry");
  return [options, expiry, named](Context& context) -> Result<Answer> {
    if (named->given) return confirm_expiry(context, *expiry, options->extend);
    // A login that proves that new connections work is its own answer.
    const auto way = options->extend || options->from_new_session ? std::nullopt : callers_ssh();
    auto ssh = way ? TRY(ask_before_confirm(context, *way)) : std::optional<NewSsh>{};
    auto confirmed = TRY(confirm(context.session, *options));
    if (options->extend)
      context.terminal.say(armed_text(context, confirmed.guard));
    else
      context.terminal.say(confirmed_text(confirmed));
    if (way && !ssh) ssh = try_new_ssh(context.session.firewall(), context.session.backend(), *way);
    if (ssh) tell_of_new_ssh(context, *ssh);
    print_recorded(context, confirmed.recorded, "",
                   options->extend ? std::optional(confirmed.guard) : std::nullopt);
    if (options->extend) return Answer::same;
    // What the guard watched can be taken back, whoever recorded it.
    confirmed.recorded.changed = has_change_since(context.session, confirmed.guard.before);
    say_in_force(context, confirmed.recorded);
    return Answer::same;
  };
}

Action define_rollback(Syntax&) {
  return [](Context& context) -> Result<Answer> {
    auto back = roll_back(context.session);
    if (back) context.terminal.say("the guard is disarmed, and its old ruleset is in force");
    return print_restored(context, {}, std::move(back));
  };
}

}  // namespace rewall

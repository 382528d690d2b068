#include "commands/restore.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <iterator>
#include <memory>
#include <vector>

#include "analysis/port_changes.h"
#include "commands/command_output.h"
#include "commands/define.h"
#include "commands/expiry.h"
#include "commands/guard.h"
#include "core/file.h"
#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"
#include "ops/guard/boot.h"
#include "ops/guard/lockdown.h"
#include "ops/history/change_stack.h"
#include "ops/restore/undo.h"
#include "ui/ask.h"
#include "ui/diff_view.h"
#include "ui/json.h"
#include "ui/ports_view.h"

namespace rewall {

void add_change_options(Syntax& syntax, ChangeOptions& options) {
  syntax.flag("--dry-run", options.restore.dry_run, "Show what would change; change nothing");
  syntax.flag("--exact", options.restore.exact,
              "Restore other programs' rules too (docker, ...) instead of keeping them");
  syntax.option("-m,--message", "MSG", &options.restore.message,
                "Subject of the snapshot that records the result");
  syntax.flag("--yes", options.yes, "Answer yes to every question");
  syntax.flag("--force", options.force, "Change it even if it locks you out or fails an expectation");
  add_guard_time(syntax, options.guarded, "Revert after TIME (90s, 10m, 1h) unless 'rewall confirm' is run");
}

void add_family_and_table(Syntax& syntax, RestoreOptions& options) {
  add_family(syntax, options.family, "Only this family: ipv4 or ipv6");
  add_recorded_table(syntax, options.table, "Only this table; a native one is 'inet NAME'");
}

namespace {

constexpr std::chrono::seconds kPatience{60};  // the repository is locked meanwhile

// What is no yes within the patience is a no.
bool ask_in_doubt(Conversation& people, const std::string& doubt) {
  people.show(escape(doubt) + "\n");
  bool yes = false;
  {
    Question question(people.terminal(), {"yes", "no"});
    question.show({"Change it all the same? (yes or no) ", "(yes or no) "});
    yes = question.next(kPatience) == Question::Came::answer && question.answer() == "yes";
  }
  people.show("\n");
  return yes;
}

}  // namespace

Status begin_change(Context& context, ChangeOptions& options) {
  options.restore.safeguard = &options.guard.emplace(context.session, options.guarded, options.expires);
  options.check.mode = options.force ? ChangeCheck::Mode::warn : ChangeCheck::Mode::refuse;
  options.check.guarded = options.guarded.has_value();
  options.check.ask = [yes = options.yes](const std::string& doubt) {
    if (yes) return true;
    auto people = Conversation::open();
    return people && people->in_foreground() && ask_in_doubt(*people, doubt);
  };
  options.restore.check = &options.check;
  return {};
}

namespace {

// Changes that a diff by meaning does not show.
void say_unseen(Context& context, const Restored& restored) {
  if (!restored.moves.empty())
    context.terminal.say(format("all rules move {}", restored.moves));
  else if (restored.diff.equal() && restored.diff.respelled)
    context.terminal.say("only the spelling differs, not the meaning");
}

// By what becomes of them: what the world reaches now comes first.
std::string ports_lines(const std::vector<PortChange>& ports, Paint paint) {
  struct Kind {
    const char* words;
    std::function<bool(const PortChange&)> holds;
  };
  static const std::vector<Kind> kinds{
      {"newly open to the world", [](const auto& one) { return one.to == OpenTo::world; }},
      {"newly open to some",
       [](const auto& one) { return one.from == OpenTo::nobody && one.to == OpenTo::some; }},
      {"no longer open to the world",
       [](const auto& one) { return one.from == OpenTo::world && one.to == OpenTo::some; }},
      {"newly closed", [](const auto& one) { return one.to == OpenTo::nobody; }},
  };
  std::string text;
  for (const auto& [words, holds] : kinds) {
    std::vector<PortChange> chosen;
    std::ranges::copy_if(ports, std::back_inserter(chosen), holds);
    if (chosen.empty()) continue;
    const auto line = format("{}: {}", words, changed_ports_text(chosen));
    text += (&words == &kinds.front().words ? paint.changed(line) : line) + "\n";
  }
  return text;
}

void show_ports(Context& context, const ChangeOptions& options, const Restored& restored) {
  if (!options.restore.asks_ports || restored.diff.identical()) return;
  if (!restored.ports)
    context.terminal.say(format("which ports it opens and closes is not known: too many rules; {}",
                                rewall_command(context.session, "ports")));
  else if (restored.ports->empty())
    context.terminal.say("no port is newly open or closed");
  else
    context.terminal.out(ports_lines(*restored.ports, context.terminal.paint()));
}

void add_ports(Json& json, const ChangeOptions& options, const Restored& restored) {
  if (!options.restore.asks_ports) return;
  json["ports"] = restored.diff.identical() ? Json::array()
                  : restored.ports          ? to_json(*restored.ports)
                                            : Json(nullptr);
}

std::string nothing_to_do(const Restored& restored) {
  if (restored.restored.empty() || restored.partly)
    return "nothing to do: the live rules are already as wanted";
  return "nothing to do: the live rules already match " + short_hash(restored.restored);
}

void print_dry_run(Context& context, const ChangeOptions& options, const Restored& restored) {
  if (context.json) {
    Json json = answer_json("", "", !restored.diff.identical(), restored.restored);
    json["dry_run"] = true;
    json["changes"] = changes_json(restored.diff);
    add_ports(json, options, restored);
    context.terminal.out(print(json));
    return;
  }
  context.terminal.out(render(restored.diff, context.terminal.paint(), Terminal::width()));
  show_ports(context, options, restored);
  say_unseen(context, restored);
  context.terminal.say(restored.diff.identical() ? nothing_to_do(restored) : "dry run: nothing was changed");
}

// Of a restore that the history could not record.
Answer print_unrecorded(Context& context, const ChangeOptions& options, const Restored& restored) {
  const bool changed = !restored.kept.empty();
  if (context.json) {
    Json json = answer_json("", "", changed, restored.restored);
    json["unrecorded"] = restored.why_unrecorded;
    json["kept"] = or_null(restored.kept);
    add_ports(json, options, restored);
    context.terminal.out(print(json));
  } else if (changed) {
    context.terminal.out(render_stat(restored.diff, context.terminal.paint(), Terminal::width()));
    show_ports(context, options, restored);
  }
  if (!changed) return Answer::same;
  context.terminal.say(format("NOT RECORDED: {}", restored.why_unrecorded));
  context.terminal.say(
      format("the previous live rules are kept in {}; when the history is mended, record the new ones: {}",
             restored.kept, rewall_command(context.session, "snapshot")));
  context.terminal.say(format(
      "in force: {}, not recorded; go back: {}",
      restored.restored.empty() ? "the rules of the file" : "snapshot " + short_hash(restored.restored),
      rewall_command(context.session, "restore file:" + shell_quote(restored.kept))));
  return Answer::same;
}

}  // namespace

namespace {

Error not_as_wanted(const Restored& restored) {
  return error_of<messages::left_to_owners>(restored.left_to_owners.tables)
      .with_live(restored.diff.identical() ? LiveState::untouched : LiveState::changed);
}

// Where what was recorded first stays in force, a later `restore` without a revision does not undo it.
void say_old_head(Context& context, const Recorded& recorded) {
  const auto repository = context.session.repository();
  const auto snapshot =
      repository ? (*repository)->snapshot(recorded.hash) : Result<Snapshot>(repository.error());
  if (!snapshot || snapshot->parent.empty()) return;
  const auto old = short_hash(snapshot->parent);
  context.terminal.say(format("HEAD was {} before; to put that in force: {}", old,
                              rewall_command(context.session, "restore " + old)));
}

Result<Answer> print_all(Context& context, const ChangeOptions& options, Result<Restored> restored) {
  if (options.restore.dry_run) {
    if (!restored->refusal || !context.json) print_dry_run(context, options, *restored);
    if (restored->refusal) return *std::move(restored->refusal);
    return restored->diff.identical() ? Answer::same : Answer::different;
  }
  if (restored->before) {
    context.terminal.say(format("saved the previous live rules as {} {}", short_hash(restored->before->hash),
                                escape(restored->before->subject)));
  }
  say_unseen(context, *restored);
  if (restored->diff.identical()) context.terminal.say(nothing_to_do(*restored));
  const bool in_part = options.restore.family || !options.restore.table.empty();
  if (restored->before && (in_part || restored->diff.identical())) say_old_head(context, *restored->before);
  if (!restored->after) return print_unrecorded(context, options, *restored);
  if (!context.json && !restored->diff.equal()) {
    const Paint paint = context.terminal.paint();
    context.terminal.out(options.whole_diff ? render(restored->diff, paint, Terminal::width())
                                            : render_stat(restored->diff, paint, Terminal::width()));
    show_ports(context, options, *restored);
  }
  const auto guard = options.guard ? options.guard->armed() : std::nullopt;
  const auto expiry = options.guard ? options.guard->expiry() : std::nullopt;
  const bool changed = !restored->diff.identical();
  // The snapshot of a command that did nothing is not its own.
  if (changed || restored->after->changed || context.json) {
    Json more = Json::object();
    add_ports(more, options, *restored);
    print_recorded(context, *restored->after, restored->restored, guard, expiry, more);
  }
  if (expiry) context.terminal.say(expiry_text(context, *expiry));
  if (changed && !options.expires) say_brought_back(context, restored->diff);
  if (changed) say_in_force(context, *restored->after);
  if (guard)
    return stand_by(context, *guard, retry_command(*guard, restored->after->hash, expiry.has_value()),
                    !options.yes);
  if (options.guarded) context.terminal.say("nothing changed, so no guard is armed");
  if (options.expires && !expiry) context.terminal.say("nothing changed, so nothing expires");
  return Answer::same;
}

}  // namespace

Result<Answer> print_restored(Context& context, const ChangeOptions& options, Result<Restored> restored) {
  if (!restored) return std::move(restored).error();
  for (const auto& note : restored->notes) context.terminal.say(escape(note));
  if (!restored->left_to_owners.of_iptables || options.restore.dry_run)
    return print_all(context, options, std::move(restored));
  auto error = not_as_wanted(*restored);
  // With JSON the error is the one answer.
  if (!context.json) TRY(print_all(context, options, std::move(restored)));
  return error;
}

namespace {

Result<Answer> run_boot(Context& context, const ChangeOptions& options) {
  auto fallback = boot(context.session, options.restore);
  if (!fallback) return std::move(fallback).error();
  if (!fallback->as_wanted) return error_of<messages::booted_fallback>(to_text(*fallback));
  if (!options.restore.dry_run) context.terminal.say(escape(to_text(*fallback)));
  if (fallback->restored) return print_restored(context, options, *std::move(fallback->restored));
  if (context.json) context.terminal.out(print(answer_json("", "", fallback->changed, fallback->hash)));
  return Answer::same;
}

// True where somebody feeds rules to this command, as to iptables-restore. What else waits there is not for
// it: the rest of a script that a shell reads, or the list of a loop.
bool is_fed_rules() {
  constexpr std::chrono::milliseconds kWriterPatience{100};  // for who has just been started
  const auto text = peek_input(STDIN_FILENO, kWriterPatience);
  for (const auto line : split_lines(text)) {
    const auto words = trim(line);
    if (words.starts_with("# Generated by ip")) return true;
    if (words.empty() || words.starts_with('#')) continue;
    for (const std::string_view begin :
         {"*", "table ", "add table ", "flush ruleset", "create ", "-A ", "-N ", "-P "})
      if (words.starts_with(begin)) return true;
    return false;
  }
  return false;
}

}  // namespace

Action define_restore(Syntax& syntax) {
  auto revision = std::make_shared<std::string>("HEAD");
  auto options = std::make_shared<ChangeOptions>();
  syntax.positional("REV", revision.get(), "The revision (default HEAD)");
  auto at_boot = std::make_shared<bool>(false);
  add_family_and_table(syntax, options->restore);
  add_change_options(syntax, *options);
  syntax
      .flag("--boot", *at_boot,
            "Load what should be active at boot: a pending guard's old rules, else HEAD, else the tag "
            "'good', else lockdown")
      .excludes = {"REV", "--family", "--table", "--for"};
  return [revision, options, at_boot, &named = *syntax.find("REV")](Context& context) -> Result<Answer> {
    if (*at_boot) {
      // A boot has nobody to lock out, and must end with rules in force.
      options->check = {.mode = ChangeCheck::Mode::warn, .lockout = false};
      options->restore.check = &options->check;
      return run_boot(context, *options);
    }
    if (!named.given && is_fed_rules()) return error_of<messages::restore_takes_no_input>();
    TRY(begin_change(context, *options));
    options->restore.trigger = "restore";
    auto restored = restore(context.session, *revision, options->restore);
    if (!restored && restored.error().hint.starts_with("the file of this name"))
      restored.error().hint = format("to put the rules of this file in force: rewall restore {}",
                                     shell_quote("file:" + *revision));
    return print_restored(context, *options, std::move(restored));
  };
}

namespace {

// "1a2b3c4d5e 'filter/INPUT: +1 tcp dport 443 ACCEPT' (alice, 3 minutes ago)"
std::string named(const Snapshot& snapshot) {
  if (snapshot.hash.empty()) return format("the change that is not recorded yet ({})", snapshot.subject);
  return format("{} '{}' ({}, {})", short_hash(snapshot.hash), snapshot.subject, snapshot.author.name,
                ago(snapshot.time, now()));
}

void say_missing(const Context& context, const Reversal& reversal) {
  if (reversal.missing.empty()) return;
  context.terminal.say(format("{} names {}, which this history does not have: it counts as a change",
                              short_hash(reversal.change.hash), escape(short_hash(reversal.missing))));
}

/// What a guard took back is no change that undo takes back: who expects that would lose another one.
void say_rollback(Context& context) {
  const auto repository = context.session.repository();
  const auto head = repository ? (*repository)->head() : Result<std::string>(repository.error());
  const auto rollback =
      head ? newest_rollback(**repository, *head) : Result<std::optional<Snapshot>>(head.error());
  if (!rollback || !*rollback) return;
  const auto tried = (*repository)->snapshot((*rollback)->parent);
  if (!tried) return;
  context.terminal.say(format("{} '{}' is not in force any more: a guard or a rollback took it back",
                              short_hash(tried->hash), tried->subject));
}

void say_passed_over(const Context& context, const Reversal& reversal) {
  if (reversal.passed_over.empty()) return;
  std::vector<std::string> hashes;
  for (const auto& hash : reversal.passed_over) hashes.push_back(short_hash(hash));
  constexpr std::size_t kShown = 3;
  const auto more = hashes.size() > kShown ? format(" and {} more", hashes.size() - kShown) : "";
  hashes.resize(std::min(hashes.size(), kShown));
  context.terminal.say(
      format("passed over: {}{}, foreign parts alone, which stay as they are", join(hashes, ", "), more));
}

/// No change of anybody's led to the template lockdown: what undo would do there is a restore.
Result<Restored> undo_or_name_lockdown(Session& session, const RestoreOptions& options,
                                       const Announce& announce) {
  auto undone = undo(session, options, announce);
  if (undone || undone.error().message != messages::nothing_to_undo.text) return undone;
  const auto repository = session.repository();
  const auto before = repository ? before_lockdown(**repository) : std::nullopt;
  if (!before || before->empty()) return undone;
  auto error = std::move(undone).error();
  error.message =
      "nothing to undo: the template lockdown is in force, as what should be could not be restored";
  error.hint = format("what can be restored: rewall restore {}", before->substr(0, 10));
  return error;
}

}  // namespace

Action define_undo(Syntax& syntax) {
  auto options = std::make_shared<ChangeOptions>();
  add_change_options(syntax, *options);
  return [options](Context& context) -> Result<Answer> {
    TRY(begin_change(context, *options));
    const auto announce = [&](const Reversal& reversal) {
      say_missing(context, reversal);
      say_rollback(context);
      say_passed_over(context, reversal);
      context.terminal.say(format("taking back {}: its chains and sets go back to {}", named(reversal.change),
                                  short_hash(reversal.back_to.hash)));
    };
    return print_restored(context, *options,
                          undo_or_name_lockdown(context.session, options->restore, announce));
  };
}

Action define_redo(Syntax& syntax) {
  auto options = std::make_shared<ChangeOptions>();
  add_change_options(syntax, *options);
  return [options](Context& context) -> Result<Answer> {
    TRY(begin_change(context, *options));
    const auto announce = [&](const Reversal& reversal) {
      say_missing(context, reversal);
      context.terminal.say(format("putting back {}", named(reversal.change)));
    };
    return print_restored(context, *options, redo(context.session, options->restore, announce));
  };
}

}  // namespace rewall

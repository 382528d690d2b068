#include "commands/restore.h"

#include "commands/define.h"
#include "commands/guard.h"
#include "core/format.h"
#include "core/text.h"
#include "ops/guard/boot.h"
#include "ops/restore/undo.h"
#include "ui/diff_view.h"
#include "ui/json.h"

namespace rewall {

void add_common(Syntax& syntax, ChangeOptions& options) {
  syntax.flag("--dry-run", options.restore.dry_run, "Stage it, show what would change, and change nothing");
  syntax.flag("--exact", options.restore.exact,
              "Restore the parts of other programs too, like docker's, instead of keeping them");
  syntax.option("-m,--message", "MSG", &options.restore.message,
                "The subject of the snapshot that records the result");
  syntax.flag("--yes", options.yes, "Answer every question with yes");
  // Taken so that what is written today goes on to work: there is no lockout check to pass yet.
  syntax.flag("--force", options.force, "Pass the lockout check (there is none yet)");
  add_length(syntax, options.guarded,
             "Take it back after TIME, unless 'rewall confirm' is run (90s, 10m, 1h)");
}

void add_part(Syntax& syntax, RestoreOptions& options) {
  add_family(syntax, options.family, "This family alone: ipv4 or ipv6");
  syntax.option("--table", "TABLE", &options.table, "This table alone");
}

Status begin_change(Context& context, ChangeOptions& options) {
  TRY(check_table(options.restore.table));
  options.restore.safeguard = &options.guard.emplace(context.session, options.guarded);
  return {};
}

namespace {

// What no diff by meaning shows.
void say_unseen(Context& context, const Restored& restored) {
  if (!restored.moves.empty())
    context.terminal.say(format("all rules go over {}", restored.moves));
  else if (restored.diff.equal() && restored.diff.respelled)
    context.terminal.say("other words, the same meaning");
}

void print_dry_run(Context& context, const Restored& restored) {
  if (context.json) {
    Json json = answer_json("", "", !restored.diff.identical(), restored.restored);
    json["dry_run"] = true;
    json["changes"] = changes_json(restored.diff);
    context.terminal.out(print(json));
    return;
  }
  context.terminal.out(render(restored.diff, context.terminal.paint()));
  say_unseen(context, restored);
  context.terminal.say(restored.diff.identical() ? "LIVE is that already" : "dry run: nothing was changed");
}

}  // namespace

Result<Answer> print_restored(Context& context, const ChangeOptions& options, Result<Restored> restored) {
  if (!restored) return std::move(restored).error();
  for (const auto& note : restored->notes) context.terminal.say(escape(note));
  if (options.restore.dry_run) {
    print_dry_run(context, *restored);
    return restored->diff.identical() ? Answer::same : Answer::different;
  }
  if (restored->before) {
    context.terminal.say(format("recorded LIVE first: {} {}", short_hash(restored->before->hash),
                                escape(restored->before->subject)));
  }
  say_unseen(context, *restored);
  if (restored->diff.identical()) context.terminal.say("LIVE was that already");
  if (!context.json && !restored->diff.equal()) {
    context.terminal.out(render_stat(restored->diff, context.terminal.paint()));
  }
  const auto guard = options.guard ? options.guard->armed() : std::nullopt;
  print_recorded(context, *restored->after, restored->restored, guard);
  if (guard) return stand_by(context, *guard, !options.yes);
  if (options.guarded) context.terminal.say("nothing changed: no guard is armed");
  return Answer::same;
}

namespace {

Result<Answer> run_boot(Context& context, const ChangeOptions& options) {
  auto landed = boot(context.session, options.restore);
  if (!landed) return std::move(landed).error();
  if (!landed->as_wanted)
    return Error{.kind = ErrorKind::damaged, .message = to_text(*landed)}.hinted(
        "look at 'rewall log' and 'rewall diff', then 'rewall restore' what should be in force");
  if (landed->restored) return print_restored(context, options, *std::move(landed->restored));
  return Answer::same;
}

}  // namespace

Action define_restore(Syntax& syntax) {
  auto revision = std::make_shared<std::string>("HEAD");
  auto options = std::make_shared<ChangeOptions>();
  syntax.positional("REV", revision.get(), "The revision (HEAD)");
  auto at_boot = std::make_shared<bool>(false);
  add_part(syntax, options->restore);
  add_common(syntax, *options);
  syntax.flag(
      "--boot", *at_boot,
      "What a boot puts in force: what a guard goes back to, else HEAD, else the tag good, else lockdown");
  return [revision, options, at_boot](Context& context) -> Result<Answer> {
    if (*at_boot) return run_boot(context, *options);
    TRY(begin_change(context, *options));
    options->restore.trigger = "restore";
    return print_restored(context, *options, restore(context.session, *revision, options->restore));
  };
}

Action define_undo(Syntax& syntax) {
  auto options = std::make_shared<ChangeOptions>();
  add_common(syntax, *options);
  return [options](Context& context) -> Result<Answer> {
    TRY(begin_change(context, *options));
    options->restore.trigger = "undo";
    return print_restored(context, *options, undo(context.session, options->restore));
  };
}

}  // namespace rewall

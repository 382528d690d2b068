#include "commands/command_output.h"
#include "commands/define.h"
#include "commands/history_options.h"
#include "core/format.h"
#include "core/text.h"
#include "ops/context/ruleset_files.h"
#include "ops/context/settings.h"
#include "ops/history/log.h"
#include "ops/history/revision.h"
#include "ui/diff_view.h"
#include "ui/json.h"

namespace rewall {
namespace {

std::string facts(const Repository& repository, const Snapshot& snapshot, Paint paint) {
  std::string text = paint.changed("snapshot " + snapshot.hash) + "\n";
  const auto fact = [&text](std::string_view name, const std::string& value) {
    if (!value.empty()) text += format("{:<9}{}\n", name, escape(value));
  };
  fact("author", format("{} <{}>", snapshot.author.name, snapshot.author.email));
  fact("time", format("{} ({})", rfc3339(snapshot.time), ago(snapshot.time, now())));
  fact("trigger", snapshot.trailers.trigger);
  fact("backend", snapshot.trailers.backend);
  fact("tools", snapshot.trailers.tools);
  fact("actor", snapshot.trailers.actor);
  for (const auto& command : snapshot.trailers.commands) fact("command", command);
  for (const auto& part : snapshot.trailers.parts)
    fact("part", format("{}{}: {}", part.perhaps ? "(perhaps) " : "",
                        part.actor.empty() ? part.person.name : part.actor, join(part.parts, ", ")));
  for (const auto& owner : snapshot.trailers.foreign) fact("foreign", owner);
  fact("restores", snapshot.trailers.restores);
  fact("undoes", snapshot.trailers.undoes);
  fact("exact", snapshot.trailers.exact);
  fact("signed", signed_text(repository, snapshot.hash));
  text += format("\n    {}\n", escape(snapshot.subject));
  if (!snapshot.body.empty()) text += "\n";
  for (const auto line : split_lines(snapshot.body)) text += format("    {}\n", escape(line));
  return text;
}

Json shown_json(const std::string& name, const Snapshot& snapshot, const Diff& diff) {
  Json json = to_json(snapshot, diff);
  if (snapshot.hash.empty()) json["hash"] = json["time"] = json["author"] = json["subject"] = nullptr;
  json["revision"] = name;
  json["changes"] = changes_json(diff);
  return json;
}

void print_shown(Context& context, const std::string& name, const std::string& heading,
                 const Snapshot& snapshot, const Diff& diff, bool stat) {
  if (context.json) {
    Json json = shown_json(name, snapshot, diff);
    json["signature"] = nullptr;
    if (const auto repository = context.session.repository(); repository && !snapshot.hash.empty())
      add_signatures(**repository, std::span(&json, 1));
    context.terminal.out(print(json));
    return;
  }
  start_pager(context);
  const Paint paint = context.terminal.paint();
  const auto text = stat ? render_stat(diff, paint) : render(diff, paint, Terminal::width());
  context.terminal.out(heading + (text.empty() ? "" : "\n" + text));
}

// The rules in force, and before them how they differ from HEAD.
void print_live(Context& context, const Revision& head, const Revision& live, const Diff& diff) {
  if (context.json) {
    Json json = shown_json("LIVE", Snapshot{}, diff);
    Json files = Json::object();
    for (const auto& [name, text] : files_of(live.ruleset)) files[name] = text;
    json["files"] = std::move(files);
    context.terminal.out(print(json));
    return;
  }
  start_pager(context);
  const Paint paint = context.terminal.paint();
  const auto same = diff.equal() ? "matches" : "differs from";
  std::string text = paint.changed(format("LIVE {} HEAD ({})", same, short_hash(head.hash))) + "\n";
  if (const auto changes = render(diff, paint, Terminal::width()); !changes.empty()) text += "\n" + changes;
  text += "\n" + paint.changed("in force") + "\n";
  context.terminal.out(text + render_rules(live.ruleset, paint));
}

// LIVE is compared with HEAD, other revisions outside the history with an empty ruleset.
Result<Answer> show_unrecorded(Context& context, const std::string& name, std::span<const Owner> owners,
                               bool stat) {
  auto revision = TRY(read_revision(context.session, name));
  TRY(check_rules(revision));
  Revision before{.name = "nothing"};
  if (name == "LIVE") {
    auto head = TRY(read_revision(context.session, "HEAD"));
    before = std::move(head);
  }
  TRY(keep_common(before, revision));
  auto diff = TRY(compare_revisions(before, revision));
  mark_foreign(diff, before.ruleset, revision.ruleset, owners);
  if (name == "LIVE") {
    print_live(context, before, revision, diff);
  } else {
    print_shown(context, name, escape(name) + "\n", Snapshot{}, diff, stat);
  }
  return Answer::same;
}

}  // namespace

Action define_show(Syntax& syntax) {
  auto name = std::make_shared<std::string>("HEAD");
  auto foreign = std::make_shared<bool>(false);
  auto stat = std::make_shared<bool>(false);
  syntax.positional("REV", name.get(), "The revision to show (default HEAD); LIVE: the rules in force");
  syntax.flag("--foreign", *foreign, "Show changes to other programs' rules too");
  syntax.flag("--stat", *stat, "Show only the numbers of changes for each chain and set");
  return [name, foreign, stat](Context& context) -> Result<Answer> {
    std::vector<Owner> owners;
    if (context.json || !*foreign) owners = owners_of(context.session);
    if (is_unrecorded(*name)) return show_unrecorded(context, *name, owners, *stat);
    auto repository = TRY(context.session.repository());
    auto hash = TRY(resolve_snapshot(*repository, *name));
    auto snapshot = TRY(repository->snapshot(hash));
    auto diff = TRY(diff_of(*repository, snapshot, owners));
    const auto heading =
        context.json ? std::string{} : facts(*repository, snapshot, context.terminal.paint());
    print_shown(context, *name, heading, snapshot, diff, *stat);
    return Answer::same;
  };
}

}  // namespace rewall

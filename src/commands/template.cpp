#include "rules/template.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include "analysis/number_set.h"
#include "commands/command_output.h"
#include "commands/define.h"
#include "commands/restore.h"
#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"
#include "ops/context/ruleset_files.h"
#include "ops/context/settings.h"
#include "ops/guard/guard_state.h"
#include "ops/restore/live_foreign.h"
#include "ops/template/host_use.h"
#include "ops/template/suggest.h"
#include "ops/template/template_revision.h"
#include "ops/template/templates.h"
#include "rules/foreign.h"
#include "rules/symbols.h"
#include "ui/diff_view.h"
#include "ui/json.h"

namespace rewall {
namespace {

constexpr std::chrono::minutes kGuardOfTemplate{10};

struct TemplateOptions {
  std::string action = "list";
  std::string name{};
  std::vector<std::string> settings{};
  std::optional<Family> family{};
  ChangeOptions change{};
  bool keep = false;
  bool expectations = false;
  bool stat = false;
  bool foreign = false;
};

// --- list, show

Json place_json(const TemplatePlace& place) {
  return {{"place", place.name},
          {"type", type_name(place)},
          {"default", place.preset ? Json(*place.preset) : Json(nullptr)},
          {"description", place.description}};
}

Json template_json(const FoundTemplate& found) {
  Json places = Json::array();
  for (const auto& place : found.rules.places) places.push_back(place_json(place));
  return {{"name", found.rules.name},
          {"summary", found.rules.summary},
          {"path", or_null(found.path)},
          {"places", places}};
}

Answer list_all(Context& context) {
  const auto all = list_templates();
  if (context.json) {
    Json json = Json::array();
    for (const auto& found : all) json.push_back(template_json(found));
    context.terminal.out(print(json));
    return Answer::same;
  }
  std::size_t width = 0;
  for (const auto& found : all) width = std::max(width, found.rules.name.size());
  for (const auto& found : all)
    context.terminal.out(format("{:<{}}  {}{}\n", found.rules.name, width, escape(found.rules.summary),
                                found.path.empty() ? "" : format("  ({})", escape(found.path))));
  return Answer::same;
}

std::string places_text(const RulesTemplate& rules) {
  std::size_t name_width = 0;
  std::size_t type_width = 0;
  std::size_t preset_width = 0;
  const auto preset = [](const TemplatePlace& place) { return place.preset.value_or("(needed)"); };
  for (const auto& place : rules.places) {
    name_width = std::max(name_width, place.name.size());
    type_width = std::max(type_width, type_name(place).size());
    preset_width = std::max(preset_width, preset(place).size());
  }
  std::string text;
  for (const auto& place : rules.places)
    text += format("  {:<{}}  {:<{}}  {:<{}}  {}\n", place.name, name_width, type_name(place), type_width,
                   preset(place), preset_width, escape(place.description));
  return text;
}

Result<Answer> show_one(Context& context, const TemplateOptions& options) {
  const auto found = TRY(find_template(options.name));
  const auto& rules = found.rules;
  if (context.json) {
    Json json = template_json(found);
    json["text"] = rules.text;
    context.terminal.out(print(json));
    return Answer::same;
  }
  start_pager(context);
  context.terminal.out(format("{}: {}\n", rules.name, escape(rules.summary)));
  if (!found.path.empty()) context.terminal.out(format("from {}\n", escape(found.path)));
  if (!rules.places.empty())
    context.terminal.out("\nplaces, their types and defaults:\n" + places_text(rules));
  context.terminal.out("\n" + exact_text(context, rules.text));
  return Answer::same;
}

// --- render, apply, diff

struct FilledIn {
  RulesTemplate rules{};
  PlaceValues values{};
};

Result<FilledIn> fill_in(const Context& context, const TemplateOptions& options) {
  auto found = TRY(find_template(options.name));
  auto values = TRY(read_place_values(found.rules, options.settings));
  for (const auto& note : idle_settings(found.rules, values, options.settings)) context.terminal.say(note);
  return FilledIn{std::move(found.rules), std::move(values)};
}

std::string expectations_text(const FilledIn& filled) {
  std::string text;
  for (const auto& line : render_expectations(filled.rules, filled.values)) text += line + "\n";
  return text;
}

Result<Json> rendered_json(const FilledIn& filled, std::optional<Family> family) {
  Json values = Json::object();
  for (const auto& place : filled.rules.places) values[place.name] = filled.values.at(place.name).text;
  Json files = Json::object();
  for (const Family one : {Family::ipv4, Family::ipv6}) {
    if (family && one != *family) continue;
    files[std::string(file_name({one}))] = TRY(render_template(filled.rules, filled.values, one));
  }
  return Json{{"name", filled.rules.name},
              {"values", values},
              {"files", files},
              {"expectations", render_expectations(filled.rules, filled.values)}};
}

Result<Answer> render_one(Context& context, const TemplateOptions& options) {
  const auto filled = TRY(fill_in(context, options));
  if (context.json) {
    context.terminal.out(print(TRY(rendered_json(filled, options.family))));
    return Answer::same;
  }
  if (options.expectations) {
    context.terminal.out(exact_text(context, expectations_text(filled)));
    return Answer::same;
  }
  context.terminal.out(
      exact_text(context, TRY(render_template(filled.rules, filled.values, options.family))));
  return Answer::same;
}

// Of a template that lets in some of the ports that docker publishes.
std::optional<std::pair<NumberSet, NumberSet>> published_ports(const PlaceValues& values) {
  const auto tcp = values.find("published_tcp");
  const auto udp = values.find("published_udp");
  if (tcp == values.end() || udp == values.end()) return std::nullopt;
  const auto numbers = [](const PlaceValue& value) {
    if (value.any) return NumberSet::range(0, 65535);
    std::vector<NumberRange> ranges;
    for (const auto& text : value.plain) {
      const auto colon = text.find(':');
      const auto first = read_number(text.substr(0, colon), 65535);
      const auto last = colon == std::string::npos ? first : read_number(text.substr(colon + 1), 65535);
      if (first && last) ranges.push_back({*first, *last});
    }
    return NumberSet(std::move(ranges));
  };
  return std::pair(numbers(tcp->second), numbers(udp->second));
}

Result<Answer> apply_one(Context& context, TemplateOptions& options) {
  auto& change = options.change;
  const auto filled = TRY(fill_in(context, options));
  auto revision = TRY(template_revision(filled.rules, filled.values, options.family));
  const bool guarded = change.guarded.has_value();
  // A guard that is armed reverts this change too.
  if (!options.keep && !guarded && !change.restore.dry_run && armed_guard_id(context.session).empty())
    change.guarded = kGuardOfTemplate;
  change.whole_diff = true;
  change.restore.asks_ports = true;
  TRY(begin_change(context, change));
  change.check.template_name = revision.name;
  if (!options.family) {
    change.check.template_expectations = expectations_text(filled);
    change.check.published = published_ports(filled.values);
  }
  change.restore.trigger = "apply";
  return print_restored(context, change, restore(context.session, std::move(revision), change.restore));
}

Result<Answer> diff_one(Context& context, const TemplateOptions& options) {
  const auto filled = TRY(fill_in(context, options));
  auto from = TRY(template_revision(filled.rules, filled.values, options.family));
  auto to = TRY(read_revision(context.session, "LIVE"));
  TRY(keep_common(from, to));
  const auto owners = owners_of(context.session);
  // As `apply` would leave it.
  if (!options.foreign)
    from.ruleset = TRY(keep_live_foreign(context.session, from.ruleset, to.ruleset, owners,
                                         LostForeign::stays_lost, UnsaidForeign::is_refused))
                       .ruleset;
  auto diff = TRY(compare_revisions(from, to));
  if (context.json) {
    context.terminal.out(print(to_json(diff, from.name, to.name)));
  } else if (!diff.equal()) {
    start_pager(context);
    const Paint paint = context.terminal.paint();
    context.terminal.out(options.stat ? render_stat(diff, paint, Terminal::width())
                                      : render(diff, paint, Terminal::width()));
  }
  return diff.equal() ? Answer::same : Answer::different;
}

// --- suggest

std::string listener_text(const HostUse::Listener& listener) {
  return format("{} {}{}", listener.tcp ? "tcp" : "udp", listener.port,
                listener.program.empty() ? "" : format(" ({})", listener.program));
}

Json suggestion_json(const Context& context, const Suggestion& suggestion) {
  Json values = Json::object();
  for (const auto& [place, value] : suggestion.values) values[place] = value;
  Json closes = Json::array();
  for (const auto& listener : suggestion.closes)
    closes.push_back({{"protocol", listener.tcp ? "tcp" : "udp"},
                      {"port", listener.port},
                      {"program", or_null(listener.program)}});
  return {
      {"name", suggestion.name}, {"because", suggestion.because},
      {"values", values},        {"missing", suggestion.missing},
      {"closes", closes},        {"command", rewall_command(context.session, suggested_words(suggestion))}};
}

Result<Answer> suggest_all(Context& context) {
  auto use = TRY(read_host_use());
  // Without the privilege to read the rules sockets alone tell.
  if (const auto live = read_revision(context.session, "LIVE")) add_published(use, live->ruleset);
  const auto all = suggest_templates(use);
  Json json = Json::array();
  for (const auto& suggestion : all) {
    if (context.json) {
      json.push_back(suggestion_json(context, suggestion));
      continue;
    }
    context.terminal.out(format("{}{}: {}\n  {}\n", &suggestion == all.data() ? "" : "\n", suggestion.name,
                                escape(suggestion.because),
                                escape(rewall_command(context.session, suggested_words(suggestion)))));
    std::vector<std::string> closes;
    for (const auto& listener : suggestion.closes) closes.push_back(listener_text(listener));
    if (!closes.empty()) context.terminal.out(format("  closes {}\n", escape(join(closes, ", "))));
    if (!suggestion.missing.empty())
      context.terminal.out(format("  put in what nothing here shows: {}\n", join(suggestion.missing, ", ")));
  }
  if (context.json) context.terminal.out(print(json));
  return Answer::same;
}

// --- the command

std::vector<OptionForActions> add_template_options(Syntax& syntax, TemplateOptions& options) {
  std::vector<OptionForActions> allowed;
  auto& set = syntax.option("--set", "PLACE=VALUE", &options.settings,
                            "The value of a place (several --set are allowed)");
  set.most = Argument::kMany;
  allowed.push_back({set, {"render", "apply", "diff"}});
  add_family(syntax, options.family, "Only this family: ipv4 or ipv6");
  allowed.push_back({*syntax.find("--family"), {"render", "apply", "diff"}});
  const auto& expectations =
      syntax.flag("--expect", options.expectations, "Print the expectations instead of the rules");
  allowed.push_back({expectations, {"render"}});
  const auto& stat = syntax.flag("--stat", options.stat, "Show only the number of changes in each chain");
  allowed.push_back({stat, {"diff"}});
  const auto& foreign =
      syntax.flag("--foreign", options.foreign, "Show changes to other programs' rules too");
  allowed.push_back({foreign, {"diff"}});
  add_change_options(syntax, options.change);
  syntax.find("--for")->help = "Revert after TIME unless 'rewall confirm' is run (default 10m)";
  auto& keep = syntax.flag("--keep", options.keep, "Arm no guard: keep the change without a question");
  keep.excludes = {"--for"};
  for (const char* name : {"--dry-run", "--exact", "--message", "--yes", "--force", "--for", "--keep"})
    allowed.push_back({*syntax.find(name), {"apply"}});
  name_actions_in_help(syntax, allowed);
  return allowed;
}

}  // namespace

Action define_template(Syntax& syntax) {
  auto options = std::make_shared<TemplateOptions>();
  auto& action = syntax.positional("ACTION", &options->action,
                                   "list (default), show, render, apply, diff (with LIVE) or suggest");
  action.words = {"list", "show", "render", "apply", "diff", "suggest"};
  syntax.positional("NAME", &options->name, "Name of a template (see 'rewall template list')");
  auto allowed = add_template_options(syntax, *options);
  return [options, allowed](Context& context) -> Result<Answer> {
    TRY(check_action("template", allowed, options->action));
    const bool of_one = options->action != "list" && options->action != "suggest";
    if (of_one && options->name.empty()) return error_of<messages::template_needs_name>(options->action);
    if (!of_one && !options->name.empty()) return error_of<messages::template_takes_no_name>(options->action);
    if (options->action == "list") return list_all(context);
    if (options->action == "suggest") return suggest_all(context);
    if (options->action == "show") return show_one(context, *options);
    if (options->action == "render") return render_one(context, *options);
    if (options->action == "diff") return diff_one(context, *options);
    return apply_one(context, *options);
  };
}

}  // namespace rewall

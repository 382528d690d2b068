#include "ops/history/blame.h"

#include "commands/command_output.h"
#include "commands/define.h"
#include "core/format.h"
#include "core/text.h"
#include "ui/diff_view.h"
#include "ui/json.h"
#include "ui/width.h"

namespace rewall {
namespace {

struct BlameOptions {
  std::string revision = "HEAD";
  BlameFilter filter{};
};

std::string command_of(const BlamedRule& rule) {
  return rule.from ? join(rule.from->trailers.commands, "; ") : "";
}

Json put_back_json(const Snapshot* snapshot) {
  if (snapshot == nullptr) return nullptr;
  return {{"hash", snapshot->hash},
          {"time", rfc3339(snapshot->time)},
          {"author", author_of(*snapshot)},
          {"trigger", or_null(snapshot->trailers.trigger)}};
}

Json to_json(const BlamedRule& rule) {
  const auto* from = rule.from.get();
  return {{"family", rule.native ? name(*rule.native) : name(rule.family)},
          {"backend", rule.native ? kNativeBackend : name(rule.backend)},
          {"table", rule.table},
          {"chain", rule.chain},
          {"pos", rule.pos},
          {"rule", rule.rule},
          {"hash", from != nullptr ? Json(from->hash) : Json(nullptr)},
          {"time", from != nullptr ? Json(rfc3339(from->time)) : Json(nullptr)},
          {"author", from != nullptr ? Json(author_text(author_of(rule, *from).person)) : Json(nullptr)},
          {"perhaps", from != nullptr ? Json(author_of(rule, *from).perhaps) : Json::array()},
          {"command", or_null(command_of(rule))},
          {"put_back", put_back_json(rule.put_back_by.get())}};
}

std::string heading(const BlamedRule& rule) {
  if (rule.native) return format("{} {} {}", name(*rule.native), escape(rule.table), escape(rule.chain));
  return format("{}{} {} {}", short_name(rule.family), rule.backend == Backend::legacy ? " (legacy)" : "",
                escape(rule.table), escape(rule.chain));
}

std::string line(const BlamedRule& rule, Paint paint) {
  std::string origin = format("{:<10}  {:<16}  {:<12}", "", "not recorded", "");
  if (rule.from) {
    auto time = rfc3339(rule.from->time).substr(0, 16);
    time[10] = ' ';
    origin = format("{}  {}  {}", paint.changed(short_hash(rule.from->hash)), paint.quiet(time),
                    fitted(escape(author_of(rule, *rule.from).person.name), 12));
  }
  const auto start = format("  {}  {:<4} ", origin, rule.pos);
  std::string text = rule.native ? readable_native_rule(rule.rule) : readable_rule(rule.rule);
  if (const auto command = command_of(rule); !command.empty()) text += paint.quiet("  <- " + escape(command));
  if (rule.from)
    if (const auto perhaps = author_of(rule, *rule.from).perhaps; !perhaps.empty())
      text += paint.quiet(format("  (perhaps by {})", escape(join(perhaps, " or "))));
  if (const auto* by = rule.put_back_by.get())
    text += paint.quiet(format("  (put back by {}, {} {})", escape(by->author.name),
                               escape(by->trailers.trigger), short_hash(by->hash)));
  return beside(start, text, Terminal::width()) + "\n";
}

}  // namespace

Action define_blame(Syntax& syntax) {
  auto options = std::make_shared<BlameOptions>();
  syntax.positional("REV", &options->revision, "The revision to annotate (default HEAD)");
  add_recorded_table(syntax, options->filter.table,
                     "Show only rules of this table; a native one is 'inet NAME'");
  syntax.option("--chain", "CHAIN", &options->filter.chain, "Show only rules of this chain");
  add_family(syntax, options->filter.family, "Show only rules of this family: ipv4 or ipv6");
  return [options](Context& context) -> Result<Answer> {
    auto rules = TRY(blame(context.session, options->revision, options->filter));
    if (context.json) {
      Json json = Json::array();
      for (const auto& rule : rules) json.push_back(to_json(rule));
      context.terminal.out(print(json));
      return Answer::same;
    }
    start_pager(context);
    const Paint paint = context.terminal.paint();
    std::string text;
    std::string place;
    for (const auto& rule : rules) {
      if (auto here = heading(rule); here != place) {
        text += format("{}{}\n", place.empty() ? "" : "\n", paint.heading(here));
        place = std::move(here);
      }
      text += line(rule, paint);
    }
    context.terminal.out(text);
    return Answer::same;
  };
}

}  // namespace rewall

#include "analysis/ports.h"

#include <algorithm>
#include <memory>

#include "commands/command_output.h"
#include "commands/define.h"
#include "core/format.h"
#include "ops/context/packet_on_host.h"
#include "ops/history/asked_revision.h"
#include "ops/history/open_ports.h"
#include "ui/json.h"
#include "ui/ports_view.h"

namespace rewall {
namespace {

struct PortsOptions {
  std::string revision = "LIVE";
  OpenPortsOptions asked{};
};

Result<Answer> run_ports(Context& context, PortsOptions& options) {
  auto& asked = options.asked;
  auto revision = TRY(read_asked_revision(context.session, options.revision, asked.family));
  auto facts = TRY(facts_of(options.revision, asked.local));
  if (!facts.known)
    context.terminal.say(format(
        "the addresses of the host are not known for {}: '--local ADDRESS' names them", options.revision));
  if (facts.known && !asked.forward) {
    for (const auto family : {Family::ipv4, Family::ipv6})
      if ((!asked.family || *asked.family == family) &&
          without(facts.local(family), loopback_addresses(family)).empty())
        context.terminal.say(
            format("this host has no address of {} but for loopback: by {}, whatever the rules, nothing "
                   "reaches it from "
                   "elsewhere",
                   short_name(family), short_name(family)));
  }
  if (const auto show = context.terminal.progress())
    asked.progress = [show](std::size_t done, std::size_t all) {
      show(format("reading rules: {} of {}\r", done, all));
      if (done == all) show("\r");
    };
  auto found = TRY(open_ports(revision, facts, asked));
  for (const auto& [family, rows] : found) {
    const bool sends_on = std::ranges::any_of(rows, &PortRow::is_sent_on);
    if (const auto note = forwarding_note(facts, family); !note.empty() && (asked.forward || sends_on))
      context.terminal.say(note);
  }
  if (context.json) {
    Json json = Json::array();
    for (const auto& [family, rows] : found)
      for (const auto& row : rows) json.push_back(to_json(row, family, asked.listening));
    context.terminal.out(print(json));
    return Answer::same;
  }
  start_pager(context);
  for (const auto& [family, rows] : found)
    context.terminal.out(ports_table(rows, family, asked.listening, context.terminal.paint()));
  return Answer::same;
}

}  // namespace

Action define_ports(Syntax& syntax) {
  auto options = std::make_shared<PortsOptions>();
  syntax.positional("REV", &options->revision, "The revision whose rules to look at (default LIVE)");
  syntax.flag("--listening", options->asked.listening, "Compare with the programs that listen on this host");
  syntax.flag("--forward", options->asked.forward,
              "Show packets that are routed, in place of those to this host");
  syntax
      .option("--local", "ADDRESS", &options->asked.local,
              "An address of the host, where REV is not LIVE (can be repeated)")
      .most = Argument::kMany;
  add_family(syntax, options->asked.family, "Show this family only: ipv4 or ipv6");
  return [options](Context& context) { return run_ports(context, *options); };
}

}  // namespace rewall

#include <unistd.h>

#include <memory>

#include "analysis/model.h"
#include "analysis/walk.h"
#include "commands/command_output.h"
#include "commands/define.h"
#include "commands/packet_argument.h"
#include "core/format.h"
#include "core/messages.h"
#include "ops/context/host_facts.h"
#include "ops/context/packet_on_host.h"
#include "ops/history/asked_revision.h"
#include "ops/history/revision.h"
#include "rules/symbols.h"
#include "ui/trace_view.h"
#include "ui/width.h"

namespace rewall {
namespace {

struct TraceOptions {
  std::vector<std::string> words{};
  std::vector<std::string> local{};
  std::optional<Verdict> expected{};
  bool why = false;
};

/// What the answer says of the addresses of the host.
enum class LocalFrom { kernel, given, unknown };

constexpr std::string_view name_of(LocalFrom from) {
  switch (from) {
    case LocalFrom::kernel:
      return "kernel";
    case LocalFrom::given:
      return "given";
    default:
      return "unknown";
  }
}

Result<HostFacts> facts_of(const TraceOptions& options, const std::string& revision, LocalFrom& from) {
  const bool this_host = options.local == std::vector<std::string>{"LIVE"};
  if (this_host || (revision == "LIVE" && options.local.empty())) {
    from = LocalFrom::kernel;
    return live_host_facts();
  }
  if (options.local.empty()) {
    from = LocalFrom::unknown;
    return HostFacts{};
  }
  from = LocalFrom::given;
  return given_host_facts(options.local);
}

// A file of one family asks about packets of that family, unless the packet says another.
Result<Packet> packet_for(const PacketArgument& argument, const Revision& revision) {
  std::optional<Family> family;
  if (revision.has_v4 != revision.has_v6) family = revision.has_v4 ? Family::ipv4 : Family::ipv6;
  auto packet = TRY(read_packet(argument.packet));
  if (!family || packet.family == *family) return packet;
  if (auto other = read_packet(argument.packet, family)) return other;
  return error_of<messages::revision_without_family>(revision.name, name(packet.family));
}

Argument::Reader read_verdict(TraceOptions& options) {
  return [&options](const std::string& value) -> Status {
    for (const auto verdict : {Verdict::accept, Verdict::drop, Verdict::reject, Verdict::depends})
      if (equal_ignoring_case(value, name(verdict))) {
        options.expected = verdict;
        return {};
      }
    return error_of<messages::not_one_of>(value, "ACCEPT, DROP, REJECT, DEPENDS");
  };
}

Result<Answer> run_trace(Context& context, const TraceOptions& options) {
  const auto argument = split_revision(options.words);
  // A word that cannot be read is told before the rules are read.
  TRY(read_packet(argument.packet));
  const auto name_of_revision = argument.revision.value_or("LIVE");
  LocalFrom from = LocalFrom::unknown;
  auto facts = TRY(facts_of(options, name_of_revision, from));
  const auto revision = TRY(read_asked_revision(context.session, name_of_revision));
  TRY(check_rules(revision));
  const auto packet = TRY(packet_for(argument, revision));
  auto complete_packet = packet;
  complete_on_host(complete_packet, argument.packet, facts);
  const Why why = options.why ? Why::yes : Why::no;
  const Model model(revision.ruleset, packet.family, facts);
  const auto traced = trace(model, complete_packet, why);
  const auto notes = packet_notes(complete_packet, traced.packet, facts);
  auto asked = packet;
  asked.hook = complete_packet.hook;
  const bool met = !options.expected || *options.expected == traced.verdict;
  if (context.json) {
    Json json = to_json(traced, asked, why);
    json["revision"] = revision.name;
    json["local"] = name_of(from);
    json["notes"] = notes;
    json["expected"] = options.expected ? Json(name(*options.expected)) : Json(nullptr);
    context.terminal.out(print(json));
  } else {
    start_pager(context);
    auto text = render(traced, asked, terminal_width(STDOUT_FILENO), context.terminal.paint());
    if (from == LocalFrom::unknown && traced.verdict == Verdict::depends)
      text += "The addresses of the host are not known: name them with --local.\n";
    if (!met) text += format("{:<9}{}\n", "expected", name(*options.expected));
    context.terminal.out(text);
  }
  for (const auto& note : notes) context.terminal.say(note);
  return met ? Answer::same : Answer::different;
}

}  // namespace

Action define_trace(Syntax& syntax) {
  auto options = std::make_shared<TraceOptions>();
  add_packet(syntax, options->words, "The revision whose rules are asked (default LIVE)");
  syntax.flag("--why", options->why, "Show also the rules that do not match, and why");
  syntax.option("--expect", "VERDICT", read_verdict(*options),
                "Exit 1 unless the verdict is ACCEPT, DROP, REJECT or DEPENDS");
  syntax
      .option("--local", "ADDRESS", &options->local,
              "An address of the host, for a revision other than LIVE; LIVE: those of this host")
      .most = Argument::kMany;
  return [options](Context& context) { return run_trace(context, *options); };
}

}  // namespace rewall

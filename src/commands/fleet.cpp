#include <algorithm>
#include <functional>
#include <memory>
#include <span>
#include <utility>

#include "commands/check.h"
#include "commands/command_output.h"
#include "commands/define.h"
#include "commands/history_options.h"
#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"
#include "ops/fleet/fleet_check.h"
#include "ops/fleet/fleet_diff.h"
#include "ops/fleet/fleet_log.h"
#include "ops/fleet/fleet_ports.h"
#include "ops/fleet/fleet_status.h"
#include "ops/fleet/hosts.h"
#include "ui/diff_view.h"
#include "ui/json.h"
#include "ui/ports_view.h"
#include "ui/width.h"

namespace rewall {
namespace {

constexpr std::size_t kWidestName = 32;

struct FleetOptions {
  std::string action = "list";
  std::vector<std::string> hosts{};
  std::string against{};
  std::optional<std::chrono::milliseconds> stale{};
  bool foreign = false;
  bool forward = false;
  HistoryOptions history{};

  FleetScope scope() const { return {.chain = history.filter.chain, .foreign = foreign}; }
};

// Prints an array element by element, as it may be long. Prints nothing before the first element, because an
// error may come instead.
class JsonArray {
 public:
  explicit JsonArray(Terminal& terminal) : terminal_(terminal) {}

  bool add(const Json& json) { return terminal_.out(std::exchange(between_, ",") + one_line(json)); }
  void end() { terminal_.out(between_ == "[" ? "[]" : "]"); }

  static std::string one_line(const Json& json) {
    auto text = print(json);
    text.pop_back();
    return text;
  }

 private:
  Terminal& terminal_;
  std::string between_ = "[";
};

void end(Context& context, JsonArray& array) {
  if (!context.json) return;
  array.end();
  context.terminal.out("\n");
}

std::size_t width_of(std::span<const HostBranch> hosts) {
  std::size_t width = 1;
  for (const auto& host : hosts) width = std::max(width, escape(host.host).size());
  return std::min(width, kWidestName);
}

Json text_or_null(const std::string* text) {
  return text == nullptr ? Json(nullptr) : or_null(*text);
}

Result<std::vector<HostBranch>> all_hosts(Context& context) {
  auto repository = TRY(context.session.repository());
  return fleet_hosts(*repository);
}

// The named hosts, or all of them where none is named.
Result<std::vector<HostBranch>> named_hosts(Context& context, const std::vector<std::string>& names) {
  auto all = all_hosts(context);
  if (!all || names.empty()) return all;
  std::vector<HostBranch> hosts;
  for (const auto& name : names) {
    auto host = TRY(find_host(*all, name));
    hosts.push_back(std::move(host));
  }
  return hosts;
}

// --- list

Json list_json(const HostBranch& host, const Result<Snapshot>& newest) {
  return {{"host", host.host},
          {"remote", or_null(host.remote)},
          {"hash", host.hash},
          {"time", newest ? Json(rfc3339(newest->time)) : Json(nullptr)},
          {"author", newest ? Json(author_of(*newest)) : Json(nullptr)},
          {"subject", newest ? Json(newest->subject) : Json(nullptr)},
          {"unreadable", newest ? Json(nullptr) : Json(newest.error().message)}};
}

std::string list_line(const HostBranch& host, const Result<Snapshot>& newest, std::size_t width,
                      Paint paint) {
  const auto start = paint.heading(fitted(escape(host.host), width));
  if (!newest)
    return beside(start + "  ", paint.removed("unreadable: " + escape(newest.error().message)),
                  Terminal::width()) +
           "\n";
  return beside(format("{}  {}  {}  {}  ", start, paint.quiet(format("{:<14}", ago(newest->time, now()))),
                       fitted(escape(newest->author.name), 12),
                       fitted(host.remote.empty() ? "-" : escape(host.remote), 8)),
                escape(newest->subject), Terminal::width()) +
         "\n";
}

Result<Answer> list(Context& context, const FleetOptions& options) {
  auto hosts = TRY(named_hosts(context, options.hosts));
  const Repository& repository = **context.session.repository();
  const auto each = [&](const std::function<bool(const HostBranch&, const Result<Snapshot>&)>& show) {
    for (const auto& host : hosts) {
      if (!show(host, repository.snapshot(host.hash))) return;
    }
  };
  if (context.json) {
    JsonArray array(context.terminal);
    each([&](const auto& host, const auto& newest) { return array.add(list_json(host, newest)); });
    end(context, array);
    return Answer::same;
  }
  start_pager(context);
  const auto width = width_of(hosts);
  each([&](const auto& host, const auto& newest) {
    return context.terminal.out(list_line(host, newest, width, context.terminal.paint()));
  });
  return Answer::same;
}

// --- status

Json host_json(const FleetStatus& status, const FleetStatus::Host& host) {
  return {{"host", host.branch.host},
          {"group", host.group == 0 ? Json(nullptr) : Json(host.group)},
          {"differs", host.differs},
          {"stale", host.stale},
          {"unreachable", text_or_null(status.unreachable_by(host))},
          {"unreadable", or_null(host.unreadable)},
          {"time", host.time ? Json(rfc3339(*host.time)) : Json(nullptr)},
          {"hash", host.branch.hash}};
}

void print_status_json(Terminal& terminal, const FleetStatus& status, const std::string& against) {
  terminal.out("{\"hosts\":");
  JsonArray hosts(terminal);
  for (const auto& host : status.hosts) hosts.add(host_json(status, host));
  hosts.end();
  terminal.out(",\"groups\":");
  JsonArray groups(terminal);
  for (std::size_t i = 0; i < status.groups.size(); ++i) {
    const auto& group = status.groups[i];
    groups.add({{"group", i + 1}, {"hosts", group.hosts}, {"example", group.example}});
  }
  groups.end();
  terminal.out(",\"baseline\":" + JsonArray::one_line(or_null(against)) + "}\n");
}

// The names of the hosts of a group, as many as fit into a line: "web1, web2, web3".
std::string names_of(const FleetStatus& status, std::size_t group) {
  constexpr std::size_t kShown = 5;
  std::vector<std::string> names;
  for (const auto& host : status.hosts) {
    if (host.group != group) continue;
    if (names.size() == kShown) {
      names.emplace_back("...");
      break;
    }
    names.push_back(escape(host.branch.host));
  }
  return join(names, ", ");
}

std::string group_line(const FleetStatus& status, std::size_t number, const std::string& against) {
  const auto hosts = status.groups[number - 1].hosts;
  const bool is_largest =
      std::ranges::count_if(status.groups, [&](const auto& group) { return group.hosts >= hosts; }) == 1;
  std::string role;
  if (number == status.baseline && !against.empty())
    role = format(", the baseline {}", escape(against));
  else if (number == status.baseline && hosts > 1)
    role = is_largest ? ", the majority" : ", no larger than another, held against the others";
  else if (number == status.baseline && status.groups.size() > 1)
    role = ", held against the others";
  return format("group {}{}: {} ({})\n", number, role, counted(hosts, hosts == 1 ? "host" : "identical host"),
                names_of(status, number));
}

std::string groups_text(const FleetStatus& status, const std::string& against) {
  std::string text;
  std::size_t alone = 0;
  for (std::size_t number = 1; number <= status.groups.size(); ++number) {
    if (number == status.baseline || status.groups[number - 1].hosts > 1) {
      text += group_line(status, number, against);
    } else {
      ++alone;
    }
  }
  if (alone == 0) return text;
  return text + (alone == 1 ? "1 host differs from every other\n"
                            : format("{} hosts differ from every other\n", alone));
}

std::string host_words(const FleetStatus& status, const FleetStatus::Host& host, Paint paint) {
  std::vector<std::string> words;
  if (host.differs) {
    const bool alone = status.groups[host.group - 1].hosts == 1;
    words.push_back(paint.changed(alone ? "differs" : format("differs (group {})", host.group)));
  }
  if (host.stale) words.push_back(paint.moved(format("stale ({})", ago(*host.time, now()))));
  if (status.unreachable_by(host) != nullptr)
    words.push_back(paint.removed(format("unreachable ({})", escape(host.branch.remote))));
  if (!host.unreadable.empty()) words.push_back(paint.removed("unreadable: " + escape(host.unreadable)));
  return join(words, ", ");
}

std::size_t width_of(const FleetStatus& status) {
  std::size_t width = 1;
  for (const auto& host : status.hosts) {
    if (!status.is_well(host)) width = std::max(width, escape(host.branch.host).size());
  }
  return std::min(width, kWidestName);
}

void print_status(Context& context, const FleetStatus& status, const std::string& against) {
  start_pager(context);
  Terminal& terminal = context.terminal;
  terminal.out(wrapped_lines(groups_text(status, against), 2, Terminal::width()));
  const auto width = width_of(status);
  for (const auto& host : status.hosts) {
    if (status.is_well(host)) continue;
    terminal.out(beside(terminal.paint().heading(fitted(escape(host.branch.host), width)) + "  ",
                        host_words(status, host, terminal.paint()), Terminal::width()) +
                 "\n");
  }
  for (const auto& [remote, why] : status.unreachable)
    terminal.out(
        wrapped_lines(format("remote {}: unreachable at the last fetch: {}\n", escape(remote), escape(why)),
                      2, Terminal::width()));
}

Result<Answer> status(Context& context, const FleetOptions& options) {
  if (!options.hosts.empty()) return error_of<messages::fleet_status_takes_no_host>();
  auto found = TRY(fleet_status(context.session, options.scope(), options.against, options.stale));
  if (context.json) {
    print_status_json(context.terminal, found, options.against);
  } else {
    print_status(context, found, options.against);
  }
  const bool well =
      std::ranges::all_of(found.hosts, [&](const FleetStatus::Host& host) { return found.is_well(host); });
  return well ? Answer::same : Answer::different;
}

// --- diff

// Foreign changes, where they are asked for, are shown like all others.
std::string diff_text(Diff diff, Paint paint) {
  for (auto& change : diff.changes) change.foreign.clear();
  return render(diff, paint, Terminal::width());
}

Result<Answer> diff_two(Context& context, const FleetOptions& options, const HostBranch& from,
                        const HostBranch& to) {
  Result<Diff> diff = Diff{};
  auto compared = fleet_diff(context.session, options.scope(), from, std::span(&to, 1),
                             [&](const HostBranch&, const Result<Diff>& found) { diff = found; });
  if (!compared) return std::move(compared).error();
  if (!diff) return std::move(diff).error();
  if (context.json) {
    context.terminal.out(print(to_json(*diff, from.host, to.host)));
  } else if (!diff->equal()) {
    start_pager(context);
    context.terminal.out(diff_text(*diff, context.terminal.paint()));
  }
  return diff->equal() ? Answer::same : Answer::different;
}

Json diff_json(const std::string& from, const std::string& to, const Result<Diff>& diff) {
  Json json = to_json(diff ? *diff : Diff{}, from, to);
  if (!diff) json["equal"] = false;
  json["unreadable"] = diff ? Json(nullptr) : Json(diff.error().message);
  return json;
}

Result<Answer> diff_against(Context& context, const FleetOptions& options, const HostBranch& from,
                            std::span<const HostBranch> others) {
  Answer answer = Answer::same;
  JsonArray array(context.terminal);
  start_pager(context);
  const Paint paint = context.terminal.paint();
  const auto show = [&](const HostBranch& to, const Result<Diff>& diff) {
    if (diff && diff->equal()) return;
    if (context.json) {
      array.add(diff_json(from.host, to.host, diff));
    } else {
      const auto text =
          diff ? diff_text(*diff, paint)
               : wrapped_lines("unreadable: " + escape(diff.error().message) + "\n", 2, Terminal::width());
      const auto* between = answer == Answer::same ? "" : "\n";
      context.terminal.out(format(
          "{}{}\n{}", between, paint.heading("--- " + escape(from.host) + " -> " + escape(to.host)), text));
    }
    answer = Answer::different;
  };
  TRY(fleet_diff(context.session, options.scope(), from, others, show));
  end(context, array);
  return answer;
}

Result<Answer> diff(Context& context, const FleetOptions& options) {
  const bool two = options.against.empty();
  if (two && options.hosts.size() != 2) return error_of<messages::fleet_diff_needs_two_hosts>();
  auto hosts = TRY(named_hosts(context, options.hosts));
  if (two) return diff_two(context, options, hosts[0], hosts[1]);
  auto all = TRY(all_hosts(context));
  auto from = TRY(find_host(all, options.against));
  std::erase_if(hosts, [&](const HostBranch& host) { return host.host == from.host; });
  return diff_against(context, options, from, hosts);
}

// --- log

Result<Answer> log(Context& context, FleetOptions& options) {
  auto hosts = TRY(named_hosts(context, options.hosts));
  start_pager(context);
  JsonArray array(context.terminal);
  const auto width = width_of(hosts);
  const Paint paint = context.terminal.paint();
  std::size_t shown = 0;
  const auto show = [&](const HostBranch& host, const Result<LogEntry>& entry) {
    if (!entry) {
      context.terminal.say(entry.error().message);
      return true;
    }
    bool read = true;
    if (context.json) {
      Json json = to_json(entry->snapshot, entry->diff);
      json["host"] = host.host;
      read = array.add(json);
    } else {
      const auto start = paint.heading(fitted(escape(host.host), width)) + "  ";
      read = context.terminal.out(
          snapshot_line(entry->snapshot, options.history.date, paint, Terminal::width(), start) + "\n");
    }
    return read && ++shown != options.history.limit;
  };
  Status walked;
  if (options.history.limit != 0U)
    walked = fleet_log(context.session, hosts, options.history.filter, context.json, show);
  if (!walked) return std::move(walked).error();
  end(context, array);
  return Answer::same;
}

// --- check

Json host_check_json(const HostBranch& host, const Result<HostCheck>& check) {
  Json json{{"host", host.host}, {"expectations", Json::array()}};
  if (check)
    for (const auto& checked : check->checked) json["expectations"].push_back(checked_json(checked));
  json["unreadable"] = check ? Json(nullptr) : Json(check.error().message);
  return json;
}

std::string host_check_text(const HostBranch& host, const Result<HostCheck>& check, Paint paint) {
  auto text = paint.heading(escape(host.host)) + "\n";
  if (!check)
    return text +
           wrapped_lines(format("  {}\n", paint.removed("unreadable: " + escape(check.error().message))), 4,
                         Terminal::width());
  if (check->checked.empty()) return text + paint.quiet("  no expectations") + "\n";
  for (const auto& checked : check->checked)
    text += wrapped_lines(checked_line(checked, paint), kExpectationColumn, Terminal::width());
  return text;
}

Result<Answer> check(Context& context, const FleetOptions& options) {
  const auto hosts = TRY(named_hosts(context, options.hosts));
  Answer answer = Answer::same;
  JsonArray array(context.terminal);
  start_pager(context);
  const auto show = [&](const HostBranch& host, const Result<HostCheck>& found) {
    if (!found || !all_hold(found->checked)) answer = Answer::different;
    if (context.json)
      array.add(host_check_json(host, found));
    else
      context.terminal.out(host_check_text(host, found, context.terminal.paint()));
  };
  TRY(fleet_check(context.session, hosts, show));
  end(context, array);
  return answer;
}

// --- ports

using HostPorts = Result<std::vector<FamilyPorts>>;

Json host_ports_json(const HostBranch& host, const HostPorts& found) {
  Json json{{"host", host.host}, {"ports", Json::array()}};
  if (found)
    for (const auto& [family, rows] : *found)
      for (const auto& row : rows) json["ports"].push_back(to_json(row, family, false));
  json["unreadable"] = found ? Json(nullptr) : Json(found.error().message);
  return json;
}

std::string host_ports_text(const HostBranch& host, const HostPorts& found, Paint paint) {
  auto text = paint.heading(escape(host.host)) + "\n";
  if (!found)
    return text +
           wrapped_lines(format("  {}\n", paint.removed("unreadable: " + escape(found.error().message))), 4,
                         Terminal::width());
  for (const auto& [family, rows] : *found) text += ports_table(rows, family, false, paint);
  return text;
}

Result<Answer> ports(Context& context, const FleetOptions& options) {
  const auto hosts = TRY(named_hosts(context, options.hosts));
  OpenPortsOptions asked;
  asked.forward = options.forward;
  JsonArray array(context.terminal);
  start_pager(context);
  bool first = true;
  const auto show = [&](const HostBranch& host, const HostPorts& found) {
    if (context.json) {
      array.add(host_ports_json(host, found));
    } else {
      context.terminal.out(std::exchange(first, false) ? "" : "\n");
      context.terminal.out(host_ports_text(host, found, context.terminal.paint()));
    }
  };
  TRY(fleet_ports(context.session, hosts, asked, show));
  end(context, array);
  return Answer::same;
}

// --- the command

std::vector<OptionForActions> add_fleet_options(Syntax& syntax, FleetOptions& options) {
  add_history_options(syntax, options.history);
  auto& chain = *syntax.find("--chain");
  chain.help = "Only this chain, or the snapshots that changed it";
  std::vector<OptionForActions> allowed{{chain, {"status", "diff", "log"}}};
  for (const char* name : {"--max-count", "--since", "--until", "--grep", "--author", "--date"})
    allowed.push_back({*syntax.find(name), {"log"}});
  const auto& against =
      syntax.option("--against", "HOST", &options.against, "Compare the other hosts with this one");
  allowed.push_back({against, {"status", "diff"}});
  const auto& stale = syntax.option(
      "--stale", "TIME",
      [&options](const std::string& word) -> Status {
        options.stale = TRY(parse_duration(word));
        return {};
      },
      "Report hosts whose newest snapshot is older than this (default: fleet.stale)");
  allowed.push_back({stale, {"status"}});
  const auto& foreign = syntax.flag("--foreign", options.foreign, "Compare other programs' rules too");
  allowed.push_back({foreign, {"status", "diff"}});
  const auto& forward = syntax.flag("--forward", options.forward, "Show packets that are routed");
  allowed.push_back({forward, {"ports"}});
  name_actions_in_help(syntax, allowed);
  return allowed;
}

}  // namespace

Action define_fleet(Syntax& syntax) {
  auto options = std::make_shared<FleetOptions>();
  auto& action =
      syntax.positional("ACTION", &options->action, "list (default), status, diff, log, check or ports");
  action.words = {"list", "status", "diff", "log", "check", "ports"};
  syntax.positional(
      "HOST", &options->hosts,
      "list, log, check, ports: only these hosts; diff: the two hosts, or those to compare with --against");
  auto allowed = add_fleet_options(syntax, *options);
  return [options, allowed](Context& context) -> Result<Answer> {
    TRY(check_action("fleet", allowed, options->action));
    if (options->action == "status") return status(context, *options);
    if (options->action == "diff") return diff(context, *options);
    if (options->action == "log") return log(context, *options);
    if (options->action == "check") return check(context, *options);
    if (options->action == "ports") return ports(context, *options);
    return list(context, *options);
  };
}

}  // namespace rewall

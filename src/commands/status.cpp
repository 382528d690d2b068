#include "ops/host/status.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include "commands/command_output.h"
#include "commands/define.h"
#include "commands/expiry.h"
#include "commands/guard.h"
#include "core/file.h"
#include "core/format.h"
#include "core/text.h"
#include "core/time.h"
#include "ops/guard/rollback.h"
#include "ops/remote/remote_address.h"
#include "ui/json.h"
#include "ui/ports_view.h"
#include "ui/width.h"

namespace rewall {
namespace {

constexpr std::size_t kValueColumn = 9;  // behind "remote   "

Json queue_json(const PushQueue& queue) {
  return {{"since", rfc3339(queue.since)},
          {"tries", queue.tries},
          {"next", rfc3339(local(queue.next))},
          {"why", or_null(queue.why)}};
}

Json expiries_json(const Expiries& expiries) {
  Json json = Json::array();
  for (const auto& expiry : expiries.pending) json.push_back(expiry_json(expiry));
  return json;
}

Json expired_json(const std::vector<ExpiryEnding>& endings) {
  Json json = Json::array();
  for (const auto& ending : endings) json.push_back(ended_json(ending));
  return json;
}

Json notify_json(const NotifyFailure& failure) {
  return {{"time", rfc3339(failure.time)}, {"hash", failure.hash}, {"why", failure.why}};
}

Json to_json(const RepositoryStatus& status) {
  Json remote = nullptr;
  if (status.remote) {
    const auto& [which, behind, stale, queue] = *status.remote;
    const auto time = [](const std::optional<Time>& t) { return t ? Json(rfc3339(*t)) : Json(nullptr); };
    remote = {{"name", which.name},
              {"url", shown_address(which.url)},
              {"behind", behind.snapshots},
              {"since", time(behind.since)},
              {"last_push", time(behind.last_push)},
              {"stale", stale},
              {"queued", queue ? queue_json(*queue) : Json(nullptr)}};
  }
  return {{"clean", status.clean},
          {"reasons", status.reasons()},
          {"foreign_changes", status.foreign_changes},
          {"native_unseen", status.native_unseen},
          {"head", or_null(status.head)},
          {"host", status.host},
          {"backend", or_null(status.backend)},
          {"changes", status.changes},
          {"opened_since_good", status.opened ? to_json(*status.opened) : Json(nullptr)},
          {"guard", status.guard ? guard_json(status.guard->guard, status.guard->left, status.guard->overdue)
                                 : Json(nullptr)},
          {"lockdown",
           status.before_lockdown ? Json{{"before", or_null(*status.before_lockdown)}} : Json(nullptr)},
          {"guard_unreadable", or_null(status.guard_unreadable)},
          {"last_guard", status.last_guard ? ending_json(*status.last_guard) : Json(nullptr)},
          {"good_reverted", or_null(status.good)},
          {"expiries", expiries_json(status.expiries)},
          {"expired", expired_json(status.expired)},
          {"watch", status.watch},
          {"remote", remote},
          {"notify_failed", status.notify_failed ? notify_json(*status.notify_failed) : Json(nullptr)},
          {"journal", or_null(status.journal)},
          {"settings_unusable", or_null(status.settings_unusable)},
          {"damage", status.damage}};
}

std::string guard_text(const Context& context, const RepositoryStatus::GuardStatus& status) {
  const Paint paint = context.terminal.paint();
  const Guard& guard = status.guard;
  std::string text = "guard    ";
  const auto* process = status.gone ? "gone" : status.stopped ? "stopped" : "";
  text += paint.removed(status.overdue ? format("overdue, and its process is {}", process)
                                       : format("ARMED: reverts to {} in {}", short_hash(guard.before),
                                                time_text(status.left)));
  if (!status.overdue && *process != '\0')
    text += paint.removed(
        format("\n         its process is {}: after the deadline the next rewall reverts", process));
  text += format("\n         by {}: {}\n", escape(guard.actor.text()), escape(guard.command));
  if (status.overdue) return text;
  return text +
         paint.quiet(format("         '{}' keeps the change, '{}' reverts it",
                            rewall_command(context.session, "confirm"),
                            rewall_command(context.session, "rollback"))) +
         "\n";
}

std::string ending_text(const Context& context, const GuardEnding& ending) {
  std::string text = format("guard    none is armed; {} {}\n", name_of(ending.guard), to_text(ending));
  if (!ending.tried.empty() && ending.how != EndedBy::confirm)
    text += format("         what was tried is snapshot {}; to try it again: {}\n", short_hash(ending.tried),
                   escape(for_repository(retry_command(ending), context.session.path())));
  return text;
}

std::string good_text(const Context& context, const RepositoryStatus& status) {
  const Paint paint = context.terminal.paint();
  return format("good     {}\n",
                paint.removed(format("the tag names {}, which {} took back at {}; a boot falls back to it",
                                     short_hash(status.good), escape(name_of(status.good_guard->guard)),
                                     rfc3339(status.good_guard->ended)))) +
         paint.quiet(format(
             "         '{}' names the ruleset from before that guard",
             rewall_command(context.session, "tag good " + short_hash(status.good_guard->guard.before)))) +
         "\n";
}

std::string expiry_lines(const Context& context, const Expiry& expiry, bool out, Paint paint) {
  constexpr std::size_t kShown = 3;
  std::string text = "expires  ";
  if (out)
    text += format("{} {} not in force now; what comes back of it expires at {}\n", count_text(expiry.parts),
                   origin_text(expiry), rfc3339(expiry.due));
  else if (expiry.done)
    text += format("{} {}, taken out; looked at again when the guard ends\n", count_text(expiry.parts),
                   origin_text(expiry));
  else if (expiry.due.seconds <= now().seconds)
    text += paint.removed(format("OVERDUE since {}: {} {}", rfc3339(expiry.due), count_text(expiry.parts),
                                 origin_text(expiry))) +
            "\n";
  else
    text += format("{}\n         {}\n", escape(expiry_text(context, expiry)), origin_text(expiry));
  for (std::size_t i = 0; i < std::min(kShown, expiry.parts.size()); ++i)
    text += format("         {}\n", escape(to_text(expiry.parts[i])));
  if (expiry.parts.size() > kShown) text += format("         and {} more\n", expiry.parts.size() - kShown);
  return text;
}

std::string expiries_text(const Context& context, const RepositoryStatus& status, Paint paint) {
  std::string text;
  for (const auto& expiry : status.expiries.pending) {
    const auto& out = status.expiries_out;
    text += expiry_lines(context, expiry, std::ranges::find(out, expiry.id) != out.end(), paint);
  }
  for (const auto& why : status.expiries.unreadable)
    text += format("expires  {}\n", paint.removed("cannot be read: " + escape(why)));
  for (const auto& ending : status.expired)
    text += format("expired  {} {}: {}{}\n", ago(ending.ended, now()), origin_text(ending.expiry),
                   escape(ending.says),
                   ending.result.empty() ? "" : format(" (snapshot {})", short_hash(ending.result)));
  return text;
}

std::string counted_pushes(std::size_t n) {
  return n == 1 ? "1 push" : format("{} pushes", n);
}

std::string remote_text(const Context& context, const RepositoryStatus::RemoteStatus& status) {
  const Paint paint = context.terminal.paint();
  const auto& [remote, behind, stale, queue] = status;
  std::string state = format("{} has all snapshots", escape(remote.name));
  if (behind.snapshots > 0) {
    state = format("{} not yet pushed to {}{}", counted(behind.snapshots, "snapshot"), escape(remote.name),
                   behind.since ? format(" (oldest: {})", ago(*behind.since, now())) : "");
  }
  std::string text = format("remote   {}\n", stale ? paint.removed(state) : state);
  if (queue && queue->tries > 0) {
    text += format(
        "         {} failed, next try {}: {}\n", counted_pushes(static_cast<std::size_t>(queue->tries)),
        queue->next > now().seconds ? "in " + time_text(std::chrono::seconds(queue->next - now().seconds))
                                    : "is due",
        escape(queue->why));
  } else if (queue) {
    text += "         a push is waiting or running\n";
  } else if (behind.snapshots > 0) {
    text += paint.quiet(format("         push them: {}; always: {}", rewall_command(context.session, "push"),
                               rewall_command(context.session, "config push.auto true"))) +
            "\n";
  }
  return text;
}

// The lock files of git that are older than a command of git takes, for a shell; empty where there is none.
std::string lock_in_the_way(const Context& context) {
  constexpr std::chrono::seconds kOfACommand{10};
  const auto repository = context.session.repository();
  std::vector<std::string> all;
  if (repository)
    for (const auto& [path, age] : (*repository)->git_locks())
      if (age >= kOfACommand) all.push_back(shell_quote(path.string()));
  return join(all, " ");
}

std::string live_text(const Context& context, const RepositoryStatus& status) {
  const Paint paint = context.terminal.paint();
  if (status.head.empty())
    return format("LIVE     {}; '{}' records it\n", paint.removed("is not recorded"),
                  rewall_command(context.session, "snapshot"));
  if (!status.compared) return format("LIVE     {}\n", paint.removed("cannot be compared with HEAD"));
  const auto foreign = format("{} of other programs", counted(status.foreign_changes, "change"));
  const auto unseen =
      status.native_unseen
          ? "         native nft tables are not compared: nft is not installed, or --backend\n"
          : "";
  if (status.clean && status.foreign_changes == 0)
    return format("LIVE     {}\n", paint.added("matches HEAD")) + unseen;
  if (status.clean)
    return format("LIVE     {}\n", paint.added("matches HEAD") + ", but for " + foreign) + unseen;
  const auto also = status.foreign_changes == 0 ? "" : " and " + foreign;
  const auto in_the_way = lock_in_the_way(context);
  const auto records = in_the_way.empty()
                           ? format("'{}' records it", rewall_command(context.session, "snapshot"))
                           : "a lock of git keeps it from being recorded";
  return format("LIVE     {}: {}\n",
                paint.removed(format("differs from HEAD by {}", counted(status.changes, "change")) + also),
                escape(status.summary)) +
         unseen +
         paint.quiet(format("         '{}' shows it, {}, '{}' reverts it",
                            rewall_command(context.session, "diff"), records,
                            rewall_command(context.session, "restore HEAD"))) +
         "\n" +
         (in_the_way.empty()
              ? ""
              : format("         {}\n", paint.removed("when no git is at work here: rm " + in_the_way)));
}

std::string opened_text(const Context& context, const std::vector<PortChange>& opened) {
  const Paint paint = context.terminal.paint();
  if (opened.empty()) return {};
  return format("ports    {}; {}\n",
                paint.changed("open to the world since good: " + changed_ports_text(opened)),
                paint.quiet(format("'{}' shows all", rewall_command(context.session, "ports"))));
}

std::string lockdown_text(const Context& context, const std::string& before) {
  const Paint paint = context.terminal.paint();
  return format("LOCKDOWN {}\n",
                paint.removed("the template lockdown is in force, as what should be could not be "
                              "restored")) +
         paint.quiet(before.empty()
                         ? format("         '{}' lists the snapshots", rewall_command(context.session, "log"))
                         : format("         '{}' restores snapshot {}",
                                  rewall_command(context.session, "restore " + short_hash(before)),
                                  short_hash(before))) +
         "\n";
}

std::string other_guard_text(const Context& context, const PlacedGuard& guard) {
  const Paint paint = context.terminal.paint();
  if (guard.repository == absolute_path(context.session.path()))
    return format(
        "guard    {}\n",
        paint.removed(format("{}, of a repository that stood here before, is armed: when its time is up, "
                             "the ruleset from before its change is put in force",
                             escape(guard.name))));
  if (guard.repository.empty())
    return format("guard    {}\n",
                  paint.removed("one of another repository is armed in this network namespace"));
  return format("guard    {}\n         'rewall -C {} status' shows it\n",
                paint.removed(format("{}, of the repository {}, is armed", escape(guard.name),
                                     escape(guard.repository))),
                escape(shell_quote(guard.repository)));
}

std::string damage_text(const Context& context, const RepositoryStatus& status) {
  const Paint paint = context.terminal.paint();
  std::string text;
  for (const auto& damage : status.damage)
    text += format("history  {}\n", paint.removed("DAMAGED: " + escape(damage)));
  if (!text.empty())
    text += paint.quiet(format("         '{}' lists all damage, '{}' what can be restored",
                               rewall_command(context.session, "verify"),
                               rewall_command(context.session, "log"))) +
            "\n";
  return text;
}

std::string head_text(const RepositoryStatus& status, const std::optional<Snapshot>& head, Paint paint) {
  if (status.head.empty()) return "HEAD     nothing is recorded yet\n";
  if (!head) return format("HEAD     {}\n", short_hash(status.head));
  return format("HEAD     {} {}  {}\n", short_hash(status.head), escape(head->subject),
                paint.quiet("(" + ago(head->time, now()) + ")"));
}

// "the live rules differ from HEAD; the history is damaged"
std::string sentences(const std::vector<std::string>& reasons) {
  static const std::map<std::string, std::string> kSentences{
      {"live-differs", "the live rules differ from HEAD"},
      {"push-stale", "snapshots wait too long for a push"},
      {"guard-overdue", "a guard is overdue, or cannot be read"},
      {"expiry-overdue", "rules are in force that should have expired"},
      {"interrupted", "a restore was interrupted"},
      {"history-damaged", "the history is damaged"},
      {"lockdown", "the template lockdown is in force"},
      {"settings-unusable", "a file of settings cannot be used"}};
  std::vector<std::string> all;
  for (const auto& reason : reasons) {
    const auto found = kSentences.find(reason);
    all.push_back(found == kSentences.end() ? reason : format("{} ({})", found->second, reason));
  }
  return join(all, "; ");
}

std::string to_text(const Context& context, const RepositoryStatus& status,
                    const std::optional<Snapshot>& head) {
  const Paint paint = context.terminal.paint();
  std::string text;
  if (const auto reasons = status.reasons(); !reasons.empty())
    text += format("problem  {}\n", paint.removed(sentences(reasons)));
  text += format("host     {}{}\n", escape(status.host),
                 status.backend.empty() ? "" : ", backend " + escape(status.backend));
  text += head_text(status, head, paint);
  text += live_text(context, status);
  if (status.before_lockdown) text += lockdown_text(context, *status.before_lockdown);
  if (status.opened) text += opened_text(context, *status.opened);
  text += damage_text(context, status);
  if (status.guard) text += guard_text(context, *status.guard);
  if (!status.guard_unreadable.empty())
    text += format("guard    {}\n", paint.removed("cannot be read: " + escape(status.guard_unreadable)));
  if (status.other_guard) text += other_guard_text(context, *status.other_guard);
  if (!status.guard && status.last_guard) text += ending_text(context, *status.last_guard);
  if (status.good_guard) text += good_text(context, status);
  text += expiries_text(context, status, paint);
  if (!status.settings_unusable.empty())
    text += format("settings {}\n", paint.removed("NOT USED: " + escape(status.settings_unusable)));
  if (status.watch) text += "watch    running: records every change\n";
  if (!status.journal.empty()) text += format("journal  {}\n", paint.removed(escape(status.journal)));
  if (status.remote) {
    text += remote_text(context, *status.remote);
  }
  if (const auto& failed = status.notify_failed)
    text += format("notify   {}\n",
                   paint.removed(format("failed {} for snapshot {}: {}", ago(failed->time, now()),
                                        short_hash(failed->hash), failed->why)));
  return wrapped_lines(text, kValueColumn, Terminal::width());
}

}  // namespace

Action define_status(Syntax&) {
  return [](Context& context) -> Result<Answer> {
    auto known = read_repository_status(context.session);
    if (!known) {
      // A guard does not depend on what keeps LIVE from being read.
      if (const auto guard = read_guard_status(context.session); guard && *guard) {
        context.terminal.say(
            format("{} is {}", escape(name_of((*guard)->guard)), (*guard)->overdue ? "overdue" : "armed"));
        if ((*guard)->overdue) TRY(fire_overdue_guard(context.session));
      }
      return std::move(known).error();
    }
    auto status = *std::move(known);
    if (context.json) {
      context.terminal.out(print(to_json(status)));
    } else {
      auto repository = TRY(context.session.repository());
      std::optional<Snapshot> head;
      if (!status.head.empty()) {
        auto read = repository->snapshot(status.head);
        if (!read && status.damage.empty()) return std::move(read).error();
        if (read) head = *std::move(read);
      }
      context.terminal.out(to_text(context, status, head));
    }
    // Shown first, then fired: the next status shows the result.
    if (status.guard && status.guard->overdue) {
      TRY(fire_overdue_guard(context.session));
    }
    return status.reasons().empty() ? Answer::same : Answer::different;
  };
}

}  // namespace rewall

#include "ops/host/status.h"

#include "commands/command_output.h"
#include "commands/define.h"
#include "commands/guard.h"
#include "core/format.h"
#include "core/text.h"
#include "ops/guard/rollback.h"
#include "ops/remote/remote_address.h"
#include "ui/json.h"

namespace rewall {
namespace {

Json queue_json(const PushQueue& queue) {
  return {{"since", rfc3339(queue.since)},
          {"tries", queue.tries},
          {"next", rfc3339(local(queue.next))},
          {"why", or_null(queue.why)}};
}

Json to_json(const RepositoryStatus& standing) {
  Json remote = nullptr;
  if (standing.remote) {
    const auto& [which, behind, stale, queue] = *standing.remote;
    const auto time = [](const std::optional<Time>& t) { return t ? Json(rfc3339(*t)) : Json(nullptr); };
    remote = {{"name", which.name},
              {"url", shown_address(which.url)},
              {"behind", behind.snapshots},
              {"since", time(behind.since)},
              {"last_push", time(behind.last_push)},
              {"stale", stale},
              {"queued", queue ? queue_json(*queue) : Json(nullptr)}};
  }
  return {{"clean", standing.clean},
          {"head", or_null(standing.head)},
          {"host", standing.host},
          {"backend", standing.backend},
          {"changes", standing.changes},
          {"guard", standing.guard
                        ? guard_json(standing.guard->guard, standing.guard->left, standing.guard->overdue)
                        : Json(nullptr)},
          {"watch", standing.watch},
          {"remote", remote},
          {"journal", or_null(standing.journal)}};
}

std::string guard_text(const RepositoryStatus::GuardStatus& standing, Paint paint) {
  const Guard& guard = standing.guard;
  std::string text = "guard    ";
  text += standing.overdue ? paint.removed("is overdue, and its process is gone")
                           : paint.removed(format("armed, {} left: then LIVE goes back to {}",
                                                  time_text(standing.left), short_hash(guard.before)));
  text += format("\n         by {}: {}\n", escape(guard.actor.text()), escape(guard.command));
  return text + paint.quiet("         'rewall confirm' keeps the change, 'rewall rollback' takes it back") +
         "\n";
}

std::string remote_text(const RepositoryStatus::RemoteStatus& standing, Paint paint) {
  const auto& [remote, behind, stale, queue] = standing;
  std::string lacks = "has everything";
  if (behind.snapshots > 0) {
    lacks = format("lacks {}{}", counted(behind.snapshots, "snapshot"),
                   behind.since ? ", the oldest taken " + ago(*behind.since, now()) : "");
  }
  std::string text = format("remote   {} {}\n", escape(remote.name), stale ? paint.removed(lacks) : lacks);
  if (queue && queue->tries > 0) {
    text += format(
        "         {} failed, the next is {}: {}\n", counted(static_cast<std::size_t>(queue->tries), "push"),
        queue->next > now().seconds ? "in " + time_text(std::chrono::seconds(queue->next - now().seconds))
                                    : "due",
        escape(queue->why));
  } else if (queue) {
    text += "         a push is on its way\n";
  } else if (behind.snapshots > 0) {
    text +=
        paint.quiet("         'rewall push' sends them; 'rewall config push.auto true' from then on") + "\n";
  }
  return text;
}

std::string to_text(const RepositoryStatus& standing, const Snapshot& head, Paint paint) {
  std::string text = format("host     {}, backend {}\n", escape(standing.host), escape(standing.backend));
  text += format("HEAD     {} {}  {}\n", short_hash(standing.head), escape(head.subject),
                 paint.quiet("(" + ago(head.time, now()) + ")"));
  if (standing.clean) {
    text += format("LIVE     {}\n", paint.added("is what HEAD says"));
  } else {
    text += format("LIVE     {}: {}\n",
                   paint.removed(format("differs from HEAD by {}", counted(standing.changes, "change"))),
                   escape(standing.summary));
    text += paint.quiet(
                "         'rewall diff' shows it, 'rewall snapshot' records it, 'rewall restore HEAD' takes "
                "it back") +
            "\n";
  }
  if (standing.guard) text += guard_text(*standing.guard, paint);
  if (standing.watch) text += "watch    records every change\n";
  if (!standing.journal.empty()) text += format("journal  {}\n", paint.removed(escape(standing.journal)));
  if (standing.remote) {
    text += remote_text(*standing.remote, paint);
  }
  return text;
}

}  // namespace

Action define_status(Syntax&) {
  return [](Context& context) -> Result<Answer> {
    auto standing = TRY(read_repository_status(context.session));
    if (context.json) {
      context.terminal.out(print(to_json(standing)));
    } else {
      auto repository = TRY(context.session.repository());
      auto head = TRY(repository->snapshot(standing.head));
      context.terminal.out(to_text(standing, head, context.terminal.paint()));
    }
    // Said first, then mended: the next status finds it done.
    if (standing.guard && standing.guard->overdue) {
      TRY(fire_overdue_guard(context.session));
    }
    const bool stale = standing.remote && standing.remote->stale;
    return standing.clean && !stale ? Answer::same : Answer::different;
  };
}

}  // namespace rewall

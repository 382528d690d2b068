#include "ops/remote/push.h"

#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <string_view>

#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"
#include "ops/context/git_command.h"
#include "ops/remote/fetch.h"
#include "ops/remote/push_queue.h"
#include "ops/remote/remote_address.h"

namespace rewall {
namespace {

// network.timeout is shorter.
constexpr std::chrono::hours kLongestTransfer{24};

// A line of `git push --porcelain` (git-push(1), OUTPUT): ' ' sent, '+' forced, '*' new, '=' unchanged or '!'
// rejected; then "from:to"; then a summary.
struct PushLine {
  char flag = ' ';
  std::string_view to{};
  std::string_view summary{};
};
std::vector<PushLine> push_lines(std::string_view out) {
  std::vector<PushLine> lines;
  for (const auto line : split_lines(out)) {
    const auto parts = split(line, '\t');
    if (parts.size() != 3 || parts[0].size() != 1) continue;
    lines.push_back({parts[0][0], parts[1].substr(parts[1].find(':') + 1), parts[2]});
  }
  return lines;
}

bool is_diverged(std::string_view summary) {
  return summary.find("non-fast-forward") != std::string_view::npos ||
         summary.find("fetch first") != std::string_view::npos;
}

// The first line that the server, or a hook of the server, printed.
std::string server_message(std::string_view said) {
  constexpr std::string_view kServer = "remote: ";
  for (const auto line : split_lines(said)) {
    if (line.starts_with(kServer)) return std::string(trim(line.substr(kServer.size())));
  }
  return {};
}

Error rejected(const Repository& repository, const Remote& remote, const PushLine& line,
               const Outcome& outcome) {
  const auto host = std::string(line.to.substr(std::min(line.to.size(), kHostBranches.size())));
  if (is_diverged(line.summary)) {
    return error_of<messages::branch_diverged>(remote.name, host, shell_quote(repository.path().string()));
  }
  const auto said = server_message(outcome.err);
  // In the message, as the queue and `status` show nothing else.
  const auto why = said.empty() ? std::string(line.summary) : format("{}: {}", line.summary, said);
  return error_of<messages::branch_rejected>(remote.name, shown_address(remote.url), host, why)
      .hinted("ask the server's administrator");
}

// The user's own hook, which git runs before it sends anything and does not name when it refuses
// (githooks(5)); empty where there is none.
std::string pre_push_hook(const Repository& repository) {
  auto asked = run_git(repository.path(),
                       {.words = {"rev-parse", "--git-path", "hooks/pre-push"}, .with_hooks = true});
  if (!asked || !asked->ok()) return {};
  const auto path = repository.path() / trim(asked->out);
  return ::access(path.c_str(), X_OK) == 0 ? path.string() : "";
}

Error push_failed(const Repository& repository, const Remote& remote, const Outcome& outcome) {
  const bool ended = !outcome.timed_out && outcome.signal == 0 &&
                     outcome.err.find("failed to push some refs") != std::string::npos;
  const auto hook = ended ? pre_push_hook(repository) : "";
  if (hook.empty()) return unreachable(repository, remote, outcome);
  return error_of<messages::push_hook_refused>(remote.name, hook);
}

// The tags of this host as HOST/TAG. Those below HOST/ a clone brought from the remote; git would take a
// pattern that leaves them out for one that leaves out all (git-push(1), negative refspecs).
Result<std::vector<std::string>> tag_refspecs(const Repository& repository) {
  const auto host = repository.host();
  const auto tags = TRY(repository.tags());
  const auto is_brought = [&](const Tag& tag) { return tag.name.starts_with(host + "/"); };
  if (std::ranges::none_of(tags, is_brought)) return std::vector{format("+refs/tags/*:refs/tags/{}/*", host)};
  std::vector<std::string> refspecs;
  for (const auto& tag : tags) {
    if (!is_brought(tag)) refspecs.push_back(format("+refs/tags/{0}:refs/tags/{1}/{0}", tag.name, host));
  }
  return refspecs;
}

}  // namespace

Result<PushResult> push(const Repository& repository, const std::string& remote, bool all,
                        Progress progress) {
  auto to = TRY(find_remote(repository, remote));
  auto head = TRY(repository.head());
  if (head.empty() && !all) return error_of<messages::nothing_to_push>();
  auto network = TRY(begin_network(repository));
  auto behind = TRY(repository.behind(to.name));
  const auto host = repository.host();
  const auto branch = format("{}{}", kHostBranches, all ? "*" : host);
  std::vector<std::string> words{"push",
                                 "--porcelain",
                                 "--no-signed",
                                 "--recurse-submodules=no",
                                 "--no-follow-tags",
                                 progress ? "--progress" : "--no-progress",
                                 "--",
                                 to.name,
                                 format("{0}:{0}", branch)};
  std::ranges::move(TRY(tag_refspecs(repository)), std::back_inserter(words));
  auto outcome = run_on_network(repository, to,
                                {.words = std::move(words),
                                 .progress = std::move(progress),
                                 .with_hooks = true,
                                 .deadline = kLongestTransfer});
  if (!outcome) return std::move(outcome).error();
  // A server that rejects some of the refs reports each in a line.
  PushResult pushed{.remote = to, .snapshots = behind.snapshots};
  for (const auto& line : push_lines(outcome->out)) {
    if (line.flag != '!') {
      pushed.changed = pushed.changed || line.flag != '=';
      if (line.flag != '=' && line.to.starts_with("refs/tags/")) ++pushed.tags;
      continue;
    }
    if (line.to.starts_with(kHostBranches)) return rejected(repository, to, line, *outcome);
    pushed.notes.push_back(format("{}: {} was rejected: {}", to.name, line.to, line.summary));
  }
  if (!outcome->ok() && pushed.notes.empty()) return push_failed(repository, to, *outcome);
  leave_queue(repository, to.name);
  return pushed;
}

}  // namespace rewall

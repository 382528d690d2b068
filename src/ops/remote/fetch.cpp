#include "ops/remote/fetch.h"

#include <algorithm>
#include <map>
#include <set>
#include <span>

#include "core/format.h"
#include "core/log.h"
#include "core/text.h"
#include "core/time.h"
#include "ops/context/settings.h"
#include "ops/remote/fetch_status.h"
#include "ops/remote/gc.h"

namespace rewall {
namespace {

using Clock = std::chrono::steady_clock;

Result<std::map<std::string, std::string>> branches_of(const Repository& repository,
                                                       const std::string& remote) {
  auto all = TRY(repository.host_branches());
  std::map<std::string, std::string> heads;
  for (auto& branch : all) {
    if (branch.remote == remote) heads.emplace(std::move(branch.host), std::move(branch.hash));
  }
  return heads;
}

// How many snapshots of the history of `hash` are not in `known`.
std::size_t count_lost(const Repository& repository, const std::string& hash,
                       const std::set<std::string>& known) {
  std::size_t lost = 0;
  const auto walked = repository.walk(hash, [&](const Snapshot& snapshot) -> Result<bool> {
    if (known.contains(snapshot.hash)) return false;
    ++lost;
    return true;
  });
  if (!walked) log_info("{}", walked.error().message);
  return lost;
}

// How a fetch moved a branch, from one snapshot to another.
FetchedBranch movement(const Repository& repository, const std::string& host, const std::string& from,
                       const std::string& to) {
  FetchedBranch branch{.host = host, .hash = to, .rewritten = !from.empty()};
  std::set<std::string> seen;
  auto walked = repository.walk(to, [&](const Snapshot& snapshot) -> Result<bool> {
    if (snapshot.hash == from) {
      branch.rewritten = false;
      return false;
    }
    seen.insert(snapshot.hash);
    ++branch.snapshots;
    return true;
  });
  if (!walked) {
    branch.trouble = walked.error().message;
    branch.rewritten = false;  // nobody knows
  }
  if (branch.rewritten) branch.lost = count_lost(repository, from, seen);
  return branch;
}

RemotePart branch_part(const Remote& remote, const std::string& host) {
  return {"hosts/" + host, format("+{0}{1}:refs/remotes/{2}/hosts/{1}", kHostBranches, host, remote.name)};
}

bool has_bad_object(const Outcome& outcome) {
  return outcome.err.find("fsck error") != std::string::npos;
}

// "object 0123abc: hasDotgit: contains '.git'".
std::string bad_object(const Outcome& outcome) {
  constexpr std::string_view kObject = "error: object ";
  for (const auto line : split_lines(outcome.err)) {
    if (line.starts_with(kObject)) return std::string(line.substr(kObject.find("object")));
  }
  return outcome.text();
}

/// One fetch, which may take several runs of git, all within `network.timeout`.
class Fetching {
 public:
  static Result<Fetching> begin(const Repository& repository, const Remote& remote, Progress progress) {
    auto limit = TRY(read_setting(repository, settings::fetch_limit));
    auto longest = TRY(read_setting(repository, settings::network_timeout));
    return Fetching(repository, remote, std::move(progress), limit, longest);
  }

  /// Fetches the branches of all hosts, and `more`.
  Status take_all(std::vector<RemotePart> more) {
    auto parts = more;
    parts.push_back(branch_part(remote_, "*"));
    auto outcome = TRY(fetch(parts));
    if (outcome.ok()) return {};
    if (!has_bad_object(outcome)) return unreachable(remote_, outcome);
    auto listed = run({.words = {"ls-remote", "--quiet", "--", remote_.name, format("{}*", kHostBranches)}});
    if (!listed) return std::move(listed).error();
    if (!listed->ok()) return unreachable(remote_, *listed);
    for (const auto line : split_lines(listed->out)) {
      // "HASH\tNAME", also of names that only end so.
      const auto name = line.substr(std::min(line.find('\t'), line.size() - 1) + 1);
      // git lets no name have these; who sends one means a refspec of another kind.
      if (name.starts_with(kHostBranches) && name.find_first_of("*:^ ") == std::string_view::npos)
        more.push_back(branch_part(remote_, std::string(name.substr(kHostBranches.size()))));
    }
    // What came until then has come.
    if (auto taken = take_by_halves(more); !taken)
      refused.push_back({std::string(kRestOfRemote), taken.error().message});
    return {};
  }

  std::vector<RefusedPart> refused{};

 private:
  Fetching(const Repository& repository, const Remote& remote, Progress progress, std::uint64_t limit,
           std::chrono::milliseconds longest)
      : repository_(repository),
        remote_(remote),
        progress_(std::move(progress)),
        limit_(limit),
        longest_(longest),
        end_(Clock::now() + longest) {}

  // Fetches halves, and halves of a half that is refused, until each refused part is alone.
  Status take_by_halves(std::span<const RemotePart> parts) {
    if (parts.empty()) return {};
    auto outcome = TRY(fetch(parts));
    if (outcome.ok()) return {};
    if (!has_bad_object(outcome)) return unreachable(remote_, outcome);
    if (parts.size() == 1) {
      refused.push_back({parts.front().name, bad_object(outcome)});
      return {};
    }
    const auto half = parts.size() / 2;
    TRY(take_by_halves(parts.first(half)));
    return take_by_halves(parts.subspan(half));
  }

  Result<Outcome> fetch(std::span<const RemotePart> parts) {
    std::string refspecs;
    for (const auto& part : parts) refspecs += part.refspec + "\n";
    auto outcome =
        run({.words = {"-c", "fetch.fsckObjects=true", "-c", "fetch.unpackLimit=1", "-c",
                       "transfer.fsckObjects=true", "-c", "core.fsync=objects", "fetch", "--no-tags",
                       "--no-recurse-submodules", "--no-auto-gc", "--no-write-fetch-head",
                       "--refmap=", "--stdin", progress_ ? "--progress" : "--quiet", "--", remote_.name},
             .input = std::move(refspecs),
             .progress = progress_,
             .biggest_file = limit_});
    if (outcome && has_bad_object(*outcome)) remove_refused_packs(repository_);
    return outcome;
  }

  Result<Outcome> run(GitWork work) {
    work.deadline = time_left(end_);
    auto outcome = run_on_network(repository_, remote_, std::move(work));
    if (outcome) outcome->deadline = longest_;
    return outcome;
  }

  const Repository& repository_;
  const Remote& remote_;
  Progress progress_;
  std::uint64_t limit_;
  std::chrono::milliseconds longest_;
  Clock::time_point end_;
};

}  // namespace

Result<FetchResult> fetch_parts(const Repository& repository, const Remote& remote,
                                std::vector<RemotePart> more, Progress progress) {
  auto network = TRY(begin_network(repository));
  auto before = TRY(branches_of(repository, remote.name));
  auto fetching = TRY(Fetching::begin(repository, remote, std::move(progress)));
  const auto taken = fetching.take_all(std::move(more));
  const auto noted =
      note_fetch_status(repository.state_path(), remote.name, taken ? "" : taken.error().message);
  if (!noted) log_info("{}", noted.error().message);
  if (!taken) return taken.error();
  auto after = TRY(branches_of(repository, remote.name));
  FetchResult fetched{.remote = remote, .refused = std::move(fetching.refused)};
  for (const auto& [host, hash] : after) {
    const auto known = before.find(host);
    if (known != before.end() && known->second == hash) continue;
    fetched.branches.push_back(movement(repository, host, known == before.end() ? "" : known->second, hash));
  }
  return fetched;
}

Result<FetchResult> fetch(const Repository& repository, const std::string& remote, Progress progress) {
  auto from = TRY(find_remote(repository, remote));
  return fetch_parts(repository, from, {}, std::move(progress));
}

}  // namespace rewall

#include "ops/remote/share.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <span>

#include "core/format.h"
#include "core/log.h"
#include "core/text.h"
#include "core/time.h"
#include "ops/context/identity.h"
#include "ops/context/settings.h"
#include "ops/remote/clone_folder.h"
#include "ops/remote/fetch_status.h"
#include "ops/remote/gc.h"
#include "ops/remote/push_queue.h"
#include "ops/remote/remote_address.h"

namespace rewall {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::string_view kBranch = "refs/heads/hosts/";
constexpr std::chrono::hours kLongestTransfer{24};  // what the settings say is less

// ' ' sent, '*' new, '=' there already, '!' refused; then "from:to", then what happened (git-push(1)).
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

// What the server, or a hook of it, said.
std::string words_of_server(std::string_view said) {
  constexpr std::string_view kServer = "remote: ";
  for (const auto line : split_lines(said)) {
    if (line.starts_with(kServer)) return std::string(trim(line.substr(kServer.size())));
  }
  return {};
}

Error not_taken(const Repository& repository, const Remote& remote, const PushLine& line,
                const Outcome& outcome) {
  const auto host = std::string(line.to.substr(std::min(line.to.size(), kBranch.size())));
  if (is_diverged(line.summary)) {
    return Error{
        .kind = ErrorKind::remote,
        .message = format("{}: hosts/{} has snapshots there that are not in the history here: another "
                          "host has this name, or this one was built anew; nothing was sent",
                          remote.name, host)}
        .hinted(
            format("look: rewall fetch {0} && rewall log {0}/hosts/{1}; then clone it and go on from there, "
                   "or take another name: git -C {2} branch -m hosts/NAME",
                   remote.name, host, shell_quote(repository.path().string())));
  }
  const auto said = words_of_server(outcome.err);
  return Error{.kind = ErrorKind::remote,
               .message = format("{} ({}): hosts/{} was not taken: {}", remote.name,
                                 shown_address(remote.url), host, line.summary)}
      .hinted(said.empty() ? "ask the server's administrator" : format("the server says: {}", said));
}

Result<std::map<std::string, std::string>> branches_of(const Repository& repository,
                                                       const std::string& remote) {
  auto all = TRY(repository.host_branches());
  std::map<std::string, std::string> heads;
  for (auto& branch : all) {
    if (branch.remote == remote) heads.emplace(std::move(branch.host), std::move(branch.hash));
  }
  return heads;
}

// "web1, web2, web3 and 47 more".
std::string some_of(const std::vector<std::string>& names) {
  constexpr std::size_t kSome = 8;
  const std::vector<std::string> first(
      names.begin(), names.begin() + static_cast<std::ptrdiff_t>(std::min(names.size(), kSome)));
  return join(first, ", ") + (names.size() > kSome ? format(" and {} more", names.size() - kSome) : "");
}

// From where a branch was to where it is.
FetchedBranch movement(const Repository& repository, const std::string& host, const std::string& from,
                       const std::string& to) {
  FetchedBranch branch{.host = host, .rewritten = !from.empty()};
  auto walked = repository.walk(to, [&](const Snapshot& snapshot) -> Result<bool> {
    if (snapshot.hash == from) {
      branch.rewritten = false;
      return false;
    }
    ++branch.snapshots;
    return true;
  });
  if (!walked) {
    branch.trouble = walked.error().message;
    branch.rewritten = false;  // nobody knows
  }
  return branch;
}

// What of a remote is asked for, by a name for people.
struct Part {
  std::string name{};
  std::string refspec{};
};

Part branch_part(const Remote& remote, const std::string& host) {
  return {"hosts/" + host, format("+{0}{1}:refs/remotes/{2}/hosts/{1}", kBranch, host, remote.name)};
}

constexpr const char* kTheRest = "the rest";

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

/// Brings parts of a remote, all within `network.timeout`.
class Fetching {
 public:
  static Result<Fetching> begin(const Repository& repository, const Remote& remote, Progress progress) {
    auto limit = TRY(read_setting(repository, settings::fetch_limit));
    auto longest = TRY(read_setting(repository, settings::network_timeout));
    return Fetching(repository, remote, std::move(progress), limit, longest);
  }

  /// The branches of all hosts, and `more`.
  Status take_all(std::vector<Part> more) {
    auto parts = more;
    parts.push_back(branch_part(remote_, "*"));
    auto outcome = TRY(fetch(parts));
    if (outcome.ok()) return {};
    if (!has_bad_object(outcome)) return unreachable(remote_, outcome);
    auto listed = run({.words = {"ls-remote", "--quiet", "--", remote_.name, format("{}*", kBranch)}});
    if (!listed) return std::move(listed).error();
    if (!listed->ok()) return unreachable(remote_, *listed);
    for (const auto line : split_lines(listed->out)) {
      // "HASH\tNAME", also of names that only end so.
      const auto name = line.substr(std::min(line.find('\t'), line.size() - 1) + 1);
      // git lets no name have these; who sends one means a refspec of another kind.
      if (name.starts_with(kBranch) && name.find_first_of("*:^ ") == std::string_view::npos)
        more.push_back(branch_part(remote_, std::string(name.substr(kBranch.size()))));
    }
    // What came until then has come.
    if (auto taken = take_by_halves(more); !taken) refused.push_back({kTheRest, taken.error().message});
    return {};
  }

  std::vector<Refused> refused{};

 private:
  Fetching(const Repository& repository, const Remote& remote, Progress progress, std::uint64_t limit,
           std::chrono::milliseconds longest)
      : repository_(repository),
        remote_(remote),
        progress_(std::move(progress)),
        limit_(limit),
        longest_(longest),
        end_(Clock::now() + longest) {}

  // Until those that are refused are alone.
  Status take_by_halves(std::span<const Part> parts) {
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

  Result<Outcome> fetch(std::span<const Part> parts) {
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

Result<Fetched> fetch_from(const Repository& repository, const Remote& remote, std::vector<Part> more,
                           Progress progress) {
  auto network = TRY(begin_network(repository));
  auto before = TRY(branches_of(repository, remote.name));
  auto fetching = TRY(Fetching::begin(repository, remote, std::move(progress)));
  const auto taken = fetching.take_all(std::move(more));
  const auto noted =
      note_fetch_status(repository.state_path(), remote.name, taken ? "" : taken.error().message);
  if (!noted) log_info("{}", noted.error().message);
  if (!taken) return taken.error();
  auto after = TRY(branches_of(repository, remote.name));
  Fetched fetched{.remote = remote, .refused = std::move(fetching.refused)};
  for (const auto& [host, hash] : after) {
    const auto known = before.find(host);
    if (known != before.end() && known->second == hash) continue;
    fetched.branches.push_back(movement(repository, host, known == before.end() ? "" : known->second, hash));
  }
  return fetched;
}

Result<Cloned> clone_into(Repository& repository, const std::string& url, bool must_be_there,
                          Progress progress) {
  const Remote remote{.name = "origin", .url = url};
  TRY(repository.add_remote(remote.name, remote.url));
  const auto host = repository.host();
  auto fetched =
      TRY(fetch_from(repository, remote, {{"tags/" + host, format("+refs/tags/{}/*:refs/tags/*", host)}},
                     std::move(progress)));
  for (const auto& [name, why] : fetched.refused) {
    if (name == "hosts/" + host || (name == kTheRest && must_be_there))
      return Error{.kind = ErrorKind::remote,
                   .message = format("{}: {} is refused: {}", shown_address(url), name, why)}
          .hinted("damaged or dangerous objects are there: see 'git fsck' there");
  }
  auto heads = TRY(branches_of(repository, remote.name));
  Cloned cloned{.host = host, .refused = std::move(fetched.refused)};
  for (const auto& [name, hash] : heads) cloned.hosts.push_back(name);
  const auto found = heads.find(host);
  if (found == heads.end()) {
    if (!must_be_there) return cloned;
    const auto near = nearest(host, cloned.hosts);
    return Error{.kind = ErrorKind::usage,
                 .message = format("{}: it has no host '{}'", shown_address(url), host)}
        .hinted(!near.empty()          ? format("did you mean '{}'?", near)
                : cloned.hosts.empty() ? "it has none at all: is it the right address?"
                                       : format("it has {}", some_of(cloned.hosts)));
  }
  TRY(repository.begin_at(found->second));
  cloned.hash = found->second;
  return cloned;
}

}  // namespace

Result<Pushed> push(const Repository& repository, const std::string& remote, bool all, Progress progress) {
  auto to = TRY(find_remote(repository, remote));
  auto head = TRY(repository.head());
  if (head.empty() && !all)
    return Error{.kind = ErrorKind::usage, .message = "there is no snapshot to push"}.hinted(
        "rewall snapshot");
  auto network = TRY(begin_network(repository));
  auto behind = TRY(repository.behind(to.name));
  const auto host = repository.host();
  const auto branch = format("{}{}", kBranch, all ? "*" : host);
  auto outcome =
      run_on_network(repository, to,
                     {.words = {"push", "--porcelain", "--no-signed", "--recurse-submodules=no",
                                "--no-follow-tags", progress ? "--progress" : "--no-progress", "--", to.name,
                                format("{0}:{0}", branch), format("+refs/tags/*:refs/tags/{}/*", host)},
                      .progress = std::move(progress),
                      .deadline = kLongestTransfer});
  if (!outcome) return std::move(outcome).error();
  // A server that refuses in part says so line by line.
  Pushed pushed{.remote = to, .snapshots = behind.snapshots};
  for (const auto& line : push_lines(outcome->out)) {
    if (line.flag != '!') continue;
    if (line.to.starts_with(kBranch)) return not_taken(repository, to, line, *outcome);
    pushed.notes.push_back(format("{}: {} was not taken: {}", to.name, line.to, line.summary));
  }
  if (!outcome->ok() && pushed.notes.empty()) return unreachable(to, *outcome);
  leave_queue(repository, to.name);
  return pushed;
}

Result<Fetched> fetch(const Repository& repository, const std::string& remote, Progress progress) {
  auto from = TRY(find_remote(repository, remote));
  return fetch_from(repository, from, {}, std::move(progress));
}

Result<Cloned> clone(const fs::path& path, const std::string& url, const std::string& host,
                     Progress progress) {
  auto staging = TRY(CloneFolder::begin(path));
  auto repository = TRY(Repository::init(staging.path(), host.empty() ? host_name() : host));
  auto cloned = TRY(clone_into(repository, url, !host.empty(), std::move(progress)));
  TRY(staging.take_place());
  return cloned;
}

}  // namespace rewall

#include "ops/share.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include "core/format.h"
#include "core/log.h"
#include "core/text.h"
#include "ops/address.h"
#include "ops/person.h"
#include "ops/push_queue.h"
#include "ops/reached.h"
#include "ops/settings.h"

namespace rewall {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kBranch = "refs/heads/hosts/";
constexpr std::chrono::hours kLongest{24};  // what the settings say is less

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
  auto all = repository.host_branches();
  if (!all) return std::move(all).error();
  std::map<std::string, std::string> heads;
  for (auto& branch : *all) {
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
Result<FetchedBranch> movement(const Repository& repository, const std::string& host, const std::string& from,
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
  if (!walked) return std::move(walked).error();
  return branch;
}

Result<Fetched> fetch_from(const Repository& repository, const Remote& remote, std::vector<std::string> more,
                           Progress progress) {
  auto network = begin_network(repository);
  if (!network) return std::move(network).error();
  auto limit = setting(repository, "fetch.limit");
  if (!limit) return std::move(limit).error();
  auto before = branches_of(repository, remote.name);
  if (!before) return std::move(before).error();
  GitWork work{.words = {"-c", "fetch.fsckObjects=true", "-c", "fetch.unpackLimit=1", "-c",
                         "transfer.fsckObjects=true", "-c", "core.fsync=objects", "fetch", "--no-tags",
                         "--no-recurse-submodules", "--no-auto-gc", "--no-write-fetch-head",
                         "--refmap=", progress ? "--progress" : "--quiet", "--", remote.name,
                         format("+refs/heads/hosts/*:refs/remotes/{}/hosts/*", remote.name)},
               .progress = std::move(progress),
               .biggest_file = parse_size(*limit).value(),
               .deadline = kLongest};
  work.words.insert(work.words.end(), more.begin(), more.end());
  auto outcome = run_on_network(repository, remote, std::move(work));
  if (outcome && !outcome->ok()) outcome = unreachable(remote, *outcome);
  const auto noted =
      note_reached(repository.state_path(), remote.name, outcome ? "" : outcome.error().message);
  if (!noted) log_info("{}", noted.error().message);
  if (!outcome) return std::move(outcome).error();
  auto after = branches_of(repository, remote.name);
  if (!after) return std::move(after).error();
  Fetched fetched{.remote = remote};
  for (const auto& [host, hash] : *after) {
    const auto known = before->find(host);
    if (known != before->end() && known->second == hash) continue;
    auto branch = movement(repository, host, known == before->end() ? "" : known->second, hash);
    if (!branch) return std::move(branch).error();
    fetched.branches.push_back(*std::move(branch));
  }
  return fetched;
}

void remove_repository(const fs::path& path, bool existed) {
  std::error_code ignored;
  fs::remove_all(path / ".git", ignored);
  if (!existed) fs::remove_all(path, ignored);
}

Result<Cloned> clone_into(Repository& repository, const std::string& url, bool must_be_there,
                          Progress progress) {
  const Remote remote{.name = "origin", .url = url};
  if (auto added = repository.add_remote(remote.name, remote.url); !added) return std::move(added).error();
  const auto host = repository.host();
  auto fetched =
      fetch_from(repository, remote, {format("+refs/tags/{}/*:refs/tags/*", host)}, std::move(progress));
  if (!fetched) return std::move(fetched).error();
  auto heads = branches_of(repository, remote.name);
  if (!heads) return std::move(heads).error();
  Cloned cloned{.host = host};
  for (const auto& [name, hash] : *heads) cloned.hosts.push_back(name);
  const auto found = heads->find(host);
  if (found == heads->end()) {
    if (!must_be_there) return cloned;
    const auto near = nearest(host, cloned.hosts);
    return Error{.kind = ErrorKind::usage,
                 .message = format("{}: it has no host '{}'", shown_address(url), host)}
        .hinted(!near.empty()          ? format("did you mean '{}'?", near)
                : cloned.hosts.empty() ? "it has none at all: is it the right address?"
                                       : format("it has {}", some_of(cloned.hosts)));
  }
  if (auto begun = repository.begin_at(found->second); !begun) return std::move(begun).error();
  cloned.hash = found->second;
  return cloned;
}

}  // namespace

Result<Pushed> push(const Repository& repository, const std::string& remote, bool all, Progress progress) {
  auto to = find_remote(repository, remote);
  if (!to) return std::move(to).error();
  auto head = repository.head();
  if (!head) return std::move(head).error();
  if (head->empty() && !all)
    return Error{.kind = ErrorKind::usage, .message = "there is no snapshot to push"}.hinted(
        "rewall snapshot");
  auto network = begin_network(repository);
  if (!network) return std::move(network).error();
  auto behind = repository.behind(to->name);
  if (!behind) return std::move(behind).error();
  const auto host = repository.host();
  const auto branch = format("{}{}", kBranch, all ? "*" : host);
  auto outcome =
      run_on_network(repository, *to,
                     {.words = {"push", "--porcelain", "--no-signed", "--recurse-submodules=no",
                                "--no-follow-tags", progress ? "--progress" : "--no-progress", "--", to->name,
                                format("{0}:{0}", branch), format("+refs/tags/*:refs/tags/{}/*", host)},
                      .progress = std::move(progress),
                      .deadline = kLongest});
  if (!outcome) return std::move(outcome).error();
  // A server that refuses in part says so line by line.
  Pushed pushed{.remote = *to, .snapshots = behind->snapshots};
  for (const auto& line : push_lines(outcome->out)) {
    if (line.flag != '!') continue;
    if (line.to.starts_with(kBranch)) return not_taken(repository, *to, line, *outcome);
    pushed.notes.push_back(format("{}: {} was not taken: {}", to->name, line.to, line.summary));
  }
  if (!outcome->ok() && pushed.notes.empty()) return unreachable(*to, *outcome);
  leave_queue(repository, to->name);
  return pushed;
}

Result<Fetched> fetch(const Repository& repository, const std::string& remote, Progress progress) {
  auto from = find_remote(repository, remote);
  if (!from) return std::move(from).error();
  return fetch_from(repository, *from, {}, std::move(progress));
}

Result<Cloned> clone(const fs::path& path, const std::string& url, const std::string& host,
                     Progress progress) {
  const bool existed = fs::exists(path);
  auto repository = Repository::init(path, host.empty() ? host_name() : host);
  if (!repository) return std::move(repository).error();
  auto cloned = clone_into(*repository, url, !host.empty(), std::move(progress));
  if (!cloned) remove_repository(path, existed);
  return cloned;
}

}  // namespace rewall

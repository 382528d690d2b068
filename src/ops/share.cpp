#include "ops/share.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <thread>

#include "core/file.h"
#include "core/format.h"
#include "core/log.h"
#include "core/text.h"
#include "core/time.h"
#include "ops/at_work.h"
#include "ops/person.h"
#include "ops/settings.h"
#include "ops/state.h"

namespace rewall {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kBranch = "refs/heads/hosts/";
constexpr std::chrono::hours kLongest{24};  // what the settings say is less
constexpr std::chrono::milliseconds kPoll{50};
constexpr int kKeepAlive = 15;  // seconds; three without an answer end the connection

// What git, ssh and curl say, and what to do then.
struct Trouble {
  std::string_view words{};
  std::string_view hint{};
};
constexpr std::array<Trouble, 17> kTroubles{{
    {"REMOTE HOST IDENTIFICATION HAS CHANGED",
     "ask its administrator whether the key was changed, else somebody is in between; then: ssh-keygen -R "
     "HOST"},
    {"Host key verification failed",
     "compare the server's key with its administrator's, and take it into known_hosts: run 'ssh HOST' once"},
    {"Permission denied", "the server knows no key of this user: 'ssh -v HOST' shows which ones are tried"},
    {"Could not resolve", "look at the address: rewall remote"},
    {"Connection refused", "is the server up? it is tried again by push.auto"},
    {"Connection timed out", "is the server up, and does this firewall let you reach it? rewall diff"},
    {"Connection closed", "the server ended it: its log says why"},
    {"server certificate verification failed",
     "name the authority that signed it: git config --global http.URL.sslCAInfo FILE"},
    {"SSL certificate problem",
     "name the authority that signed it: git config --global http.URL.sslCAInfo FILE"},
    {"could not read Username", "it wants a password: see gitcredentials(7), credential.helper"},
    {"could not read Password", "it wants a password: see gitcredentials(7), credential.helper"},
    {"Authentication failed", "the password is not the right one: see gitcredentials(7), credential.helper"},
    {"returned error: 403", "this user may not do that there: ask the server's administrator"},
    {"returned error: 404", "there is no repository at this address: rewall remote"},
    {"does not appear to be a git repository", "make one there: git init --bare; or look at 'rewall remote'"},
    {"not found", "there is no repository at this address: rewall remote"},
    {"fsck error", "the remote holds damaged or dangerous objects: nothing of them was taken"},
}};

bool is_noise(std::string_view line) {
  return line.empty() || line.starts_with("@@@") || line.starts_with("Please make sure") ||
         line.starts_with("and the repository exists") || line.starts_with("Warning: Permanently added");
}

// The line that says most: git's own last words are "Could not read from remote repository".
std::string reason_in(std::string_view said) {
  std::string first;
  std::string last;
  for (auto line : split_lines(said)) {
    line = trim(line.substr(line.rfind('\r') == std::string_view::npos ? 0 : line.rfind('\r') + 1));
    if (is_noise(line)) continue;
    for (const auto& trouble : kTroubles) {
      if (line.find(trouble.words) != std::string_view::npos) return std::string(line);
    }
    if (first.empty() && line.starts_with("fatal: ")) first = line.substr(7);
    last = line;
  }
  return first.empty() ? last : first;
}

std::string hint_for(std::string_view said) {
  for (const auto& trouble : kTroubles) {
    if (said.find(trouble.words) != std::string_view::npos) return std::string(trouble.hint);
  }
  return "nothing is lost here: run it again later, with -vv to see more";
}

// "user:password@host" of an address that has a scheme.
std::string authority_of(const std::string& url) {
  const auto start = url.find("://") + 3;
  return url.substr(start, url.find('/', start) - start);
}

// Wherever git repeats the address, or the part of it that names the host.
std::string without_password(std::string text, const std::string& url) {
  const auto shown = shown_address(url);
  if (shown == url) return text;
  const auto told = authority_of(url);
  for (auto at = text.find(told); at != std::string::npos; at = text.find(told))
    text.replace(at, told.size(), authority_of(shown));
  return text;
}

Error unreachable(const Remote& remote, const Outcome& outcome) {
  const auto why = outcome.timed_out || outcome.signal != 0 ? outcome.text() : reason_in(outcome.err);
  return Error{.kind = ErrorKind::remote,
               .message = format("{} ({}): {}", remote.name, shown_address(remote.url),
                                 without_password(why.empty() ? outcome.text() : why, remote.url))}
      .hinted(outcome.timed_out ? "give it longer: rewall config network.timeout 30m"
                                : hint_for(outcome.err));
}

Result<std::chrono::milliseconds> duration_setting(const Repository& repository, std::string_view name) {
  auto value = setting(repository, name);
  if (!value) return std::move(value).error();
  return parse_duration(*value);
}

// The user's own ssh, asked for no prompts and for an end.
Result<std::string> ssh_command(const Repository& repository, std::chrono::milliseconds connect) {
  const auto variable = [](const char* name) -> std::string {
    const char* value = std::getenv(name);
    return value != nullptr ? value : "";
  };
  std::string command = variable("GIT_SSH_COMMAND");
  if (command.empty()) {
    auto set = run_git(repository.path(), {.words = {"config", "--get", "core.sshCommand"}});
    if (!set) return std::move(set).error();
    command = trim(set->out);
  }
  if (command.empty() && !variable("GIT_SSH").empty()) command = shell_quote(variable("GIT_SSH"));
  if (command.empty()) command = "ssh";
  // plink and the like have other options (git-config(1), ssh.variant).
  const auto program = fs::path(command.substr(0, command.find(' '))).filename().string();
  if (!program.starts_with("ssh") || !variable("GIT_SSH_VARIANT").empty()) return command;
  return format("{} -o BatchMode=yes -o ConnectTimeout={} -o ServerAliveInterval={} -o ServerAliveCountMax=3",
                command, std::max<std::int64_t>(1, connect.count() / 1000), kKeepAlive);
}

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
  return Error{
      .kind = ErrorKind::remote,
      .message = format("{} ({}): hosts/{} was not taken: {}", remote.name, shown_address(remote.url), host,
                        without_password(std::string(line.summary), remote.url))}
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

constexpr std::chrono::seconds kStale{10};

void remove_stale_locks(const fs::path& git) {
  std::error_code failed;
  std::vector<fs::path> locks;
  for (const auto& entry : fs::recursive_directory_iterator(git / "refs/remotes", failed)) {
    if (entry.path().extension() == ".lock") locks.push_back(entry.path());
  }
  if (fs::exists(git / "packed-refs.lock", failed)) locks.push_back(git / "packed-refs.lock");
  for (const auto& lock : locks) {
    while (true) {
      const auto written = fs::last_write_time(lock, failed);
      if (failed) break;  // gone
      const auto age = fs::file_time_type::clock::now() - written;
      if (age >= kStale) {
        fs::remove(lock, failed);
        log_info("{}: left by a git that was killed, removed", lock.string());
        break;
      }
      std::this_thread::sleep_for(std::min<std::chrono::nanoseconds>(kStale - age, kPoll));
    }
  }
}

// Of each remote when it was last reached, and when not, and why: for `fleet status`.
void note_fetch(const Repository& repository, const Remote& remote, const std::string& why) {
  const auto path = repository.state_path() / "fetched";
  const auto text = read_file(path);
  std::string lines;
  std::int64_t reached = 0;
  std::int64_t failed = 0;
  if (text) {
    for (const auto line : split_lines(*text)) {
      const auto words = split(line, ' ');
      if (words[0] != remote.name)
        lines += format("{}\n", line);
      else if (words.size() >= 3 && !(read_number(words[1], reached) && read_number(words[2], failed)))
        reached = failed = 0;
    }
  }
  (why.empty() ? reached : failed) = now().seconds;
  lines += format("{} {} {} {}\n", remote.name, reached, failed, escape(why));
  if (auto written = write_file(path, lines, 0600, Sync::no); !written)
    log_info("{}", written.error().message);
}

// How many snapshots of `to` are not in `from`; absent where `from` is no part of it.
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

// One at a time. What a git that was killed left locked would stop all that come after it: a lock on a
// branch is held for milliseconds.
Result<AtWork> begin_network(const Repository& repository) {
  auto wait = duration_setting(repository, "lock.wait");
  if (!wait) return std::move(wait).error();
  auto network = AtWork::begin(repository.state_path() / "network", "network", *wait);
  if (!network)
    return Error{.kind = ErrorKind::repository,
                 .message = "another rewall is at the network for this repository"}
        .hinted("wait until it is done, or give it longer: rewall config lock.wait 10m");
  remove_stale_locks(repository.path() / ".git");
  return *std::move(network);
}

Result<Fetched> fetch_from(const Repository& repository, const Remote& remote, std::vector<std::string> more,
                           Progress progress) {
  auto network = begin_network(repository);
  if (!network) return std::move(network).error();
  auto limit = setting(repository, "fetch.limit");
  if (!limit) return std::move(limit).error();
  auto before = branches_of(repository, remote.name);
  if (!before) return std::move(before).error();
  GitWork work{
      .words = {"-c", "fetch.fsckObjects=true", "-c", "transfer.fsckObjects=true", "-c", "core.fsync=objects",
                "fetch", "--no-tags", "--no-recurse-submodules", "--no-auto-gc", "--no-write-fetch-head",
                "--refmap=", progress ? "--progress" : "--quiet", "--", remote.name,
                format("+refs/heads/hosts/*:refs/remotes/{}/hosts/*", remote.name)},
      .progress = std::move(progress),
      .biggest_file = parse_size(*limit).value(),
      .deadline = kLongest};
  work.words.insert(work.words.end(), more.begin(), more.end());
  auto outcome = run_on_network(repository, remote, std::move(work));
  note_fetch(repository, remote, outcome ? "" : outcome.error().message);
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

Result<Remote> find_remote(const Repository& repository, const std::string& name) {
  auto wanted = name.empty() ? setting(repository, "push.remote") : Result<std::string>(name);
  if (!wanted) return std::move(wanted).error();
  auto known = repository.remotes();
  if (!known) return std::move(known).error();
  std::vector<std::string> names;
  for (const auto& remote : *known) {
    if (remote.name == *wanted) return remote;
    names.push_back(remote.name);
  }
  if (names.size() == 1 && name.empty()) return known->front();
  const auto near = nearest(*wanted, names);
  if (names.empty())
    return Error{.kind = ErrorKind::usage, .message = "there is no remote"}.hinted(
        format("name one: rewall remote add {} URL", *wanted));
  return Error{.kind = ErrorKind::usage, .message = format("remote '{}': no such remote", *wanted)}.hinted(
      near.empty() ? "see 'rewall remote'" : format("did you mean '{}'?", near));
}

std::string shown_address(const std::string& url) {
  const auto scheme = url.find("://");
  const auto at = scheme == std::string::npos ? scheme : url.rfind('@', url.find('/', scheme + 3));
  if (at == std::string::npos) return url;
  const auto colon = url.find(':', scheme + 3);
  return colon < at ? url.substr(0, colon) + ":***" + url.substr(at) : url;
}

Result<Outcome> run_on_network(const Repository& repository, const Remote& remote, GitWork work) {
  auto connect = duration_setting(repository, "network.connect");
  if (!connect) return std::move(connect).error();
  auto whole = duration_setting(repository, "network.timeout");
  if (!whole) return std::move(whole).error();
  auto ssh = ssh_command(repository, *connect);
  if (!ssh) return std::move(ssh).error();
  work.environment.push_back("GIT_SSH_COMMAND=" + *ssh);
  const auto silence = std::max<std::int64_t>(1, connect->count() / 1000);
  work.words.insert(work.words.begin(),
                    {"-c", "http.lowSpeedLimit=1", "-c", format("http.lowSpeedTime={}", silence)});
  work.deadline = std::min(*whole, work.deadline);
  auto outcome = run_git(repository.path(), std::move(work));
  if (!outcome) return std::move(outcome).error();
  // A push that the server refused in part says so itself, line by line.
  if (outcome->ok() || !push_lines(outcome->out).empty()) return outcome;
  return unreachable(remote, *outcome);
}

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
  Pushed pushed{.remote = *to, .snapshots = behind->snapshots};
  for (const auto& line : push_lines(outcome->out)) {
    if (line.flag != '!') continue;
    if (line.to.starts_with(kBranch)) return not_taken(repository, *to, line, *outcome);
    pushed.notes.push_back(format("{}: {} was not taken: {}", to->name, line.to, line.summary));
  }
  if (!outcome->ok() && pushed.notes.empty()) return unreachable(*to, *outcome);
  return pushed;
}

Result<Fetched> fetch(Session& session, const std::string& remote, Progress progress) {
  auto opened = session.repository();
  if (!opened) return std::move(opened).error();
  const Repository& repository = **opened;
  auto from = find_remote(repository, remote);
  if (!from) return std::move(from).error();
  return fetch_from(repository, *from, {}, std::move(progress));
}

Result<Cloned> clone(Session& session, const std::string& url, const std::string& host, Progress progress) {
  const bool existed = fs::exists(session.path());
  auto cloned = [&]() -> Result<Cloned> {
    auto repository = Repository::init(session.path(), host.empty() ? host_name() : host);
    if (!repository) return std::move(repository).error();
    auto made = clone_into(*repository, url, !host.empty(), std::move(progress));
    if (!made) remove_repository(session.path(), existed);
    return made;
  }();
  return cloned;
}

}  // namespace rewall

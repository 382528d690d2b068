#include "ops/remote/network.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <thread>
#include <utility>

#include "core/file.h"
#include "core/format.h"
#include "core/log.h"
#include "core/messages.h"
#include "core/text.h"
#include "core/time.h"
#include "kernel/connect.h"
#include "ops/context/settings.h"
#include "ops/context/state_paths.h"
#include "ops/remote/remote_address.h"

namespace rewall {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds kStale{10};
constexpr std::chrono::milliseconds kActivityPoll{50};
constexpr int kKeepAlive = 15;  // seconds; three without an answer end the connection

// Messages of git, ssh and curl, and what to do about them; filled_in() replaces the words in braces.
struct Trouble {
  std::string_view words{};
  std::string_view hint{};
};
constexpr std::array<Trouble, 27> kTroubles{{
    {"REMOTE HOST IDENTIFICATION HAS CHANGED",
     "ask the server's administrator whether the key was changed, else the server may be an impostor; then: "
     "ssh-keygen -R {known}"},
    {"Host key verification failed",
     "unknown host key: verify it, then run 'ssh {login}' once to add it to known_hosts"},
    {"Permission denied",
     "the server accepts no key of this user: 'ssh -v {login}' shows which keys are tried"},
    {"detected dubious ownership",
     "git refuses a repository of another user; on the server, as the user that works there: chown -R USER "
     "PATH, or git config --global --add safe.directory PATH"},
    {"bad line length character",
     "the server prints something before git speaks, as a .bashrc may: 'ssh {login} true' must print "
     "nothing"},
    {"Could not resolve", "check the name, and correct the address: rewall remote set-url {name} ADDRESS"},
    {"Connection refused", "is the server up, and does it listen there? then run the command again"},
    {"Connection timed out", "is the server up, and do your rules allow the connection? see: rewall diff"},
    {"No route to host", "is the server up, and do your rules allow the connection? see: rewall diff"},
    {"Network is unreachable", "no route of this host leads there: see 'ip route' and 'ip -6 route'"},
    {"Connection closed", "the server closed the connection: see the server's log"},
    {"server certificate verification failed",
     "if you trust the authority that signed it: git config --global http.{site}.sslCAInfo FILE"},
    {"server verification failed",  // the same, of newer versions of curl with GnuTLS
     "if you trust the authority that signed it: git config --global http.{site}.sslCAInfo FILE"},
    {"SSL certificate verification failed",  // of curl 8.23
     "if you trust the authority that signed it: git config --global http.{site}.sslCAInfo FILE"},
    {"SSL certificate problem",
     "if you trust the authority that signed it: git config --global http.{site}.sslCAInfo FILE"},
    {"could not read Username",
     "the server asks for a password; set up a credential helper (gitcredentials(7))"},
    {"could not read Password",
     "the server asks for a password; set up a credential helper (gitcredentials(7))"},
    {"Authentication failed", "wrong password: correct it in the credential helper (gitcredentials(7))"},
    {"returned error: 403", "the server does not allow this to you: ask its administrator"},
    {"returned error: 404",
     "no repository at this address; correct it: rewall remote set-url {name} ADDRESS"},
    {"does not appear to be a git repository",
     "create it there: {make}; or correct the address: rewall remote set-url {name} ADDRESS"},
    {"-pack: command not found",
     "git is missing on the server: 'ssh {login} git --version' must print a version"},
    {"-pack: not found", "git is missing on the server: 'ssh {login} git --version' must print a version"},
    {"not found", "no repository at this address; correct it: rewall remote set-url {name} ADDRESS"},
    // Of this repository it is another error (damage_here()).
    {"is corrupt", "the remote's repository is damaged: run 'git fsck' in it"},
    {"object file", "the remote's repository is damaged: run 'git fsck' in it"},
    {"fsck error", "the remote has damaged or dangerous objects; none of them was fetched"},
}};

bool is_noise(std::string_view line) {
  return line.empty() || line.starts_with("@@@") || line.starts_with("Please make sure") ||
         line.starts_with("and the repository exists") || line.starts_with("Warning: Permanently added");
}

// The line that names the cause: the last line is often only "Could not read from remote repository".
std::string reason_in(std::string_view said) {
  std::string first;
  std::string before;  // the line above the first "fatal:"
  std::string last;
  for (auto line : split_lines(said)) {
    line = trim(line.substr(line.rfind('\r') == std::string_view::npos ? 0 : line.rfind('\r') + 1));
    if (is_noise(line)) continue;
    for (const auto& trouble : kTroubles) {
      if (line.find(trouble.words) == std::string_view::npos) continue;
      return std::string(line.starts_with("fatal: ") ? line.substr(7) : line);
    }
    if (first.empty() && line.starts_with("fatal: ")) {
      first = line.substr(7);
      before = last;
    }
    last = line;
  }
  // git says no more than that ssh failed.
  if (first.starts_with("Could not read from remote repository") && !before.empty()) return before;
  return first.empty() ? last : first;
}

struct Destination {
  std::string login{};  ///< "-p 2222 git@host"
  std::string path{};   ///< on the server, or here
};

Destination destination_of(const std::string& url, const RemoteAddress& address) {
  if (address.way == RemoteAddress::Way::folder)
    return {.path = url.starts_with("file://") ? url.substr(7) : url};
  const auto scheme = url.find("://");
  const auto rest = scheme == std::string::npos ? url : url.substr(scheme + 3);
  const auto end = rest.find(scheme == std::string::npos ? ':' : '/', rest.rfind('@') + 1);
  Destination to;
  if (end != std::string::npos) to.path = rest.substr(end + (scheme == std::string::npos ? 1 : 0));
  const auto at = rest.substr(0, end).rfind('@');
  const auto user = at == std::string::npos ? "" : rest.substr(0, std::min(rest.find(':'), at)) + "@";
  if (!address.port.empty()) to.login = format("-p {} ", address.port);
  to.login += user + address.host;
  return to;
}

std::string filled_in(std::string_view hint, const Remote& remote) {
  const auto address = parse_remote_address(remote.url);
  const auto [login, path] = destination_of(remote.url, address);
  const auto known =
      address.port.empty() ? address.host : shell_quote(format("[{}]:{}", address.host, address.port));
  const auto make = (address.way == RemoteAddress::Way::folder ? "" : format("ssh {} ", login)) +
                    format("git init --bare {}", shell_quote(path));
  const std::array<std::pair<std::string_view, std::string>, 5> values{
      {{"{login}", login},
       {"{known}", known},
       {"{site}", format("https://{}{}/", address.host, address.port.empty() ? "" : ":" + address.port)},
       {"{make}", make},
       {"{name}", shell_quote(remote.name)}}};
  std::string text(hint);
  for (const auto& [word, value] : values) {
    if (const auto at = text.find(word); at != std::string::npos) text.replace(at, word.size(), value);
  }
  return text;
}

std::string hint_for(std::string_view said, const Remote& remote) {
  if (auto own = own_trouble_hint(said); !own.empty()) return own;
  for (const auto& trouble : kTroubles) {
    if (said.find(trouble.words) != std::string_view::npos) return filled_in(trouble.hint, remote);
  }
  return "your history is safe; try again later (-vv shows details)";
}

/// The file of an object of this repository that git names and that is damaged; empty for none.
fs::path damage_here(const Repository& repository, std::string_view said) {
  constexpr std::size_t kDigits = 40;
  for (std::size_t at = 0; at < said.size();) {
    const auto end = std::min(said.find_first_not_of("0123456789abcdef", at), said.size());
    if (end - at == kDigits)
      if (auto file = repository.damaged_file(std::string(said.substr(at, kDigits))); !file.empty())
        return file;
    at = end + 1;
  }
  // "object file .git/objects/12/34... is empty": the hash is the path.
  constexpr std::string_view kObjects = "objects/";
  for (auto at = said.find(kObjects); at != std::string_view::npos; at = said.find(kObjects, at + 1)) {
    auto hash = std::string(said.substr(at + kObjects.size(), kDigits + 1));
    std::erase(hash, '/');
    if (auto file = repository.damaged_file(hash); !file.empty()) return file;
  }
  return {};
}

std::string environment_variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

// The user's own ssh, with options against prompts and endless waiting.
Result<std::string> ssh_command(const Repository& repository, std::chrono::milliseconds connect) {
  std::string command = environment_variable("GIT_SSH_COMMAND");
  if (command.empty()) {
    auto set = TRY(run_git(repository.path(), {.words = {"config", "--get", "core.sshCommand"}}));
    command = trim(set.out);
  }
  if (command.empty() && !environment_variable("GIT_SSH").empty())
    command = shell_quote(environment_variable("GIT_SSH"));
  if (command.empty()) command = "ssh";
  // plink and the like have other options (git-config(1), ssh.variant).
  const auto program = fs::path(command.substr(0, command.find(' '))).filename().string();
  if (!program.starts_with("ssh") || !environment_variable("GIT_SSH_VARIANT").empty()) return command;
  return format("{} -o BatchMode=yes -o ConnectTimeout={} -o ServerAliveInterval={} -o ServerAliveCountMax=3",
                command, std::max<std::int64_t>(1, connect.count() / 1000), kKeepAlive);
}

// The address that git will use: insteadOf, pushInsteadOf and pushurl count (git-config(1)).
Result<std::string> address_for(const Repository& repository, const Remote& remote, bool push) {
  GitWork work{.words = {"remote", "get-url"}};
  if (push) work.words.emplace_back("--push");
  work.words.insert(work.words.end(), {"--", remote.name});
  auto asked = TRY(run_git(repository.path(), std::move(work)));
  return asked.ok() ? asked.out.substr(0, asked.out.find('\n')) : remote.url;
}

// Whether a proxy may take the connection. A proxy that is configured for any address counts: asking git for
// the proxy of this address would show its password to everybody. The environment counts where none is
// configured.
Result<bool> is_proxied(const Repository& repository, const std::string& remote, const std::string& url) {
  const auto scheme = parse_remote_address(url).scheme;
  std::vector<std::vector<std::string>> settings{{"--get", format("remote.{}.proxy", remote)},
                                                 {"--get-regexp", "^http\\..*(proxy|curloptresolve)$"}};
  std::vector<const char*> variables{"all_proxy", "ALL_PROXY"};
  if (scheme == "git") {
    settings = {{"--get", "core.gitProxy"}};
    variables = {"GIT_PROXY_COMMAND"};
  } else if (scheme == "http") {
    variables.push_back("http_proxy");
  } else {
    variables.insert(variables.end(), {"https_proxy", "HTTPS_PROXY"});
  }
  for (auto& words : settings) {
    words.insert(words.begin(), "config");
    auto set = TRY(run_git(repository.path(), {.words = words}));
    if (set.ok()) return !trim(set.out).empty();
  }
  return std::ranges::any_of(variables, [](const char* name) { return !environment_variable(name).empty(); });
}

// curl waits minutes for a server that accepts no connection, and git has no option against that. Behind a
// proxy there is no server to try.
Status try_server(const Repository& repository, const Remote& remote, const std::string& url,
                  std::chrono::milliseconds connect) {
  const auto server = parse_remote_address(url);
  const auto port = server.scheme == "http"    ? "80"
                    : server.scheme == "https" ? "443"
                    : server.scheme == "git"   ? "9418"
                                               : "";
  // getaddrinfo(3) does not take an address with a zone.
  if (*port == '\0' || server.host.find('%') != std::string::npos) return {};
  auto proxied = TRY(is_proxied(repository, remote.name, url));
  if (proxied) return {};
  const bool bracketed = server.host.starts_with('[') && server.host.ends_with(']');
  const auto host = bracketed ? server.host.substr(1, server.host.size() - 2) : server.host;
  auto tried = try_connection(host, server.port.empty() ? port : server.port, connect);
  if (tried) return tried;
  return unreachable(repository, remote, {.status = 128, .err = tried.error().message});
}

// Works line by line: a secret may come in two pieces.
Progress without_secrets_of(const std::string& url, Progress progress) {
  if (!progress) return {};
  return [url, progress = std::move(progress), rest = std::string()](std::string_view piece) mutable {
    constexpr std::size_t kLongestLine = 1 << 16;
    rest += piece;
    const auto lines = rest.find_last_of("\r\n") + 1;
    if (lines > 0) progress(without_secrets(rest.substr(0, lines), url));
    rest.erase(0, rest.size() - lines > kLongestLine ? std::string::npos : lines);
  };
}

void remove_stale_locks(const fs::path& git) {
  std::error_code failed;
  std::vector<fs::path> locks;
  for (const auto& entry : entries_below(git / "refs/remotes")) {
    if (entry.path().extension() == ".lock") locks.push_back(entry.path());
  }
  if (fs::exists(git / "packed-refs.lock", failed)) locks.push_back(git / "packed-refs.lock");
  for (const auto& lock : locks) {
    while (true) {
      const auto written = fs::last_write_time(lock, failed);
      if (failed) break;  // gone
      const auto age = fs::file_time_type::clock::now() - written;
      if (age >= kStale || age < age.zero()) {  // the clock was set back
        fs::remove(lock, failed);
        log_info("{}: removed, a killed git left it", lock.string());
        break;
      }
      std::this_thread::sleep_for(std::min<std::chrono::nanoseconds>(kStale - age, kActivityPoll));
    }
  }
}

}  // namespace

Result<Remote> find_remote(const Repository& repository, const std::string& name) {
  auto wanted =
      TRY(name.empty() ? read_setting(repository, settings::push_remote) : Result<std::string>(name));
  auto known = TRY(repository.remotes());
  if (known.empty()) return error_of<messages::no_remote>(wanted);
  return known.size() == 1 && name.empty() ? known.front() : repository.remote(wanted);
}

std::string reason_of(const Outcome& outcome) {
  const auto why = outcome.timed_out || outcome.signal != 0 ? outcome.text() : reason_in(outcome.err);
  return why.empty() ? outcome.text() : why;
}

Error unreachable(const Repository& repository, const Remote& remote, const Outcome& outcome) {
  if (const auto damaged = damage_here(repository, outcome.err); !damaged.empty())
    return {.kind = ErrorKind::repository,
            .message = format("the history here is damaged, and git stops at it: {}", damaged.string()),
            .hint = "'rewall verify' lists all damage, and what gives it back"};
  return error_of<messages::remote_failed>(remote.name, shown_address(remote.url), reason_of(outcome))
      .hinted(outcome.timed_out ? "allow more time: rewall config network.timeout 30m"
                                : hint_for(outcome.err, remote));
}

Result<Outcome> run_on_network(const Repository& repository, const Remote& remote, GitWork work) {
  auto connect = TRY(read_setting(repository, settings::network_connect));
  auto whole = TRY(read_setting(repository, settings::network_timeout));
  const auto longest = std::min(whole, work.deadline);
  const auto end = std::chrono::steady_clock::now() + longest;
  auto ssh = TRY(ssh_command(repository, connect));
  work.environment.push_back("GIT_SSH_COMMAND=" + ssh);
  auto url = TRY(address_for(repository, remote, work.words.front() == "push"));
  TRY(try_server(repository, remote, url, std::min(connect, time_left(end))));
  const auto silence = std::max<std::int64_t>(1, connect.count() / 1000);
  work.words.insert(work.words.begin(),
                    {"-c", "http.lowSpeedLimit=1", "-c", format("http.lowSpeedTime={}", silence)});
  work.progress = without_secrets_of(url, std::move(work.progress));
  work.ends_with_us = true;
  work.deadline = time_left(end);
  auto outcome = TRY(run_git(repository.path(), std::move(work)));
  outcome.deadline = longest;
  outcome.err = without_secrets(std::move(outcome.err), url);
  if (!outcome.ok())
    for (const auto line : split_lines(outcome.err)) log_debug("git says: {}", escape(line));
  return outcome;
}

// One process at a time. A lock file that a killed git left would stop every later git: a running git holds
// its lock on a branch for milliseconds.
Result<PidLock> begin_network(const Repository& repository) {
  auto wait = TRY(read_setting(repository, settings::lock_wait));
  auto network = PidLock::begin(StatePaths(repository).network_lock(), "network", wait);
  if (!network) return error_of<messages::network_busy>();
  remove_stale_locks(repository.path() / ".git");
  return *std::move(network);
}

}  // namespace rewall

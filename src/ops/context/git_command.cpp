#include "ops/context/git_command.h"

#include <pwd.h>
#include <unistd.h>

#include <cstdlib>
#include <span>

#include "core/file.h"
#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"

namespace rewall {
namespace {

// An agent, and where git and gpg find their settings.
constexpr const char* kSigning[] = {
    "SSH_AUTH_SOCK",   "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM",
    "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR",   "GNUPGHOME",
};

constexpr const char* kNetwork[] = {
    "GIT_SSH",    "GIT_SSH_COMMAND", "GIT_SSH_VARIANT",   "GIT_SSL_CAINFO", "GIT_SSL_CAPATH",
    "GIT_TRACE",  "GIT_TRACE_CURL",  "GIT_CURL_VERBOSE",  "SSL_CERT_FILE",  "SSL_CERT_DIR",
    "http_proxy", "https_proxy",     "HTTPS_PROXY",       "all_proxy",      "ALL_PROXY",
    "no_proxy",   "NO_PROXY",        "GIT_PROXY_COMMAND",
};

void add_set(std::vector<std::string>& variables, std::span<const char* const> names) {
  for (const char* name : names) {
    if (const char* value = std::getenv(name)) variables.push_back(std::string(name) + "=" + value);
  }
}

// Over what the user's configuration says.
constexpr const char* kSettings[] = {
    "gc.auto=0",           "maintenance.auto=false",  "core.sharedRepository=0600", "core.fsync=all",
    "core.quotePath=true", "submodule.recurse=false", "advice.detachedHead=false",
};

// The text between the first two quotes after `start`.
std::string quoted_after(std::string_view said, std::string_view start) {
  const auto at = said.find(start);
  if (at == std::string_view::npos) return {};
  const auto open = said.find('\'', at);
  const auto close = open == std::string_view::npos ? open : said.find('\'', open + 1);
  return close == std::string_view::npos ? "" : std::string(said.substr(open + 1, close - open - 1));
}

/// As a service manager has it, whatever $HOME says.
std::string own_home() {
  const passwd* entry = ::getpwuid(::geteuid());
  return entry != nullptr && *entry->pw_dir == '/' ? entry->pw_dir : "/";
}

}  // namespace

std::string own_trouble_hint(std::string_view said) {
  const auto says = [&](std::string_view words) { return said.find(words) != std::string_view::npos; };
  if (says("bad config") || says("bad numeric config") || says("bad boolean config"))
    return "correct that line of git's configuration and run the command again";
  if (const auto lock = quoted_after(said, "Unable to create");
      lock.ends_with(".lock") && says("File exists"))
    return format(
        "a git that was killed left this file: if no git runs here, 'rm {}', then run the command "
        "again",
        shell_quote(lock));
  // Of a remote on a path or an old server git does not say whose hook it is.
  if (says("aborted by hook") || says("aborted by the reference-transaction hook") || says("hook declined"))
    return "a hook of git refuses, at the remote or on this host, whose hooks are in the folder that this "
           "prints: git --git-dir REPOSITORY/.git rev-parse --git-path hooks";
  return {};
}

std::vector<std::string> signing_environment() {
  std::vector<std::string> variables;
  add_set(variables, kSigning);
  return variables;
}

std::vector<std::string> git_environment() {
  auto variables = signing_environment();
  add_set(variables, kNetwork);
  return variables;
}

Result<Outcome> run_git(const std::filesystem::path& repository, GitWork work) {
  const auto program = find_program("git");
  if (program.empty()) return error_of<messages::git_missing>();
  Command command{
      .words = {program, "-C", absolute_path(repository).string()},
      .input = std::move(work.input),
      .environment = {"GIT_ALLOW_PROTOCOL=file:git:http:https:ssh:ftp:ftps", "GIT_TERMINAL_PROMPT=0",
                      "GIT_ASKPASS=", "SSH_ASKPASS=", "SSH_ASKPASS_REQUIRE=never", "GCM_INTERACTIVE=never"},
      .error_listener = std::move(work.progress),
      .biggest_file = work.biggest_file,
      .most_memory = work.most_memory,
      .most_output = work.most_output,
      .gives_way = work.gives_way,
      .ends_with_us = work.ends_with_us,
      .deadline = work.deadline};
  for (const char* setting : kSettings) {
    command.words.emplace_back("-c");
    command.words.emplace_back(setting);
  }
  if (!work.with_hooks) command.words.insert(command.words.end(), {"-c", "core.hooksPath=/dev/null"});
  command.words.insert(command.words.end(), work.words.begin(), work.words.end());
  if (work.as_service)
    command.environment.push_back("HOME=" + own_home());
  else
    for (auto& variable : git_environment()) command.environment.push_back(std::move(variable));
  command.environment.insert(command.environment.end(), work.environment.begin(), work.environment.end());
  return run(std::move(command), ErrorKind::repository);
}

}  // namespace rewall

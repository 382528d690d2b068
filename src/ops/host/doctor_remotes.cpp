#include "ops/host/doctor_remotes.h"

#include <algorithm>
#include <array>

#include "core/format.h"
#include "core/text.h"
#include "core/time.h"
#include "kernel/process.h"
#include "ops/context/settings.h"
#include "ops/remote/network.h"

namespace rewall {
namespace {

constexpr std::chrono::seconds kAnswer{10};

constexpr std::array<std::string_view, 10> kForges{
    "github.com", "gitlab.com", "bitbucket.org", "codeberg.org", "sr.ht",
    "gitea.com",  "gitee.com",  "notabug.org",   "pagure.io",    "sourceforge.net"};

Finding examine_answer(const Repository& repository, const Remote& remote, const RemoteAddress& address) {
  if (address.way == RemoteAddress::Way::ssh && find_program("ssh").empty()) {
    return {.check = "remote",
            .ok = false,
            .message = format("{} needs ssh, which is not installed", remote.name),
            .hint = "apt install openssh-client"};
  }
  auto asked =
      run_on_network(repository, remote,
                     {.words = {"ls-remote", "--quiet", "--heads", "--", remote.name}, .deadline = kAnswer});
  if (asked && !asked->ok()) asked = unreachable(repository, remote, *asked);
  if (!asked) {
    Error& error = asked.error();
    // Where the deadline was that of this check, and not network.timeout.
    const auto whole = read_setting(repository, settings::network_timeout);
    if (error.message.find("gave no answer") != std::string::npos && whole && *whole > kAnswer)
      error.hint = format("'rewall fetch {}' waits longer", shell_quote(remote.name));
    return {"remote", false, error.message, error.hint};
  }
  return {.check = "remote", .message = format("{} answers", remote.name)};
}

Finding examine_backlog(const Repository& repository, const Remote& remote) {
  Finding check{.check = "backlog", .message = format("{} has every snapshot", remote.name)};
  const auto behind = repository.behind(remote.name);
  if (!behind) return {"backlog", false, behind.error().message, behind.error().hint};
  if (behind->snapshots == 0) return check;
  check.message = format("{} lacks {}", remote.name, counted(behind->snapshots, "snapshot"));
  if (!behind->since) return check;
  check.message += format(", the oldest taken {}", ago(*behind->since, now()));
  const auto longest = read_setting(repository, settings::push_stale);
  if (!longest) return {"backlog", false, longest.error().message, longest.error().hint};
  check.ok = behind->age(now()) <= *longest;
  if (!check.ok) check.hint = format("rewall push {}", shell_quote(remote.name));
  return check;
}

Finding examine_privacy(const Remote& remote, const RemoteAddress& address) {
  Finding check{.check = "privacy", .message = format("the address of {} is safe to use", remote.name)};
  const auto set_url = format("rewall remote set-url {} ADDRESS", shell_quote(remote.name));
  if (address.has_password) {
    check.ok = false;
    check.message = format("the address of {} contains a password", remote.name);
    check.hint = format("{}, without the password; git's credential.helper keeps passwords", set_url);
  } else if (address.way == RemoteAddress::Way::plain) {
    check.ok = false;
    check.message =
        format("the connection to {} ({}) is not encrypted: others can read and forge the history",
               remote.name, address.host);
    check.hint = format("{}, with ssh:// or https://", set_url);
  } else if (is_public_forge(address.host)) {
    check.message = format("{} is at {}: rules show which ports are open, to whom, and who changes them",
                           remote.name, address.host);
    check.hint = "make sure that the repository there is private";
  }
  return check;
}

}  // namespace

bool is_public_forge(std::string_view host) {
  return std::ranges::any_of(kForges, [&](std::string_view forge) {
    return host == forge || (host.ends_with(forge) && host[host.size() - forge.size() - 1] == '.');
  });
}

std::vector<Finding> examine_remotes(const Repository& repository) {
  const auto remotes = repository.remotes();
  if (!remotes) return {{"remote", false, remotes.error().message, remotes.error().hint}};
  if (remotes->empty())
    return {{.check = "remote",
             .message = "no remote: the history exists only on this host",
             .hint = "rewall remote add origin ADDRESS"}};
  std::vector<Finding> checks;
  for (const auto& remote : *remotes) {
    const auto address = parse_remote_address(remote.url);
    checks.push_back(examine_answer(repository, remote, address));
    checks.push_back(examine_backlog(repository, remote));
    checks.push_back(examine_privacy(remote, address));
  }
  return checks;
}

}  // namespace rewall

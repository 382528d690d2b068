// Trouble in git of the user's own making, on this host or on the server, is told as what it is.
#include "support/host.h"

namespace rewall {
namespace {

/// A host with a remote in the folder `far`, and a HOME of its own.
class RemoteHost : public Host {
 public:
  RemoteHost() {
    ok("iptables -A INPUT -j LOG; git init -q --bare far; rewall init -q --remote $PWD/far; rewall push -q");
  }
  std::string in(int status, const std::string& line) const {
    return ends(status, "export HOME=$PWD; " + line);
  }
};

}  // namespace

TEST_CASE("a repository on the server that belongs to another user is told with the way out") {
  const RemoteHost host;
  host.ok("chown -R 65534 far; rewall snapshot -q --allow-empty");
  const auto refused = [&](const std::string& command) {
    const auto said = host.in(7, command);
    CHECK(has(said, "detected dubious ownership in repository at "));
    CHECK(has(said, "git config --global --add safe.directory PATH"));
  };
  refused("rewall push");
  // Newer versions of git write to their own repositories alone, but read all.
  if (host.sh("export HOME=$PWD; git ls-remote far").status == 0)
    host.in(0, "rewall fetch");
  else
    refused("rewall fetch");
  host.in(0, "git config --global --add safe.directory $PWD/far; rewall push; rewall fetch");
}

TEST_CASE("a server's shell that prints something is told") {
  const RemoteHost host;
  host.ok(
      "printf '#!/bin/sh\\necho Welcome\\nshift $(($#-1)); exec sh -c \"$1\"\\n' >ssh; chmod +x ssh; "
      "rewall remote set-url origin ssh://host$PWD/far; rewall snapshot -q --allow-empty");
  for (const std::string command : {"push", "fetch"})
    CHECK(has(host.in(7, "export GIT_SSH=$PWD/ssh; rewall " + command), " true' must print nothing"));
}

TEST_CASE("the reason of ssh is told, and not that git could not read") {
  const RemoteHost host;
  host.ok("rewall remote set-url origin ssh://host$PWD/far; rewall snapshot -q --allow-empty");
  const std::vector<std::pair<std::string, std::string>> all{
      {"ssh: connect to host h port 22: No route to host", "hint: is the server up"},
      {"ssh: connect to host h port 22: Network is unreachable", "hint: no route of this host leads there"},
      {"kex_exchange_identification: read: Connection reset by peer", "hint: your history is safe"}};
  for (const auto& [line, hint] : all)
    for (const std::string command : {"push", "fetch"}) {
      const auto said = host.in(
          7, "printf '#!/bin/sh\\necho \"" + line +
                 "\" >&2; exit 255\\n' >ssh; chmod +x ssh; export GIT_SSH=$PWD/ssh; rewall " + command);
      INFO(said);
      CHECK(has(said, "): " + line + "\n"));
      CHECK(has(said, hint));
    }
  CHECK(has(host.in(7, "export GIT_SSH=$PWD/ssh; rewall -vv push"),
            "git says: fatal: Could not read from remote"));
}

TEST_CASE(
    "a line of git's configuration and a lock that a killed git left are told, and housekeeping runs no "
    "hook") {
  const RemoteHost host;
  host.in(
      0,
      "mkdir hooks; printf '#!/bin/sh\\n: >'$PWD'/ran\\nexit 1\\n' >hooks/reference-transaction; "
      "cp hooks/reference-transaction hooks/pre-auto-gc; cp hooks/reference-transaction repo/.git/hooks/; "
      "chmod +x hooks/* repo/.git/hooks/*; git config --global core.hooksPath $PWD/hooks; rewall gc; "
      "rewall verify; rewall fetch; test ! -e ran");
  CHECK(has(host.in(5, "printf '[user\\n' >.gitconfig; rewall gc"),
            "correct that line of git's configuration"));
  const auto said = host.in(5, "rm .gitconfig; touch repo/.git/packed-refs.lock; rewall gc");
  CHECK(has(said, "packed-refs.lock"));
  CHECK_FALSE(has(said, "fsck"));
  CHECK(has(host.sh("rewall doctor").out, "BAD  locks "));
}

}  // namespace rewall

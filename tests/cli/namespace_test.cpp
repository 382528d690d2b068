// A repository belongs to one network namespace.
#include <unistd.h>

#include <memory>
#include <string>

#include "support/host.h"

using namespace rewall;

namespace {

/// Names the namespace of a host in /run/netns, as `ip netns add` does, and forgets the name at its end.
class Named {
 public:
  Named(const Host& host, std::string name) : host_(host), name_(std::move(name)) {
    host_.ok("ip netns attach " + name_ + " $$");
  }
  Named(const Named&) = delete;
  Named& operator=(const Named&) = delete;
  ~Named() { host_.sh("ip netns delete " + name_); }
  const std::string& name() const { return name_; }

 private:
  const Host& host_;
  std::string name_;
};

}  // namespace

TEST_CASE("another network namespace is not recorded into a repository, nor changed from it") {
  const Host host;
  const bool named = GENERATE(true, false);
  std::unique_ptr<Named> name;
  if (named) name = std::make_unique<Named>(host, "rewall-test-" + std::to_string(::getpid()));
  host.ok("iptables -A INPUT -p tcp --dport 22 -j ACCEPT; rewall -q init; rewall -q snapshot");
  const auto head = host.ok("git -C repo rev-parse HEAD");
  const std::string there = "unshare -n " REWALL_PROGRAM " ";
  for (const char* command :
       {"snapshot", "restore --yes HEAD", "restore --boot", "watch", "try --for 1m -- true"}) {
    INFO(command);
    const auto said = host.ends(5, there + command);
    INFO(said);
    CHECK(has(said, "another network namespace"));
    if (named)
      CHECK(has(said,
                "ip netns exec " + name->name() + " rewall -C " + host.repository() + " " + command + ";"));
  }
  CHECK(has(host.sh(there + "status").err, "and this is another network namespace"));
  CHECK(host.ok("git -C repo rev-parse HEAD") == head);
  // The hint, from there.
  const auto said = host.ends(5, there + "snapshot");
  const std::string or_else = "; or keep a repository for this one: rewall -C DIR init";
  REQUIRE(has(said, or_else));
  const auto begin = said.find("run it there: ") + 14;
  auto printed = said.substr(begin, said.find(or_else) - begin);
  const auto fill_in = [&printed](const std::string& word, const std::string& value) {
    REQUIRE(has(printed, word));
    printed.replace(printed.find(word), word.size(), value);
  };
  fill_in(" rewall ", " " REWALL_PROGRAM " ");
  if (!named) fill_in(" PID ", " $there ");
  host.ok("iptables -N mine; sleep 60 >/dev/null 2>&1 & export there=$!; unshare -n bash -c '" + printed +
          "'; kill $there; git -C repo show HEAD:rules.v4 | grep ^:mine");
  host.ok("unshare -n bash -c '" REWALL_PROGRAM " -C other init; iptables -N other; " REWALL_PROGRAM
          " -C other snapshot'; git -C other show HEAD:rules.v4 | grep ^:other");
  // Looking is no matter.
  host.ends(1, there + "diff");
  host.ok(there + "log; " + there + "show");
  host.ok("rewall -q snapshot; rewall -q restore HEAD");
}

TEST_CASE("a repository whose network namespace is gone is taken over, and that is said") {
  const Host host;
  host.ok("iptables -A INPUT -p tcp --dport 22 -j ACCEPT; rewall -q init");
  const std::string note = "repo/.git/rewall/namespace";
  for (const std::string gone : {"name no-such-namespace", "inode 1 $(cat /proc/sys/kernel/random/boot_id)",
                                 "inode 1 00000000-1111-2222-3333-444444444444"}) {
    INFO(gone);
    host.ok("echo \"" + gone + "\" >" + note);
    CHECK(has(host.ends(0, "rewall snapshot"), "which is gone: it belongs to "));
    CHECK_FALSE(has(host.ends(0, "rewall snapshot"), "gone"));
  }
  // Of an older rewall, which noted nothing.
  host.ok("rm " + note + "; rewall -q snapshot; test -s " + note);
}

TEST_CASE("a repository that was made in a network namespace of its own goes on working there") {
  const Host host;
  host.ok("unshare -n bash -c 'iptables -A INPUT -j ACCEPT; r=" REWALL_PROGRAM
          "; $r -q init; iptables -A INPUT -j LOG; $r -q snapshot; iptables -F; $r -q restore HEAD; $r -q "
          "restore --boot; "
          "iptables -S INPUT | grep -q LOG'");
}

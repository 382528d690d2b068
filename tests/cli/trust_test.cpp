// Who else could put another file into the place of one that rewall reads or writes.
#include "support/host.h"

namespace rewall {
namespace {

/// A host with a folder `open` that everybody can write to, and `sticky`, which is like /tmp.
class OpenHost : public Host {
 public:
  OpenHost() {
    ok("chmod 755 .; mkdir open sticky; chmod 777 open; chmod 1777 sticky; iptables -A INPUT -j LOG");
  }
};

constexpr const char* kRefused = "open: users other than root can write to it";

}  // namespace

TEST_CASE("a repository in a folder of others is refused by every command, and by a boot") {
  const OpenHost host;
  host.ok("rewall init -q; cp -a repo open/repo; cp -a repo sticky/repo; iptables -F");
  for (const std::string command : {"status", "snapshot", "restore HEAD", "log"}) {
    const auto said = host.ends(5, "rewall -C open/repo " + command);
    CHECK(has(said, kRefused));
    if (command != "snapshot") host.sh("rewall -C sticky/repo " + command);
  }
  CHECK(has(host.ends(9, "rewall -C open/repo restore --boot"), "the template lockdown is in force"));
  host.ok("rewall -C sticky/repo restore --boot");
  CHECK(has(host.rules(), "-A INPUT -j LOG"));
}

TEST_CASE("a file of allowed signers in a folder of others allows nobody") {
  const OpenHost host;
  host.ok(
      "ssh-keygen -q -t ed25519 -f key -N ''; for f in open sticky; do printf 'me@example.org %s\\n' \"$(cat "
      "key.pub)\" "
      ">$f/allowed; done; rewall init -q -c sign.key=$PWD/key -c sign.require=true -c "
      "sign.allowed=$PWD/open/allowed");
  CHECK(has(host.ends(5, "rewall restore HEAD"), kRefused));
  host.ok("rewall config sign.allowed $PWD/sticky/allowed; rewall restore HEAD");
  host.ok("ln -s ../sticky/allowed open/link; rewall config sign.allowed $PWD/open/link");
  CHECK(has(host.ends(5, "rewall restore HEAD"), kRefused));
}

TEST_CASE("nothing is exported into a folder that others can replace") {
  const OpenHost host;
  host.ok("mkdir open/boot sticky/boot; rewall init -q");
  const auto exported = [&](const std::string& folder) {
    return host.ok("rewall config export.path $PWD/" + folder + "; rewall snapshot --allow-empty 2>&1; ls " +
                   folder);
  };
  for (const std::string folder : {"open/boot", "open", "sticky"}) {
    const auto said = exported(folder);
    CHECK(has(said, "users other than root can write to it"));
    CHECK_FALSE(has(said, "rules.v4"));
    CHECK(has(host.sh("rewall doctor").out, "BAD  export.path "));
  }
  CHECK(has(exported("sticky/boot"), "rules.v4"));
  CHECK(has(host.sh("rewall doctor").out, "ok   export.path "));
}

TEST_CASE("metrics are written into a folder of root's own, which may stand in one of the collector's") {
  const OpenHost host;
  // As of Debian's prometheus-node-exporter.
  host.ok(
      "mkdir -p prometheus/node-exporter; chown 65534 prometheus; rewall init -q; rewall config watch.poll "
      "100ms");
  const auto written = [&](const std::string& file) {
    return host.ok("rewall config watch.metrics $PWD/" + file +
                   "; { timeout -s TERM 3 " REWALL_PROGRAM " watch 2>said || true; }; cat said; ls -l " +
                   file + " 2>/dev/null || true");
  };
  auto said = written("prometheus/node-exporter/rewall.prom");
  CHECK(has(said, "-rw-r--r--"));
  CHECK(has(host.sh("rewall doctor").out, "ok   watch.metrics "));
  said = written("open/rewall.prom");
  CHECK(has(said, "watch.metrics: "));
  CHECK(has(said, "users other than root can write to it"));
  CHECK_FALSE(has(said, "-rw-r--r--"));
  CHECK(has(host.sh("rewall doctor").out, "BAD  watch.metrics "));
}

}  // namespace rewall

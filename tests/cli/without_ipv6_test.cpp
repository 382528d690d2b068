#include "support/host.h"

using namespace rewall;

namespace {

/// Words that put before PATH what a kernel that was started with ipv6.disable=1 makes of ip6tables (legacy;
/// that of nft is not asked there either).
constexpr const char* kRefused = R"sh(
mkdir without
for program in /usr/sbin/ip6tables*; do
  cat >without/${program##*/} <<'END'
#!/bin/sh
echo "${0##*/}: can't initialize ip6tables table \`filter': Address family not supported by protocol" >&2
exit 3
END
done
chmod 755 without/*
)sh";

/// ... and of a system that has no such programs.
constexpr const char* kAbsent = R"sh(
mkdir without
for program in /usr/bin/* /usr/sbin/*; do
  case $program in *ip6tables*) ;; *) ln -sf $program without/ ;; esac
done
)sh";

}  // namespace

TEST_CASE("on a host without IPv6 the firewall is recorded, restored and guarded") {
  const std::string backend = GENERATE("nft", "legacy");
  const bool absent = GENERATE(false, true);
  const Host host;
  host.ok(absent ? kAbsent : kRefused);
  const std::string path = absent ? "PATH=$PWD/without; " : "PATH=$PWD/without:$PATH; ";
  const auto ok = [&](const std::string& words) { return host.ok(path + words); };
  const std::string rules = "/usr/sbin/iptables-" + backend + "-save | grep -e '^-A'";
  host.ok("iptables-" + backend + " -A INPUT -p tcp --dport 22 -j ACCEPT");
  const auto before = host.ok(rules);
  const std::string program = "rewall --backend " + backend + " ";
  ok(program + "-q init; " + program + "status");
  ok("iptables-" + backend + " -F; " + program + "-q restore HEAD; " + program + "status");
  CHECK(host.ok(rules) == before);
  ok(program + "try --yes --for 1s -- iptables-" + backend + " -F");
  host.until("test ! -e repo/.git/rewall/guard");
  CHECK(host.ok(rules) == before);
  ok(program + "status");
}

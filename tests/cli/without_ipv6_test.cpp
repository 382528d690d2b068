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
for folder in /usr/bin /usr/sbin; do
  ln -sf $(ls -d $folder/* | grep -v ip6tables) without/
done
)sh";

/// without.py WORDS...: runs a program as on a kernel without IPv6: socket(AF_INET6) fails with EAFNOSUPPORT
/// (seccomp(2)), which is all that ip6tables and rewall see of it. For x86-64 and arm64.
constexpr const char* kWithout = R"py(
import ctypes, os, platform, struct, sys
number = {'x86_64': 41, 'aarch64': 198}[platform.machine()]
step = lambda code, yes, no, k: struct.pack('HBBI', code, yes, no, k)
steps = (step(0x20, 0, 0, 0) + step(0x15, 0, 3, number) + step(0x20, 0, 0, 16) + step(0x15, 0, 1, 10) +
         step(0x06, 0, 0, 0x50000 | 97) + step(0x06, 0, 0, 0x7fff0000))
text = ctypes.create_string_buffer(steps)
class Filter(ctypes.Structure): _fields_ = [('size', ctypes.c_ushort), ('steps', ctypes.c_void_p)]
filter = Filter(len(steps) // 8, ctypes.addressof(text))
libc = ctypes.CDLL(None)
libc.prctl(38, 1, 0, 0, 0)
if libc.prctl(22, 2, ctypes.byref(filter), 0, 0) != 0: sys.exit('no seccomp')
os.execvp(sys.argv[1], sys.argv[1:])
)py";

}  // namespace

TEST_CASE("a boot without IPv6 in the kernel leaves its rules out, and the history keeps them") {
  const std::string backend = GENERATE("nft", "legacy");
  const Host host;
  host.ok("cat >without.py <<'END'" + std::string(kWithout) + "END\n");
  const std::string rewall = REWALL_PROGRAM " --backend " + backend + " ";
  const std::string without = "python3 without.py " + rewall;
  host.ok("iptables-" + backend + " -A INPUT -p tcp --dport 22 -j ACCEPT; ip6tables-" + backend +
          " -P INPUT DROP; ip6tables-" + backend + " -A INPUT -p tcp --dport 25 -j ACCEPT; " + rewall +
          "-q init; iptables-" + backend + " -F; ip6tables-" + backend + " -F; ip6tables-" + backend +
          " -P INPUT ACCEPT");
  const auto said = host.ends(0, without + "restore --boot");
  INFO(said);
  CHECK(has(said, "HEAD (snapshot "));
  CHECK(has(said, "left out: IPv6, "));
  CHECK(has(host.ok("iptables-" + backend + " -S INPUT"), "--dport 22"));
  CHECK_FALSE(has(host.ok("ip6tables-" + backend + " -S INPUT"), "--dport 25"));
  // Nobody flushed anything, and what goes on there says so.
  host.ok(without + "status; " + without + "diff HEAD LIVE");
  host.ok("iptables-" + backend + " -A INPUT -p tcp --dport 80 -j ACCEPT; " + without + "-q snapshot");
  CHECK(has(host.ok("git -C repo show HEAD:rules.v4"), "--dport 80"));
  CHECK(has(host.ok("git -C repo show HEAD:rules.v6"), "--dport 25"));
  host.ok(without + "-q undo; " + without + "-q redo; " + without + "status");
  // The next kernel has IPv6.
  host.ok("iptables-" + backend + " -F");
  host.ok(rewall + "restore --boot");
  CHECK(has(host.ok("iptables-" + backend + " -S INPUT"), "--dport 80"));
  const auto v6 = host.ok("ip6tables-" + backend + " -S INPUT");
  CHECK(has(v6, "-P INPUT DROP"));
  CHECK(has(v6, "--dport 25"));
}

TEST_CASE("a family whose program is missing is left out of a boot, also where the kernel has its tables") {
  const Host host;
  host.ok(kAbsent);
  host.ok(
      "iptables -A INPUT -p tcp --dport 22 -j ACCEPT; ip6tables -A INPUT -p tcp --dport 25 -j ACCEPT; rewall "
      "-q init; "
      "iptables -F; ip6tables -F");
  const auto said = host.ends(0, "PATH=$PWD/without " REWALL_PROGRAM " restore --boot");
  INFO(said);
  CHECK(has(said, "left out: IPv6"));
  CHECK(has(host.ok("iptables -S INPUT"), "--dport 22"));
}

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

#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <cerrno>
#include <cstddef>
#include <map>
#include <thread>

#include "support/kernel_lab.h"

using namespace rewall;

namespace {

/// A rule that nft alone can say, in a table that iptables made.
void mix_in(const std::string& rule) {
  shell("iptables-nft -A INPUT -p tcp --dport 22 -j ACCEPT; nft add rule ip filter INPUT '" + rule + "'");
}

void drop_capabilities() {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct none[2] = {};
  REQUIRE(syscall(SYS_capset, &header, none) == 0);
}

/// In this thread and its children a system call whose first argument is `bits` under `mask` fails with
/// `error` (seccomp(2)).
void deny(long number, std::uint32_t mask, std::uint32_t bits, std::uint32_t error) {
  std::array<sock_filter, 7> code{{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(number), 0, 4),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args)),
      BPF_STMT(BPF_ALU | BPF_AND | BPF_K, mask),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, bits, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  }};
  sock_fprog program{.len = code.size(), .filter = code.data()};
  REQUIRE(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  REQUIRE(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

std::size_t rules_in(const Tables& tables, std::string_view chain) {
  const Table* filter = tables.find("filter");
  const Chain* found = filter != nullptr ? filter->find(chain) : nullptr;
  return found != nullptr ? found->rules.size() : 0;
}

}  // namespace

TEST_CASE("the guide's firewall reads as the programs print it, on both backends") {
  const std::string backend = GENERATE("nft", "legacy");
  in_lab([&] {
    load_guide(backend);
    shell("ipset create web hash:ip; ipset add web 192.0.2.1");
    const auto capture = captured();
    CHECK(print_tables(capture.ruleset.v4) == saved("iptables-" + backend + "-save"));
    CHECK(print_tables(capture.ruleset.v6) == saved("ip6tables-" + backend + "-save"));
    CHECK(rules_in(capture.ruleset.v4, "INPUT") == 14);
    REQUIRE(capture.ruleset.sets.sets.size() == 1);
    CHECK(shell("ipset save web") ==
          "create web hash:ip " + capture.ruleset.sets.sets[0].options + "\nadd web 192.0.2.1\n");
    CHECK(capture.backends == backend);
    CHECK(name(capture.ruleset.backend) == backend);
    CHECK_FALSE(capture.ruleset.both_backends());
    CHECK(capture.tools == trim(shell("iptables-" + backend + " -V")));
    CHECK(capture.notes.empty());
  });
}

TEST_CASE("rules in both backends are both read") {
  in_lab([] {
    shell("iptables-nft -A INPUT -s 192.0.2.1 -j DROP; ip6tables-legacy -A INPUT -s 2001:db8::1 -j DROP");
    const auto capture = captured();
    CHECK(capture.backends == "nft+legacy");
    CHECK(capture.ruleset.backend == Backend::nft);
    CHECK(print_tables(capture.ruleset.v4) == saved("iptables-nft-save"));
    CHECK(capture.ruleset.v6.tables.empty());
    CHECK(capture.ruleset.v4_legacy.tables.empty());
    CHECK(print_tables(capture.ruleset.v6_legacy) == saved("ip6tables-legacy-save"));

    const auto nft = captured(BackendChoice::nft);
    CHECK_FALSE(nft.ruleset.both_backends());
    CHECK(nft.notes == std::vector<std::string>{"legacy tables are there and not recorded (--backend nft)"});
    const auto legacy = captured(BackendChoice::legacy);
    CHECK(legacy.ruleset.backend == Backend::legacy);
    CHECK(legacy.ruleset.v4.tables.empty());
    CHECK(print_tables(legacy.ruleset.v6) == saved("ip6tables-legacy-save"));
    CHECK(legacy.notes == std::vector<std::string>{"nft tables that are not recorded: ip filter"});
  });
}

TEST_CASE("legacy tables without rules do not make a second backend") {
  in_lab([] {
    shell("iptables-legacy -L -n >&2; iptables-nft -A INPUT -j ACCEPT");
    const auto capture = captured();
    CHECK(capture.backends == "nft");
    CHECK_FALSE(capture.ruleset.both_backends());
  });
}

TEST_CASE("an empty host is read without making a table") {
  in_lab([] {
    const auto capture = captured();
    CHECK(capture.ruleset.v4.tables.empty());
    CHECK(capture.ruleset.backend == Backend::nft);  // what iptables is here
    CHECK(shell("nft list ruleset; cat /proc/net/ip_tables_names /proc/net/ip6_tables_names").empty());
    CHECK_FALSE(host_firewall()->legacy_tables());
    CHECK(host_firewall()->generation() == capture.generation);
  });
}

TEST_CASE("the generation moves with every change of nft rules and tells namespaces apart") {
  std::optional<Generation> first;
  in_lab([&] {
    const auto firewall = host_firewall();
    first = firewall->generation();
    REQUIRE(first);
    CHECK(firewall->generation() == first);
    shell("iptables-nft -A INPUT -j ACCEPT");
    CHECK(firewall->generation() != first);
  });
  in_lab([&] { CHECK(host_firewall()->generation() != first); });
}

TEST_CASE("tables of nft's own are recorded, and noted where there is no nft") {
  in_lab([] {
    shell("iptables-nft -A INPUT -j ACCEPT; nft add table inet fw; nft add table ip other");
    const auto capture = captured();
    CHECK(capture.notes.empty());
    CHECK(print_native(capture.ruleset.native.value()) == "table ip other {\n}\ntable inet fw {\n}\n");
    OnlyPath path;
    for (const char* program : {"iptables", "iptables-nft-save", "ip6tables-nft-save", "iptables-legacy-save",
                                "ip6tables-legacy-save", "ipset"})
      path.link(program);
    const auto without = captured();
    CHECK_FALSE(without.ruleset.native);
    CHECK(without.notes ==
          std::vector<std::string>{
              "nft tables that are not recorded, as nft is not installed: inet fw, ip other"});
  });
}

TEST_CASE("a table with a rule that iptables cannot say is recorded in the words of nft") {
  // The first four are printed by iptables-nft-save 1.8.9 as other rules, with exit status 0.
  const std::string rule = GENERATE(
      "tcp dport { 22, 80 } accept", "ip saddr 10.0.0.1-10.0.0.9 drop", "tcp sequence 5 drop",
      "ip saddr @blocked drop", "ct state established accept", "ip dscp 0x05 accept", "meta skuid 0 accept");
  in_lab([&] {
    shell("nft add table ip filter; nft 'add set ip filter blocked { type ipv4_addr; }'");
    INFO(rule);
    mix_in(rule);
    const auto capture = captured();
    CHECK(capture.ruleset.v4.find("filter") == nullptr);
    CHECK(print_native(capture.ruleset.native.value()) == shell("nft -s list table ip filter"));
    // That there is a set is seen before the rules are.
    CHECK(capture.in_nft_words ==
          std::map<std::string, std::string>{{"ip filter",
                                              "table ip filter is recorded in the words of nft (rules.nft), "
                                              "as iptables cannot say set blocked"}});
    CHECK(capture.notes.empty());
    captured(BackendChoice::legacy);
  });
}

TEST_CASE("the warning of a table in the words of nft names the rule") {
  struct Mixed {
    std::string rule;
    std::string says;
  };
  const Mixed mixed =
      GENERATE(Mixed{"tcp dport { 22, 80 } accept", "chain INPUT, rule 2: tcp dport { 22, 80 } accept"},
               Mixed{"ct state new counter accept", "chain INPUT, rule 2: ct state new counter accept"},
               Mixed{"meta skuid 0 accept", "chain INPUT, rule 2: meta skuid 0 accept"});
  in_lab([&] {
    mix_in(mixed.rule);
    const auto capture = captured();
    REQUIRE(capture.in_nft_words.size() == 1);
    CHECK(capture.in_nft_words.at("ip filter") ==
          "table ip filter is recorded in the words of nft (rules.nft), as iptables cannot say " +
              mixed.says);
  });
}

TEST_CASE("a rule of nft that iptables-save would print as another is recorded in the words of nft") {
  const std::string rule = GENERATE(
      "icmp type != 8 accept", "icmp type >= 8 accept", "icmp type 255 drop", "icmp code 3 drop",
      "tcp flags & syn > 0 drop", "tcp flags & (syn|ecn) == syn drop", "tcp flags == syn drop",
      "tcp sport & 0xff == 22 drop", "@ll,0,8 4 accept", "@th,160,8 4 accept", "@nh,64,16 4 drop",
      "ip frag-off 100 drop", "tcp dport 22 tcp dport 23 accept", "@th,0,32 1 tcp dport 23 accept",
      "ip saddr 10.0.0.1 ip saddr 10.0.0.2 drop", "iifname \"a\" iifname \"b\" drop", "oifname > \"a\" drop",
      "iifname \"eth+\" drop", "iif lo accept", "sctp dport 22 accept", "meta l4proto 0 drop",
      "ip protocol > 6 drop", "ip saddr & 255.0.0.0 == 10.0.0.1 drop", "ip length 100 drop",
      "meta length 100 drop", "udp length 100 drop", "meta mark > 1 drop", "meta mark set 1",
      "log group 3 drop", "continue", "limit rate 1/week accept", "limit rate over 10/second drop",
      "limit rate 10/second ip saddr 10.0.0.1 accept", "ip ttl 5-9 drop");
  in_lab([&] {
    INFO(rule);
    mix_in(rule);
    const auto capture = host_firewall()->capture(BackendChoice::automatic);
    // What nft lists and does not take again stays an error that names the rule.
    const auto listed = shell("nft -s list table ip filter");
    INFO(listed << (capture ? "" : capture.error().message));
    std::string again;
    in_lab([&] { again = shell("if nft -f - 2>&1; then nft -s list table ip filter; fi", listed); });
    REQUIRE(capture.has_value() == (again == listed));
    if (!capture) {
      CHECK(capture.error().kind == ErrorKind::capture);
      CHECK(capture.error().message.starts_with("table ip filter: chain INPUT, rule 2: nft made it ("));
      return;
    }
    CHECK(capture->ruleset.v4.find("filter") == nullptr);
    CHECK(print_native(capture->ruleset.native.value()) == listed);
  });
}

TEST_CASE("a rule of nft in the table of ip6tables is no other than in that of iptables") {
  const std::string rule = GENERATE("icmpv6 type != 135 accept", "ip6 nexthdr tcp accept",
                                    "ip6 saddr ::1 ip6 saddr ::2 drop", "ip6 hoplimit 3-5 drop");
  in_lab([&] {
    shell("ip6tables-nft -A INPUT -j ACCEPT; nft add rule ip6 filter INPUT '" + rule + "'");
    INFO(rule);
    const auto capture = captured();
    CHECK(capture.ruleset.v6.find("filter") == nullptr);
    CHECK(print_native(capture.ruleset.native.value()) == shell("nft -s list table ip6 filter"));
  });
}

TEST_CASE("a table that neither iptables nor nft can say is refused, with the rule") {
  in_lab([] {
    shell(
        "iptables-nft -A INPUT -m recent --set; nft add rule ip filter INPUT tcp dport '{ 22, 80 }' accept");
    // Versions of nft quote the name of the match, or do not.
    const std::string unsaid = shell("nft -s list table ip filter | grep -o 'xt match .*' | tr -d '\\n'");
    CHECK(capture_error().message ==
          "table ip filter: chain INPUT, rule 2: nft made it (a lookup in a set of nft), and iptables makes "
          "another rule of what iptables-save says of it: '-p tcp -j ACCEPT'; and nft cannot say the table: "
          "nft:4: nft has no words for a part of '" +
              unsaid + "'");
    OnlyPath path;
    for (const char* program :
         {"iptables", "iptables-nft-save", "ip6tables-nft-save", "iptables-nft-restore"})
      path.link(program);
    CHECK(capture_error().message.ends_with("; and nft cannot say the table: it is not installed"));
  });
}

TEST_CASE("rules with extensions stand in the words of nft with those of iptables as a note") {
  in_lab([] {
    shell(
        "iptables-nft -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"
        "iptables-nft -A INPUT -p tcp --dport 22 -m comment --comment 'a \"b\"' -j ACCEPT\n"
        "nft add rule ip filter INPUT ct state new counter accept\n"
        "iptables-nft -A INPUT -p tcp -m multiport --dports 25,110 -j REJECT\n");
    // Versions of iptables ask for the protocol in two ways.
    const std::string ports =
        shell("nft -s list table ip filter | grep -o '[mi].* { 25, 110 } counter reject' | tr -d '\\n'");
    const auto capture = captured();
    CHECK(
        print_native(capture.ruleset.native.value()) ==
        R"(table ip filter {
	chain INPUT {
		type filter hook input priority filter; policy accept;
		ct state related,established counter accept # iptables: -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
		tcp dport 22  counter accept # iptables: -p tcp -m tcp --dport 22 -m comment --comment "a \"b\"" -j ACCEPT
		ct state new counter accept
		)" +
            ports +
            R"( # iptables: -p tcp -m multiport --dports 25,110 -j REJECT --reject-with icmp-port-unreachable
	}
}
)");
  });
}

TEST_CASE("a comment of iptables that nft lists in the middle of a rule stands in the note alone") {
  in_lab([] {
    shell(
        "iptables-nft -A INPUT -p tcp --dport 22 -m comment --comment 'a \"b\"' -j ACCEPT\n"
        "iptables-nft -A INPUT -m comment --comment first -j DROP\n"
        "nft add rule ip filter INPUT ct state new counter accept\n");
    const auto before = print_native(captured().ruleset.native.value());
    // As nft lists it with iptables 1.8.13.
    OnlyPath path;
    for (const char* program :
         {"iptables", "iptables-nft-save", "ip6tables-nft-save", "iptables-nft-restore"})
      path.link(program);
    path.script(
        "nft",
        "/usr/sbin/nft \"$@\" | /usr/bin/sed -e 's/dport 22  counter/dport 22 comment \"a \"b\"\" counter/' "
        "-e 's/^\\t\\t counter drop/\\t\\tcomment \"first\" counter drop/'");
    CHECK(print_native(captured().ruleset.native.value()) == before);
  });
}

TEST_CASE("rules of nft that iptables can say are read") {
  const std::string rule =
      GENERATE("tcp dport 22-80 accept", "tcp dport != 22 drop", "tcp flags syn accept", "ip ttl 5 accept",
               "icmp type echo-request accept", "iifname \"eth*\" accept", "ip saddr 10.0.0.0/9 drop");
  in_lab([&] {
    mix_in(rule);
    CHECK(print_tables(captured().ruleset.v4) == saved("iptables-nft-save"));
  });
}

TEST_CASE("what iptables-nft itself makes is never called incompatible") {
  in_lab([] {
    shell(R"(
iptables-nft -N other
iptables-nft -A INPUT -p tcp -m multiport --dports 1,2,3:9 -m iprange --src-range 10.0.0.1-10.0.0.9 -j DROP
iptables-nft -A INPUT -p tcp --sport 1:5 ! --dport 7:9 ! --tcp-flags SYN,ACK SYN -j DROP
iptables-nft -A INPUT -p udp --sport 53 --dport 1024: -m mark ! --mark 0x1/0xff -j DROP
iptables-nft -A FORWARD -f -s 10.0.0.0/255.0.255.0 -i eth+ ! -o lo -m ttl --ttl-lt 5 -j DROP
iptables-nft -A INPUT -p icmp --icmp-type 3/4 -m length --length 1:9 -m limit --limit 3/min -j LOG --log-prefix x
iptables-nft -A INPUT -p sctp --dport 5:6 -j DROP
iptables-nft -A FORWARD -i + ! -o lo -p udp ! --sport 1 ! --dport 2 -j DROP
iptables-nft -A INPUT ! -i + -p tcp ! --dport :5 -j NFLOG --nflog-group 3 --nflog-prefix "a b"
iptables-nft -A INPUT -m mark --mark 1 -m mark ! --mark 3/7 -m comment --comment "a b" -g other
iptables-nft -A INPUT -m ttl --ttl-gt 5 -m conntrack --ctstate NEW -m mac --mac-source 00:11:22:33:44:55 -j DROP
iptables-nft -t nat -A PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 8080
ip6tables-nft -A INPUT -p icmpv6 --icmpv6-type 135 -m hl --hl-lt 5 -j DROP
ip6tables-nft -A INPUT -s 2001:db8::/ffff:0:ffff:: -m frag --fragid 1:5 -j DROP
ip6tables-nft -A INPUT -p tcp ! --dport 1:5 -m rt --rt-type 0 -j DROP
)");
    const auto capture = captured();
    CHECK(print_tables(capture.ruleset.v4) == saved("iptables-nft-save"));
    CHECK(print_tables(capture.ruleset.v6) == saved("ip6tables-nft-save"));
  });
}

TEST_CASE("a table of iptables' name with base chains of nft is recorded in the words of nft") {
  const std::string chain = GENERATE("mine { type filter hook input priority 5; policy accept; }",
                                     "INPUT { type filter hook input priority 5; policy drop; }");
  in_lab([&] {
    shell("nft add table ip filter; nft 'add chain ip filter " + chain + "'; nft add rule ip filter " +
          std::string(split(chain, ' ').front()) +
          " tcp dport 22 accept; iptables-nft -t nat -A POSTROUTING -j ACCEPT");
    const auto capture = captured();
    CHECK(capture.ruleset.v4.find("filter") == nullptr);
    CHECK(capture.ruleset.v4.find("nat") != nullptr);
    CHECK(print_native(capture.ruleset.native.value()) == shell("nft -s list table ip filter"));
    CHECK(capture.in_nft_words.contains("ip filter"));
  });
}

TEST_CASE("without iptables the package is named") {
  in_lab([] {
    const OnlyPath path;
    const auto error = capture_error();
    CHECK(error.kind == ErrorKind::capture);
    CHECK(error.message == "iptables-nft-save: no such program in PATH");
    CHECK(error.hint == "install the package iptables (apt install iptables)");
  });
}

TEST_CASE("a host whose only iptables is a plain legacy one works") {
  in_lab([] {
    load_guide("legacy");
    const std::string truth = saved("iptables-legacy-save");
    OnlyPath path;
    for (const std::string program : {"iptables", "ip6tables"})
      for (const std::string action : {"", "-save", "-restore"})
        path.link(program + action, program + "-legacy" + action);
    const auto capture = captured();
    CHECK(capture.ruleset.backend == Backend::legacy);
    CHECK(print_tables(capture.ruleset.v4) == truth);
    CHECK(capture.notes.front() == "no sets are recorded: ipset is not installed");
  });
}

TEST_CASE("without ipset the sets are empty, unless rules name one") {
  in_lab([] {
    shell("iptables-nft -A INPUT -j ACCEPT");
    OnlyPath path;
    for (const std::string program : {"iptables", "iptables-nft-save", "ip6tables-nft-save"})
      path.link(program);
    CHECK(captured().notes == std::vector<std::string>{"no sets are recorded: ipset is not installed"});
    shell(
        "/usr/sbin/ipset create s hash:ip; /usr/sbin/iptables-nft -A INPUT -m set --match-set s src -j DROP");
    const auto error = capture_error();
    CHECK(error.kind == ErrorKind::capture);
    CHECK(error.hint == "install the package ipset (apt install ipset)");
  });
}

TEST_CASE("a kernel without sets is noted, and a broken ipset is an error") {
  in_lab([] {
    // Where the kernel says that there is no set, no program runs.
    shell("ipset create there hash:ip");
    shell("iptables-nft -A INPUT -j ACCEPT");
    OnlyPath path;
    for (const std::string program : {"iptables", "iptables-nft-save", "ip6tables-nft-save"})
      path.link(program);
    path.script("ipset", "echo 'ipset v7.17: Kernel error received: Invalid argument' >&2; exit 1");
    CHECK(
        captured().notes ==
        std::vector<std::string>{"no sets are recorded: ipset save: exit status 1: ipset v7.17: Kernel error "
                                 "received: Invalid argument"});
    path.script("ipset", "kill -9 $$");
    CHECK(capture_error().message == "ipset save: killed by signal 9");
    path.script("ipset", "echo create; exit 0");
    CHECK(capture_error().kind == ErrorKind::capture);
  });
}

TEST_CASE("a program is not believed on its exit status") {
  struct Fake {
    std::string script;
    std::string message;
  };
  const Fake fake = GENERATE(
      Fake{"echo '*filter'; echo ':INPUT ACCEPT [0:0]'; echo '-A INPUT -j ACC'", "iptables-nft-save:3: "},
      Fake{"exit 0", "table ip filter: iptables-nft-save left it out"},
      Fake{"echo '*nat'; echo COMMIT", "iptables-nft-save prints what is no table of the kernel: *nat"},
      Fake{"echo '*filter'; kill -9 $$", "iptables-nft-save: killed by signal 9"},
      Fake{"echo '*filter'; echo broken >&2; exit 4",
           "table ip filter: iptables-nft-save: exit status 4: broken"},
      Fake{"echo '*filter'; sleep 60", "iptables-nft-save: gave no answer within 500 ms"},
      Fake{"echo \"# Table \\`filter' is incompatible, use 'nft' tool.\"",
           "table ip filter: incompatible, it holds a rule that nft made"});
  in_lab([&] {
    shell("iptables-nft -A INPUT -j ACCEPT");
    OnlyPath path;
    path.link("iptables");
    path.link("ipset");
    path.script("iptables-nft-save", fake.script);
    const auto error = capture_error();
    CHECK(error.kind == ErrorKind::capture);
    CHECK(error.message.substr(0, fake.message.size()) == fake.message);
  });
}

TEST_CASE("a program that is not allowed to read says so itself") {
  in_lab([] {
    shell("iptables-nft -A INPUT -j ACCEPT");
    OnlyPath path;
    path.link("iptables");
    path.link("ipset");
    // The words of iptables-nft-save 1.8.9 for a user.
    path.script("iptables-nft-save",
                "echo 'iptables-nft-save v1.8.9 (nf_tables): Could not fetch rule set generation id: "
                "Permission denied "
                "(you must be root)' >&2; exit 4");
    CHECK(capture_error().kind == ErrorKind::permission);
  });
}

TEST_CASE("words on standard error beside a whole text are no failure") {
  in_lab([] {
    shell("iptables-nft -A INPUT -j ACCEPT");
    OnlyPath path;
    path.link("iptables");
    path.link("ipset");
    path.script("iptables-nft-save",
                "echo '# Warning: iptables-legacy tables present' >&2; exec /usr/sbin/iptables-nft-save");
    CHECK(rules_in(captured().ruleset.v4, "INPUT") == 1);
  });
}

TEST_CASE("a capture during changes is of one piece, or none") {
  in_lab([] {
    shell("iptables-nft -N a");
    std::atomic<bool> stop{false};
    // Chain a is always as long as the INPUT of IPv6, or one longer.
    std::thread writer([&] {
      for (int i = 0; i < 150 && !stop; ++i)
        (void)run(
            {.words =
                 {"/bin/sh", "-c",
                  "iptables-nft -A a -s 10.0.0.1 -j DROP; ip6tables-nft -A INPUT -s 2001:db8::1 -j DROP; "
                  "sleep 0.05"}},
            ErrorKind::usage);
    });
    std::size_t whole = 0;
    for (int i = 0; i < 20; ++i) {
      const auto capture = host_firewall()->capture(BackendChoice::automatic);
      if (!capture) {
        CHECK(capture.error().message == "the ruleset changed during each of 5 readings");
        continue;
      }
      ++whole;
      const auto v4 = rules_in(capture->ruleset.v4, "a");
      const auto v6 = rules_in(capture->ruleset.v6, "INPUT");
      CHECK((v4 == v6 || v4 == v6 + 1));
    }
    stop = true;
    writer.join();
    CHECK(whole > 0);
    CHECK(print_tables(captured().ruleset.v4) == saved("iptables-nft-save"));
  });
}

TEST_CASE("a ruleset that never stands still is not captured") {
  in_lab([] {
    shell("iptables-nft -A INPUT -j ACCEPT");
    OnlyPath path;
    path.link("iptables");
    path.link("ipset");
    path.script("iptables-nft-save",
                "/usr/sbin/iptables-nft-save; /usr/sbin/iptables-nft -A INPUT -j ACCEPT; exit 0");
    const auto error = capture_error();
    CHECK(error.kind == ErrorKind::capture);
    CHECK(error.message == "the ruleset changed during each of 5 readings");
  });
}

TEST_CASE("legacy rules that change between two readings are read until two agree") {
  in_lab([] {
    shell("iptables-legacy -A INPUT -j ACCEPT");
    OnlyPath path;
    path.link("iptables");
    path.link("iptables-nft-save");
    path.link("ipset");
    const std::string once = (path.folder() / "once").string();
    path.script("iptables-legacy-save",
                "/usr/sbin/iptables-legacy-save; [ -e " + once +
                    " ] || /usr/sbin/iptables-legacy -A INPUT -s 10.0.0.1 -j DROP; : >" + once);
    CHECK(rules_in(captured().ruleset.v4, "INPUT") == 2);
    path.script("iptables-legacy-save",
                "/usr/sbin/iptables-legacy-save; /usr/sbin/iptables-legacy -A INPUT -s 10.0.0.1 -j DROP");
    CHECK(capture_error().message == "the ruleset changed during each of 5 readings");
  });
}

TEST_CASE("a kernel that cannot be asked is not one without rules") {
  // EINVAL from the kernel means that there are no nf_tables; from a socket it does not.
  const std::uint32_t error = GENERATE(EAFNOSUPPORT, ENOBUFS, EINVAL);
  in_lab([&] {
    shell("iptables-nft -A INPUT -j DROP; ipset create s hash:ip");
    deny(SYS_socket, 0xffff, AF_NETLINK, error);
    for (const auto choice : {BackendChoice::automatic, BackendChoice::nft, BackendChoice::legacy}) {
      const auto capture = host_firewall()->capture(choice);
      REQUIRE_FALSE(capture);
      CHECK(capture.error().kind == ErrorKind::capture);
      CHECK(capture.error().message.starts_with("nf_tables: netlink socket: "));
    }
    const auto sets = host_firewall()->sets();
    REQUIRE_FALSE(sets);
    CHECK(sets.error().kind == ErrorKind::capture);
  });
}

TEST_CASE("an ipset that ran out of something does not say that there are no sets") {
  in_lab([] {
    // Where the kernel says that there is no set, no program runs.
    shell("ipset create there hash:ip");
    shell("iptables-nft -A INPUT -j ACCEPT");
    OnlyPath path;
    for (const std::string program : {"iptables", "iptables-nft-save", "ip6tables-nft-save"})
      path.link(program);
    path.script("ipset", "echo 'ipset v7.17: Kernel error received: Cannot allocate memory' >&2; exit 1");
    CHECK(capture_error().message ==
          "ipset save: exit status 1: ipset v7.17: Kernel error received: Cannot allocate memory");
  });
}

TEST_CASE("without threads a capture works, and staging leaves the caller where it was") {
  in_lab([] {
    shell("iptables-nft -A INPUT -j ACCEPT");
    deny(SYS_clone3, 0, 0, ENOSYS);  // then libc takes clone()
    deny(SYS_clone, CLONE_THREAD, CLONE_THREAD, EAGAIN);
    const auto capture = host_firewall()->capture(BackendChoice::automatic);
    REQUIRE(capture);
    CHECK(capture->ruleset.v4.find("filter")->find("INPUT")->rules.size() == 1);
    // An empty ruleset, which the caller would see from now on if it stayed in the scratch namespace.
    const auto staged = host_firewall()->stage({}, nullptr);
    REQUIRE(staged);
    CHECK(shell("iptables-nft -S INPUT") == "-P INPUT ACCEPT\n-A INPUT -j ACCEPT\n");
  });
}

TEST_CASE("without threads, and where no namespace can be entered, no work is done outside") {
  in_lab([] {
    const auto scratch = scratch_namespace();
    deny(SYS_clone3, 0, 0, ENOSYS);  // then libc takes clone()
    deny(SYS_clone, CLONE_THREAD, CLONE_THREAD, EAGAIN);
    deny(SYS_setns, 0, 0, EPERM);
    bool ran = false;
    CHECK_FALSE(scratch.run([&] { ran = true; }));
    CHECK_FALSE(ran);
  });
}

TEST_CASE("without CAP_NET_RAW a rule that names a set cannot be read, and the hint says what is missing") {
  in_lab([] {
    shell("ipset create a hash:ip; iptables-nft -A INPUT -m set --match-set a src -j DROP");
    REQUIRE(prctl(PR_CAPBSET_DROP, CAP_NET_RAW) == 0);  // of this thread alone
    const auto error = capture_error();
    CHECK(error.kind == ErrorKind::capture);
    CHECK(error.message.find("Can't open socket to ipset") != std::string::npos);
    CHECK(error.hint.find("CAP_NET_RAW") != std::string::npos);
  });
}

TEST_CASE("without CAP_NET_ADMIN the capture says what to do") {
  in_lab([] {
    drop_capabilities();  // of this thread alone
    const auto error = capture_error();
    CHECK(error.kind == ErrorKind::permission);
    CHECK(error.message == "the firewall: permission denied: CAP_NET_ADMIN is missing");
    CHECK(error.hint == "run it as root (sudo rewall ...)");
    const auto staged = host_firewall()->stage({}, nullptr);
    REQUIRE_FALSE(staged);
    CHECK(staged.error().kind == ErrorKind::permission);
  });
}

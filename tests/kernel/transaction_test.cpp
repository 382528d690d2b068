#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <filesystem>
#include <iterator>

#include "core/file.h"
#include "rules/parse.h"
#include "rules/rules_file.h"
#include "support/kernel_lab.h"

using namespace rewall;

namespace {

Tables tables_of(const std::string& text, Family family = Family::ipv4) {
  auto tables = parse_tables(text, family, "rules");
  INFO((tables ? "" : tables.error().message));
  REQUIRE(tables);
  return *std::move(tables);
}

/// Loads `wanted` where `live` is; `meanwhile` runs at the last moment.
Result<Loaded> load(const Ruleset& wanted, const Capture& live, const std::string& meanwhile = "") {
  auto staged = host_firewall()->stage(wanted, &live.ruleset);
  INFO((staged ? "" : staged.error().message));
  REQUIRE(staged);
  if (!meanwhile.empty()) shell(meanwhile);
  return host_firewall()->load(*staged, live.ruleset, live.generation);
}

const std::string kGuide = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n";

TEST_CASE("rules that stay keep their place, handle, counters and state") {
  in_lab([] {
    shell(
        "ip link set lo up; iptables-nft -A INPUT -p udp -m comment --comment counted; "
        "iptables-nft -A INPUT -p udp -m quota --quota 1000000 -m comment --comment quota; "
        "iptables-nft -A INPUT -s 192.0.2.1 -j DROP; iptables-nft -A INPUT -m comment --comment last; "
        "bash -c 'for n in 1 2 3; do echo >/dev/udp/127.0.0.1/9; done'");
    const std::string counted =
        shell("iptables-nft-save -c | grep counted; nft -a list ruleset | grep -m1 udp");
    REQUIRE(counted.starts_with("[3:"));
    REQUIRE(counted.find("# handle") != std::string::npos);
    const std::string quota = shell("iptables-nft-save -c | grep quota");
    const std::string handles = shell("nft -a list chain ip filter INPUT | grep -o '# handle [0-9]*'");
    auto live = captured();
    Ruleset wanted = live.ruleset;
    const auto middle = tables_of(
        kGuide + "-A INPUT -s 192.0.2.2/32 -j ACCEPT\n-A INPUT -s 192.0.2.3/32 -j ACCEPT\nCOMMIT\n");
    auto& rules = wanted.v4.tables.at(0).chains.at(0).rules;
    const auto& fresh = middle.tables.at(0).chains.at(0).rules;
    rules.erase(rules.begin() + 2);
    rules.insert(rules.begin() + 2, fresh[0]);
    rules.insert(rules.begin() + 1, fresh[1]);
    rules.insert(rules.begin(), fresh[0]);
    wanted.v4.texts.insert(wanted.v4.texts.end(), middle.texts.begin(), middle.texts.end());
    const auto loaded = load(wanted, live);
    REQUIRE(loaded);
    CHECK(loaded->reads_back);
    CHECK(shell("iptables-nft-save -c | grep counted; nft -a list ruleset | grep -m1 udp") == counted);
    CHECK(shell("iptables-nft-save -c | grep quota") == quota);
    CHECK(
        shell("iptables-nft -S INPUT") ==
        "-P INPUT ACCEPT\n-A INPUT -s 192.0.2.2/32 -j ACCEPT\n-A INPUT -p udp -m comment --comment counted\n"
        "-A INPUT -s 192.0.2.3/32 -j ACCEPT\n-A INPUT -p udp -m quota --quota 1000000 -m comment --comment "
        "quota\n"
        "-A INPUT -s 192.0.2.2/32 -j ACCEPT\n-A INPUT -m comment --comment last\n");
    const std::string now = shell("nft -a list chain ip filter INPUT | grep -o '# handle [0-9]*'");
    for (const auto line : split_lines(handles))
      if (now.find(line) == std::string::npos) {
        CHECK(line ==
              split_lines(handles)[3]);  // that of the chain is the first; 192.0.2.1 was the third rule
      }
  });
}

TEST_CASE("whoever changes the firewall before the transaction makes it fail, and is not lost") {
  in_lab([] {
    shell("iptables-nft -A INPUT -s 192.0.2.1 -j DROP; ip6tables-nft -A INPUT -j ACCEPT");
    const auto live = captured();
    Ruleset wanted = live.ruleset;
    wanted.v4 = tables_of(kGuide + "-A INPUT -s 192.0.2.9/32 -j DROP\nCOMMIT\n");
    const auto loaded = load(wanted, live, "ip6tables-nft -A INPUT -s 2001:db8::1 -j DROP");
    REQUIRE_FALSE(loaded);
    CHECK(loaded.error().kind == ErrorKind::refused);
    CHECK(shell("iptables-nft -S INPUT; ip6tables-nft -S INPUT") ==
          "-P INPUT ACCEPT\n-A INPUT -s 192.0.2.1/32 -j DROP\n-P INPUT ACCEPT\n-A INPUT -j ACCEPT\n"
          "-A INPUT -s 2001:db8::1/128 -j DROP\n");
  });
}

TEST_CASE("a rule that only the live tables refuse changes nothing, and is named") {
  in_lab([] {
    shell(
        "iptables-nft -N a; iptables-nft -N b; iptables-nft -A INPUT -j a; iptables-nft -A a -j b; "
        "iptables-nft -A b -s 192.0.2.1 -j DROP; iptables-nft -t nat -A OUTPUT -j ACCEPT; "
        "ip6tables-nft -A INPUT -j ACCEPT; ipset create s hash:ip; ipset add s 192.0.2.1");
    const std::string before = shell("nft -a list ruleset; ipset save");
    const auto live = captured();
    Ruleset wanted = live.ruleset;
    wanted.v6 = tables_of(kGuide + "-A INPUT -j DROP\nCOMMIT\n", Family::ipv6);
    wanted.sets =
        parse_sets("create s hash:ip family inet\nadd s 192.0.2.2\ncreate t hash:ip\n", "ipset").value();
    auto& chains = wanted.v4.find("filter") != nullptr ? wanted.v4.tables : wanted.v4.tables;
    const auto loop = tables_of(kGuide + ":a - [0:0]\n:b - [0:0]\n-A b -j a\nCOMMIT\n");
    for (Table& table : chains)
      for (Chain& chain : table.chains)
        if (chain.name == "b") chain.rules.push_back(loop.tables.at(0).find("b")->rules.at(0));
    wanted.v4.texts.insert(wanted.v4.texts.end(), loop.texts.begin(), loop.texts.end());
    const auto loaded = load(wanted, live);
    REQUIRE_FALSE(loaded);
    INFO(loaded.error().message);
    CHECK(loaded.error().kind == ErrorKind::kernel);
    CHECK(loaded.error().message.find("Too many") !=
          std::string::npos);  // EMLINK, as the kernel says of a loop
    CHECK(shell("nft -a list ruleset; ipset save") == before);
  });
}

TEST_CASE("tables and chains that are not wanted become empty, and policies change, in one step") {
  in_lab([] {
    shell(
        "iptables-nft -P FORWARD DROP; iptables-nft -N gone; iptables-nft -A gone -j LOG; iptables-nft -A "
        "INPUT -j gone; "
        "iptables-nft -t mangle -N deep; iptables-nft -t mangle -A deep -j ACCEPT; iptables-nft -t mangle -A "
        "FORWARD -j deep; "
        "ip6tables-nft -P INPUT DROP; nft add table inet mine; nft add chain inet mine c; nft add rule inet "
        "mine c accept");
    const auto live = captured();
    Ruleset wanted;
    wanted.v4 = tables_of(
        "*raw\n:PREROUTING DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n:new - [0:0]\n-A PREROUTING -g new\n-A new -j "
        "ACCEPT\nCOMMIT\n");
    const auto before = captured().generation->number;
    const auto loaded = load(wanted, live);
    INFO((loaded ? "" : loaded.error().message));
    REQUIRE(loaded);
    CHECK(captured().generation->number == before + 1);
    CHECK(saved("iptables-nft-save -t raw") == print_tables(wanted.v4));
    CHECK(
        shell("iptables-nft -S; iptables-nft -t mangle -S; ip6tables-nft -S") ==
        "-P INPUT ACCEPT\n-P FORWARD ACCEPT\n-P OUTPUT ACCEPT\n"
        "-P PREROUTING ACCEPT\n-P INPUT ACCEPT\n-P FORWARD ACCEPT\n-P OUTPUT ACCEPT\n-P POSTROUTING ACCEPT\n"
        "-P INPUT ACCEPT\n-P FORWARD ACCEPT\n-P OUTPUT ACCEPT\n");
    CHECK(shell("nft list table inet mine").find("accept") != std::string::npos);
  });
}

TEST_CASE("sets that rules name are found by name, whatever their numbers") {
  in_lab([] {
    shell(
        "for n in 1 2 3 4 5; do ipset create other$n hash:ip; done; ipset create one hash:ip; ipset create "
        "two hash:ip timeout 0; "
        "iptables-nft -A INPUT -m set --match-set one src -j SET --add-set two src --exist --timeout 60; "
        "iptables-nft -A INPUT -m set ! --match-set two dst -j SET --del-set one src; "
        "iptables-nft -t mangle -A PREROUTING -j SET --map-set other3 src --map-mark");
    const auto wanted = captured().ruleset;
    const std::string rules = saved("iptables-nft-save");
    shell(
        "iptables-nft -F; iptables-nft -t mangle -F; for s in one two other1 other3; do ipset destroy $s; "
        "done; "
        "ipset create z1 hash:net; ipset create two hash:ip timeout 0; ipset create z2 hash:net");
    REQUIRE(load(wanted, captured()));
    CHECK(saved("iptables-nft-save") == rules);
    CHECK(shell("ipset list -n | sort | tr '\\n' ' '") == "one other1 other2 other3 other4 other5 two ");
  });
}

TEST_CASE("built-in chains that iptables did not make yet are made") {
  in_lab([] {
    // iptables makes the chain INPUT alone, and iptables-save prints all three.
    shell("iptables-nft -A INPUT -p tcp --dport 22 -j ACCEPT; ip6tables-nft -A INPUT -j ACCEPT");
    const auto live = captured();
    Ruleset wanted = live.ruleset;
    wanted.v4 = tables_of(
        "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n-A INPUT -p tcp -m tcp "
        "--dport 22 -j "
        "ACCEPT\nCOMMIT\n");
    wanted.v6 = tables_of(kGuide + "-A FORWARD -j DROP\n-A INPUT -j ACCEPT\nCOMMIT\n", Family::ipv6);
    const auto loaded = load(wanted, live);
    INFO((loaded ? "" : loaded.error().message));
    REQUIRE(loaded);
    CHECK(saved("iptables-nft-save") == print_tables(wanted.v4));
    CHECK(shell("ip6tables-nft -S FORWARD") == "-P FORWARD ACCEPT\n-A FORWARD -j DROP\n");
  });
}

TEST_CASE("a rule that needs what another rule makes is staged with it") {
  in_lab([] {
    shell(
        "iptables-nft -A INPUT -j RATEEST --rateest-name e --rateest-interval 250ms --rateest-ewmalog 500ms; "
        "iptables-nft -A INPUT -m rateest --rateest e --rateest-gt --rateest-bps 1Mbit -j DROP");
    const auto wanted = captured().ruleset;
    const std::string rules = saved("iptables-nft-save");
    shell("iptables-nft -D INPUT 2");
    const auto loaded = load(wanted, captured());
    INFO((loaded ? "" : loaded.error().message));
    REQUIRE(loaded);
    CHECK(saved("iptables-nft-save") == rules);
  });
}

TEST_CASE("a load proves nothing where the host's programs print a changed chain otherwise") {
  const std::string spoils = GENERATE("s/ DROP/ ACCEPT/", "/^-A/d", "s/^-P INPUT DROP/-P INPUT ACCEPT/", "p");
  in_lab([&] {
    shell("iptables-nft -A INPUT -s 192.0.2.1 -j ACCEPT");
    const auto live = captured();
    Ruleset wanted = live.ruleset;
    wanted.v4 = tables_of(
        "*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A INPUT -s "
        "192.0.2.2/32 -j DROP\nCOMMIT\n");
    const auto staged = host_firewall()->stage(wanted, &live.ruleset);
    REQUIRE(staged);
    {
      OnlyPath path;
      for (const char* name : {"iptables-nft-save", "ip6tables-nft-save", "ipset"}) path.link(name);
      path.script("iptables-nft-restore",
                  "/usr/sbin/iptables-nft-restore \"$@\" | /bin/sed '" + spoils + "'");
      const auto loaded = host_firewall()->load(*staged, live.ruleset, live.generation);
      INFO((loaded ? "" : loaded.error().message));
      REQUIRE(loaded);
      CHECK_FALSE(loaded->reads_back);
    }
    CHECK(saved("iptables-nft-save") == print_tables(wanted.v4));
  });
}

TEST_CASE("a change of backend never leaves the machine without the rules of both") {
  const bool to_nft = GENERATE(true, false);
  in_lab([&] {
    const std::string other = to_nft ? "legacy" : "nft";
    shell("iptables-" + other + " -P INPUT DROP; iptables-" + other + " -A INPUT -i lo -j ACCEPT");
    const auto live = captured();
    Ruleset wanted = live.ruleset;
    wanted.backend = to_nft ? Backend::nft : Backend::legacy;
    auto staged = host_firewall()->stage(wanted, &live.ruleset);
    REQUIRE(staged);
    const std::string log(trim(shell("mktemp")));
    {
      OnlyPath path;
      for (const char* name : {"iptables-nft-save", "iptables-legacy-save", "ipset"}) path.link(name);
      // What is in force when the legacy tables are about to change.
      path.script("iptables-legacy-restore",
                  "(/usr/sbin/iptables-nft-save; /usr/sbin/iptables-legacy-save) 2>/dev/null | "
                  "/bin/grep -c 'INPUT DROP' >>" +
                      log + "\nexec /usr/sbin/iptables-legacy-restore \"$@\"");
      const auto loaded = host_firewall()->load(*staged, live.ruleset, live.generation);
      INFO((loaded ? "" : loaded.error().message));
      REQUIRE(loaded);
    }
    // To nft: the new rules are there before the old ones go. To legacy: the old ones are still there.
    CHECK(shell("cat " + log) == (to_nft ? "2\n" : "1\n"));
    CHECK(captured().ruleset.backend == wanted.backend);
    shell("rm " + log);
  });
}

TEST_CASE("a dormant table is not taken for a firewall") {
  in_lab([] {
    shell("ip6tables-nft -P INPUT DROP; nft add table ip6 filter '{ flags dormant; }'");
    const auto error = capture_error();
    CHECK(error.kind == ErrorKind::capture);
    CHECK(error.message == "table ip6 filter is dormant: none of its rules is in force");
    shell("nft add table ip6 filter");  // the hint
    CHECK(captured().ruleset.v6.tables.size() == 1);
  });
}

}  // namespace

TEST_CASE("who closes the sockets that were kept holds nothing else, and leaves none of them here") {
  in_lab([] {
    const auto open_here = [] {
      const std::filesystem::directory_iterator all("/proc/self/fd");
      return std::distance(begin(all), end(all));
    };
    std::array<int, 2> ends{-1, -1};
    REQUIRE(pipe2(ends.data(), O_CLOEXEC) == 0);
    const Fd reader(ends[0]);
    const auto before = open_here();
    Fd writer(ends[1]);
    {
      const SocketsKept kept;
      shell("iptables-nft -A INPUT -j ACCEPT; iptables-nft -F");
      REQUIRE(host_firewall()->generation());
      REQUIRE(open_here() > before);
    }
    CHECK(open_here() == before);
    writer.reset();
    char none = 0;
    CHECK(read(reader.get(), &none, 1) == 0);  // it would wait for a process that holds the other end
  });
}

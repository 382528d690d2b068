#include <catch2/catch.hpp>

#include "core/file.h"
#include "kernel/firewall.h"
#include "rules/print.h"
#include "rules/sets.h"
#include "support/kernel_lab.h"

using namespace rewall;

namespace {

std::string text_of(const Ruleset& ruleset) {
  return canonical_text(ruleset.v4) + canonical_text(ruleset.v6) + canonical_text(ruleset.sets) +
         print_native(ruleset.native.value());
}

/// Loads `wanted` over LIVE, and returns what is read then.
Capture brought(const Ruleset& wanted) {
  const auto live = captured();
  const auto staged = host_firewall()->stage(wanted, &live.ruleset);
  INFO((staged ? "" : staged.error().message));
  REQUIRE(staged);
  const auto checked = host_firewall()->check(*staged, &live.ruleset, live.generation);
  INFO((checked ? "" : checked.error().message));
  REQUIRE(checked);
  const auto loaded = host_firewall()->load(*staged, live.ruleset, live.generation);
  INFO((loaded ? "" : loaded.error().message));
  REQUIRE(loaded);
  auto after = captured();
  CHECK(text_of(after.ruleset) == text_of(staged->ruleset));
  CHECK(after.generation->number == live.generation->number + 1);
  return after;
}

constexpr const char* kMixed =
    "iptables-nft -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"
    "iptables-nft -A INPUT -p tcp --dport 22 -m comment --comment hello -j ACCEPT\n"
    "nft add rule ip filter INPUT tcp dport 443 ct state new counter accept\n"
    "iptables-nft -A INPUT -m multiport -p tcp --dports 25,110 -j REJECT\n"
    "iptables-nft -t nat -A POSTROUTING -o eth0 -j MASQUERADE\n";

}  // namespace

TEST_CASE("a table comes back in either form, from either form and from nothing") {
  in_lab([] {
    const auto nothing = captured();
    shell(
        "iptables-nft -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT; "
        "iptables-nft -A INPUT -p tcp --dport 22 -j ACCEPT; iptables-nft -P FORWARD DROP");
    const auto of_iptables = captured();
    CHECK(of_iptables.in_nft_words.empty());
    shell("nft add rule ip filter INPUT tcp dport 443 ct state new counter accept");
    const auto of_nft = captured();
    CHECK(of_nft.in_nft_words.size() == 1);
    for (const Capture* wanted :
         {&of_iptables, &of_nft, &of_iptables, &nothing, &of_nft, &nothing, &of_iptables})
      CHECK(text_of(brought(wanted->ruleset).ruleset) == text_of(wanted->ruleset));
  });
}

TEST_CASE("a table in the words of nft comes back byte for byte, with what iptables made in it") {
  in_lab([] {
    shell(kMixed);
    const auto first = captured();
    const auto expressions =
        shell("nft --debug=netlink list table ip filter 2>&1 | grep '\\[' | grep -v counter");
    shell("nft flush ruleset");
    CHECK(text_of(brought(first.ruleset).ruleset) == text_of(first.ruleset));
    CHECK(shell("nft --debug=netlink list table ip filter 2>&1 | grep '\\[' | grep -v counter") ==
          expressions);
  });
}

TEST_CASE("rules that stay keep their counters while the table changes its form") {
  in_lab([] {
    shell(
        "ip link set lo up; iptables-nft -A INPUT -i lo -j ACCEPT; "
        "iptables-nft -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT");
    const auto of_iptables = captured();
    shell("nft add rule ip filter INPUT ct state new counter accept");
    const auto of_nft = captured();
    shell("bash -c 'echo x >/dev/udp/127.0.0.1/9'");
    const auto counted = shell(
        "iptables-nft -t filter -C INPUT -i lo -j ACCEPT; nft -a list chain ip filter INPUT | grep '\"lo\"'");
    CHECK(counted.find("packets 0 ") == std::string::npos);
    brought(of_iptables.ruleset);
    CHECK(shell("nft -a list chain ip filter INPUT | grep '\"lo\"'") == counted);
    brought(of_nft.ruleset);
    CHECK(shell("nft -a list chain ip filter INPUT | grep '\"lo\"'") == counted);
  });
}

TEST_CASE("a table of which nothing is left that iptables cannot say is staged in the words of iptables") {
  in_lab([] {
    shell(kMixed);
    auto live = captured();
    auto wanted = live.ruleset;
    auto without = print_native(*wanted.native);
    const std::string rule = "\t\ttcp dport 443 ct state new counter accept\n";
    without.erase(without.find(rule), rule.size());
    wanted.native = parse_native(without, "test").value();
    const auto after = brought(wanted);
    CHECK(after.in_nft_words.empty());
    CHECK(after.ruleset.native->empty());
    CHECK(print_tables(after.ruleset.v4) == saved("iptables-nft-save"));
  });
}

TEST_CASE("sets, maps and base chains of nft in a table of iptables' name come back and go again") {
  in_lab([] {
    const auto nothing = captured();
    shell(R"(nft -f - <<'END'
table ip nat {
	set inside {
		type ipv4_addr
		flags interval
		elements = { 10.0.0.0/8, 192.168.0.0/16 }
	}

	map to {
		type inet_service : ipv4_addr
		elements = { 80 : 10.0.0.1 }
	}

	chain prerouting {
		type nat hook prerouting priority dstnat; policy accept;
		dnat to tcp dport map @to
	}

	chain postrouting {
		type nat hook postrouting priority srcnat; policy accept;
		ip saddr @inside oifname "eth0" masquerade
	}
}
END
iptables-nft -A INPUT -p tcp --dport 22 -j ACCEPT)");
    const auto first = captured();
    CHECK(first.in_nft_words.contains("ip nat"));
    shell(
        "iptables-nft -t nat -A PREROUTING -j ACCEPT 2>/dev/null; nft flush ruleset; iptables-nft -t nat -A "
        "PREROUTING -j ACCEPT");
    const auto other = captured();
    CHECK(other.ruleset.v4.find("nat") != nullptr);
    for (const Capture* wanted : {&first, &other, &first, &nothing, &first})
      CHECK(text_of(brought(wanted->ruleset).ruleset) == text_of(wanted->ruleset));
  });
}

TEST_CASE("a file of nft is read as a capture would have its tables") {
  in_lab([] {
    const auto written = host_firewall()->read_written("", R"(
table ip filter { chain INPUT { type filter hook input priority 0; policy drop; tcp dport 22 accept; }; }
table ip nat { chain out { type nat hook postrouting priority 100; oifname "eth0" masquerade; }; }
table inet fw { }
)");
    INFO((written ? "" : written.error().message));
    REQUIRE(written);
    CHECK(canonical_text(written->v4) ==
          "*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
          "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\nCOMMIT\n");
    CHECK(print_native(written->native.value()) ==
          "table ip nat {\n\tchain out {\n\t\ttype nat hook postrouting priority srcnat; policy accept;\n"
          "\t\toifname \"eth0\" masquerade\n\t}\n}\ntable inet fw {\n}\n");
  });
}

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <iostream>

#include "core/file.h"
#include "core/text.h"
#include "support/corpus.h"
#include "support/kernel_lab.h"

using namespace rewall;

namespace {

Capture live() {
  return captured();
}

std::string listing() {
  return print_native(live().ruleset.native.value());
}

/// Loads `wanted` where `live` is.
std::optional<Error> put(const Ruleset& wanted, const Capture& live) {
  const auto staged = host_firewall()->stage(wanted, &live.ruleset);
  if (!staged) return staged.error();
  const auto checked = host_firewall()->check(*staged, &live.ruleset, live.generation);
  if (!checked) return checked.error();
  const auto loaded = host_firewall()->load(*staged, live.ruleset, live.generation);
  if (!loaded) return loaded.error();
  return std::nullopt;
}

void bring(const Ruleset& wanted) {
  const auto refused = put(wanted, live());
  INFO((refused ? refused->message : ""));
  REQUIRE_FALSE(refused);
}

const std::string kTable = R"(table inet t {
	set s {
		type ipv4_addr
		flags interval
		elements = { 192.0.2.0/24, 198.51.100.1 }
	}

	chain c {
		type filter hook input priority filter; policy accept;
		ip saddr @s drop
		tcp dport { 22, 80 } accept
		udp dport 53 counter accept
	}
}
)";

void load(const std::string& text) {
  shell("nft -f -", text);
}

/// What nft lists of a text that it loads: of some sets it turns the order round each time.
std::string loaded_by_nft(const std::string& text) {
  std::string listed;
  in_lab([&] {
    load(text);
    listed = listing();
  });
  return listed;
}

NativeTables parsed(const std::string& text) {
  auto tables = parse_native(text, "test");
  INFO((tables ? "" : tables.error().message));
  REQUIRE(tables);
  return *std::move(tables);
}

}  // namespace

TEST_CASE(
    "native tables of the nftables project come back as they were, with an iptables ruleset in one "
    "generation") {
  const auto folder = corpus() / "nft";
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const auto text = read_file(entry.path());
    REQUIRE(text);
    INFO(entry.path().filename().string());
    // Its tables of iptables' names belong to iptables.
    if (text->find("table ip filter") != std::string::npos || text->find("table ip nat") != std::string::npos)
      continue;
    ++count;
    in_lab([&] {
      load(*text);
      shell("iptables-nft -A INPUT -p tcp --dport 22 -j ACCEPT");
      const auto first = live();
      CHECK(first.notes == std::vector<std::string>{});
      const std::string before = shell("nft -s list ruleset");
      shell("nft flush ruleset");
      const auto empty = live();
      REQUIRE(empty.ruleset.native);
      CHECK(empty.ruleset.native->empty());
      const auto refused = put(first.ruleset, empty);
      INFO((refused ? refused->message : ""));
      CHECK_FALSE(refused);
      if (refused) return;
      const auto again = live();
      CHECK(again.generation->number == empty.generation->number + 1);
      CHECK(print_native(*again.ruleset.native) == loaded_by_nft(print_native(*first.ruleset.native)));
      CHECK(canonical_text(again.ruleset.v4) == canonical_text(first.ruleset.v4));
      // And away again, in one step.
      const auto gone = put(empty.ruleset, again);
      INFO((gone ? gone->message : ""));
      REQUIRE_FALSE(gone);
      CHECK(shell("nft list tables").find("table ip filter") == 0);
    });
  }
  CHECK(count > 55);
}

TEST_CASE(
    "what stays in a native table keeps its handle, its counters and the elements that packets brought") {
  in_lab([] {
    load(kTable);
    load(
        "table inet t {\n\tset seen {\n\t\ttype ipv4_addr\n\t\tflags dynamic,timeout\n\t\ttimeout "
        "1h\n\t}\n}\n");
    shell(
        "nft add element inet t seen '{ 192.0.2.9 }'; ip link set lo up; bash -c 'echo "
        ">/dev/udp/127.0.0.1/53'");
    const auto first = live();
    // Neither the element of the dynamic set nor the counter is recorded.
    CHECK(print_native(*first.ruleset.native).find("192.0.2.9") == std::string::npos);
    CHECK(print_native(*first.ruleset.native).find("packets") == std::string::npos);
    const std::string counted = shell("nft -a list chain inet t c | grep 'udp dport 53'");
    REQUIRE(counted.find("packets 1") != std::string::npos);

    auto text = print_native(*first.ruleset.native);
    const auto replace = [&](std::string_view from, std::string_view to) {
      REQUIRE(text.find(from) != std::string::npos);
      text.replace(text.find(from), from.size(), to);
    };
    replace("192.0.2.0/24, 198.51.100.1", "198.51.100.1, 203.0.113.0/24");
    replace("\t\ttcp dport { 22, 80 } accept\n",
            "\t\ttcp dport { 443, 8080-8090 } accept\n\t\ticmp type echo-request drop\n");
    replace("policy accept", "policy drop");
    Ruleset wanted = first.ruleset;
    wanted.native = parsed(text);
    bring(wanted);
    CHECK(listing() == text);
    CHECK(shell("nft -a list chain inet t c | grep 'udp dport 53'") == counted);
    CHECK(shell("nft list set inet t seen").find("192.0.2.9") != std::string::npos);
    bring(first.ruleset);
    CHECK(listing() == print_native(*first.ruleset.native));
    CHECK(shell("nft -a list chain inet t c | grep 'udp dport 53'") == counted);
  });
}

TEST_CASE("elements whose timeout runs are not recorded, those that stay are") {
  in_lab([] {
    load(
        "table ip t {\n\tset a {\n\t\ttype ipv4_addr\n\t\tflags timeout\n"
        "\t\telements = { 192.0.2.1 timeout 1h, 192.0.2.2 }\n\t}\n"
        "\tset b {\n\t\ttype ipv4_addr\n\t\ttimeout 1h\n\t\telements = { 192.0.2.3 }\n\t}\n}\n");
    CHECK(listing() ==
          "table ip t {\n\tset a {\n\t\ttype ipv4_addr\n\t\tflags timeout\n\t\telements = { 192.0.2.2 "
          "}\n\t}\n\n"
          "\tset b {\n\t\ttype ipv4_addr\n\t\ttimeout 1h\n\t}\n}\n");
    // A restore leaves those that run as they are.
    auto wanted = live().ruleset;
    auto text = print_native(*wanted.native);
    text.replace(text.find("192.0.2.2"), 9, "192.0.2.4");
    wanted.native = parsed(text);
    bring(wanted);
    CHECK(listing() == text);
    const auto all = shell("nft list table ip t");
    CHECK(all.find("192.0.2.1 timeout 1h expires") != std::string::npos);
    CHECK(all.find("192.0.2.3 expires") != std::string::npos);
  });
}

TEST_CASE("native tables name devices, chains without a name and objects") {
  in_lab([] {
    shell(
        "ip link add first type veth peer name second; ip link add wan0 type veth peer name wan1; ip link "
        "set lo up");
    load(
        "table netdev d {\n\tchain i {\n\t\ttype filter hook ingress device \"wan0\" priority 0; policy "
        "accept;\n"
        "\t\tip saddr 192.0.2.1 drop\n\t}\n}\n"
        "table inet t {\n\tcounter c {\n\t}\n\tquota q { over 10 mbytes; }\n"
        "\tchain i {\n\t\ttype filter hook input priority 0; policy accept;\n\t\tiif \"wan0\" counter name "
        "\"c\" accept\n"
        "\t\ttcp dport 22 jump {\n\t\t\tip saddr { 192.0.2.1, 192.0.2.2 } accept\n\t\t\tdrop\n\t\t}\n"
        "\t\tquota name \"q\" drop\n"
        "\t\tip saddr . tcp dport vmap { 192.0.2.7 . 80 : accept, 192.0.2.8 . 81 : drop }\n\t}\n"
        "\tchain forwarded {\n\t\ttype filter hook forward priority 0; policy accept;\n\t}\n}\n");
    const auto first = live();
    CHECK(first.notes == std::vector<std::string>{});
    shell("nft flush ruleset");
    bring(first.ruleset);
    CHECK(listing() == print_native(*first.ruleset.native));
  });
}

TEST_CASE("native tables and those of iptables change together or not at all") {
  in_lab([] {
    load(kTable);
    shell("iptables-nft -A INPUT -p tcp --dport 22 -j ACCEPT");
    const auto first = live();
    Ruleset wanted = first.ruleset;
    wanted.native.emplace();
    const auto staged = host_firewall()->stage(wanted, &first.ruleset);
    REQUIRE(staged);
    shell("nft add rule inet t c udp dport 99 drop");
    const auto now = listing();
    const auto loaded = host_firewall()->load(*staged, first.ruleset, first.generation);
    REQUIRE_FALSE(loaded);
    CHECK(loaded.error().kind == ErrorKind::refused);
    CHECK(listing() == now);
  });
}

TEST_CASE("a refused native table is named with its line and nft's words") {
  in_lab([] {
    load("table ip a {\n\tchain c {\n\t}\n}\n");
    const auto first = live();
    Ruleset wanted = first.ruleset;
    wanted.native = parsed(
        "table ip a {\n\tchain c {\n\t}\n}\ntable ip b {\n\tchain c {\n\t\tip saddr 192.0.2.1 "
        "frob\n\t}\n}\n");
    const auto staged = host_firewall()->stage(wanted, &first.ruleset);
    REQUIRE_FALSE(staged);
    CHECK(staged.error().kind == ErrorKind::kernel);
    CHECK(staged.error().message.starts_with("rules.nft:7: table ip b: syntax error"));
    CHECK(staged.error().message.ends_with(": ip saddr 192.0.2.1 frob"));
  });
}

TEST_CASE("a table that a process owns is left alone, and said") {
  in_lab([] {
    shell(
        "mkfifo /tmp/owner.$$; (exec 9<>/tmp/owner.$$; nft -i <&9 >/dev/null 2>&1 9>&- & "
        "echo 'add table inet own { flags owner; }' >&9; sleep 1; echo $! >/tmp/owner.pid)");
    const auto first = live();
    REQUIRE(first.ruleset.native);
    const bool owned = shell("nft list tables").find("table inet own") != std::string::npos;
    if (owned) {
      CHECK(first.ruleset.native->empty());
      CHECK(first.notes.size() == 1);
      CHECK(first.notes.at(0).find("inet own") != std::string::npos);
      load(kTable);
      bring(first.ruleset);
      CHECK(shell("nft list tables") == "table inet own\n");
      const auto tables = host_firewall()->owned_tables();
      REQUIRE(tables);
      REQUIRE(tables->size() == 1);
      CHECK(tables->at(0).text() == "table inet own, which process nft (" +
                                        std::string(trim(shell("cat /tmp/owner.pid"))) + ") owns");
      // Nobody lacks a privilege.
      Ruleset wanted = first.ruleset;
      wanted.native = parsed("table inet own {\n\tchain c {\n\t}\n}\n");
      const auto staged = host_firewall()->stage(wanted, nullptr);
      REQUIRE(staged);
      const auto loaded = host_firewall()->load(*staged, first.ruleset, live().generation);
      REQUIRE_FALSE(loaded);
      INFO(loaded.error().message);
      CHECK(loaded.error().kind == ErrorKind::kernel);
      CHECK(loaded.error().message.find("although this process has CAP_NET_ADMIN") != std::string::npos);
      CHECK(loaded.error().hint.find("run it as root") == std::string::npos);
      CHECK(host_firewall()->check(*staged, nullptr, std::nullopt));
    }
    shell("kill $(cat /tmp/owner.pid) || :; rm -f /tmp/owner.*");
    CHECK(owned);
  });
}

TEST_CASE("what nft makes of a person's file is read in a scratch namespace") {
  in_lab([] {
    const TemporaryFolder folder;
    std::ofstream(folder.path() / "more.nft") << "define ports = { 22, 443 }\n";
    std::ofstream(folder.path() / "my.nft")
        << "#!/usr/sbin/nft -f\nflush ruleset\ninclude \"" + (folder.path() / "more.nft").string() +
               "\"\ntable inet fw { chain c { tcp dport $ports accept\n}\n}\n";
    const auto read = host_firewall()->read_written(folder.path() / "my.nft", "");
    INFO((read ? "" : read.error().message));
    REQUIRE(read);
    CHECK(print_native(read->native.value()) ==
          "table inet fw {\n\tchain c {\n\t\ttcp dport { 22, 443 } accept\n\t}\n}\n");
    CHECK(shell("nft list tables").empty());
    const auto wrong = host_firewall()->read_written("", "table inet fw {\n frob\n}\n");
    REQUIRE_FALSE(wrong);
    CHECK(wrong.error().kind == ErrorKind::usage);
    CHECK(wrong.error().message.starts_with("standard input:2: syntax error"));
  });
}

TEST_CASE("a table that nft lists in words that it does not take is left alone, and said") {
  in_lab([] {
    load(
        "table inet t {\n\tchain c {\n\t\tiifname { \"a*\", \"b\" } accept\n\t}\n}\ntable inet other {\n}\n");
    const auto listed = shell("nft -s list table inet t");
    const bool taken = listed.find("\"a*\"") != std::string::npos;
    const auto capture = live();
    CHECK((capture.ruleset.native->find("inet t") != nullptr) == taken);
    CHECK(capture.ruleset.native->find("inet other") != nullptr);
    REQUIRE(capture.notes.size() == (taken ? 0U : 1U));
    if (taken) return;
    CHECK(
        capture.notes[0].starts_with("nft tables that are not recorded: inet t: this version of nft does not "
                                     "take what it lists: iifname"));
    bring(capture.ruleset);
    CHECK(shell("nft -s list table inet t") == listed);
  });
}

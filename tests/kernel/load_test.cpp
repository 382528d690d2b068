#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <catch2/catch.hpp>

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

Sets sets_of(const std::string& text) {
  auto sets = parse_sets(text, "ipset");
  REQUIRE(sets);
  return *std::move(sets);
}

Ruleset filter_of(const std::string& rules, Backend backend) {
  return {.v4 = tables_of("*filter\n:INPUT ACCEPT [0:0]\n" + rules + "COMMIT\n"), .backend = backend};
}

Backend both() {
  return GENERATE(Backend::nft, Backend::legacy);
}

std::string save(Backend backend, const std::string& iptables = "iptables") {
  return saved(iptables + "-" + std::string(name(backend)) + "-save");
}

Error stage_error(const Ruleset& wanted, const FileNames& names = {}) {
  auto staged = host_firewall()->stage(wanted, nullptr, names);
  REQUIRE_FALSE(staged);
  CHECK(staged.error().kind == ErrorKind::kernel);
  return staged.error();
}

Result<Loaded> load_staged(const Ruleset& wanted) {
  const auto live = captured();
  auto staged = host_firewall()->stage(wanted, &live.ruleset);
  if (!staged) return std::move(staged).error();
  return host_firewall()->load(*staged, live.ruleset, live.generation);
}

/// As where no namespace can be made.
Result<Loaded> load_unstaged(const Ruleset& wanted) {
  return host_firewall()->load({.ruleset = wanted}, captured().ruleset, std::nullopt);
}

void must_load(const Ruleset& wanted) {
  const auto loaded = load_staged(wanted);
  INFO((loaded ? "" : loaded.error().message));
  REQUIRE(loaded);
}

/// Without CAP_SYS_ADMIN in this thread, as in a container.
void drop_sys_admin() {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct sets[2] = {};
  REQUIRE(syscall(SYS_capget, &header, sets) == 0);
  sets[0].effective &= ~(1U << CAP_SYS_ADMIN);
  REQUIRE(syscall(SYS_capset, &header, sets) == 0);
}

}  // namespace

TEST_CASE("a refused rule is named by file, line, the program's words and its own") {
  struct Case {
    std::string rule;
    std::string nft;
    std::string legacy;
  };
  const Case refused =
      GENERATE(Case{"-p tcp --dprt 22 -j DROP", "unknown option \"--dprt\"", "unknown option \"--dprt\""},
               Case{"-m set --match-set foo src -j DROP", "Set foo doesn't exist.", "Set foo doesn't exist."},
               Case{"-m geoip --src-cc DE", "Couldn't load match `geoip':No such file or directory",
                    "Couldn't load match `geoip':No such file or directory"},
               Case{"-m ipvs --ipvs", "Extension ipvs revision 0 not supported, missing kernel module?",
                    "Extension ipvs revision 0 not supported, missing kernel module?"},
               Case{"-j NOSUCH", "Chain 'NOSUCH' does not exist",
                    "Couldn't load target `NOSUCH':No such file or directory"},
               Case{"-j TCPMSS --clamp-mss-to-pmtu",
                    "RULE_APPEND failed (Invalid argument): rule in chain INPUT", "refused by the kernel"},
               Case{"-p tcp -m tcp --dport 99999", "invalid port/service `99999' specified",
                    "invalid port/service `99999' specified"});
  const Backend backend = both();
  in_lab([&] {
    // Line 5 of what was read; the canonical text has more chains and no comment.
    const auto wanted = filter_of(
        "# a\n-A INPUT -i lo -j ACCEPT\n-A INPUT " + refused.rule + "\n-A INPUT -j ACCEPT\n", backend);
    CHECK(stage_error(wanted).message ==
          "rules.v4:5: table filter: " + (backend == Backend::nft ? refused.nft : refused.legacy) +
              ": -A INPUT " + refused.rule);
    CHECK(save(backend).empty());
  });
}

TEST_CASE("the file of a refusal is that of its family and backend") {
  in_lab([] {
    Ruleset wanted;
    wanted.v6 = tables_of("*filter\n:INPUT ACCEPT [0:0]\n-A INPUT --bad\nCOMMIT\n", Family::ipv6);
    CHECK(stage_error(wanted).message ==
          "rules.v6:3: table filter: unknown option \"--bad\": -A INPUT --bad");
    std::swap(wanted.v6, wanted.v6_legacy);
    CHECK(stage_error(wanted).message ==
          "rules.v6.legacy:3: table filter: unknown option \"--bad\": -A INPUT --bad");
  });
}

TEST_CASE("a refusal calls the files what the caller calls them") {
  const FileNames names{
      .tables = {{{Family::ipv4, false}, "/tmp/ms"}, {{Family::ipv6, true}, "old:rules.v6.legacy"}},
      .sets = "/tmp/sets"};
  in_lab([&] {
    Ruleset wanted{.v4 = tables_of("*filter\n-A INPUT --bad\nCOMMIT\n")};
    CHECK(stage_error(wanted, names).message.starts_with("/tmp/ms:2: table filter: "));
    wanted = {.v6_legacy = tables_of("*filter\n-A INPUT --bad\nCOMMIT\n", Family::ipv6)};
    CHECK(stage_error(wanted, names).message.starts_with("old:rules.v6.legacy:2: table filter: "));
    wanted = {.sets = sets_of("create b hash:nosuch family inet\n")};
    CHECK(stage_error(wanted, names).message.starts_with("/tmp/sets:1: "));
  });
}

TEST_CASE("a refused set is named by its line") {
  in_lab([] {
    Ruleset wanted;
    wanted.sets =
        sets_of("create a hash:ip family inet\nadd a 192.0.2.1\ncreate b hash:nosuch family inet\n");
    CHECK(stage_error(wanted).message ==
          "ipset:3: Syntax error: typename 'hash:nosuch' is unknown: create b hash:nosuch family inet");
  });
}

TEST_CASE("staging reads back what was wanted and touches nothing outside") {
  const Backend backend = both();
  in_lab([&] {
    load_guide(std::string(name(backend)));
    shell("ipset create web hash:ip; ipset add web 192.0.2.1");
    const auto ruleset = captured().ruleset;
    shell("ipset destroy web; ip6tables-" + std::string(name(backend)) + " -F");
    const std::string before = save(backend) + save(backend, "ip6tables") + shell("ipset save");
    const auto staged = host_firewall()->stage(ruleset, nullptr);
    REQUIRE(staged);
    CHECK(canonical_text(staged->ruleset.v4) == canonical_text(ruleset.v4));
    CHECK(canonical_text(staged->ruleset.v6) == canonical_text(ruleset.v6));
    CHECK(canonical_text(staged->ruleset.sets) == canonical_text(ruleset.sets));
    CHECK(staged->ruleset.backend == backend);
    CHECK(save(backend) + save(backend, "ip6tables") + shell("ipset save") == before);
  });
}

TEST_CASE("without the privilege for a namespace every table is tested") {
  const Backend backend = both();
  in_lab([&] {
    drop_sys_admin();
    auto wanted = filter_of("-A INPUT -m set --match-set s src -j DROP\n-A INPUT -j ACCEPT\n", backend);
    wanted.sets = sets_of("create s hash:ip family inet\n");
    const auto staged = host_firewall()->stage(wanted, nullptr);
    REQUIRE(staged);
    CHECK(canonical_text(staged->ruleset.v4) == canonical_text(wanted.v4));
    CHECK(save(backend).find("-A") == std::string::npos);
    CHECK(stage_error(filter_of("-A INPUT -p tcp --dprt 22\n", backend)).message ==
          "rules.v4:3: table filter: unknown option \"--dprt\": -A INPUT -p tcp --dprt 22");
  });
}

TEST_CASE("a load leaves nothing of the old state behind") {
  const Backend backend = both();
  in_lab([&] {
    const std::string ip = "iptables-" + std::string(name(backend));
    load_guide(std::string(name(backend)));
    const auto wanted = captured().ruleset;
    const std::string v4 = save(backend);
    const std::string v6 = save(backend, "ip6tables");
    shell("ipset create old hash:ip; ipset create lists list:set; ipset add lists old");
    shell(ip + " -F; " + ip + " -P INPUT ACCEPT; " + ip + " -N mine; " + ip +
          " -t nat -A POSTROUTING -j MASQUERADE; " + ip + " -t raw -P OUTPUT DROP; " + ip +
          " -I INPUT -m set --match-set old src -j DROP");
    must_load(wanted);
    const auto now = captured().ruleset;
    CHECK(canonical_text(now.v4) == canonical_text(wanted.v4));
    CHECK(canonical_text(now.v6) == canonical_text(wanted.v6));
    CHECK(shell(ip + "-save -t filter | grep -v '^#'") == v4);
    CHECK(v6 == shell("ip6tables-" + std::string(name(backend)) + "-save -t filter | grep -v '^#'"));
    CHECK(shell("ipset save").empty());
  });
}

TEST_CASE("a table that does not differ is not touched") {
  in_lab([] {
    shell(
        "ip link set lo up; iptables-nft -A INPUT -i lo -j ACCEPT; iptables-nft -t raw -A OUTPUT -j ACCEPT");
    const auto wanted = captured().ruleset;
    shell(
        "iptables-nft -t raw -F; ping -q -c 1 127.0.0.1 >/dev/null 2>&1 || echo >/dev/udp/127.0.0.1/9 || "
        "true");
    const auto counted = shell("iptables-nft-save -c -t filter | grep -v '^#'");
    must_load(wanted);
    CHECK(shell("iptables-nft-save -c -t filter | grep -v '^#'") == counted);
    CHECK(shell("iptables-nft -t raw -S OUTPUT") == "-P OUTPUT ACCEPT\n-A OUTPUT -j ACCEPT\n");
  });
}

TEST_CASE("rules in the other backend are emptied when none are wanted there") {
  const Backend backend = both();
  const Backend other = backend == Backend::nft ? Backend::legacy : Backend::nft;
  in_lab([&] {
    const std::string ip = "iptables-" + std::string(name(other));
    shell(ip + " -A INPUT -j DROP; " + ip + " -P FORWARD DROP; " + ip + " -t nat -N mine");
    must_load(filter_of("-A INPUT -i lo -j ACCEPT\n", backend));
    CHECK(canonical_text(tables_of(save(other))).empty());
    const auto now = captured();
    CHECK(now.ruleset.backend == backend);
    CHECK(now.backends == name(backend));
    CHECK(canonical_text(now.ruleset.v4) ==
          "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A INPUT -i lo -j "
          "ACCEPT\nCOMMIT\n");
  });
}

TEST_CASE("both backends load beside each other") {
  in_lab([] {
    shell(
        "iptables-nft -A INPUT -s 192.0.2.1 -j DROP; iptables-legacy -A INPUT -s 192.0.2.2 -j DROP; "
        "ip6tables-legacy -P FORWARD DROP");
    const auto wanted = captured().ruleset;
    const std::string nft = save(Backend::nft);
    const std::string legacy = save(Backend::legacy) + save(Backend::legacy, "ip6tables");
    shell("iptables-nft -F; iptables-legacy -F; ip6tables-legacy -P FORWARD ACCEPT");
    const auto staged = host_firewall()->stage(wanted, nullptr);
    REQUIRE(staged);
    CHECK(canonical_text(staged->ruleset.v4_legacy) == canonical_text(wanted.v4_legacy));
    must_load(wanted);
    CHECK(save(Backend::nft) == nft);
    CHECK(save(Backend::legacy) + save(Backend::legacy, "ip6tables") == legacy);
  });
}

TEST_CASE("a set with other members or options is swapped while rules name it") {
  const Backend backend = both();
  in_lab([&] {
    shell(
        "ipset create s hash:ip timeout 600; ipset add s 192.0.2.1 timeout 0; ipset add s 192.0.2.2 timeout "
        "0; "
        "ipset create same hash:net; ipset add same 10.0.0.0/8; ipset create l list:set; ipset add l s; "
        "ipset add l same");
    shell("iptables-" + std::string(name(backend)) + " -A INPUT -m set --match-set s src -j DROP");
    const auto wanted = captured().ruleset;
    const std::string sets = shell("ipset save | sort");
    const std::string rules = save(backend);
    shell(
        "ipset flush s; ipset add s 192.0.2.9; ipset create t hash:ip maxelem 7; ipset swap s t; ipset add s "
        "192.0.2.8; "
        "ipset del l same; ipset add same 10.9.0.0/16; ipset create extra hash:ip; ipset add l extra");
    must_load(wanted);
    CHECK(shell("ipset save | sort") == sets);
    CHECK(save(backend) == rules);
  });
}

TEST_CASE("temporary members stay with their time, in a set that is swapped and in one that is not") {
  const Backend backend = both();
  in_lab([&] {
    shell(
        "ipset create s hash:ip timeout 0 comment; ipset add s 192.0.2.1; ipset create few hash:ip timeout "
        "0; "
        "ipset add few 192.0.2.1; iptables-" +
        std::string(name(backend)) + " -A INPUT -m set --match-set s src -j DROP");
    const auto wanted = captured().ruleset;
    shell(
        "ipset flush s; ipset add s 192.0.2.7; "
        "echo 'add s 192.0.2.8 timeout 900 comment \"a b\"' | ipset restore; "
        "ipset add s 192.0.2.1 timeout 900; ipset add few 192.0.2.7; ipset add few 192.0.2.8 timeout 900");
    must_load(wanted);
    CHECK(captured().ruleset.sets.find("s")->members == std::vector<std::string_view>{"192.0.2.1 timeout 0"});
    const std::string sets = shell("ipset save | sed 's/timeout 8[0-9][0-9]/timeout N/' | sort");
    CHECK(sets.find("add s 192.0.2.1 timeout 0\nadd s 192.0.2.8 timeout N comment \"a b\"\n") !=
          std::string::npos);
    CHECK(sets.find("add few 192.0.2.1 timeout 0\nadd few 192.0.2.8 timeout N\n") != std::string::npos);
    CHECK(sets.find("192.0.2.7") == std::string::npos);
  });
}

TEST_CASE("temporary members give way to permanent ones where the set is full") {
  const Backend backend = both();
  const bool by_transaction = GENERATE(true, false);
  // One member is added in place; where another one goes too, the set is swapped.
  const auto* other = GENERATE("", "ipset add s 10.0.0.2 timeout 0; ");
  in_lab([&] {
    shell("ipset create s hash:ip maxelem 4 timeout 600 comment; ipset add s 10.0.0.1 timeout 0; iptables-" +
          std::string(name(backend)) + " -A INPUT -m set --match-set s src -j DROP");
    const auto wanted = captured().ruleset;
    shell("ipset flush s; " + std::string(other) +
          "ipset add s 192.0.2.1 timeout 100; "
          "echo 'add s 192.0.2.2 timeout 900 comment \"a b\"' | ipset restore; "
          "ipset add s 192.0.2.3 timeout 500; ipset add s 192.0.2.4 timeout 700 || true");
    const bool all_temporary = shell("ipset save s").find("192.0.2.4") != std::string::npos;
    const auto loaded = by_transaction ? load_staged(wanted) : load_unstaged(wanted);
    INFO((loaded ? "" : loaded.error().message));
    REQUIRE(loaded);
    const auto now = captured().ruleset;
    CHECK(canonical_text(now.v4) == canonical_text(wanted.v4));
    CHECK(canonical_text(now.sets) == canonical_text(wanted.sets));
    const std::string members =
        shell("ipset save s | grep add | sed 's/ [0-9]*[0-9][0-9]\\( comm.*\\)*$/ N\\1/' | sort");
    CHECK(members == std::string("add s 10.0.0.1 timeout 0\n") +
                         (all_temporary ? "" : "add s 192.0.2.1 timeout N\n") +
                         "add s 192.0.2.2 timeout N comment \"a b\"\nadd s 192.0.2.3 timeout N\n" +
                         (all_temporary ? "add s 192.0.2.4 timeout N\n" : ""));
  });
}

TEST_CASE("a set that gets less room keeps the temporary members with the longest time left") {
  in_lab([&] {
    shell("ipset create s hash:ip maxelem 3 timeout 600; ipset add s 10.0.0.1 timeout 0");
    const auto wanted = captured().ruleset;
    shell(
        "ipset create t hash:ip maxelem 99 timeout 600 counters; ipset swap s t; ipset destroy t; "
        "for i in 1 2 3 4 5 6 7 8 9; do ipset add s 192.0.2.$i timeout $((i * 100)); done");
    must_load(wanted);
    CHECK(shell("ipset save s | grep add | sort | cut -d' ' -f1-4") ==
          "add s 10.0.0.1 timeout\nadd s 192.0.2.8 timeout\nadd s 192.0.2.9 timeout\n");
    CHECK(shell("ipset save s | grep 10.0.0.1") == "add s 10.0.0.1 timeout 0\n");
  });
}

TEST_CASE("temporary members that a set has no place for are left out") {
  in_lab([&] {
    SECTION("of a bitmap with another range") {
      shell("ipset create s bitmap:ip range 10.0.0.0/24 timeout 600; ipset add s 10.0.0.1 timeout 0");
      const auto wanted = captured().ruleset;
      shell(
          "ipset destroy s; ipset create s bitmap:ip range 10.0.0.0-10.0.1.255 timeout 600; "
          "ipset add s 10.0.1.7; ipset add s 10.0.0.7; ipset add s 10.0.1.9");
      must_load(wanted);
      CHECK(shell("ipset save s | grep add | cut -d' ' -f3") == "10.0.0.1\n10.0.0.7\n");
    }
    SECTION("of a set that knows a permanent one by the same element") {
      shell("ipset create s hash:ip netmask 24 timeout 600; ipset add s 10.0.0.0 timeout 0");
      const auto wanted = captured().ruleset;
      shell(
          "ipset create t hash:ip timeout 600; ipset swap s t; ipset destroy t; ipset add s 10.0.0.7; "
          "ipset add s 10.0.9.7 timeout 100; ipset add s 10.0.9.8 timeout 900");
      must_load(wanted);
      CHECK(shell("ipset save s | grep add | sort | sed 's/[0-9][0-9]$/../'") ==
            "add s 10.0.0.0 timeout 0\nadd s 10.0.9.0 timeout 8..\n");
    }
    SECTION("of a list of sets, one that goes") {
      shell("ipset create l list:set timeout 600; ipset create a hash:ip; ipset add l a timeout 0");
      const auto wanted = captured().ruleset;
      shell(GENERATE("", "ipset del l a; ") +
            std::string("ipset create b hash:ip; ipset add l b timeout 500"));
      must_load(wanted);
      CHECK(shell("ipset save | grep add; ipset list -n | sort") == "add l a timeout 0\na\nl\n");
    }
  });
}

TEST_CASE("a set that gets no timeouts loses its temporary members") {
  const Backend backend = both();
  in_lab([&] {
    shell("ipset create s hash:ip; ipset add s 192.0.2.1; iptables-" + std::string(name(backend)) +
          " -A INPUT -m set --match-set s src -j DROP");
    const auto wanted = captured().ruleset;
    shell(
        "ipset create t hash:ip timeout 0; ipset swap s t; ipset destroy t; ipset add s 192.0.2.8 timeout "
        "900");
    must_load(wanted);
    CHECK(shell("ipset save | grep add") == "add s 192.0.2.1\n");
  });
}

TEST_CASE("a set changes its type while rules and a list name it") {
  const Backend backend = both();
  in_lab([&] {
    const std::string ip = "iptables-" + std::string(name(backend));
    shell("ipset create s hash:net; ipset add s 10.0.0.0/8; ipset create l list:set; ipset add l s");
    shell(ip + " -A INPUT -m set --match-set s src -j DROP; " + ip +
          " -A INPUT -m set --match-set l dst -j ACCEPT; " + ip + " -A INPUT -j SET --add-set s src");
    const auto wanted = captured().ruleset;
    const std::string sets = shell("ipset save");
    const std::string rules = save(backend);
    shell(ip +
          " -F; ipset del l s; ipset destroy s; ipset create s hash:ip,port family inet; "
          "ipset add s 192.0.2.1,tcp:80; ipset add l s; " +
          ip + " -A INPUT -m set --match-set s src,dst -j DROP; " + ip +
          " -A INPUT -m set --match-set l src -j DROP");
    must_load(wanted);
    CHECK(shell("ipset save") == sets);
    CHECK(save(backend) == rules);
  });
}

TEST_CASE("a set and the list that holds it change places") {
  const Backend backend = both();
  // The names decide which of the two sets of the load comes first.
  const auto [set, list] = GENERATE(std::pair("x", "y"), std::pair("y", "x"));
  const auto make = [](const std::string& ip, const std::string& s, const std::string& l) {
    shell("ipset create " + s + " hash:ip; ipset add " + s + " 192.0.2.1; ipset create " + l +
          " list:set; ipset add " + l + " " + s + "; " + ip + " -A INPUT -m set --match-set " + l +
          " src -j DROP; " + ip + " -A INPUT -m set --match-set " + s + " src -j ACCEPT");
  };
  in_lab([&, set = set, list = list] {
    const std::string ip = "iptables-" + std::string(name(backend));
    make(ip, set, list);
    const auto wanted = captured().ruleset;
    const std::string sets = shell("ipset save | grep -v create");
    const std::string rules = save(backend);
    shell(ip + " -F; ipset destroy " + list + "; ipset destroy " + set);
    make(ip, list, set);
    must_load(wanted);
    CHECK(shell("ipset save | grep -v create") == sets);
    CHECK(shell("ipset list -n | sort") == "x\ny\n");
    CHECK(save(backend) == rules);
  });
}

TEST_CASE("a refused load names table and line, and goes no further") {
  const Backend backend = both();
  in_lab([&] {
    Ruleset wanted{
        .v4 = tables_of("*filter\n:INPUT DROP [0:0]\n-A INPUT -i lo -j ACCEPT\nCOMMIT\n"
                        "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j NOSUCHTHING --to 1\nCOMMIT\n"
                        "*raw\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -j ACCEPT\nCOMMIT\n"),
        .backend = backend};
    const auto loaded = load_unstaged(wanted);
    REQUIRE_FALSE(loaded);
    CHECK(loaded.error().kind == ErrorKind::kernel);
    CHECK(loaded.error().message.starts_with("table ip nat: rules.v4:7: "));
    CHECK(save(backend).find("OUTPUT -j ACCEPT") == std::string::npos);
  });
}

TEST_CASE("a refused load leaves no set of its own behind while a set changes its type") {
  const Backend backend = both();
  in_lab([&] {
    shell("ipset create s hash:ip; ipset add s 192.0.2.1; iptables-" + std::string(name(backend)) +
          " -A INPUT -m set --match-set s src -j DROP");
    shell("ipset create l list:set; ipset add l s");
    const std::string sets = shell("ipset save");
    const std::string rules = shell("iptables-" + std::string(name(backend)) + " -S");
    Ruleset wanted{
        .v4 = tables_of("*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -m set --match-set s src -j DROP\n"
                        "COMMIT\n*raw\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -j NOSUCHTHING\nCOMMIT\n"),
        .sets =
            sets_of("create s hash:net family inet\nadd s 10.0.0.0/8\ncreate l list:set size 8\nadd l s\n"),
        .backend = backend};
    const auto loaded = load_unstaged(wanted);
    REQUIRE_FALSE(loaded);
    CHECK(loaded.error().message.find("NOSUCHTHING") != std::string::npos);
    CHECK(shell("ipset save") == sets);
    CHECK(shell("iptables-" + std::string(name(backend)) + " -S") == rules);
  });
}

TEST_CASE("a refused load leaves no set behind that a new list names") {
  const Backend backend = both();
  const bool staged = GENERATE(true, false);
  in_lab([&] {
    shell("ipset create s hash:ip; ipset add s 192.0.2.1; iptables-" + std::string(name(backend)) +
          " -A INPUT -m set --match-set s src -j DROP");
    const std::string sets = shell("ipset save");
    Ruleset wanted{
        .v4 = tables_of("*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -m set --match-set s src -j DROP\n"
                        "COMMIT\n*raw\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -j NOSUCHTHING\nCOMMIT\n"),
        .sets = sets_of("create s hash:net family inet\nadd s 10.0.0.0/8\ncreate new list:set size 8\n"
                        "add new s\n"),
        .backend = backend};
    if (staged) {
      // The firewall changes after the stage, so the kernel refuses the transaction.
      wanted.v4.tables.pop_back();
      const auto live = captured();
      const auto prepared = host_firewall()->stage(wanted, &live.ruleset);
      REQUIRE(prepared);
      shell("iptables-" + std::string(name(backend)) + " -I INPUT -m set --match-set s src -j RETURN");
      if (backend == Backend::nft)
        REQUIRE_FALSE(host_firewall()->load(*prepared, live.ruleset, live.generation));
      else
        return;
    } else {
      REQUIRE_FALSE(load_unstaged(wanted));
    }
    CHECK(shell("ipset save") == sets);
  });
}

TEST_CASE("a refused set leaves nothing aside behind") {
  in_lab([] {
    shell("ipset create s hash:ip; ipset add s 192.0.2.1");
    const std::string before = shell("ipset save");
    Ruleset wanted;
    wanted.sets = sets_of(
        "create new hash:ip family inet\nadd new 192.0.2.7\ncreate s hash:ip family inet\nadd s 192.0.2.7\n"
        "add s no.such.host.invalid\n");
    const auto loaded = load_unstaged(wanted);
    REQUIRE_FALSE(loaded);
    CHECK(loaded.error().kind == ErrorKind::kernel);
    CHECK(shell("ipset save") == before);
  });
}

TEST_CASE("a part is staged without policies, and loads with them") {
  in_lab([] {
    const auto of = [](const std::string& policy, const std::string& rules) {
      return Ruleset{.v4 = tables_of("*filter\n:INPUT " + policy +
                                     " [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n:a - [0:0]\n" +
                                     rules + "COMMIT\n")};
    };
    must_load(of("DROP", "-A INPUT -j a\n-A a -s 192.0.2.1/32 -j ACCEPT\n"));
    const auto wanted = of("ACCEPT", "-A INPUT -s 192.0.2.2/32 -j DROP\n-A INPUT -j a\n-A a -j RETURN\n");
    must_load(wanted);
    CHECK(canonical_text(captured().ruleset.v4) == canonical_text(wanted.v4));
  });
}

#include <catch2/catch.hpp>

#include "diff/diff.h"
#include "support/native.h"
#include "support/rulesets.h"

using namespace rewall;
using namespace rewall::testing;

namespace {

std::string subject_of(const Ruleset& from, const Ruleset& to) {
  return subject(compare(from, to));
}

const std::string kWeb = "-p tcp -m tcp --dport 443 -j ACCEPT";
const std::string kBad = "-s 198.51.100.0/24 -j DROP";
const std::string kLocal = "-i lo -j ACCEPT";

}  // namespace

TEST_CASE("the subject of one rule names it in words") {
  CHECK(subject_of(input({}), input({kWeb})) == "filter/INPUT: +1 tcp dport 443 ACCEPT");
  CHECK(subject_of(input({kBad}), input({})) == "filter/INPUT: -1 from 198.51.100.0/24 DROP");
  CHECK(subject_of(input({kWeb}), input({"-p tcp -m tcp --dport 8443 -j ACCEPT"})) ==
        "filter/INPUT: ~1 dport 443 -> 8443");
  CHECK(subject_of(input({kBad, kLocal, kWeb}), input({kLocal, kWeb, kBad})) ==
        "filter/INPUT: rule 1 -> 3 from 198.51.100.0/24 DROP");
  CHECK(subject_of(input({kLocal}), input({"-i lo -m comment --comment home -j ACCEPT"})) ==
        "filter/INPUT: rule 1 comment home");
}

TEST_CASE("the subject of a policy, a chain, a set") {
  CHECK(subject_of(Ruleset{}, v4("*filter\n:INPUT DROP [0:0]\nCOMMIT\n")) ==
        "filter/INPUT: policy ACCEPT -> DROP");
  CHECK(subject_of(Ruleset{}, filter({":WEB - [0:0]"})) == "filter/WEB: chain added");
  CHECK(subject_of(Ruleset{}, filter({":WEB - [0:0]", "-A WEB " + kWeb})) == "filter/WEB: added +1");
  CHECK(subject_of(filter({":WEB - [0:0]", "-A WEB " + kWeb}), filter({":NEW - [0:0]", "-A NEW " + kWeb})) ==
        "filter/NEW: chain renamed from WEB");
  const auto set = sets("create black hash:ip family inet\nadd black 10.0.0.1\nadd black 10.0.0.2\n");
  CHECK(subject_of(Ruleset{}, set) == "set black: added with 2 members");
  CHECK(subject_of(set, sets("create black hash:ip family inet\nadd black 10.0.0.3\n")) ==
        "set black: +1 -2 members");
  CHECK(subject_of(set, sets("create black hash:ip family inet\nadd black 10.0.0.2\n")) ==
        "set black: -1 member");
}

TEST_CASE("the subject of several changes counts them") {
  CHECK(subject_of(input({kBad}), input({kWeb, kLocal})) == "filter/INPUT: +2 -1");
  CHECK(subject_of(filter({"-A INPUT " + kBad}), filter({"-A INPUT " + kWeb, "-A FORWARD " + kLocal})) ==
        "filter/INPUT +1 -1, filter/FORWARD +1");
  CHECK(subject_of(input({}), v4("*filter\n:INPUT DROP [0:0]\n-A INPUT " + kWeb + "\nCOMMIT\n")) ==
        "filter/INPUT: policy DROP +1");
}

TEST_CASE("IPv6 is said") {
  const Ruleset ipv6{.v6 = tables(filter_text({"-A INPUT " + kWeb}), Family::ipv6)};
  CHECK(subject_of(Ruleset{}, ipv6) == "ip6 filter/INPUT: +1 tcp dport 443 ACCEPT");
}

TEST_CASE("a subject is one line of at most 72 bytes, whatever the firewall holds") {
  Lines many;
  for (int i = 0; i < 40; ++i) {
    many.push_back(":CHAIN" + std::to_string(i) + " - [0:0]");
    many.push_back("-A CHAIN" + std::to_string(i) + ' ' + kWeb);
  }
  const auto crowded = subject_of(Ruleset{}, filter(many));
  CHECK(crowded == "filter/CHAIN0 added +1, filter/CHAIN1 added +1, 38 more");

  std::string umlauts;
  for (int i = 0; i < 30; ++i) umlauts += "\xc3\xa4";
  const auto wide =
      subject_of(input({}), input({"-m string --string \"\x1b" + umlauts + "\" --algo bm -j DROP"}));
  CHECK(wide.size() <= 72);
  CHECK(wide.size() >= 70);
  CHECK(wide.find('\x1b') == std::string::npos);
  CHECK(wide.ends_with("..."));
  // The cut is between characters: the byte before the mark is the second of its two.
  CHECK((static_cast<unsigned char>(wide[wide.size() - 4]) & 0xC0) == 0x80);
}

TEST_CASE("no change has a subject too") {
  CHECK(subject(Diff{}) == "no change");
}

TEST_CASE("the subject of a native table has its family, and nft's words") {
  const auto in_chain = [](const Lines& rules) {
    std::string out = "table inet f2b-table {\n\tchain f2b-chain {\n";
    for (const auto& rule : rules) out += "\t\t" + rule + "\n";
    return native(out + "\t}\n}\n");
  };
  const auto set = [](const std::string& elements) {
    return native("table inet f2b-table {\n\tset addr-set-sshd {\n\t\ttype ipv4_addr\n\t\telements = { " +
                  elements + " }\n\t}\n}\n");
  };
  CHECK(subject_of(in_chain({}), in_chain({"tcp dport 22 reject comment \"a\""})) ==
        "inet f2b-table/f2b-chain: +1 tcp dport 22 reject");
  CHECK(subject_of(in_chain({"tcp dport 22 reject"}), in_chain({"tcp dport 2222 reject"})) ==
        "inet f2b-table/f2b-chain: ~1 tcp dport 22 -> 2222");
  CHECK(subject_of(in_chain({"tcp dport 22 reject"}), in_chain({"tcp dport 22 drop"})) ==
        "inet f2b-table/f2b-chain: ~1 reject -> drop");
  CHECK(subject_of(in_chain({"drop comment \"a\""}), in_chain({"drop comment \"b\""})) ==
        "inet f2b-table/f2b-chain: rule 1 comment \"a\" -> \"b\"");
  CHECK(subject_of(set("192.0.2.1"), set("192.0.2.2, 192.0.2.3")) ==
        "inet f2b-table set addr-set-sshd: +2 -1 members");
  CHECK(subject_of(native("table ip x {\n}\n"), native("table ip x {\n\tflags dormant\n}\n")) ==
        "ip x: flags dormant");
  CHECK(subject_of(native(""), native("table ip x {\n}\n")) == "ip x: added");
  CHECK(subject_of(native(""), in_chain({"accept", "drop"})) == "inet f2b-table: added +2");
  CHECK(subject_of(in_chain({"accept", "drop"}), native("")) == "inet f2b-table: removed");
  CHECK(subject_of(native(""), native("table ip x {\n\tcounter c {\n\t}\n}\ntable ip y {\n}\n")) ==
        "ip x added, ip y added");
  const auto mixed = native(
      "table ip filter {\n\tchain INPUT {\n\t\ttype filter hook input priority filter; policy accept;\n\t\t"
      "iifname \"lo\" counter accept\n\t\tct state new drop\n\t}\n}\n");
  CHECK(subject_of(input({"-i lo -j ACCEPT"}), mixed) ==
        "ip filter/INPUT +1, ip filter form iptables -> nft");
  CHECK(subject_of(mixed, input({"-i lo -j ACCEPT"})) == "filter/INPUT -1, filter form nft -> iptables");
}

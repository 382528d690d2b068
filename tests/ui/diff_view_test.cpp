#include "ui/diff_view.h"

#include <catch2/catch.hpp>

#include "rules/parse.h"
#include "rules/rules_file.h"
#include "support/native.h"

using namespace rewall;

namespace {

Ruleset ruleset(const std::string& rules, const std::string& sets = "") {
  const auto text =
      "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n" + rules + "COMMIT\n";
  return {.v4 = parse_tables(text, Family::ipv4, "v4").value(), .sets = parse_sets(sets, "ipset").value()};
}

std::string shown(const Ruleset& from, const Ruleset& to) {
  return render(compare(from, to), Paint{});
}

}  // namespace

TEST_CASE("a rule is shown as people write it") {
  CHECK(readable_rule("-p tcp -m tcp --dport 443 -m comment --comment web -j ACCEPT") ==
        "-p tcp --dport 443 -j ACCEPT  # web");
  CHECK(readable_rule("-s 10.0.0.0/8 -p tcp -m tcp ! --dport 22 -j DROP") ==
        "-s 10.0.0.0/8 -p tcp ! --dport 22 -j DROP");
  CHECK(readable_rule("-p tcp -m tcp -j DROP") == "-p tcp -m tcp -j DROP");
  CHECK(readable_rule("-j LOG --log-prefix \"in: \"") == "-j LOG --log-prefix \"in: \"");
  CHECK(readable_rule("-m comment --comment \"\x1b[2J\" -j DROP") == "-j DROP  # \\x1b[2J");
}

TEST_CASE("each kind of change has its line") {
  const auto from = ruleset(
      ":GONE - [0:0]\n:OLD - [0:0]\n"
      "-A INPUT -p tcp -m tcp --dport 2222 -j ACCEPT\n"
      "-A INPUT -i lo -j ACCEPT\n"
      "-A INPUT -s 198.51.100.0/24 -j DROP\n"
      "-A INPUT -m comment --comment old -p udp -j ACCEPT\n"
      "-A GONE -j LOG\n"
      "-A OLD -p tcp -m tcp --dport 1 -j DROP\n-A OLD -p tcp -m tcp --dport 2 -j DROP\n",
      "create bad hash:ip family inet\nadd bad 192.0.2.1\n");
  const auto to = ruleset(
      ":OLDER - [0:0]\n"
      "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n"
      "-A INPUT -i lo -j ACCEPT\n"
      "-A INPUT -m comment --comment new -p udp -j ACCEPT\n"
      "-A INPUT -p icmp -j ACCEPT\n"
      "-A OLDER -p tcp -m tcp --dport 1 -j DROP\n-A OLDER -p tcp -m tcp --dport 2 -j DROP\n",
      "create bad hash:ip family inet\nadd bad 192.0.2.2\ncreate new hash:net family inet\n");
  const auto text = shown(from, to);
  INFO(text);
  const auto has = [&](const char* line) { return text.find(line) != std::string::npos; };
  CHECK(has("ip filter INPUT\n"));
  CHECK(has("  ~ 1     -p tcp --dport {2222 -> 22} -j ACCEPT\n"));
  CHECK(has("  - 3     -s 198.51.100.0/24 -j DROP\n"));
  CHECK(has("  # 3     -p udp -j ACCEPT  # {old -> new}\n"));
  CHECK(has("  + 4     -p icmp -j ACCEPT\n"));
  CHECK(has("ip filter GONE  chain removed\n  - 1     -j LOG\n"));
  CHECK(has("ip filter OLDER  chain renamed from OLD\n"));
  CHECK(has("set bad\n  - 192.0.2.1\n  + 192.0.2.2\n"));
  CHECK(has("set new  set added  create new hash:net family inet\n"));
}

TEST_CASE("a move that changes no verdict says so, another does not") {
  const auto first = ruleset("-A INPUT -s 10.0.0.1/32 -j ACCEPT\n-A INPUT -s 10.0.0.2/32 -j DROP\n");
  const auto second = ruleset("-A INPUT -s 10.0.0.2/32 -j DROP\n-A INPUT -s 10.0.0.1/32 -j ACCEPT\n");
  CHECK(shown(first, second).find("(changes no verdict)") != std::string::npos);
  const auto wide = ruleset("-A INPUT -s 10.0.0.1/32 -j ACCEPT\n-A INPUT -s 10.0.0.0/8 -j DROP\n");
  const auto narrow = ruleset("-A INPUT -s 10.0.0.0/8 -j DROP\n-A INPUT -s 10.0.0.1/32 -j ACCEPT\n");
  const auto moved = shown(wide, narrow);
  CHECK(moved.find("->") != std::string::npos);
  CHECK(moved.find("(changes no verdict)") == std::string::npos);
}

TEST_CASE("colours come only when they are asked for") {
  const auto diff = compare(ruleset(""), ruleset("-A INPUT -j DROP\n"));
  CHECK(render(diff, Paint{.on = true}).find("\x1b[32m") != std::string::npos);
  CHECK(render(diff, Paint{}).find('\x1b') == std::string::npos);
}

TEST_CASE("a member whose timeout is running is no part of a set") {
  const auto from = ruleset("", "create bad hash:ip timeout 300\n");
  const auto to = ruleset("",
                          "create bad hash:ip timeout 300\nadd bad 192.0.2.1 timeout 0\n"
                          "add bad 192.0.2.2 timeout 299\n");
  CHECK(shown(from, to) == "set bad\n  + 192.0.2.1 timeout 0\n");
}

TEST_CASE("counts are summed a chain") {
  const auto text =
      render_stat(compare(ruleset(""), ruleset("-A INPUT -j DROP\n-A OUTPUT -j DROP\n")), Paint{});
  CHECK(text == " ip filter INPUT  | +1\n ip filter OUTPUT | +1\n 2 changes in 2 places: +2\n");
}

TEST_CASE("what is marked foreign is a line for each owner") {
  const auto from =
      ruleset(":f2b-sshd - [0:0]\n-A INPUT -j f2b-sshd\n-A f2b-sshd -s 203.0.113.1/32 -j REJECT\n");
  const auto to = ruleset(
      ":f2b-sshd - [0:0]\n:DOCKER - [0:0]\n-A INPUT -j f2b-sshd\n-A INPUT -p icmp -j ACCEPT\n"
      "-A FORWARD -o docker0 -j DOCKER\n-A DOCKER -j RETURN\n-A f2b-sshd -s 203.0.113.2/32 -j REJECT\n"
      "-A f2b-sshd -s 203.0.113.3/32 -j REJECT\n",
      "create f2b-web hash:ip\nadd f2b-web 203.0.113.4\n");
  Diff diff = compare(from, to);
  CHECK(render(diff, Paint{}).find("203.0.113.3") != std::string::npos);
  mark_foreign(diff, from, to, default_owners());
  CHECK(render(diff, Paint{}) ==
        "ip filter INPUT\n"
        "  + 2     -p icmp -j ACCEPT\n"
        "\n"
        "docker  +2 ~1 in 2 places\n"
        "fail2ban  +2 ~1 in 2 places\n");
  CHECK(render_stat(diff, Paint{}) ==
        " ip filter INPUT | +1\n"
        " docker          | +2 ~1\n"
        " fail2ban        | +2 ~1\n"
        " 7 changes in 5 places: +5 ~2\n");
  std::erase_if(diff.changes, [](const Change& change) { return change.foreign.empty(); });
  CHECK(render(diff, Paint{}) == "docker  +2 ~1 in 2 places\nfail2ban  +2 ~1 in 2 places\n");
}

TEST_CASE("native tables are shown chain by chain and set by set, with nft's words") {
  const auto from = testing::native(
      "table inet f2b-table {\n"
      "\tset addr-set-sshd {\n\t\ttype ipv4_addr\n\t\tflags interval\n\t\telements = { 192.0.2.1 }\n\t}\n\n"
      "\tchain f2b-chain {\n\t\ttype filter hook input priority filter - 1; policy accept;\n"
      "\t\ttcp dport 22 accept\n"
      "\t\tlog prefix \"a  b\" comment \"old\"\n"
      "\t\tcounter drop\n\t}\n}\n"
      "table ip gone {\n}\n");
  const auto to = testing::native(
      "table inet f2b-table {\n"
      "\tset addr-set-sshd {\n\t\ttype ipv4_addr\n\t\tflags timeout\n\t\telements = { 192.0.2.2 }\n\t}\n\n"
      "\tcounter seen {\n\t\tpackets 0 bytes 0\n\t}\n\n"
      "\tchain f2b-chain {\n\t\ttype filter hook input priority raw; policy drop;\n"
      "\t\ttcp dport 2222 drop\n"
      "\t\tlog prefix \"a  b\" comment \"new\"\n"
      "\t\ticmp type echo-request accept comment \"ping\"\n\t}\n}\n");
  const auto text = shown(from, to);
  CHECK(text ==
        "ip gone  table removed\n"
        "\n"
        "inet f2b-table set addr-set-sshd  flags {interval -> timeout}\n"
        "  - 192.0.2.1\n"
        "  + 192.0.2.2\n"
        "\n"
        "inet f2b-table counter seen  counter added\n"
        "\n"
        "inet f2b-table f2b-chain  priority {filter - 1 -> raw}  policy accept -> drop\n"
        "  - 1     tcp dport 22 accept\n"
        "  + 1     tcp dport 2222 drop\n"
        "  # 2     log prefix \"a  b\"  # {\"old\" -> \"new\"}\n"
        "  - 3     counter drop\n"
        "  + 3     icmp type echo-request accept  # ping\n");
  CHECK(render_stat(compare(from, to), Paint{}) ==
        " ip gone                          | ~1  table removed\n"
        " inet f2b-table set addr-set-sshd | +1 -1 ~1  set-changed\n"
        " inet f2b-table counter seen      |   set-added\n"
        " inet f2b-table f2b-chain         | +2 -2 ~3  priority {filter - 1 -> raw}  policy accept -> drop\n"
        " 11 changes in 4 places: +3 -3 ~5\n");
}

TEST_CASE("a changed rule of a native table shows the words that differ") {
  const auto line = [](const std::string& from, const std::string& to) {
    const auto text =
        shown(testing::native(testing::input_chain({from})), testing::native(testing::input_chain({to})));
    return text.substr(text.find('\n') + 1);
  };
  CHECK(line("tcp dport 22 accept", "tcp dport 2222 accept") == "  ~ 1     tcp dport {22 -> 2222} accept\n");
  CHECK(line("tcp dport 22 accept", "tcp dport 22 drop") == "  ~ 1     tcp dport 22 {accept -> drop}\n");
  CHECK(line("tcp dport 22 accept", "tcp dport 22 counter accept") ==
        "  ~ 1     tcp dport 22 {+ counter} accept\n");
  CHECK(line("ip saddr 192.0.2.1 tcp dport 22 accept", "tcp dport 22 accept") ==
        "  ~ 1     tcp dport 22 accept {- ip saddr 192.0.2.1}\n");
  CHECK(line("counter limit rate 1/second", "limit rate 1/second counter") ==
        "  ~ 1     limit rate 1/second counter {was counter limit rate 1/second}\n");
}

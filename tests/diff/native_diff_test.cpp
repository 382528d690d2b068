#include "diff/native_diff.h"

#include <catch2/catch.hpp>
#include <chrono>

#include "core/format.h"
#include "core/text.h"
#include "diff/diff.h"
#include "support/native.h"
#include "support/rulesets.h"

using namespace rewall;
using namespace rewall::testing;

namespace {

std::string side(const std::optional<std::string>& words) {
  return words ? *words : "-";
}

/// "changed inet t/input 1->1 tcp dport:22>2222", one line a change.
std::string line_of(const Change& change) {
  REQUIRE(change.native);
  CHECK_FALSE(change.family);
  CHECK_FALSE(change.backend);
  std::string out = format("{} {} {}", name(change.kind), name(*change.native), change.table);
  if (!change.chain.empty()) out += '/' + change.chain;
  if (!change.set.empty()) out += format(" {} {}", change.object, change.set);
  if (change.from_pos) out += format(" {}", *change.from_pos);
  if (change.to_pos) out += format("->{}", *change.to_pos);
  if (change.parts.empty()) {
    if (change.from) out += format(" [{}]", *change.from);
    if (change.to) out += format(" > [{}]", *change.to);
  }
  for (const auto& part : change.parts) out += format(" {}:{}>{}", part.part, side(part.from), side(part.to));
  if (change.no_effect) out += " no effect";
  return out;
}

Lines changes(const std::string& from, const std::string& to) {
  Lines out;
  for (const auto& change : compare(native(from), native(to)).changes) out.push_back(line_of(change));
  return out;
}

Lines rule_changes(const Lines& from, const Lines& to) {
  return changes(input_chain(from), input_chain(to));
}

bool respelled(const std::string& from, const std::string& to) {
  const auto diff = compare(native(from), native(to));
  CHECK(diff.equal());
  return diff.respelled;
}

bool same_rule(const std::string& one, const std::string& other) {
  const auto diff = compare(native(input_chain({one})), native(input_chain({other})));
  if (diff.equal()) CHECK(diff.respelled);
  return diff.equal();
}

std::string set_text(const std::string& facts, const std::string& elements) {
  return "table inet t {\n\tset s {\n\t\t" + facts + "\n" +
         (elements.empty() ? "" : "\t\telements = { " + elements + " }\n") + "\t}\n}\n";
}

}  // namespace

TEST_CASE("rules of a native chain are added, removed, changed and moved") {
  const std::string ssh = "tcp dport 22 accept";
  const std::string web = "tcp dport 80 accept";
  const std::string drop = "ip saddr 192.0.2.0/24 drop";
  CHECK(rule_changes({ssh}, {ssh}).empty());
  CHECK(rule_changes({ssh}, {ssh, web}) == Lines{"added inet t/input->2 > [tcp dport 80 accept]"});
  CHECK(rule_changes({ssh, web}, {web}) == Lines{"removed inet t/input 1 [tcp dport 22 accept]"});
  CHECK(rule_changes({ssh}, {"tcp dport 2222 accept"}) ==
        Lines{"changed inet t/input 1->1 tcp dport:22>2222"});
  CHECK(rule_changes({ssh}, {"tcp dport 22 drop"}) == Lines{"changed inet t/input 1->1 verdict:accept>drop"});
  CHECK(rule_changes({ssh}, {"ip saddr 192.0.2.1 tcp dport 22 counter accept"}) ==
        Lines{"changed inet t/input 1->1 ip saddr:->192.0.2.1 counter:->"});
  CHECK(rule_changes({ssh, web, drop}, {drop, ssh, web}) ==
        Lines{"moved inet t/input 3->1 [ip saddr 192.0.2.0/24 drop] > [ip saddr 192.0.2.0/24 drop]"});
  CHECK(rule_changes({ssh, drop, web}, {"counter", ssh, drop, web}) ==
        Lines{"added inet t/input->1 > [counter]"});
}

TEST_CASE("a move past rules that only count, or that end in the same verdict, has no effect") {
  const auto moved = [](const Lines& from, const Lines& to) {
    const auto diff = compare(native(input_chain(from)), native(input_chain(to)));
    REQUIRE(diff.changes.size() == 1);
    REQUIRE(diff.changes[0].kind == ChangeKind::moved);
    return diff.changes[0].no_effect;
  };
  const std::string ssh = "tcp dport 22 accept";
  const std::string web = "iifname \"eth0\" tcp dport 80 counter accept";
  const std::string drop = "ip saddr 192.0.2.0/24 drop";
  const std::string count = "ip protocol tcp counter log prefix \"a\"";
  CHECK(moved({ssh, web, "tcp dport 1 accept"}, {web, "tcp dport 1 accept", ssh}));
  CHECK(moved({count, ssh, drop}, {ssh, drop, count}));
  CHECK_FALSE(moved({drop, ssh, web}, {ssh, web, drop}));
  CHECK_FALSE(moved({"limit rate 1/second accept", ssh, web}, {ssh, web, "limit rate 1/second accept"}));
  CHECK_FALSE(moved({"meta mark set 1", ssh, web}, {ssh, web, "meta mark set 1"}));
  CHECK_FALSE(moved({"jump other", ssh, web}, {ssh, web, "jump other"}));
}

TEST_CASE("rules of one meaning are no change, but another spelling") {
  CHECK(same_rule("tcp dport { 80, 22 } accept", "tcp dport { 22, 80 } accept"));
  CHECK(same_rule("tcp dport { 22 } accept", "tcp dport 22 accept"));
  CHECK(same_rule("tcp dport ssh accept", "tcp dport 22 accept"));
  CHECK(same_rule("tcp dport { http, ssh } accept", "tcp dport { 22, 80 } accept"));
  CHECK(same_rule("tcp dport != ssh accept", "tcp dport != 22 accept"));
  CHECK(same_rule("ip protocol tcp accept", "ip protocol 6 accept"));
  CHECK(same_rule("meta l4proto { tcp, udp } accept", "meta l4proto { 17, 6 } accept"));
  CHECK(same_rule("ip saddr . tcp dport { 192.0.2.1 . ssh } drop",
                  "ip saddr . tcp dport { 192.0.2.1 . 22 } drop"));
  CHECK(same_rule("ip saddr 192.0.2.1/32 drop", "ip saddr 192.0.2.1 drop"));
  CHECK(same_rule("ip6 saddr 2001:db8::1/128 drop", "ip6 saddr 2001:db8::1 drop"));
  CHECK(same_rule("ct state related,established accept", "ct state established,related accept"));
  CHECK(same_rule("meta mark 0x00000010 accept", "meta mark 16 accept"));
  CHECK(same_rule("counter packets 12 bytes 3400 accept", "counter packets 0 bytes 0 accept"));
  CHECK(same_rule("counter packets 12 bytes 3400 accept", "counter accept"));
  CHECK(same_rule("tcp dport vmap { 80 : drop, 22 : accept }", "tcp dport vmap { 22 : accept, 80 : drop }"));
}

TEST_CASE("rules that look alike are no equals") {
  CHECK_FALSE(same_rule("ip saddr 192.0.2.0/31 drop", "ip saddr 192.0.2.0 drop"));
  CHECK_FALSE(same_rule("tcp dport 22 accept", "tcp sport 22 accept"));
  CHECK_FALSE(same_rule("tcp dport { 22 } accept", "tcp dport != { 22 } accept"));
  CHECK_FALSE(same_rule("limit rate 1/second counter", "counter limit rate 1/second"));
  CHECK_FALSE(same_rule("log prefix \"ssh\"", "log prefix \"22\""));
  CHECK_FALSE(same_rule("log prefix \"a  b\"", "log prefix \"a b\""));
  CHECK_FALSE(same_rule("@th,160,128 1 drop", "@th,128,160 1 drop"));
  // A host's name for a mark or an interface is none of a service.
  CHECK_FALSE(same_rule("iifname ssh accept", "iifname 22 accept"));
  CHECK(rule_changes({"limit rate 1/second counter"}, {"counter limit rate 1/second"}) ==
        Lines{"changed inet t/input 1->1 order:limit rate 1/second counter>counter limit rate 1/second"});
}

TEST_CASE("chains and sets may be named like words of nft") {
  const auto to_chain = [](const std::string& rule, const std::string& name) {
    return "table inet t {\n\tchain " + name + " {\n\t}\n\n\tchain c {\n\t\t" + rule + "\n\t}\n}\n";
  };
  CHECK(changes(to_chain("jump used", "used"), to_chain("goto used", "used")) ==
        Lines{"removed inet t/c 1 [jump used]", "added inet t/c->1 > [goto used]"});
  CHECK(changes(to_chain("tcp dport 22 jump tcp", "tcp"), to_chain("tcp dport 23 jump tcp", "tcp")) ==
        Lines{"changed inet t/c 1->1 tcp dport:22>23"});
}

TEST_CASE("braces of any depth and concatenations of any length are read") {
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "{ ";
  for (int i = 0; i < 100'000; ++i) deep += "} ";
  std::string wide = "tcp dport";
  for (int i = 0; i < 100'000; ++i) wide += " . tcp dport";
  CHECK(rule_changes({deep + "accept"}, {deep + "drop"}).size() == 1);
  CHECK(rule_changes({wide + " @s accept"}, {wide + " @s drop"}).size() == 1);
}

TEST_CASE("a comment is its own change") {
  CHECK(rule_changes({"accept comment \"a\""}, {"accept comment \"b; c\""}) ==
        Lines{"comment inet t/input 1->1 comment:\"a\">\"b; c\""});
  CHECK(rule_changes({"accept"}, {"accept comment \"b\""}) ==
        Lines{"comment inet t/input 1->1 comment:->\"b\""});
}

TEST_CASE("a policy, a hook and a priority of a chain") {
  CHECK(changes(input_chain({}), input_chain({}, "drop")) == Lines{"policy inet t/input [accept] > [drop]"});
  const auto with = [](const std::string& type) {
    return "table inet t {\n\tchain c {\n\t\t" + type + "\n\t}\n}\n";
  };
  const std::string filter = "type filter hook input priority filter; policy accept;";
  CHECK(changes(with(filter), with("type filter hook input priority raw; policy accept;")) ==
        Lines{"table-changed inet t/c priority:filter>raw"});
  CHECK(changes(with(filter), with("type filter hook forward priority filter + 1; policy drop;")) ==
        Lines{"table-changed inet t/c hook:input>forward priority:filter>filter + 1",
              "policy inet t/c [accept] > [drop]"});
  CHECK(respelled(with(filter), with("type filter hook input priority 0; policy accept;")));
  CHECK(respelled(with("type filter hook input priority filter - 1; policy accept;"),
                  with("type filter hook input priority -1; policy accept;")));
  const auto number = [](const std::string& family, const std::string& word, const std::string& value) {
    const auto text = [&](const std::string& priority) {
      return "table " + family + " t {\n\tchain c {\n\t\ttype filter hook input priority " + priority +
             "; policy accept;\n\t}\n}\n";
    };
    return respelled(text(word), text(value));
  };
  // nft(8), CHAINS: Standard priority names.
  CHECK(number("ip", "raw", "-300"));
  CHECK(number("ip", "mangle", "-150"));
  CHECK(number("ip6", "dstnat", "-100"));
  CHECK(number("inet", "security", "50"));
  CHECK(number("inet", "srcnat", "100"));
  CHECK(number("bridge", "dstnat", "-300"));
  CHECK(number("bridge", "filter", "-200"));
  CHECK(number("bridge", "out", "100"));
  CHECK(number("bridge", "srcnat", "300"));
}

TEST_CASE("chains are added, removed and renamed") {
  const auto with = [](const std::string& chain, const std::string& jump) {
    return "table inet t {\n\tchain input {\n\t\ttype filter hook input priority filter; policy "
           "accept;\n\t\tjump " +
           jump + "\n\t}\n\n\tchain " + chain + " {\n\t\ttcp dport 22 accept\n\t}\n}\n";
  };
  CHECK(changes(with("ssh", "ssh"), with("login", "login")) ==
        Lines{"chain-renamed inet t/login [ssh] > [login]"});
  CHECK(changes("table inet t {\n}\n", "table inet t {\n\tchain c {\n\t\taccept\n\t}\n}\n") ==
        Lines{"chain-added inet t/c > [c]", "added inet t/c->1 > [accept]"});
  CHECK(changes("table inet t {\n\tchain c {\n\t\taccept\n\t}\n}\n", "table inet t {\n}\n") ==
        Lines{"chain-removed inet t/c [c]", "removed inet t/c 1 [accept]"});
}

TEST_CASE("sets and elements") {
  const std::string type = "type ipv4_addr";
  CHECK(changes(set_text(type, "192.0.2.1, 192.0.2.2"), set_text(type, "192.0.2.2, 192.0.2.3")) ==
        Lines{"members inet t set s member:192.0.2.1>- member:->192.0.2.3"});
  CHECK(changes(set_text(type, ""), set_text("type ipv6_addr", "")) ==
        Lines{"set-changed inet t set s type:ipv4_addr>ipv6_addr"});
  CHECK(changes(set_text("flags interval", ""), set_text("flags timeout,interval", "")) ==
        Lines{"set-changed inet t set s flags:interval>timeout,interval"});
  CHECK(changes("table inet t {\n}\n", set_text(type, "192.0.2.1")) ==
        Lines{"set-added inet t set s member:->192.0.2.1"});
  CHECK(changes(set_text(type, ""), "table inet t {\n}\n") ==
        Lines{"set-removed inet t set s [type ipv4_addr]"});
  CHECK(respelled(set_text(type, "192.0.2.2, 192.0.2.1"), set_text(type, "192.0.2.1, 192.0.2.2")));
  CHECK(respelled(set_text(type, "192.0.2.1/32"), set_text(type, "192.0.2.1")));
  CHECK(respelled(set_text("type inet_service", "ssh"), set_text("type inet_service", "22")));
  CHECK(respelled(set_text("type ipv4_addr . inet_service", "192.0.2.1 . ssh"),
                  set_text("type ipv4_addr . inet_service", "192.0.2.1 . 22")));
  CHECK(respelled(set_text(type, "192.0.2.1 timeout 1h expires 5s"), set_text(type, "192.0.2.1 timeout 1h")));
  CHECK(changes(set_text(type, "192.0.2.1 comment \"a\""), set_text(type, "192.0.2.1 comment \"b\"")) ==
        Lines{"members inet t set s member:192.0.2.1 comment \"a\">- member:->192.0.2.1 comment \"b\""});
}

TEST_CASE("counters keep their counts for themselves") {
  const auto with = [](const std::string& facts) {
    return "table inet t {\n\tcounter c {\n" + facts + "\t}\n}\n";
  };
  CHECK(respelled(with("\t\tpackets 1 bytes 2\n"), with("\t\tpackets 0 bytes 0\n")) == false);
  CHECK(changes(with(""), with("\t\tcomment \"a\"\n")) ==
        Lines{"set-changed inet t counter c comment:->\"a\""});
  const auto quota = [](const std::string& fact) {
    return "table inet t {\n\tquota q {\n\t\t" + fact + "\n\t}\n}\n";
  };
  CHECK(compare(native(quota("over 10 bytes used 5 bytes")), native(quota("over 10 bytes"))).equal());
  CHECK(changes(quota("over 10 bytes"), quota("over 11 bytes")) ==
        Lines{"set-changed inet t quota q over:10 bytes>11 bytes"});
}

TEST_CASE("tables are added, removed and changed") {
  CHECK(changes("", "table ip x {\n\tchain c {\n\t\taccept\n\t}\n}\n") ==
        Lines{"table-added ip x > []", "chain-added ip x/c > [c]", "added ip x/c->1 > [accept]"});
  CHECK(changes("table ip x {\n\tflags dormant\n}\n", "") == Lines{"table-removed ip x [flags dormant]"});
  CHECK(changes("table ip x {\n}\n", "table ip x {\n\tflags dormant\n}\n") ==
        Lines{"table-changed ip x flags:->dormant"});
  // The same name in another family is another table.
  CHECK(changes("table ip x {\n}\n", "table ip6 x {\n}\n") ==
        Lines{"table-removed ip x []", "table-added ip6 x > []"});
}

TEST_CASE("native tables that nobody recorded count as none") {
  const auto some = native("table ip x {\n}\n");
  CHECK(compare(Ruleset{}, some).changes.size() == 1);
  CHECK(compare(Ruleset{}, Ruleset{}).identical());
  CHECK(compare(Ruleset{}, native("")).identical());
}

namespace {

/// "ip filter/INPUT changed 2->3", one line a change; a change of iptables' form is of "filter".
Lines form_changes(const Ruleset& from, const Ruleset& to) {
  Lines out;
  for (const auto& change : compare(from, to).changes) {
    auto line = change.native ? format("{} {}", name(*change.native), change.table) : change.table;
    if (!change.chain.empty()) line += '/' + change.chain;
    if (!change.set.empty()) line += format(" {} {}", change.object, change.set);
    line += format(" {}", name(change.kind));
    if (change.from_pos) line += format(" {}", *change.from_pos);
    if (change.to_pos) line += format("->{}", *change.to_pos);
    if (change.from) line += format(" [{}]", *change.from);
    if (change.to) line += format(" > [{}]", *change.to);
    for (const auto& part : change.parts)
      line += format(" {}:{}>{}", part.part, side(part.from), side(part.to));
    out.push_back(line);
  }
  return out;
}

}  // namespace

TEST_CASE("of a table that changes its form those rules are changes that mean something else") {
  const auto of_iptables = filter({":web - [0:0]", "-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT",
                                   "-A INPUT -p tcp -m tcp --dport 22 -m comment --comment ssh -j ACCEPT",
                                   "-A INPUT -m limit --limit 5/min -j ACCEPT", "-A INPUT -i eth+ -g web",
                                   "-A INPUT", "-A web -s 192.0.2.0/24 -j DROP"});
  const auto of_nft = [](const std::string& policy, const Lines& rules, const std::string& more = "") {
    std::string text = "table ip filter {\n" + more +
                       "\tchain INPUT {\n\t\ttype filter hook input priority filter; policy " + policy +
                       ";\n";
    for (const auto& rule : rules) text += "\t\t" + rule + "\n";
    return native(text + "\t}\n\n\tchain web {\n\t\tip saddr 192.0.2.0/24 counter drop\n\t}\n}\n");
  };
  const Lines rules{
      "ct state established counter accept # iptables: -m conntrack --ctstate ESTABLISHED -j ACCEPT",
      "tcp dport 22 counter accept comment \"ssh\"", "limit rate 5/minute counter accept",
      "iifname \"eth*\" counter goto web", "counter"};
  CHECK(form_changes(of_iptables, of_nft("accept", rules)) ==
        Lines{"ip filter table-changed form:iptables>nft"});
  CHECK(form_changes(of_nft("accept", rules), of_iptables) ==
        Lines{"filter table-changed form:nft>iptables"});

  Lines other = rules;
  other[1] = "tcp dport 2222 counter accept comment \"ssh\"";
  other.insert(other.begin() + 3, "tcp dport 443 ct state new counter accept");
  other.pop_back();
  const auto changed = of_nft("drop", other, "\tset s {\n\t\ttype ipv4_addr\n\t}\n\n");
  CHECK(
      form_changes(of_iptables, changed) ==
      Lines{
          "ip filter set s set-added > [type ipv4_addr]", "ip filter/INPUT policy [accept] > [drop]",
          "ip filter/INPUT changed 2->2 [-p tcp -m tcp --dport 22 -m comment --comment ssh -j ACCEPT] > [tcp "
          "dport 2222 counter accept comment \"ssh\"] --dport:22>2222",
          "ip filter/INPUT added->4 > [tcp dport 443 ct state new counter accept]",
          "ip filter/INPUT removed 5 []", "ip filter table-changed form:iptables>nft"});
  CHECK(form_changes(changed, of_iptables) ==
        Lines{"ip filter set s set-removed [type ipv4_addr]", "filter/INPUT policy [DROP] > [ACCEPT]",
              "filter/INPUT changed 2->2 [tcp dport 2222 counter accept comment \"ssh\"] > [-p tcp -m tcp "
              "--dport 22 "
              "-m comment --comment ssh -j ACCEPT] --dport:2222>22",
              "filter/INPUT removed 4 [tcp dport 443 ct state new counter accept]",
              "filter/INPUT added->5 > []", "filter table-changed form:nft>iptables"});
  // Two rules change places; a base chain that iptables does not make; a chain goes.
  Lines moved = rules;
  std::swap(moved[0], moved[1]);
  const auto with_moved = form_changes(of_iptables, of_nft("accept", moved));
  REQUIRE(with_moved.size() == 2);
  CHECK(with_moved.front().starts_with("ip filter/INPUT moved "));
  CHECK(form_changes(filter({}), of_nft("accept", rules)).front() == "ip filter table-added > []");
  const auto late = native(
      "table ip filter {\n\tchain INPUT {\n\t\ttype filter hook input priority filter + 5; policy "
      "accept;\n\t\t"
      "counter\n\t}\n\n\tchain mine {\n\t\ttype filter hook input priority 10; policy accept;\n\t}\n}\n");
  CHECK(form_changes(input({""}), late) == Lines{"ip filter/INPUT table-changed [type filter hook input "
                                                 "priority 0;] > [type filter hook input priority "
                                                 "filter + 5;] priority:0>filter + 5",
                                                 "ip filter/mine chain-added > [mine]",
                                                 "ip filter table-changed form:iptables>nft"});
}

TEST_CASE("the built-in chains of all tables of iptables keep their hooks over a change of form") {
  // As nft lists what iptables-nft made.
  const std::vector<std::pair<std::string, Lines>> all{
      {"raw", {"PREROUTING filter prerouting raw", "OUTPUT filter output raw"}},
      {"mangle",
       {"PREROUTING filter prerouting mangle", "INPUT filter input mangle", "FORWARD filter forward mangle",
        "OUTPUT route output mangle", "POSTROUTING filter postrouting mangle"}},
      {"nat",
       {"PREROUTING nat prerouting dstnat", "INPUT nat input 100", "OUTPUT nat output -100",
        "POSTROUTING nat postrouting srcnat"}},
      {"security", {"INPUT filter input 150", "FORWARD filter forward 150", "OUTPUT filter output 150"}}};
  for (const auto& [table, chains] : all) {
    std::string of_iptables = "*" + table + "\n";
    std::string of_nft = "table ip " + table + " {\n";
    for (const auto& chain : chains) {
      const auto words = split(std::string_view(chain), ' ');
      of_iptables += format(":{} ACCEPT [0:0]\n-A {} -j RETURN\n", words[0], words[0]);
      of_nft += format(
          "\tchain {} {{\n\t\ttype {} hook {} priority {}; policy accept;\n\t\tcounter return\n\t}}\n\n",
          words[0], words[1], words[2], words[3]);
    }
    CHECK(form_changes(v4(of_iptables + "COMMIT\n"), native(of_nft + "}\n")) ==
          Lines{format("ip {} table-changed form:iptables>nft", table)});
  }
}

TEST_CASE("the cost of a native diff follows the change") {
  std::string rules;
  for (int i = 0; i < 10'000; ++i)
    rules += format("\t\tip saddr 10.1.{}.{} tcp dport {} drop\n", i / 250, i % 250, i);
  std::string elements;
  for (int i = 0; i < 100'000; ++i)
    elements += format("{}10.{}.{}.{}", i == 0 ? "" : ",\n\t\t\t     ", i / 62'500, i / 250 % 250, i % 250);
  const auto text = [&](const std::string& rule, const std::string& element) {
    return "table inet t {\n\tset s {\n\t\ttype ipv4_addr\n\t\telements = { " + elements + element +
           " }\n\t}\n\n\tchain c {\n" + rules + rule + rules + "\t}\n}\n";
  };
  const auto from = native(text("", ""));
  const auto to = native(text("\t\taccept\n", ", 192.0.2.1"));
  const auto begin = std::chrono::steady_clock::now();
  const auto diff = compare(from, to);
  const auto took = std::chrono::steady_clock::now() - begin;
  REQUIRE(diff.changes.size() == 2);
  CHECK(line_of(diff.changes[0]) == "members inet t set s member:->192.0.2.1");
  CHECK(line_of(diff.changes[1]) == "added inet t/c->10001 > [accept]");
  CHECK(took < std::chrono::seconds(2));  // with sanitizers, on a busy machine
}

#include "analysis/model.h"

#include <catch2/catch.hpp>
#include <sstream>

#include "core/text.h"
#include "rules/parse.h"

using namespace rewall;

namespace {

Tables tables(const std::string& text, Family family) {
  auto read = parse_saved(text, family, "rules");
  if (!read) FAIL(read.error().message);
  return *std::move(read);
}

// What a rule of one match or target asks, on a table of its own.
class OneRule {
 public:
  explicit OneRule(const std::string& words, Family family = Family::ipv4, const std::string& sets = {},
                   HostFacts facts = {}) {
    const auto text = "*filter\n:INPUT ACCEPT [0:0]\n:web - [0:0]\n-A INPUT " + words + "\nCOMMIT\n";
    (family == Family::ipv4 ? ruleset_.v4 : ruleset_.v6) = tables(text, family);
    if (!sets.empty()) {
      auto read = parse_sets(sets, "ipset");
      if (!read) FAIL(read.error().message);
      ruleset_.sets = *std::move(read);
    }
    model_.emplace(ruleset_, family, std::move(facts));
  }
  const ModelRule& rule() const { return model_->rule(0, 0, 0); }
  const RuleAction& action() const { return rule().action; }
  const Condition& only() const {
    REQUIRE(rule().conditions.size() == 1);
    return rule().conditions[0];
  }

 private:
  Ruleset ruleset_{};
  std::optional<Model> model_{};
};

// A condition in a few words: "-s 0x0a000000-0x0affffff", "!(-f 0 and --dport 22)".
std::string hex(Number number) {
  std::ostringstream out;
  if ((number >> 64U) != 0) out << std::hex << static_cast<std::uint64_t>(number >> 64U) << ':';
  out << std::hex << static_cast<std::uint64_t>(number);
  return out.str();
}

std::string shown(const Condition& condition) {
  std::string out;
  std::vector<std::string> parts;
  switch (condition.kind) {
    case Condition::Kind::in:
      for (const auto& range : condition.numbers.ranges())
        parts.push_back(range.first == range.last ? hex(range.first)
                                                  : hex(range.first) + '-' + hex(range.last));
      out = std::string(words_of(condition.field)) + ' ' + join(parts, ",");
      break;
    case Condition::Kind::masked:
      out = std::string(words_of(condition.field)) + ' ' + hex(condition.value) + '/' + hex(condition.mask);
      break;
    case Condition::Kind::all_of:
    case Condition::Kind::any_of:
      for (const auto& part : condition.parts) parts.push_back(shown(part));
      out = '(' + join(parts, condition.kind == Condition::Kind::all_of ? " and " : " or ") + ')';
      if (parts.empty()) out = condition.kind == Condition::Kind::all_of ? "always" : "never";
      break;
    case Condition::Kind::lookup:
      for (const auto field : condition.fields) parts.emplace_back(words_of(field));
      out = condition.set + '[' + join(parts, ",") + ']';
      break;
    case Condition::Kind::unknown:
      out = "unknown: " + condition.words;
      break;
  }
  return condition.negated ? '!' + out : out;
}

std::string asks(const std::string& words, Family family = Family::ipv4) {
  return shown(OneRule(words, family).only());
}

}  // namespace

TEST_CASE("addresses and interfaces are ranges, and masks where they are no networks") {
  CHECK(asks("-s 10.0.0.0/8 -j DROP") == "-s a000000-affffff");
  CHECK(asks("! -d 192.0.2.1/32 -j DROP") == "!-d c0000201");
  CHECK(asks("-s 0.0.0.1/0.0.0.255 -j DROP") == "-s 1/ff");
  CHECK(asks("-s 2001:db8::/32 -j DROP", Family::ipv6) ==
        "-s 20010db800000000:0-20010db8ffffffff:ffffffffffffffff");
  CHECK(asks("-i lo -j DROP") == "-i 6c6f0000000000:0");
  CHECK(asks("! -i + -j DROP") == "!-i 0-ffffffffffffff:ffffffffffffffff");
  CHECK(asks("-m iprange ! --src-range 192.0.2.1-192.0.2.9 -j DROP") == "!-s c0000201-c0000209");
}

TEST_CASE("what stands behind the header of IP is asked of no fragment but the first") {
  const OneRule ports("-p tcp -m tcp ! --dport 22:80 -j DROP");
  REQUIRE(ports.rule().conditions.size() == 2);
  CHECK(shown(ports.rule().conditions[0]) == "-p 6");
  CHECK(shown(ports.rule().conditions[1]) == "(-f 0 and !--dport 16-50)");
  CHECK(ports.rule().conditions[1].words == "! --dport 22:80");
  const OneRule multiport("-p udp -m multiport ! --ports 53,1000:1001 -j DROP");
  CHECK(shown(multiport.rule().conditions[1]) == "(-f 0 and !(--sport 35,3e8-3e9 or --dport 35,3e8-3e9))");
  const OneRule syn("-p tcp -m tcp ! --syn -j DROP");
  CHECK(shown(syn.rule().conditions[1]) == "(-f 0 and !--tcp-flags 2/17)");
  const OneRule alone("-p tcp -m tcp -j DROP");
  CHECK(shown(alone.rule().conditions[1]) == "-f 0");
  const OneRule icmp("-p icmp -m icmp --icmp-type 3/1 -j DROP");
  CHECK(shown(icmp.rule().conditions[1]) == "(-f 0 and (--icmp-type 3 and --icmp-code 1))");
}

TEST_CASE("connection tracking is asked as the kernel asks it where there is no connection") {
  CHECK(asks("-m state --state NEW -j DROP") == "--ctstate 1");
  CHECK(asks("-m conntrack ! --ctstate NEW,DNAT -j DROP") ==
        "!(--ctstate 1 or (--ctstate 1-3 and !--ctstatus 0/20))");
  CHECK(asks("-m conntrack --ctdir REPLY -j DROP") == "(--ctstate 1-3 and --ctdir 1)");
  const OneRule both("-m conntrack --ctstate INVALID --ctorigdst 10.0.0.1 -j DROP");
  REQUIRE(both.rule().conditions.size() == 2);
  CHECK(shown(both.rule().conditions[1]) == "(--ctstate 0,4 or --ctorigdst a000001)");
  CHECK(asks("-m connmark ! --mark 0x1/0xf -j DROP") == "(--ctstate 1-3 and !--connmark 1/f)");
}

TEST_CASE("what the model does not know is named by its words") {
  CHECK(asks("-m limit --limit 3/min --limit-burst 5 -j DROP") ==
        "unknown: -m limit --limit 3/min --limit-burst 5");
  CHECK(OneRule("-m limit --limit 3/min -j DROP").only().stateful);
  CHECK_FALSE(OneRule("-m cpu --cpu 1 -j DROP").only().stateful);
  CHECK(asks("-m geoip --source-country DE -j DROP") == "unknown: -m geoip --source-country DE");
  CHECK(asks("-m recent --set --name x --mask 255.255.255.255 --rsource -j DROP") == "always");
  CHECK(asks("-m addrtype --dst-type MULTICAST -j DROP") == "(-d e0000000-efffffff)");
  CHECK(OneRule("-j SYNPROXY --sack-perm").action().kind == RuleAction::Kind::unknown);
}

TEST_CASE("addresses of this host are known where somebody said them") {
  HostFacts facts{.known = true};
  facts.interfaces.push_back({.name = "eth0", .v4 = {0xc0000201}, .v4_networks = {{0xc0000200, 0xc00002ff}}});
  CHECK(shown(OneRule("-m addrtype --dst-type LOCAL -j DROP", Family::ipv4, {}, facts).only()) ==
        "(-d 7f000000-7fffffff,c0000201)");
  CHECK(shown(OneRule("-m addrtype ! --dst-type LOCAL -j DROP").only()) ==
        "(!(-d 7f000000-7fffffff or (-d 1000000-7effffff,80000000-dfffffff,f0000000-fffffffe and unknown: -m "
        "addrtype --dst-type LOCAL)))");
}

TEST_CASE("members of sets are found as ipset finds them") {
  const std::string sets =
      "create nets hash:net family inet\nadd nets 10.0.0.0/8\nadd nets 10.1.0.0/16 nomatch\nadd nets "
      "10.1.1.0/24\n"
      "create pairs hash:ip,port family inet\nadd pairs 10.0.0.1,tcp:22\nadd pairs "
      "10.0.0.1,icmp:echo-request\n"
      "create gone hash:ip family inet timeout 600\nadd gone 10.0.0.1 timeout 0\n"
      "create blocks hash:ip family inet netmask 24\nadd blocks 10.2.3.0\n";
  Ruleset ruleset;
  ruleset.sets = *parse_sets(sets, "ipset");
  const Model model(ruleset, Family::ipv4);
  const auto has = [&](const std::string& set, Number address, Number protocol = 6, Number port = 22) {
    auto packet = any_packet(Family::ipv4, Hook::input);
    packet[Field::source] = NumberSet::one(address);
    packet[Field::protocol] = NumberSet::one(protocol);
    packet[Field::fragment] = NumberSet::one(0);
    packet[Field::destination_port] = NumberSet::one(port);
    packet[Field::icmp_type] = NumberSet::one(8);
    packet[Field::icmp_code] = NumberSet::one(0);
    std::vector<Field> fields = {Field::source};
    if (set == "pairs") fields.push_back(Field::destination_port);
    return model.has_member(set, fields, packet);
  };
  CHECK(has("nets", 0x0a000001) == true);
  CHECK(has("nets", 0x0a010201) == false);
  CHECK(has("nets", 0x0a010101) == true);
  CHECK(has("nets", 0x0b000001) == false);
  CHECK(has("pairs", 0x0a000001) == true);
  CHECK(has("pairs", 0x0a000001, 17) == false);
  CHECK(has("pairs", 0x0a000001, 1) == true);
  CHECK(has("pairs", 0x0a000001, 6, 23) == false);
  CHECK(has("gone", 0x0a000001) == true);
  CHECK(has("gone", 0x0a000002) == std::nullopt);
  CHECK(has("blocks", 0x0a0203ff) == true);
  CHECK(has("blocks", 0x0a0204ff) == false);
  CHECK(has("none", 0x0a000001) == std::nullopt);
}

TEST_CASE("targets say what they do to marks, fields and addresses") {
  const auto mark = OneRule("-j MARK --set-xmark 0x10/0xf0");
  CHECK(mark.action().kind == RuleAction::Kind::set_field);
  CHECK(mark.action().mask == 0xf0);
  CHECK(mark.action().value == 0x10);
  CHECK(OneRule("-j MARK --or-mark 0x3").action().mask == 3);
  const auto nat = OneRule("-p tcp -j DNAT --to-destination 192.0.2.7-192.0.2.9:8000-8010/6000");
  CHECK(nat.action().kind == RuleAction::Kind::destination_nat);
  CHECK(nat.action().addresses == NumberSet::range(0xc0000207, 0xc0000209));
  CHECK(nat.action().ports == NumberSet::range(8000, 8010));
  CHECK(nat.action().port_base == Number{6000});
  CHECK(OneRule("-j web").action().kind == RuleAction::Kind::jump);
  CHECK(OneRule("-g web").action().kind == RuleAction::Kind::go_to);
  CHECK(OneRule("-j LOG --log-prefix \"a b\"").action().words == "LOG --log-prefix \"a b\"");
  CHECK(OneRule("-j TTL --ttl-dec 2").action().value == Number{0} - 2);
}

TEST_CASE("stations stand in the order of their priorities, native chains that can do nothing left out") {
  Ruleset ruleset;
  ruleset.v4 = tables(
      "*security\n:INPUT ACCEPT [0:0]\nCOMMIT\n*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n*nat\n:INPUT ACCEPT "
      "[0:0]\nCOMMIT\n"
      "*mangle\n:INPUT ACCEPT [0:0]\nCOMMIT\n",
      Family::ipv4);
  ruleset.v4_legacy = tables("*security\n:INPUT ACCEPT [0:0]\nCOMMIT\n", Family::ipv4);
  auto native = parse_native(
      "table inet fw {\n\tchain input {\n\t\ttype filter hook input priority filter + 5; policy accept;\n"
      "\t\tjump deep\n\t}\n\n\tchain deep {\n\t\ttcp dport 23 drop\n\t}\n\n\tchain count {\n"
      "\t\ttype filter hook input priority 10; policy accept;\n\t\tcounter comment \"drop\"\n\t}\n}\n",
      "native");
  if (!native) FAIL(native.error().message);
  ruleset.native = *std::move(native);
  const Model model(ruleset, Family::ipv4);
  std::vector<std::string> order;
  for (const auto& station : model.stations(Hook::input))
    order.push_back(
        std::to_string(station.priority) + ' ' +
        (station.native.empty() ? std::string(model.tables()[station.table].name()) : station.native));
  CHECK(join(order, ", ") ==
        "-150 mangle, 0 filter, 5 nft inet fw input, 50 security, 100 nat, 150 security");
}

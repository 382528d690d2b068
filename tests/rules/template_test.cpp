// Templates: the file format, the types of values, and that no value can add anything.
#include "rules/template.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "core/text.h"

using namespace rewall;

namespace {

/// A template of these lines, in a table.
std::string in_table(const std::string& header, const std::string& rules) {
  return "# t: for tests\n" + header + "*filter\n:INPUT DROP [0:0]\n" + rules + "COMMIT\n";
}

RulesTemplate parsed(const std::string& header, const std::string& rules) {
  auto read = parse_template(in_table(header, rules), "t", "t.rules");
  INFO((read ? "" : read.error().message));
  REQUIRE(read);
  return *std::move(read);
}

std::string parse_error(const std::string& text) {
  const auto read = parse_template(text, "t", "t.rules");
  REQUIRE_FALSE(read);
  CHECK(read.error().kind == ErrorKind::usage);
  return read.error().message;
}

/// The rules, one a line.
std::string rules_of(const RulesTemplate& rules, const std::vector<std::string>& settings,
                     std::optional<Family> family = {}) {
  auto values = read_place_values(rules, settings);
  INFO((values ? "" : values.error().message));
  REQUIRE(values);
  const auto text = render_template(rules, *values, family);
  REQUIRE(text);
  std::string all;
  for (const auto line : split_lines(*text))
    if (line.find("-A ") != std::string_view::npos) all.append(line) += '\n';
  return all;
}

std::string value_error(const RulesTemplate& rules, const std::vector<std::string>& settings) {
  const auto values = read_place_values(rules, settings);
  REQUIRE_FALSE(values);
  CHECK(values.error().kind == ErrorKind::usage);
  return values.error().message;
}

const char* const kSsh = "# place from networks any - who may ssh\n# place port port 22 - of sshd\n";
const char* const kSshRule = "-A INPUT -p tcp -s $from --dport $port -j ACCEPT\n";

TemplatePlace place_of(PlaceType type, bool list) {
  return {.name = "p", .type = type, .list = list, .description = "for tests"};
}

bool takes(const TemplatePlace& place, const std::string& text) {
  return static_cast<bool>(read_place_value(place, text));
}

}  // namespace

TEST_CASE("a template says its name, its places and what it is for") {
  const auto rules = parsed(kSsh, kSshRule);
  CHECK(rules.summary == "for tests");
  REQUIRE(rules.places.size() == 2);
  CHECK(rules.places[0].name == "from");
  CHECK(type_name(rules.places[0]) == "networks");
  CHECK(rules.places[0].preset == "any");
  CHECK(rules.places[0].description == "who may ssh");
  CHECK(type_name(rules.places[1]) == "port");
  const auto needed = parsed("# place from address - who - may ssh\n", "-A INPUT -s $from -j ACCEPT\n");
  CHECK_FALSE(needed.places[0].preset);
  CHECK(needed.places[0].description == "who - may ssh");
}

TEST_CASE("a rule takes the values of its places, for the families that they have") {
  const auto rules = parsed(kSsh, kSshRule);
  CHECK(rules_of(rules, {}) == "-A INPUT -p tcp --dport 22 -j ACCEPT\n");
  CHECK(rules_of(rules, {"from=198.51.100.7", "port=2222"}) ==
        "-4 -A INPUT -p tcp -s 198.51.100.7 --dport 2222 -j ACCEPT\n");
  CHECK(rules_of(rules, {"from=2001:db8::7,198.51.100.0/24"}) ==
        "-4 -A INPUT -p tcp -s 198.51.100.0/24 --dport 22 -j ACCEPT\n"
        "-6 -A INPUT -p tcp -s 2001:db8::7 --dport 22 -j ACCEPT\n");
  CHECK(rules_of(rules, {"from=2001:db8::7,198.51.100.0/24"}, Family::ipv6) ==
        "-A INPUT -p tcp -s 2001:db8::7 --dport 22 -j ACCEPT\n");
  CHECK(rules_of(rules, {"from=none"}).empty());
}

TEST_CASE("a line that is marked for a family stays so") {
  const auto rules = parsed("# place from networks any - x\n# place to networks any - y\n",
                            "-6 -A INPUT -s $from -d $to -j ACCEPT\n-4 -A INPUT -j DROP\n-A INPUT -j LOG\n");
  CHECK(rules_of(rules, {}) == "-6 -A INPUT -j ACCEPT\n-4 -A INPUT -j DROP\n-A INPUT -j LOG\n");
  CHECK(rules_of(rules, {"from=192.0.2.1"}) == "-4 -A INPUT -j DROP\n-A INPUT -j LOG\n");
  CHECK(rules_of(rules, {"from=2001:db8::1", "to=192.0.2.1"}) == "-4 -A INPUT -j DROP\n-A INPUT -j LOG\n");
  CHECK(rules_of(rules, {}, Family::ipv4) == "-A INPUT -j DROP\n-A INPUT -j LOG\n");
}

TEST_CASE("two lists in a rule make a rule for each pair of one family") {
  const auto rules = parsed("# place from networks - x\n# place to networks - y\n",
                            "-A FORWARD -s $from -d $to -j ACCEPT\n");
  CHECK(rules_of(rules, {"from=192.0.2.1,192.0.2.2,2001:db8::1", "to=198.51.100.1,2001:db8::2"}) ==
        "-4 -A FORWARD -s 192.0.2.1 -d 198.51.100.1 -j ACCEPT\n"
        "-4 -A FORWARD -s 192.0.2.2 -d 198.51.100.1 -j ACCEPT\n"
        "-6 -A FORWARD -s 2001:db8::1 -d 2001:db8::2 -j ACCEPT\n");
}

TEST_CASE("ports become a rule each, or as many as one multiport takes") {
  const std::string header = "# place ports ports - x\n";
  const auto each = parsed(header, "-A INPUT -p tcp --dport $ports -j ACCEPT\n");
  CHECK(rules_of(each, {"ports=80,443,8000:8010,80"}) ==
        "-A INPUT -p tcp --dport 80 -j ACCEPT\n-A INPUT -p tcp --dport 443 -j ACCEPT\n"
        "-A INPUT -p tcp --dport 8000:8010 -j ACCEPT\n");
  CHECK(rules_of(each, {"ports=any"}) == "-A INPUT -p tcp --dport 0:65535 -j ACCEPT\n");
  const auto many = parsed(header, "-A INPUT -p tcp -m multiport --dports $ports -j ACCEPT\n");
  CHECK(rules_of(many, {"ports=1,2,3,4,5,6,7,8,9,10,11,12,13,14,15"}) ==
        "-A INPUT -p tcp -m multiport --dports 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15 -j ACCEPT\n");
  // A range takes two of the fifteen.
  CHECK(rules_of(many, {"ports=1,2,3,4,5,6,7,8,9,10,11,12,13,14,20:30,40"}) ==
        "-A INPUT -p tcp -m multiport --dports 1,2,3,4,5,6,7,8,9,10,11,12,13,14 -j ACCEPT\n"
        "-A INPUT -p tcp -m multiport --dports 20:30,40 -j ACCEPT\n");
  CHECK(rules_of(many, {"ports=any"}) == "-A INPUT -p tcp -m multiport --dports 0:65535 -j ACCEPT\n");
  CHECK(rules_of(many, {"ports=none"}).empty());
}

TEST_CASE("'!' stands before one value, and is no condition in a family without an address") {
  const auto rules = parsed("# place from network - x\n# place out interface - y\n",
                            "-A INPUT ! -s $from ! -i $out -j DROP\n");
  CHECK(rules_of(rules, {"from=192.0.2.1", "out=eth0"}) ==
        "-4 -A INPUT ! -s 192.0.2.1 ! -i eth0 -j DROP\n-6 -A INPUT ! -i eth0 -j DROP\n");
  CHECK(rules_of(rules, {"from=any", "out=eth0"}).empty());
  CHECK(parse_error(in_table("# place from networks - x\n", "-A INPUT ! -s $from -j DROP\n")) ==
        "t.rules:5: '!' cannot negate the list 'from'");
}

TEST_CASE("an expectation is for both families, unless its words tell") {
  const auto rules = parsed(std::string(kSsh) +
                                "# expect accept -i eth0 -s $from -p tcp --dport $port  # ssh\n"
                                "# expect drop -i eth0 ! -s $from -p tcp --dport $port\n"
                                "# expect accept -p icmp --icmp-type 8\n"
                                "# expect drop -s ::1\n"
                                "# expect reject -6 -p udp\n",
                            kSshRule);
  const auto lines = [&](const std::vector<std::string>& settings) {
    const auto values = read_place_values(rules, settings);
    REQUIRE(values);
    return render_expectations(rules, *values);
  };
  CHECK(lines({}) == std::vector<std::string>{"accept -i eth0 ! -s 127.0.0.0/8 -p tcp --dport 22  # ssh",
                                              "accept -6 -i eth0 ! -s ::1 -p tcp --dport 22  # ssh",
                                              "accept -p icmp --icmp-type 8", "drop -6 -s ::1",
                                              "reject -6 -p udp"});
  CHECK(lines({"from=192.0.2.1,192.0.2.2"}) ==
        std::vector<std::string>{"accept -i eth0 -s 192.0.2.1,192.0.2.2 -p tcp --dport 22  # ssh",
                                 "drop -i eth0 ! -s 192.0.2.1,192.0.2.2 -p tcp --dport 22",
                                 "drop -6 -i eth0 -p tcp --dport 22", "accept -p icmp --icmp-type 8",
                                 "drop -6 -s ::1", "reject -6 -p udp"});
}

TEST_CASE("a value of another type is refused") {
  const auto address = place_of(PlaceType::address, false);
  CHECK(takes(address, "192.0.2.1"));
  CHECK(takes(address, "192.0.2.1,2001:db8::1"));
  for (const char* text :
       {"", ",", "192.0.2.1,192.0.2.2", "192.0.2.0/24", "192.0.2", "192.0.2.256", "0192.0.2.1", "any", "none",
        "host.example", "2001:db8::1%eth0", "::g", " 192.0.2.1"})
    CHECK_FALSE(takes(address, text));
  const auto networks = place_of(PlaceType::network, true);
  for (const char* text : {"any", "none", "192.0.2.0/24", "0.0.0.0/0", "::/0", "2001:db8::/32,192.0.2.1/32"})
    CHECK(takes(networks, text));
  for (const char* text :
       {"192.0.2.0/33", "192.0.2.0/", "192.0.2.0/-1", "192.0.2.0/024", "192.0.2.1/24", "2001:db8::1/32",
        "10/8", "192.0.2.0/255.255.255.0", "any,192.0.2.1", "/24", "192.0.2.0/24/24"})
    CHECK_FALSE(takes(networks, text));
  const auto port = place_of(PlaceType::port, false);
  CHECK(takes(port, "65535"));
  for (const char* text :
       {"0", "65536", "-1", "+22", "022", "ssh", "22,23", "22:23", "any", "99999999999", ""})
    CHECK_FALSE(takes(port, text));
  const auto ports = place_of(PlaceType::port, true);
  for (const char* text : {"22,80:90", "any", "none"}) CHECK(takes(ports, text));
  for (const char* text : {"90:80", "80:", ":80", "80-90", "80::90", "0:90", "80, 90"})
    CHECK_FALSE(takes(ports, text));
  const auto interface = place_of(PlaceType::interface, false);
  for (const char* text : {"eth0", "ppp+", "br-0123456789ab", "eth0.100"}) CHECK(takes(interface, text));
  for (const char* text : {"", "+", "-i", "!eth0", "eth0,eth1", "eth 0", "eth+0", "a/b", "a:b", ".", "none",
                           "sixteen-letters-"}) {
    // The word 'none' is a name like any other where no list is wanted.
    CHECK(takes(interface, text) == (std::string_view(text) == "none"));
  }
  const auto user = place_of(PlaceType::user, false);
  for (const char* text : {"root", "_apt", "Debian-exim", "0", "4294967294"}) CHECK(takes(user, text));
  for (const char* text : {"", "-1", "4294967295", "a b", "a:b", "1x", "$x"}) CHECK_FALSE(takes(user, text));
}

TEST_CASE("a value can add no rule, option, line, quote or place") {
  const auto rules = parsed(
      "# place a address - x\n# place n networks - x\n# place i interfaces - x\n# place p ports - x\n"
      "# place u users - x\n",
      "-A INPUT -s $a -j ACCEPT\n-A INPUT -s $n -j ACCEPT\n-A INPUT -i $i -j ACCEPT\n"
      "-A INPUT -p tcp --dport $p -j ACCEPT\n-A OUTPUT -m owner --uid-owner $u -j ACCEPT\n");
  const std::vector<std::string> good{"192.0.2.1", "192.0.2.0/24", "eth0", "22", "root"};
  const std::vector<std::string> hostile{" -j ACCEPT",
                                         "\n-A INPUT -j ACCEPT",
                                         "\r\n-A INPUT -j ACCEPT",
                                         "\"",
                                         "'",
                                         " ",
                                         "\t",
                                         "\\",
                                         "\\n",
                                         "$a",
                                         "$(reboot)",
                                         "`reboot`",
                                         ";reboot",
                                         "|reboot",
                                         "#",
                                         std::string(1, '\0'),
                                         "\x1b[2J",
                                         "\xc2\xa0",
                                         "\xe2\x80\xae",
                                         "!",
                                         "-j",
                                         "--jump=ACCEPT",
                                         "%s",
                                         "{}",
                                         "\v",
                                         "\f",
                                         "@",
                                         "*nat",
                                         "COMMIT",
                                         ":X - [0:0]"};
  const std::vector<std::string> names{"a", "n", "i", "p", "u"};
  for (std::size_t which = 0; which < names.size(); ++which) {
    for (const auto& text : hostile) {
      for (const auto& value : {text, good[which] + text, text + good[which], good[which] + "," + text}) {
        std::vector<std::string> settings;
        for (std::size_t i = 0; i < names.size(); ++i)
          settings.push_back(names[i] + "=" + (i == which ? value : good[i]));
        const auto values = read_place_values(rules, settings);
        // "COMMIT" is a name like any other for an interface or a user.
        if (!values) continue;
        INFO(escape(settings[which]));
        const auto rendered = render_template(rules, *values);
        REQUIRE(rendered);
        std::size_t count = 0;
        for (const auto line : split_lines(*rendered)) {
          if (line.find("-A ") == std::string_view::npos) continue;
          ++count;
          CHECK(line.find_first_of("\"'\\\t;|$`#") == std::string_view::npos);
          CHECK(line.substr(line.find("-A ") + 1).find(" -A") == std::string_view::npos);
          std::size_t jumps = 0;
          for (const auto word : split(line, ' ')) jumps += word == "-j" ? 1U : 0U;
          CHECK(jumps == 1);
        }
        CHECK(count <= 6);  // a list of two
        CHECK(value.find_first_of(" \n\r\t\"'\\$;|`#") == std::string::npos);
      }
    }
  }
}

TEST_CASE("settings that do not fit are refused with the place") {
  const auto rules = parsed(std::string(kSsh) + "# place to address - the server\n",
                            std::string(kSshRule) + "-A INPUT -d $to -j ACCEPT\n");
  CHECK(value_error(rules, {}) == "template 't' needs a value for to (the server)");
  CHECK(value_error(rules, {"to"}) == "--set 'to': not PLACE=VALUE");
  CHECK(value_error(rules, {"to=192.0.2.1", "form=any"}) == "template 't' has no place 'form'");
  CHECK(value_error(rules, {"to=192.0.2.1", "to=192.0.2.2"}) == "place 'to' is set twice");
  CHECK(value_error(rules, {"to=x"}) == "place 'to': 'x' is not an IPv4 or IPv6 address");
  CHECK(value_error(rules, {"to=192.0.2.1,192.0.2.2"}) ==
        "place 'to' takes one value, not a list: '192.0.2.1,192.0.2.2'");
  CHECK(value_error(rules, {"to=192.0.2.1", "from=192.0.2.1/24"}) ==
        "place 'from': '192.0.2.1/24' is not a network: it has bits behind the prefix");
}

TEST_CASE("a template with a mistake is refused with its line") {
  CHECK(parse_error("# place From networks - x\n") ==
        "t.rules:1: 'From' is not a name for a place: lower case letters, digits and '_'");
  CHECK(parse_error("# place from network\n") ==
        "t.rules:1: a place is written: # place NAME TYPE [DEFAULT] - DESCRIPTION");
  CHECK(parse_error("# place from nets - x\n") == "t.rules:1: 'nets' is not a type of places");
  CHECK(parse_error("# place from port 0 - x\n") ==
        "t.rules:1: place 'from': '0' is not a port (1 to 65535)");
  CHECK(parse_error("# place a port - x\n# place a port - x\n") ==
        "t.rules:2: the place 'a' is declared twice");
  CHECK(parse_error("#\n# place a port - x\n") == "t.rules:2: no rule uses the place 'a'");
  CHECK(parse_error("# expect perhaps -p tcp\n") ==
        "t.rules:1: an expectation is written: # expect accept|drop|reject PACKET  # COMMENT");
  CHECK(parse_error("-A INPUT -s $from -j ACCEPT\n") == "t.rules:1: no place is declared for '$from'");
  CHECK(parse_error("# place from network any - x\n-A INPUT -s $form -j ACCEPT\n") ==
        "t.rules:2: no place is declared for '$form': did you mean 'from'?");
  CHECK(parse_error("# place from network any - x\n-A INPUT -s $from/24 -j ACCEPT\n") ==
        "t.rules:2: '$from/24': a place is a word of its own, like $ssh_from");
  CHECK(parse_error("# place from network any - x\n-A $from -j ACCEPT\n") ==
        "t.rules:2: a place cannot be the chain");
  CHECK(parse_error("# place from network any - x\n-A INPUT $from -j ACCEPT\n") ==
        "t.rules:2: '$from' does not stand behind an option");
  CHECK(parse_error("# place from network any - x\n-P INPUT -s $from\n") ==
        "t.rules:2: a line with a place begins with -A or -I, behind -4 or -6");
  CHECK(parse_error(std::string("#\0\n", 3)).starts_with("t.rules:1: NUL byte"));
}

TEST_CASE("what is quoted in a template is text") {
  const auto rules = parsed("# place from networks any - x\n",
                            "-A INPUT -s $from -m comment --comment \"costs $5, for $from\" -j ACCEPT\n");
  CHECK(rules_of(rules, {"from=192.0.2.1"}) ==
        "-4 -A INPUT -s 192.0.2.1 -m comment --comment \"costs $5, for $from\" -j ACCEPT\n");
}

TEST_CASE("values make no more rules than a template may have, and no long lines") {
  const auto rules =
      parsed("# place from networks - x\n# place to networks - y\n", "-A INPUT -s $from -d $to -j ACCEPT\n");
  std::string list;
  for (int i = 0; i < 200; ++i) list += (i == 0 ? "" : ",") + std::string("192.0.2.") + std::to_string(i);
  const auto values = read_place_values(rules, std::vector{"from=" + list, "to=" + list});
  REQUIRE(values);
  const auto text = render_template(rules, *values);
  REQUIRE_FALSE(text);
  CHECK(text.error().message == "template 't': these values make more than 20000 rules");
  const auto fewer = read_place_values(rules, std::vector{"from=" + list, std::string("to=any")});
  REQUIRE(fewer);
  for (const auto line : split_lines(render_template(rules, *fewer).value())) CHECK(line.size() < 300);
  std::string many = "1";
  for (int i = 2; i < 1100; ++i) many += "," + std::to_string(i);
  CHECK(read_place_value(place_of(PlaceType::port, true), many).error().message ==
        "place 'p': more than 1000 values");
}

TEST_CASE("DNAT takes one address of a family, and a value that changes nothing is named") {
  const auto rules = parsed(
      "# place ports ports none - forwarded\n# place to addresses none - the server\n"
      "# place from networks any - who may\n",
      "-A FORWARD -d $to -p tcp -s $from -m multiport --dports $ports -j ACCEPT\n"
      "-4 -A PREROUTING -p tcp -m multiport --dports $ports -j DNAT --to-destination $to\n");
  const auto idle = [&](const std::vector<std::string>& settings) {
    const auto values = read_place_values(rules, settings);
    REQUIRE(values);
    return join(idle_settings(rules, *values, settings), "; ");
  };
  CHECK(idle({"ports=80"}) == "ports=80 changes nothing, as to is none");
  CHECK(idle({"to=10.0.0.2"}) == "to=10.0.0.2 changes nothing, as ports is none");
  CHECK(idle({"ports=80", "to=10.0.0.2"}).empty());
  CHECK(idle({"ports=80", "to=10.0.0.2,fd00::2"}).empty());
  CHECK(idle({"ports=none"}).empty());
  CHECK(idle({}).empty());
  CHECK(value_error(rules, {"ports=80", "to=10.0.0.2,10.0.0.3"}) ==
        "place 'to' takes one value, not a list: '10.0.0.2,10.0.0.3'");
}

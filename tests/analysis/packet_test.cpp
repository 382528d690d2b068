#include "analysis/packet.h"

#include <array>
#include <catch2/catch.hpp>
#include <random>

#include "core/text.h"
#include "rules/rule.h"

using namespace rewall;

namespace {

Result<Packet> read(const std::string& words, std::optional<Family> family = {}) {
  return read_packet(split_words(words).value(), family);
}

Packet packet(const std::string& words) {
  auto packet = read(words);
  INFO(words);
  if (!packet) FAIL(packet.error().message);
  return std::move(*packet);
}

std::string error(const std::string& words) {
  const auto packet = read(words);
  REQUIRE_FALSE(packet);
  CHECK(packet.error().kind == ErrorKind::usage);
  return packet.error().message;
}

std::string hint(const std::string& words) {
  return read(words).error().hint;
}

// The words of what was read.
std::string again(const std::string& words) {
  return packet_words(packet(words));
}

}  // namespace

TEST_CASE("a packet of the contract is read") {
  const auto read = packet(
      "-p tcp -s 198.51.100.7 -d 203.0.113.5 --sport 40000 --dport 22 -i eth0 -o eth1 --state new --hook "
      "INPUT");
  CHECK(read.family == Family::ipv4);
  CHECK(read.hook == Hook::input);
  CHECK(read[Field::protocol] == NumberSet::one(6));
  CHECK(read[Field::source] == NumberSet::one(0xc6336407));
  CHECK(read[Field::destination] == NumberSet::one(0xcb007105));
  CHECK(read[Field::source_port] == NumberSet::one(40000));
  CHECK(read[Field::destination_port] == NumberSet::one(22));
  CHECK(read[Field::in_interface] == NumberSet::one(interface_number("eth0")));
  CHECK(read[Field::out_interface] == NumberSet::one(interface_number("eth1")));
  CHECK(read[Field::state] == NumberSet::one(1));
  CHECK(read[Field::mark] == NumberSet::all(32));
}

TEST_CASE("words of a packet in one word are read as several") {
  const std::vector<std::string> one = {"-p udp --dport 53 -i eth0"};
  CHECK(*read_packet(one) == packet("-p udp --dport 53 -i eth0"));
}

TEST_CASE("the words of an option are counted with its values") {
  const auto length = [](const std::string& words) {
    return packet_option_length(split_words(words).value());
  };
  CHECK(length("--dport 22 -i eth0") == 2);
  CHECK(length("! -s 192.0.2.1 -i eth0") == 3);
  CHECK(length("-s ! 192.0.2.1") == 3);
  CHECK(length("--dport=22 -i eth0") == 1);
  CHECK(length("--tcp-flags SYN,ACK SYN -i eth0") == 3);
  CHECK(length("--syn -i eth0") == 1);
  CHECK(length("--dport") == 1);
  CHECK(length("-6") == 1);
  CHECK(length("--why") == 0);
  CHECK(length("HEAD") == 0);
  CHECK(packet_option_length(std::vector<std::string>{"-p tcp --dport 22"}) == 1);
  CHECK(packet_option_length(std::vector<std::string>{"-x tcp"}) == 0);
}

TEST_CASE("lists, networks and ranges are all that is in them") {
  CHECK(packet("-s 10/8")[Field::source] == NumberSet::range(0x0a000000, 0x0affffff));
  CHECK(packet("-s 10.1.2.3/255.255.0.0")[Field::source] == NumberSet::range(0x0a010000, 0x0a01ffff));
  CHECK(packet("-s 192.0.2.1-192.0.2.9")[Field::source] == NumberSet::range(0xc0000201, 0xc0000209));
  CHECK(packet("-s 192.0.2.1,192.0.2.4/31")[Field::source] ==
        NumberSet({{0xc0000201, 0xc0000201}, {0xc0000204, 0xc0000205}}));
  CHECK(packet("--dport 22,80:90,:3,65000:")[Field::destination_port] ==
        NumberSet({{0, 3}, {22, 22}, {80, 90}, {65000, 65535}}));
  CHECK(packet("-p tcp,udp --dport 53")[Field::protocol] == NumberSet({{6, 6}, {17, 17}}));
  CHECK(packet("--state NEW,established")[Field::state] == NumberSet::range(1, 2));
  CHECK(packet("--mark 0x10/0xfffffff0")[Field::mark] == NumberSet::range(0x10, 0x1f));
  CHECK(packet("-i eth+")[Field::in_interface] == interfaces_of("eth+"));
}

TEST_CASE("names with a plus are all interfaces that begin so") {
  const auto eth = interfaces_of("eth+");
  CHECK(eth.contains(interface_number("eth")));
  CHECK(eth.contains(interface_number("eth0.100")));
  CHECK_FALSE(eth.contains(interface_number("et")));
  CHECK_FALSE(eth.contains(interface_number("eti0")));
  CHECK(interfaces_of("+") == whole(Field::in_interface, Family::ipv4));
  CHECK(interface_name(interface_number("wlp0s20f3")) == "wlp0s20f3");
  CHECK(interfaces_of("a23456789012345") == NumberSet::one(interface_number("a23456789012345")));
}

TEST_CASE("'!' is all others, before the option or behind it as old iptables had it") {
  const auto others = without(NumberSet::all(16), NumberSet::one(22));
  CHECK(packet("! --dport 22")[Field::destination_port] == others);
  CHECK(packet("--dport ! 22")[Field::destination_port] == others);
  CHECK(packet("! --state NEW")[Field::state] == NumberSet({{0, 0}, {2, 4}}));
  CHECK(packet("! -f")[Field::fragment] == NumberSet::one(0));
  CHECK(packet("-p tcp ! --syn")[Field::tcp_flags].contains(0x12));
  CHECK_FALSE(packet("-p tcp ! --syn")[Field::tcp_flags].contains(0x02));
}

TEST_CASE("ports narrow the protocol to those that have ports, unless it is named") {
  const NumberSet ports({{6, 6}, {17, 17}, {33, 33}, {132, 132}, {136, 136}});
  CHECK(packet("--dport 22")[Field::protocol] == ports);
  CHECK(packet("-p all --dport 22")[Field::protocol] == NumberSet::all(8));
  CHECK(packet("--syn --dport 22")[Field::protocol] == NumberSet::one(6));
  CHECK(packet("--icmp-type 8")[Field::protocol] == NumberSet::one(1));
  CHECK(packet("--icmpv6-type 128")[Field::protocol] == NumberSet::one(58));
}

TEST_CASE("a new packet of TCP whose flags nobody names begins a connection") {
  const auto begins = packet("-p tcp --dport 22 --state NEW");
  CHECK(begins == packet("-p tcp --dport 22 --state NEW --syn"));
  CHECK(begins[Field::tcp_flags].contains(0x02));
  CHECK_FALSE(begins[Field::tcp_flags].contains(0x12));
  CHECK(packet("-p tcp --state NEW")[Field::fragment] == NumberSet::one(0));
  for (const std::string others : {"-p tcp --dport 22", "-p tcp --state NEW,ESTABLISHED", "--state NEW",
                                   "-p tcp --state NEW --tcp-flags NONE NONE"})
    CHECK(packet(others)[Field::tcp_flags] == NumberSet::all(8));
  CHECK(packet_words(begins) == "-p tcp --dport 22 --ctstate NEW");
  const auto open = packet("-p tcp --dport 22 --state NEW --tcp-flags NONE NONE");
  CHECK(packet(packet_words(open)) == open);
}

TEST_CASE("a packet with ports, a type or flags is no fragment behind the first") {
  CHECK(packet("-p tcp")[Field::fragment] == NumberSet::all(1));
  CHECK(packet("-p tcp --dport 22")[Field::fragment] == NumberSet::one(0));
  CHECK(packet("-p icmp --icmp-type 8")[Field::fragment] == NumberSet::one(0));
  CHECK(packet("--syn")[Field::fragment] == NumberSet::one(0));
  CHECK(packet("-p tcp -f")[Field::fragment] == NumberSet::one(1));
}

TEST_CASE("the family follows from -4 and -6, else from addresses, else from words of IPv6, else IPv4") {
  CHECK(packet("-p tcp").family == Family::ipv4);
  CHECK(packet("-6 -p tcp").family == Family::ipv6);
  CHECK(packet("-s 2001:db8::1").family == Family::ipv6);
  CHECK(packet("-p icmpv6").family == Family::ipv6);
  CHECK(packet("-d 192.0.2.1 -p 58").family == Family::ipv4);
  CHECK(packet("--icmpv6-type echo-request").family == Family::ipv6);
  CHECK(read("-p tcp", Family::ipv6)->family == Family::ipv6);
  CHECK(error("-4 -s 2001:db8::1") == "-s '2001:db8::1' is of ipv6, and the packet of ipv4");
  CHECK(error("-s 192.0.2.1 -d 2001:db8::1") == "-d '2001:db8::1' is of ipv6, and the packet of ipv4");
  CHECK(error("-4 -6") == "-6 is of ipv6, and the packet of ipv4");
}

TEST_CASE("the words of extensions are read as iptables reads them") {
  CHECK(packet("-p icmp --icmp-type 3/1")[Field::icmp_type] == NumberSet::one(3));
  CHECK(packet("-p icmp --icmp-type 3/1")[Field::icmp_code] == NumberSet::one(1));
  CHECK(packet("-p icmp --icmp-type host-unreachable")[Field::icmp_code] == NumberSet::one(1));
  CHECK(packet("-p icmp --icmp-type echo-request")[Field::icmp_type] == NumberSet::one(8));
  CHECK(packet("-p icmp --icmp-type any")[Field::icmp_type] == NumberSet::all(8));
  CHECK(packet("-p tcp --tcp-flags SYN,ACK,FIN,RST SYN")[Field::tcp_flags] ==
        packet("-p tcp --syn")[Field::tcp_flags]);
  CHECK(packet("-p tcp --tcp-flags ALL NONE")[Field::tcp_flags].contains(0xc0));
  CHECK(packet("-m connmark --mark 7")[Field::connection_mark] == NumberSet::one(7));
  CHECK(packet("-m connmark --mark 7")[Field::mark] == NumberSet::all(32));
  CHECK(packet("-m mark --mark 7")[Field::mark] == NumberSet::one(7));
  CHECK(packet("-m mac --mac-source 00:16:3E:00:00:01")[Field::mac_source] == NumberSet::one(0x00163e000001));
  CHECK(packet("-m iprange --src-range 192.0.2.1-192.0.2.9")[Field::source] ==
        NumberSet::range(0xc0000201, 0xc0000209));
  CHECK(packet("-m multiport --dports 22,80")[Field::destination_port] == NumberSet({{22, 22}, {80, 80}}));
  CHECK(packet("-m ttl --ttl-lt 5")[Field::ttl] == NumberSet::range(0, 4));
  CHECK(packet("--ttl-gt 5")[Field::ttl] == NumberSet::range(6, 255));
  CHECK(packet("-m dscp --dscp-class EF")[Field::tos] == NumberSet::range(0xb8, 0xbb));
  CHECK(packet("-m conntrack --ctstate DNAT")[Field::status].contains(dnat | confirmed));
  CHECK_FALSE(packet("--ctstate DNAT")[Field::status].contains(snat));
  CHECK(packet("--ctstate DNAT")[Field::state] == NumberSet::range(0, 4));
  CHECK(packet("--ctdir REPLY")[Field::direction] == NumberSet::one(1));
  CHECK(packet("--pkt-type broadcast")[Field::packet_type] == NumberSet::one(1));
  CHECK(packet("-m physdev --physdev-in vnet0")[Field::bridge_in] ==
        NumberSet::one(interface_number("vnet0")));
  CHECK(packet("--header frag,hop")[Field::extensions] == NumberSet::one(0x90));
  CHECK(packet("--dport=22")[Field::destination_port] == NumberSet::one(22));
  CHECK(packet("--hook forward").hook == Hook::forward);
}

TEST_CASE("all words of one field must hold") {
  CHECK(packet("-s 10.0.0.0/8 ! -s 10.0.0.0/9")[Field::source] == NumberSet::range(0x0a800000, 0x0affffff));
  CHECK(error("--dport 22 --dport 23") == "no packet has all these words: --dport leaves none over");
  CHECK(error("! -i +") == "no packet has all these words: ! -i leaves none over");
}

TEST_CASE("an error names the word") {
  CHECK(error("") == "no packet is named");
  CHECK(error("--dprt 22") == "'--dprt' is no word of a packet");
  CHECK(hint("--dprt 22") == "did you mean '--dport'?");
  CHECK(error("-p tcp -j ACCEPT") == "'-j' is no word of a packet");
  CHECK(error("--dport") == "--dport needs a value");
  CHECK(error("-p tcp !") == "! needs a value");
  CHECK(error("--dport htpp") == "--dport: 'htpp' is not a port");
  CHECK(error("--dport 70000") == "--dport: '70000' is not a port");
  CHECK(error("-s localhost") == "-s: 'localhost' is not an address, a network or a range of addresses");
  CHECK(hint("-s localhost") == "names of hosts are not looked up: give the address");
  CHECK(error("-s example.org/0") ==
        "-s: 'example.org/0' is not an address, a network or a range of addresses");
  CHECK(error("-i an-interface-of-eighteen") ==
        "-i: 'an-interface-of-eighteen' is not the name of an interface");
  CHECK(error("--ttl-eq 256") == "--ttl-eq: '256' is not a number up to 255");
  CHECK(error("--state NEWER") ==
        "--state: 'NEWER' is not a state: NEW, ESTABLISHED, RELATED, INVALID or UNTRACKED");
  CHECK(error("--mark 1/1") == "--mark: '1/1' is not a mark, or a mask with few values");
  CHECK(error("--hook IN") == "--hook: 'IN' is not PREROUTING, INPUT, FORWARD, OUTPUT or POSTROUTING");
  CHECK(error("--ctstate NEW,DNAT") ==
        "--ctstate: SNAT and DNAT are no states of a connection beside others");
  CHECK(error("-p icmp ! --icmp-type 3/1") == "--icmp-type takes one type with one code, and no '!'");
  CHECK(error("-p icmp --dport 22") ==
        "--dport is of tcp,udp,dccp,sctp,udplite, and the packet's protocol is icmp");
  CHECK(
      error("tomorrow") ==
      "'tomorrow' is no line of 'tcpdump -n', 'conntrack -L' or the kernel's LOG target that tells a packet");
}

TEST_CASE("a packet is printed as people write rules") {
  CHECK(again("--dport 22 -d 203.0.113.5 -p tcp -i eth0 -s 198.51.100.0/24 --state NEW") ==
        "-p tcp -s 198.51.100.0/24 -d 203.0.113.5 --dport 22 -i eth0 --ctstate NEW");
  CHECK(again("-6 -p tcp --syn --hook FORWARD") == "-6 -p tcp --syn --hook FORWARD");
  CHECK(again("-p icmpv6 --icmpv6-type 128") == "-p ipv6-icmp --icmp-type 128");
  CHECK(again("-4 -p 58") == "-4 -p ipv6-icmp");
  CHECK(again("--dport 22") == "--dport 22");
  CHECK(again("-p all --dport 22") == "-p all --dport 22");
  CHECK(again("! -s 10.0.0.0/8") == "! -s 10.0.0.0/8");
  CHECK(again("-i eth0,wg+ -p tcp") == "-p tcp -i eth0,wg+");
  CHECK(again("-p tcp --tcp-flags ALL SYN,ACK") == "-p tcp --tcp-flags ALL SYN,ACK");
  CHECK(again("-4") == "-4");
  CHECK(again("--mark 0x1f --mac-source 00:16:3e:00:00:01") == "--mac-source 00:16:3e:00:00:01 --mark 0x1f");
}

TEST_CASE("addresses are shown as networks and ranges") {
  const auto shown = [](const std::string& words) {
    const auto read = packet(words);
    return addresses_text(read[Field::source], read.family);
  };
  CHECK(shown("-s 203.0.113.0/24") == "203.0.113.0/24");
  CHECK(shown("-s 192.0.2.7-192.0.2.9,10.0.0.0/8") == "10.0.0.0/8, 192.0.2.7-192.0.2.9");
  CHECK(shown("-6") == "everyone");
  CHECK(shown("-s 2001:db8::/32") == "2001:db8::/32");
}

TEST_CASE("values are shown for people") {
  const auto shown = [](Field field, const std::string& words) {
    const auto read = packet(words);
    return values_text(field, read[field], read.family);
  };
  CHECK(shown(Field::destination_port, "--dport 22,8000:8010") == "22,8000:8010");
  CHECK(shown(Field::destination_port, "-p tcp") == "any");
  CHECK(shown(Field::destination_port, "! --dport 22") == "all but 22");
  CHECK(shown(Field::state, "! --state NEW") == "all but NEW");
  CHECK(shown(Field::protocol, "-p tcp") == "tcp");
  CHECK(shown(Field::tcp_flags, "--tcp-flags 0xff SYN,ACK") == "SYN,ACK");
  CHECK(shown(Field::fragment, "! -f") == "no fragment");
}

namespace {

NumberSet random_set(std::mt19937& random, const NumberSet& all) {
  const Number last = all.ranges()[0].last;
  const auto number = [&random, last] {
    Number value = 0;
    for (int i = 0; i < 4; ++i) value = (value << 32) | random();
    return random() % 4 == 0 ? last - std::min<Number>(value % 3, last)
                             : value % (last == ~Number{0} ? last : last + 1);
  };
  std::vector<NumberRange> ranges;
  for (auto count = 1 + random() % 3; count > 0; --count) {
    const auto first = number();
    const auto width = random() % 2 == 0 ? 0 : random() % 2 == 0 ? number() : Number{random() % 8};
    ranges.push_back({first, width > last - first ? last : first + width});
  }
  auto set = NumberSet(std::move(ranges));
  return random() % 5 == 0 && set != all ? without(all, set) : set;
}

}  // namespace

TEST_CASE("the words of every packet give the packet back") {
  std::mt19937 random(20);
  int compared = 0;
  for (int round = 0; round < 20000; ++round) {
    const auto family = random() % 2 == 0 ? Family::ipv4 : Family::ipv6;
    auto wanted = any_packet(family, static_cast<Hook>(random() % 5));
    if (random() % 3 != 0) {
      static constexpr std::array<unsigned, 6> kProtocols = {1, 6, 17, 58, 132, 47};
      wanted[Field::protocol] = NumberSet::one(kProtocols[random() % kProtocols.size()]);
    }
    for (auto count = random() % 5; count > 0; --count) {
      const auto field = static_cast<Field>(random() % kFields);
      wanted[field] = random_set(random, whole(field, family));
    }
    const auto words = packet_words(wanted);
    INFO(words);
    const auto read = read_packet(std::vector<std::string>{words});
    if (!read) FAIL(read.error().message);
    // Fields that the protocol does not have are left out; what has ports is no fragment behind the first.
    for (std::size_t i = 0; i < kFields; ++i) {
      if ((*read).fields[i] == wanted.fields[i]) continue;
      if (static_cast<Field>(i) == Field::fragment)
        REQUIRE((*read).fields[i] == NumberSet::one(0));
      else
        REQUIRE((*read).fields[i] == whole(static_cast<Field>(i), family));
      REQUIRE(packet_words(*read) == words);
    }
    REQUIRE((*read).family == family);
    REQUIRE((*read).hook == wanted.hook);
    ++compared;
  }
  CHECK(compared == 20000);
}

TEST_CASE("a packet whose every field is one value is given back by its words") {
  std::mt19937 random(21);
  for (int round = 0; round < 2000; ++round) {
    const auto family = random() % 2 == 0 ? Family::ipv4 : Family::ipv6;
    auto wanted = any_packet(family, Hook::forward);
    for (std::size_t i = 0; i < kFields; ++i) {
      const auto field = static_cast<Field>(i);
      const Number last = whole(field, family).ranges()[0].last;
      Number value = 0;
      for (int part = 0; part < 4; ++part) value = (value << 32) | random();
      wanted[field] = NumberSet::one(last == ~Number{0} ? value : value % (last + 1));
    }
    wanted[Field::protocol] = NumberSet::one(6);
    wanted[Field::fragment] = NumberSet::one(0);
    for (const auto field : {Field::icmp_type, Field::icmp_code}) wanted[field] = whole(field, family);
    if (family == Family::ipv4) wanted[Field::extensions] = whole(Field::extensions, family);
    const auto read = read_packet(std::vector<std::string>{packet_words(wanted)});
    INFO(packet_words(wanted));
    if (!read) FAIL(read.error().message);
    REQUIRE(*read == wanted);
  }
}

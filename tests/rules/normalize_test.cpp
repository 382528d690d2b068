#include "rules/normalize.h"

#include <catch2/catch.hpp>

using namespace rewall;

namespace {

std::string words_of(const std::string& name, const std::vector<Option>& options) {
  std::string out = name;
  for (const auto& option : options) {
    out += option.negated ? " ! " + option.name : " " + option.name;
    for (const auto& value : option.values) out += " " + value;
  }
  return out;
}

// The normal form of the only match of a rule: its name, then its options.
std::string match_of(std::string_view rule, Family family = Family::ipv4) {
  const auto match = normal_form(parse_rule(rule, family).value().matches.at(0), family);
  return words_of(match.name, match.options);
}

std::string target_of(std::string_view rule, Family family = Family::ipv4) {
  const auto target = normal_form(parse_rule(rule, family).value().target.value(), family);
  return words_of(target.name, target.options);
}

std::string value_of(std::string_view match, std::string_view option, std::string value,
                     Family family = Family::ipv4) {
  return normal_value(find_match(match)->find(option),
                      Option{.name = std::string(option), .values = {std::move(value)}}, family);
}

}  // namespace

// Defaults, units and equivalents of these cases are those of iptables-extensions(8); the numbers are those
// that the kernel's headers define for them (linux/netfilter/xt_*.h).

TEST_CASE("state is conntrack, and the beginnings of states are whole states") {
  CHECK(match_of("-m state --state NEW,ESTABLISHED") == "conntrack --ctstate NEW,ESTABLISHED");
  CHECK(match_of("-m conntrack --ctstate new,EST") == "conntrack --ctstate NEW,ESTABLISHED");
}

TEST_CASE("a limit is what one packet costs, and has a burst of 5") {
  CHECK(match_of("-m limit") == "limit --limit 12000000 --limit-burst 5");
  CHECK(match_of("-m limit --limit 3/hour --limit-burst 5") == "limit --limit 12000000 --limit-burst 5");
  CHECK(match_of("-m limit --limit 1/s") == match_of("-m limit --limit 60/minute"));
  CHECK(match_of("-m limit --limit 1/fortnight") == "limit --limit 1/fortnight --limit-burst 5");
}

TEST_CASE("hashlimit has the masks, the burst and the time of its entries that it has by itself") {
  CHECK(match_of("-m hashlimit --hashlimit-upto 10/sec --hashlimit-name a --hashlimit-srcmask 32") ==
        "hashlimit --hashlimit-upto 100000 --hashlimit-name a --hashlimit-burst 5 --hashlimit-htable-expire "
        "1000");
  // Entries live as long as the unit that was written.
  CHECK(match_of("-m hashlimit ! --hashlimit-upto 600/min --hashlimit-name a --hashlimit-srcmask 0x18") ==
        "hashlimit --hashlimit-above 100000 --hashlimit-name a --hashlimit-srcmask 24 --hashlimit-burst 5 "
        "--hashlimit-htable-expire 60000");
  // 2^32 - 1 divided by 1024 / 16 + 1; bytes alone have no burst.
  CHECK(match_of("-m hashlimit --hashlimit-above 1kb/s --hashlimit-name a") ==
        "hashlimit --hashlimit-above 66076419b --hashlimit-name a --hashlimit-htable-expire 15000");
  CHECK(match_of("-m hashlimit --hashlimit-above 1kb/s --hashlimit-name a --hashlimit-burst 3kb") ==
        "hashlimit --hashlimit-above 66076419b --hashlimit-name a --hashlimit-burst 3 "
        "--hashlimit-htable-expire 60000");
  // Without /s it is packets.
  CHECK(match_of("-m hashlimit --hashlimit-above 10kb --hashlimit-name a") ==
        match_of("-m hashlimit --hashlimit-above 10/s --hashlimit-name a"));
  CHECK(match_of("-m hashlimit --hashlimit-upto 300/min --hashlimit-name a --hashlimit-rate-match") ==
        "hashlimit --hashlimit-upto 3333 --hashlimit-name a --hashlimit-rate-match --hashlimit-rate-interval "
        "60 "
        "--hashlimit-burst 5 --hashlimit-htable-expire 60000");
}

TEST_CASE("not above is up to, and connections are counted by source address") {
  CHECK(match_of("-m connlimit ! --connlimit-above 3") ==
        "connlimit --connlimit-upto 3 --connlimit-mask 0.0.0.0/32 --connlimit-saddr");
  CHECK(match_of("-m connlimit --connlimit-upto 3 --connlimit-mask 24 --connlimit-daddr") ==
        "connlimit --connlimit-upto 3 --connlimit-mask 0.0.0.0/24 --connlimit-daddr");
}

TEST_CASE("recent has the list DEFAULT, a whole mask and source addresses") {
  CHECK(match_of("-m recent --set") == "recent --set --name DEFAULT --mask 255.255.255.255 --rsource");
}

TEST_CASE("a probability is a number of 31 bits") {
  CHECK(match_of("-m statistic --mode random --probability 0.5") ==
        "statistic --mode random --probability 1073741824");
  CHECK(match_of("-m statistic --mode random --probability 2") == "statistic --mode random --probability 2");
}

TEST_CASE("strings are bytes, whichever way they are written") {
  CHECK(match_of("-m string --algo bm --string ABc") == "string --algo bm bytes 414263 --from 0 --to 65535");
  CHECK(match_of(R"(-m string --algo bm --hex-string "|41 42|c")") ==
        "string --algo bm bytes 414263 --from 0 --to 65535");
  CHECK(match_of(R"(-m string --algo bm --hex-string "|4g|")") ==
        "string --algo bm --hex-string |4g| --from 0 --to 65535");
}

TEST_CASE("the option --syn is its flags") {
  CHECK(match_of("-p tcp --syn") == "tcp --tcp-flags 0x17 0x02");
  CHECK(match_of("-p tcp ! --syn") == "tcp ! --tcp-flags 0x17 0x02");
  CHECK(match_of("-p tcp --tcp-flags SYN,ACK,RST,FIN syn") == "tcp --tcp-flags 0x17 0x02");
  CHECK(match_of("-p tcp --tcp-flags ALL NONE") == "tcp --tcp-flags 0x3f 0x00");
}

TEST_CASE("ICMP types are numbers with their codes") {
  CHECK(match_of("-p icmp --icmp-type ping") == "icmp --icmp-type 8/0-255");
  CHECK(match_of("-p icmpv6 --icmpv6-type ping", Family::ipv6) == "icmp6 --icmpv6-type 128/0-255");
  CHECK(match_of("-p icmp --icmp-type nonsense") == "icmp --icmp-type nonsense");
}

TEST_CASE("types of service and classes of differentiated services are numbers") {
  CHECK(match_of("-m tos --tos Minimize-Delay") == "tos --tos 0x10/0x3f");
  CHECK(match_of("-m tos --tos 0x10") == "tos --tos 0x10/0xff");
  CHECK(match_of("-m dscp ! --dscp-class EF") == "dscp ! --dscp 46");
}

TEST_CASE("connbytes goes without end where no end is given") {
  CHECK(match_of("-m connbytes --connbytes 100 --connbytes-dir both --connbytes-mode packets") ==
        "connbytes --connbytes 100:18446744073709551615 --connbytes-dir both --connbytes-mode packets");
  CHECK(match_of("-m connbytes --connbytes :9 --connbytes-dir both --connbytes-mode packets") ==
        "connbytes --connbytes 0:9 --connbytes-dir both --connbytes-mode packets");
}

TEST_CASE("a node of a cluster is a bit of a mask") {
  CHECK(match_of("-m cluster --cluster-total-nodes 4 --cluster-local-node 3 --cluster-hash-seed 1") ==
        "cluster --cluster-total-nodes 4 --cluster-local-nodemask 4 --cluster-hash-seed 1");
}

TEST_CASE("times of day are seconds, days are numbers") {
  CHECK(match_of("-m time --timestart 08:00 --timestop 17:30:15") ==
        "time --timestart 28800 --timestop 63015");
  CHECK(match_of("-m time --weekdays Fri,Mon,Tue") == "time --weekdays 1-2,5 --timestart 0 --timestop 86399");
  CHECK(match_of("-m time ! --weekdays Sa,Su") == "time --weekdays 1-5 --timestart 0 --timestop 86399");
  CHECK(match_of("-m time --datestart 2026-01 --datestop 2038-01-19T03:14:07") ==
        "time --datestart 1767225600 --timestart 0 --timestop 86399");
}

TEST_CASE("numbers of u32 have one base") {
  CHECK(match_of(R"(-m u32 --u32 "0 & 0xFF = 010:12")") == "u32 --u32 0x0&0xff=0x8:0xc");
}

TEST_CASE("a match that is not known stays as it was written") {
  CHECK(match_of("-m nosuch --limit 3/hour") == "nosuch --limit 3/hour");
}

TEST_CASE("all ways to set a mark are one") {
  CHECK(target_of("-j MARK --set-mark 1") == "MARK xmark 0x1/0xffffffff");
  CHECK(target_of("-j MARK --set-xmark 1") == "MARK xmark 0x1/0xffffffff");
  CHECK(target_of("-j MARK --set-mark 0x1/0xf0") == "MARK xmark 0x1/0xf1");
  CHECK(target_of("-j MARK --and-mark 0xff") == "MARK xmark 0x0/0xffffff00");
  CHECK(target_of("-j MARK --or-mark 4") == "MARK xmark 0x4/0x4");
  CHECK(target_of("-j MARK --xor-mark 4") == "MARK xmark 0x4/0x0");
}

TEST_CASE("one mask of CONNMARK is a mask for both marks") {
  CHECK(target_of("-j CONNMARK --save-mark") ==
        "CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff");
  CHECK(target_of("-j CONNMARK --restore-mark --mask 0xf") ==
        "CONNMARK --restore-mark --nfmask 0xf --ctmask 0xf");
}

TEST_CASE("all ways to set a type of service are one") {
  CHECK(target_of("-j TOS --set-tos Minimize-Cost") == "TOS tos 0x2/0x3f");
  CHECK(target_of("-j TOS --set-tos 0x10") == "TOS tos 0x10/0xff");
  CHECK(target_of("-j TOS --and-tos 0x0f") == "TOS tos 0x0/0xf0");
  CHECK(target_of("-j TOS --or-tos 4") == "TOS tos 0x4/0x4");
  CHECK(target_of("-j TOS --xor-tos 4") == "TOS tos 0x4/0x0");
  CHECK(target_of("-j DSCP --set-dscp-class AF41") == "DSCP --set-dscp 34");
}

TEST_CASE("targets have the defaults of the manual") {
  CHECK(target_of("-j REJECT") == "REJECT --reject-with icmp-port-unreachable");
  CHECK(target_of("-j REJECT", Family::ipv6) == "REJECT --reject-with icmp6-port-unreachable");
  CHECK(target_of("-j REJECT --reject-with host-unreach") == "REJECT --reject-with icmp-host-unreachable");
  CHECK(target_of("-j LOG") == "LOG --log-level 4");
  CHECK(target_of("-j LOG --log-level debug") == "LOG --log-level 7");
  CHECK(target_of("-j NFLOG --nflog-group 0") == "NFLOG");
  CHECK(target_of("-j NFQUEUE") == "NFQUEUE --queue-num 0");
  CHECK(target_of("-j NOTRACK") == "CT --notrack");
}

TEST_CASE("addresses and ports of a translation have one spelling") {
  CHECK(target_of("-j DNAT --to-destination 192.0.2.1-192.0.2.1:80") ==
        "DNAT --to-destination 192.0.2.1 port 80");
  CHECK(target_of("-j DNAT --to-destination :8000-8080") == "DNAT --to-destination  port 8000-8080");
  CHECK(target_of("-j DNAT --to-destination :8000-8080", Family::ipv6) ==
        "DNAT --to-destination  port 8000-8080");
  CHECK(target_of("-j DNAT --to-destination ::25", Family::ipv6) == "DNAT --to-destination ::25 port ");
  CHECK(target_of("-j DNAT --to-destination [2001:DB8::1]:80", Family::ipv6) ==
        "DNAT --to-destination 2001:db8::1 port 80");
  CHECK(target_of("-p tcp -j REDIRECT --to-ports 80-80") == "REDIRECT --to-ports 80");
  CHECK(target_of("-j SNAT --to-source web1") == "SNAT --to-source web1");
}

TEST_CASE("a class is two hexadecimal numbers") {
  CHECK(target_of("-j CLASSIFY --set-class 0001:001A") == "CLASSIFY --set-class 1:1a");
}

TEST_CASE("a value has the spelling of its kind") {
  CHECK(value_of("tcp", "--dport", "0x50:90") == "80-90");
  CHECK(value_of("mac", "--mac-source", "0:1:2:a:b:C") == "0001020A0B0C");
  CHECK(value_of("mark", "--mark", "1/0xf") == "0x1/0xf");
  CHECK(value_of("length", "--length", "100:") == "100-65535");
  CHECK(value_of("iprange", "--src-range", "192.0.2.1-192.0.2.2") == "192.0.2.1-192.0.2.2");
  CHECK(value_of("conntrack", "--ctstate", "RELATED,established") == R"("ESTABLISHED,RELATED")");
  CHECK(value_of("owner", "--uid-owner", "root") == "0-0");
  CHECK(value_of("owner", "--uid-owner", "5-9") == "5-9");
}

TEST_CASE("a value that cannot be read is marked as such") {
  CHECK(value_of("tcp", "--dport", "nosuch") == "?nosuch");
  CHECK(value_of("mark", "--mark", "a b") == R"(?"a b")");
  CHECK(normal_value(nullptr, Option{.name = "--x", .values = {"a", "b c"}}, Family::ipv4) == R"(a "b c")");
}

TEST_CASE("names of headers, types and options are numbers") {
  CHECK(match_of("-m ipv6header --header route,hop", Family::ipv6) == "ipv6header --header 0,43");
  CHECK(match_of("-m ipv6header --header ipv6-route,0,hop", Family::ipv6) == "ipv6header --header 0,43");
  CHECK(match_of("-p mh --mh-type brr:COTI", Family::ipv6) == "mh --mh-type 0:2");
  CHECK(match_of("-p mh --mh-type binding-u", Family::ipv6) == "mh --mh-type 5");
  CHECK(match_of("-p mh --mh-type home-test", Family::ipv6) == "mh --mh-type 3");
  CHECK(target_of("-j TCPOPTSTRIP --strip-options timestamp,4,0x3") == "TCPOPTSTRIP --strip-options 3,4,8");
  CHECK(match_of("-p sctp --chunk-types ANY data:Eb,init") == "sctp --chunk-types ANY DATA:bE,INIT");
  CHECK(match_of("-m hbh --hbh-opts 0x1:2,23", Family::ipv6) == "hbh --hbh-opts 1:2,23");
  CHECK(match_of("-m rt --rt-type 0 --rt-0-addrs 0:0::1,::2", Family::ipv6) ==
        "rt --rt-type 0 --rt-0-addrs ::1,::2");
}

TEST_CASE("an address of most options ends with its last number, one of -s begins with its first") {
  CHECK(value_of("conntrack", "--ctorigsrc", "10.1") == "10.0.0.1/32");
  CHECK(normal_value(base_options().find("-s"), Option{.name = "-s", .values = {"10.1"}}, Family::ipv4) ==
        "10.1.0.0/32");
  CHECK(normal_value(base_options().find("-s"), Option{.name = "-s", .values = {"any/0"}}, Family::ipv4) ==
        "0.0.0.0/0");
}

TEST_CASE("of a text that is too long counts what the kernel keeps") {
  const std::string kept(29, 'x');
  CHECK(normal_value(find_target("LOG")->find("--log-prefix"),
                     Option{.name = "--log-prefix", .values = {kept + "yz"}}, Family::ipv4) == kept);
  const std::string comment(255, 'c');
  CHECK(parse_rule("-m comment --comment " + comment + "d -j ACCEPT", Family::ipv4)->comment == comment);
}

TEST_CASE("the tuple of HMARK is its masks") {
  CHECK(target_of("-j HMARK --hmark-tuple src,sport --hmark-mod 5 --hmark-rnd 1") ==
        "HMARK --hmark-src-prefix 32 --hmark-sport-mask 0xffff --hmark-mod 5 --hmark-rnd 1");
  CHECK(target_of("-j HMARK --hmark-tuple src --hmark-src-prefix 0x18 --hmark-mod 5 --hmark-rnd 1",
                  Family::ipv6) == "HMARK --hmark-src-prefix 24 --hmark-mod 5 --hmark-rnd 1");
}

TEST_CASE("the times of RATEEST are powers of two") {
  CHECK(target_of("-j RATEEST --rateest-name x --rateest-interval 250ms --rateest-ewmalog 0.5s") ==
        target_of("-j RATEEST --rateest-name x --rateest-interval 250.0ms --rateest-ewmalog 500.0ms"));
  CHECK(target_of("-j RATEEST --rateest-name x --rateest-interval 250ms --rateest-ewmalog 0.5s") !=
        target_of("-j RATEEST --rateest-name x --rateest-interval 250ms --rateest-ewmalog 2s"));
}

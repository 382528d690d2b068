#include "rules/variables.h"

#include <catch2/catch.hpp>

#include "rules/parse.h"
#include "rules/print.h"
#include "rules/rules_file.h"

using namespace rewall;

namespace {

Variables variables(std::initializer_list<std::string_view> words) {
  Variables out;
  for (const auto word : words) REQUIRE(add_variable(out, word));
  return out;
}

const Variables& web() {
  static const Variables all = variables({"SELF=192.0.2.10,2001:db8::10", "LAN=10.1.0.0/16"});
  return all;
}

/// The rule with the names of web().
std::string named(const std::string& rule, Family family = Family::ipv4) {
  auto tables = parse_tables("*filter\n:INPUT ACCEPT [0:0]\n-A INPUT " + rule + "\nCOMMIT\n", family, "test");
  Ruleset ruleset;
  (family == Family::ipv4 ? ruleset.v4 : ruleset.v6) = *std::move(tables);
  ruleset = with_variables(std::move(ruleset), web());
  const auto& out = family == Family::ipv4 ? ruleset.v4 : ruleset.v6;
  return std::string(out.tables[0].chains[0].rules[0].words);
}

std::string why_not(std::string_view word) {
  Variables all;
  const auto added = add_variable(all, word);
  return added ? "good" : added.error().message;
}

}  // namespace

TEST_CASE("a host's own addresses have names in its rules") {
  CHECK(named("-s 192.0.2.10/32 -j ACCEPT") == "-s $SELF -j ACCEPT");
  CHECK(named("-d 192.0.2.10 -j ACCEPT") == "-d $SELF -j ACCEPT");
  CHECK(named("! -s 192.0.2.10/255.255.255.255 -j DROP") == "! -s $SELF -j DROP");
  CHECK(named("-s ! 192.0.2.10 -j DROP") == "! -s $SELF -j DROP");
  CHECK(named("-s 10.1.0.0/16 -d 192.0.2.10/32 -j ACCEPT") == "-s $LAN -d $SELF -j ACCEPT");
  CHECK(named("-m iprange --src-range 192.0.2.10-192.0.2.20") == "-m iprange --src-range $SELF-192.0.2.20");
  CHECK(named("-m iprange --dst-range 192.0.2.1-192.0.2.10") == "-m iprange --dst-range 192.0.2.1-$SELF");
  CHECK(named("-j DNAT --to-destination 192.0.2.10:8080-8090") == "-j DNAT --to-destination $SELF:8080-8090");
  CHECK(named("-j SNAT --to-source 192.0.2.9-192.0.2.10") == "-j SNAT --to-source 192.0.2.9-$SELF");
  CHECK(named("-m conntrack --ctorigdst 192.0.2.10 -j ACCEPT") == "-m conntrack --ctorigdst $SELF -j ACCEPT");
  CHECK(named("-s 2001:db8::10/128 -j ACCEPT", Family::ipv6) == "-s $SELF -j ACCEPT");
  CHECK(named("-d 2001:DB8:0::10 -j ACCEPT", Family::ipv6) == "-d $SELF -j ACCEPT");
  CHECK(named("-j DNAT --to-destination [2001:db8::10]:80", Family::ipv6) ==
        "-j DNAT --to-destination $SELF:80");
  CHECK(named("-m rt --rt-0-addrs 2001:db8::1,2001:db8::10", Family::ipv6) ==
        "-m rt --rt-0-addrs 2001:db8::1,$SELF");
}

TEST_CASE("what only looks like a host's address keeps its words") {
  for (const std::string rule :
       {"-s 192.0.2.100/32 -j ACCEPT", "-s 192.0.2.1/32 -j ACCEPT", "-s 192.0.2.0/24 -j ACCEPT",
        "-s 10.1.2.3/32 -j ACCEPT", "-s 10.1.0.0/24 -j ACCEPT", "-s 10.1.0.0/32 -j ACCEPT",
        "-m iprange --src-range 192.0.2.1-192.0.2.20 -j ACCEPT", "-i 192.0.2.10 -j ACCEPT",
        "-m comment --comment 192.0.2.10 -j ACCEPT", "-m comment --comment \"-s 192.0.2.10\" -j ACCEPT",
        "-j LOG --log-prefix 192.0.2.10", "-m string --algo bm --string 192.0.2.10 -j DROP",
        "-p tcp -m tcp --dport 22 -j ACCEPT", "-j 192.0.2.10"}) {
    CHECK(named(rule) == rule);
  }
  // An address of the other family is none of this one.
  CHECK(named("-s 2001:db8::100/128 -j ACCEPT", Family::ipv6) == "-s 2001:db8::100/128 -j ACCEPT");
}

TEST_CASE("members of sets have the names, too") {
  Ruleset ruleset;
  ruleset.sets = parse_sets(
                     "create a hash:ip family inet comment timeout 60\n"
                     "add a 192.0.2.10 timeout 0 comment \"192.0.2.10 is it\"\nadd a 192.0.2.100 timeout 0\n"
                     "create b hash:net family inet\nadd b 10.1.0.0/16\nadd b 192.0.2.0/24\n"
                     "create c hash:ip,port family inet\nadd c 192.0.2.10,tcp:80\n"
                     "create d hash:net,iface family inet6\nadd d 2001:db8::10,eth0\n"
                     "create e hash:ip,mac family inet\nadd e 192.0.2.10,00:11:22:33:44:55\n",
                     "test")
                     .value();
  ruleset = with_variables(std::move(ruleset), web());
  std::string members;
  for (const auto& set : ruleset.sets.sets) {
    for (const auto member : set.members) members += std::string(member) + "\n";
  }
  CHECK(members ==
        "$SELF timeout 0 comment \"192.0.2.10 is it\"\n192.0.2.100 timeout 0\n"
        "$LAN\n192.0.2.0/24\n$SELF,tcp:80\n$SELF,eth0\n$SELF,00:11:22:33:44:55\n");
}

TEST_CASE("variables that cannot be are refused") {
  CHECK(why_not("SELF=192.0.2.10") == "good");
  CHECK(why_not("SELF") == "'SELF' is not NAME=VALUE");
  CHECK(why_not("=192.0.2.10") == "'=192.0.2.10' is not NAME=VALUE");
  CHECK(why_not("S-1=192.0.2.10") == "'S-1=192.0.2.10' is not NAME=VALUE");
  CHECK(why_not("SELF=") == "'' is not an address or a network");
  CHECK(why_not("SELF=192.0.2.10,") == "'' is not an address or a network");
  CHECK(why_not("SELF=10") == "'10' is not an address or a network");
  CHECK(why_not("SELF=192.0.2.256") == "'192.0.2.256' is not an address or a network");
  CHECK(why_not("SELF=192.0.2.10/33") == "'192.0.2.10/33' is not an address or a network");
  CHECK(why_not("SELF=web1.example.org") == "'web1.example.org' is not an address or a network");
}

#include "rules/symbols.h"

#include <catch2/catch.hpp>

using namespace rewall;

namespace {

// "TYPE/FIRST-LAST", "any" or "none".
std::string icmp(std::string_view text, Family family) {
  const auto type = icmp_type(text, family);
  if (!type) return "none";
  if (type->any) return "any";
  return std::to_string(type->type) + "/" + std::to_string(type->first_code) + "-" +
         std::to_string(type->last_code);
}

}  // namespace

TEST_CASE("numbers are decimal, hexadecimal after 0x and octal after 0") {
  CHECK(read_number("10") == 10);
  CHECK(read_number("0x1F") == 31);
  CHECK(read_number("0X1f") == 31);
  CHECK(read_number("010") == 8);
  CHECK(read_number("0") == 0);
  CHECK(read_number("18446744073709551615") == UINT64_MAX);
}

TEST_CASE("a number with anything around it, or a greater one than asked for, is none") {
  for (const char* text : {"", "0x", "08", "1a", " 1", "1 ", "-1", "+1", "18446744073709551616"}) {
    INFO(text);
    CHECK(!read_number(text));
  }
  CHECK(read_number("255", 255) == 255);
  CHECK(!read_number("256", 255));
}

TEST_CASE("protocols have iptables' own names, in any case, and numbers") {
  CHECK(protocol_number("tcp") == 6);
  CHECK(protocol_number("UDP") == 17);
  CHECK(protocol_number("all") == 0);
  CHECK(protocol_number("icmpv6") == 58);
  CHECK(protocol_number("mh") == 135);
  CHECK(protocol_number("132") == 132);
  CHECK(!protocol_number("256"));
  CHECK(!protocol_number("no-such-protocol"));
}

TEST_CASE("ports end at 65535") {
  CHECK(port_number("0") == 0);
  CHECK(port_number("65535") == 65535);
  CHECK(!port_number("65536"));
  CHECK(!port_number("no-such-service"));
}

TEST_CASE("users and groups are those of the host") {
  CHECK(user_number("root") == 0);
  CHECK(group_number("root") == 0);
  CHECK(!user_number("no-such-user"));
  CHECK(!group_number("no-such-group"));
}

TEST_CASE("an ICMP type is a name, a number, or a number with a code") {
  CHECK(icmp("echo-request", Family::ipv4) == "8/0-255");
  CHECK(icmp("ping", Family::ipv4) == "8/0-255");
  CHECK(icmp("Port-Unreachable", Family::ipv4) == "3/3-3");
  CHECK(icmp("3", Family::ipv4) == "3/0-255");
  CHECK(icmp("3/3", Family::ipv4) == "3/3-3");
  CHECK(icmp("echo-request", Family::ipv6) == "128/0-255");
  CHECK(icmp("neighbor-solicitation", Family::ipv6) == icmp("neighbour-solicitation", Family::ipv6));
  CHECK(icmp("1/4", Family::ipv6) == icmp("port-unreachable", Family::ipv6));
}

TEST_CASE("255 is any ICMP type, but one type of ICMPv6") {
  CHECK(icmp("any", Family::ipv4) == "any");
  CHECK(icmp("255", Family::ipv4) == "any");
  CHECK(icmp("255", Family::ipv6) == "255/0-255");
}

TEST_CASE("the beginning of an ICMP type's name is enough where no other name begins alike") {
  CHECK(icmp("echo-req", Family::ipv4) == "8/0-255");
  CHECK(icmp("echo-re", Family::ipv4) == "none");
  CHECK(icmp("source-q", Family::ipv4) == "4/0-255");
  CHECK(icmp("", Family::ipv4) == "none");
  CHECK(icmp("256", Family::ipv4) == "none");
  CHECK(icmp("3/256", Family::ipv4) == "none");
}

// RFC 2474, RFC 2597 and RFC 3246.
TEST_CASE("classes of differentiated services have their code points") {
  CHECK(dscp_class("CS0") == 0);
  CHECK(dscp_class("cs1") == 8);
  CHECK(dscp_class("AF11") == 10);
  CHECK(dscp_class("AF43") == 38);
  CHECK(dscp_class("EF") == 46);
  CHECK(dscp_class("BE") == 0);
  CHECK(!dscp_class("CS8"));
}

TEST_CASE("levels of syslog(3) have names and numbers") {
  CHECK(log_level("emerg") == 0);
  CHECK(log_level("error") == 3);
  CHECK(log_level("err") == 3);
  CHECK(log_level("Warning") == 4);
  CHECK(log_level("debug") == 7);
  CHECK(log_level("6") == 6);
  CHECK(!log_level("8"));
  CHECK(!log_level("loud"));
}

TEST_CASE("types of REJECT have a full name for each short one") {
  CHECK(reject_type("port-unreach", Family::ipv4) == "icmp-port-unreachable");
  CHECK(reject_type("icmp-port-unreachable", Family::ipv4) == "icmp-port-unreachable");
  CHECK(reject_type("tcp-rst", Family::ipv4) == "tcp-reset");
  CHECK(reject_type("adm-prohibited", Family::ipv6) == "icmp6-adm-prohibited");
  CHECK(!reject_type("icmp6-no-route", Family::ipv4));
  CHECK(default_reject_type(Family::ipv4) == "icmp-port-unreachable");
  CHECK(default_reject_type(Family::ipv6) == "icmp6-port-unreachable");
}

TEST_CASE("types of service have iptables' names") {
  CHECK(tos_value("Minimize-Delay") == 0x10);
  CHECK(tos_value("minimize-cost") == 0x02);
  CHECK(tos_value("Normal-Service") == 0x00);
  CHECK(!tos_value("Fast"));
}

TEST_CASE("case is ignored, length is not") {
  CHECK(equal_ignoring_case("Tcp", "tCP"));
  CHECK(!equal_ignoring_case("tcp", "tcpx"));
}

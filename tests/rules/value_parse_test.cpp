#include "rules/value_parse.h"

#include <catch2/catch.hpp>

using namespace rewall;

namespace {

std::string ports(std::string_view text) {
  const auto intervals = read_ports(text);
  return intervals ? to_text(*intervals) : "?";
}

std::string range(std::string_view text) {
  const auto interval = read_range(text, 255);
  return interval ? to_text(Intervals{*interval}) : "?";
}

std::string address(std::string_view text, Family family = Family::ipv4) {
  const auto read = read_address(text, family);
  return read ? to_text(*read, family) : "?";
}

std::string mark(std::string_view text) {
  const auto read = read_mark(text);
  return read ? to_text(*read) : "?";
}

Address network(std::string_view text) {
  return read_address(text, Family::ipv4).value();
}

}  // namespace

TEST_CASE("intervals that touch or overlap are merged, in order") {
  CHECK(merged({{5, 7}, {1, 2}, {3, 3}}) == Intervals{{1, 3}, {5, 7}});
  CHECK(merged({{1, 9}, {2, 3}}) == Intervals{{1, 9}});
  CHECK(merged({{0, UINT32_MAX}, {4, 5}}) == Intervals{{0, UINT32_MAX}});
}

TEST_CASE("the complement is what the intervals leave up to the greatest number") {
  CHECK(complement({{1, 3}, {5, 7}}, 9) == Intervals{{0, 0}, {4, 4}, {8, 9}});
  CHECK(complement({}, 9) == Intervals{{0, 9}});
  CHECK(complement({{0, 9}}, 9).empty());
}

TEST_CASE("intervals overlap when they share a number") {
  CHECK(overlap({{1, 3}}, {{3, 4}}));
  CHECK(!overlap({{1, 2}, {6, 7}}, {{3, 5}}));
  CHECK(!overlap({}, {{0, 9}}));
}

TEST_CASE("intervals as text") {
  CHECK(to_text(Intervals{{22, 22}, {80, 90}}) == "22,80-90");
  CHECK(to_text(Intervals{}) == "none");
}

TEST_CASE("ports are single ones, ranges with open ends, and lists of them") {
  CHECK(ports("22") == "22");
  CHECK(ports("22:80") == "22-80");
  CHECK(ports(":80") == "0-80");
  CHECK(ports("1024:") == "1024-65535");
  CHECK(ports("443,80,81") == "80-81,443");
}

TEST_CASE("what is no list of ports is not read") {
  for (const char* text : {"", "22,", "80:22", "65536", "no-such-service", "1:2:3"}) {
    INFO(text);
    CHECK(ports(text) == "?");
  }
}

TEST_CASE("a range has open ends up to the greatest number") {
  CHECK(range("3") == "3");
  CHECK(range("3:4") == "3-4");
  CHECK(range(":4") == "0-4");
  CHECK(range("3:") == "3-255");
  CHECK(range("0x10") == "16");
  CHECK(range("4:3") == "?");
  CHECK(range("256") == "?");
  CHECK(range("") == "?");
}

TEST_CASE("an IPv4 address has a prefix, a mask or neither, and loses the bits outside") {
  CHECK(address("192.0.2.1") == "192.0.2.1/32");
  CHECK(address("192.0.2.77/24") == "192.0.2.0/24");
  CHECK(address("192.0.2.77/255.255.255.0") == "192.0.2.0/24");
  CHECK(address("10.0.0.1/255.0.0.255") == "10.0.0.1/255.0.0.255");
  CHECK(address("10/8") == "10.0.0.0/8");
  CHECK(address("10.1/16") == "10.1.0.0/16");
  CHECK(address("0/0") == "0.0.0.0/0");
}

TEST_CASE("an IPv6 address is written in its shortest form") {
  CHECK(address("2001:DB8:0:0::1", Family::ipv6) == "2001:db8::1/128");
  CHECK(address("2001:db8:1::1/32", Family::ipv6) == "2001:db8::/32");
  CHECK(address("2001:db8::1/ffff:ffff::", Family::ipv6) == "2001:db8::/32");
  CHECK(address("::/0", Family::ipv6) == "::/0");
}

TEST_CASE("what is no address is not read") {
  for (const char* text : {"", "web1", "192.0.2.256", "192.0.2.1.1", "192.0.2.1/33", "192.0.2.1/",
                           "192.0.2.1/255.255", "2001:db8::1"}) {
    INFO(text);
    CHECK(address(text) == "?");
  }
  CHECK(address("192.0.2.1", Family::ipv6) == "?");
  CHECK(address("2001:db8::/129", Family::ipv6) == "?");
}

TEST_CASE("networks are disjoint, overlap, or lie within each other") {
  CHECK(disjoint(network("10.0.0.0/8"), network("192.0.2.0/24")));
  CHECK(!disjoint(network("10.0.0.0/8"), network("10.1.0.0/16")));
  CHECK(!disjoint(network("0.0.0.1/0.0.0.1"), network("10.0.0.0/8")));
  CHECK(disjoint(network("0.0.0.1/0.0.0.1"), network("0.0.0.0/0.0.0.1")));
  CHECK(within(network("10.1.0.0/16"), network("10.0.0.0/8")));
  CHECK(!within(network("10.0.0.0/8"), network("10.1.0.0/16")));
  CHECK(network("0/0").any());
  CHECK(!network("10/8").any());
}

TEST_CASE("a range of addresses with equal ends is one address") {
  CHECK(read_address_range("192.0.2.1-192.0.2.9", Family::ipv4) == "192.0.2.1-192.0.2.9");
  CHECK(read_address_range("192.0.2.1-192.0.2.1", Family::ipv4) == "192.0.2.1");
  CHECK(read_address_range("192.0.2.1", Family::ipv4) == "192.0.2.1");
  CHECK(read_address_range("2001:DB8::1-2001:db8::2", Family::ipv6) == "2001:db8::1-2001:db8::2");
  CHECK(!read_address_range("192.0.2", Family::ipv4));
  CHECK(!read_address_range("192.0.2.1-", Family::ipv4));
}

TEST_CASE("a mark without a mask has all bits") {
  CHECK(mark("1") == "0x1/0xffffffff");
  CHECK(mark("0x10/0xf0") == "0x10/0xf0");
  CHECK(mark("0x1/") == "?");
  CHECK(mark("0x100000000") == "?");
  CHECK(to_text(read_mark("1", 0xff).value()) == "0x1/0xff");
}

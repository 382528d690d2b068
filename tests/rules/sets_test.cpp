#include "rules/sets.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "rules/meaning.h"
#include "rules/parse.h"
#include "rules/print.h"

using namespace rewall;

namespace {

Sets read(const std::string& text) {
  auto sets = parse_sets(text, "ipset");
  if (!sets) FAIL(sets.error().message);
  return *std::move(sets);
}

Set options(std::string type, std::string words) {
  return Set{.name = "s", .type = std::move(type), .options = std::move(words)};
}

}  // namespace

// The texts are what `ipset save` 7.17 printed.
TEST_CASE("sets are read with their type, options and members") {
  const auto sets = read(
      "create s hash:ip family inet hashsize 1024 maxelem 65536 timeout 100 counters comment\n"
      "add s 10.0.0.10 timeout 0 packets 0 bytes 0\n"
      "create b bitmap:port range 1-100\nadd b 5\nadd s 10.0.0.2 timeout 0\ncreate e hash:net\r\n\n");
  REQUIRE(sets.sets.size() == 3);
  CHECK(sets.sets[0].type == "hash:ip");
  CHECK(sets.sets[0].options == "family inet hashsize 1024 maxelem 65536 timeout 100 counters comment");
  CHECK(sets.find("s")->members ==
        std::vector<std::string_view>{"10.0.0.10 timeout 0 packets 0 bytes 0", "10.0.0.2 timeout 0"});
  CHECK(sets.find("b")->members == std::vector<std::string_view>{"5"});
  CHECK(sets.find("e")->options.empty());
  CHECK(sets.find("x") == nullptr);
}

TEST_CASE("canonical sets are sorted, lists last, without what passes by itself") {
  const auto sets = read(
      "create zz list:set size 8\ncreate s hash:ip family inet timeout 100 counters comment skbinfo\n"
      "add s 9.0.0.1 timeout 99 packets 0 bytes 0\n"
      "add s 10.0.0.2 timeout 0 packets 5 bytes 6 comment \"hello timeout 4 \\x\" skbmark 0x1/0x2\n"
      "add s 10.0.0.10 timeout 0 packets 0 bytes 0\n"
      "create nn hash:net,port family inet\nadd nn 10.0.0.0/8,tcp:80 nomatch\nadd nn 0.0.0.0/1,udp:80\n"
      "add zz s\nadd zz nn\n");
  const std::string canonical =
      "create nn hash:net,port family inet\nadd nn 0.0.0.0/1,udp:80\nadd nn 10.0.0.0/8,tcp:80 nomatch\n"
      "create s hash:ip family inet timeout 100 counters comment skbinfo\n"
      "add s 10.0.0.10 timeout 0\n"
      "add s 10.0.0.2 timeout 0 comment \"hello timeout 4 \\x\" skbmark 0x1/0x2\n"
      "create zz list:set size 8\nadd zz s\nadd zz nn\n";
  CHECK(canonical_text(sets) == canonical);
  CHECK(canonical_text(read(canonical)) == canonical);
}

TEST_CASE("blanks around a member are no part of it, wherever its line stands") {
  const auto sets = read("create s hash:ip\nadd s 1\nadd s  2\nadd s 3 \t\nadd s\t4\r\nadd s 5\n");
  CHECK(sets.find("s")->members == std::vector<std::string_view>{"1", "2", "3", "4", "5"});
}

TEST_CASE("members are sorted as bytes are, whatever they share") {
  const std::string sorted =
      "create s hash:net family inet6\n"
      "add s 2001:db8:0:1::/64\n"
      "add s 2001:db8:0:1::/64\t\xc3\xa9\n"
      "add s 2001:db8:1111:2222:3333:4444:5555:6666\n"
      "add s 2001:db8:1111:2222:3333:4444:5555:7777\n"
      "add s 2001:db8:1111:2222:3333:4444:5555:77770\n"
      "add s 2001:db8::\n"
      "add s 2001:dbz\n"
      "add s 2001:db\xc3\xa9\n";
  const auto sets = read(sorted);
  REQUIRE(sets.sets[0].members.size() == 8);
  for (const int first : {1, 5, 7}) {
    auto members = sets.sets[0].members;
    std::ranges::rotate(members, members.begin() + first);
    sort_members(members);
    CHECK(members == sets.sets[0].members);
  }
}

TEST_CASE("sets have the same text when their members differ in order and in what passes by itself") {
  const auto same = [](const std::string& one, const std::string& other) {
    return same_text(read(one), read(other));
  };
  const std::string set = "create s hash:ip family inet timeout 100\n";
  CHECK(same(set + "add s 10.0.0.2 timeout 0\nadd s 9.0.0.1 timeout 7\nadd s 8.0.0.1 timeout 0\n",
             set + "add s 8.0.0.1 timeout 0\nadd s 10.0.0.2 timeout 0\n"));
  CHECK(same(set + "create b hash:ip\n", "create b hash:ip\n" + set));
  CHECK_FALSE(same(set + "add s 9.0.0.1 timeout 0\n", set + "add s 9.0.0.2 timeout 0\n"));
  CHECK_FALSE(
      same(set + "add s 9.0.0.1 timeout 0\n", set + "add s 9.0.0.1 timeout 0\nadd s 9.0.0.2 timeout 0\n"));
  CHECK_FALSE(same(set + "add s 9.0.0.1 timeout 0\n", set + "add s 9.0.0.1\n"));
  CHECK_FALSE(same(set, "create s hash:ip family inet timeout 99\n"));
  CHECK_FALSE(same(set, "create s hash:net family inet timeout 100\n"));
  CHECK_FALSE(same(set, "create b hash:ip family inet timeout 100\n"));
  CHECK_FALSE(same(set, ""));
  const std::string list = "create a hash:ip\ncreate b hash:ip\ncreate z list:set size 8\n";
  CHECK_FALSE(same(list + "add z a\nadd z b\n", list + "add z b\nadd z a\n"));
}

TEST_CASE("a temporary member is no part of a set, and a permanent one says so") {
  const std::string text =
      "create s hash:ip timeout 600\nadd s 192.0.2.1 timeout 599\nadd s 192.0.2.2 timeout 0\nadd s "
      "192.0.2.3\n"
      "create none hash:ip timeout 0 comment\nadd none 192.0.2.4\nadd none 192.0.2.5 comment \"timeout 9\"\n"
      "add none 192.0.2.6 comment \"x\" timeout 8\ncreate plain hash:ip\nadd plain 192.0.2.7\n";
  using Members = std::vector<std::string_view>;
  SECTION("of a snapshot, where an older version recorded some without their time") {
    const auto sets = read(text);
    CHECK(sets.find("s")->members == Members{"192.0.2.2 timeout 0"});
    CHECK(sets.find("s")->temporary.empty());
    CHECK(sets.find("none")->members.empty());
    CHECK(sets.find("plain")->members == Members{"192.0.2.7"});
  }
  SECTION("of a person, who leaves the timeout to the set") {
    const auto sets = parse_sets(text, "ipset", SetsText::by_hand).value();
    CHECK(sets.find("s")->members == Members{"192.0.2.2 timeout 0"});
    CHECK(sets.find("s")->temporary == Members{"192.0.2.1 timeout 599", "192.0.2.3"});
    CHECK(sets.find("none")->members ==
          Members{"192.0.2.4 timeout 0", "192.0.2.5 timeout 0 comment \"timeout 9\""});
    CHECK(sets.find("none")->temporary == Members{"192.0.2.6 timeout 8 comment \"x\""});
    CHECK(brings_temporary(sets));
  }
}

TEST_CASE("a person's file of sets is read as ipset restore reads it") {
  const auto [text, canonical] = GENERATE(table<std::string, std::string>({
      {"-N bl nethash --hashsize 1024\n-A bl 192.0.2.0/24\nCOMMIT\n",
       "create bl hash:net hashsize 1024\nadd bl 192.0.2.0/24\n"},
      {"# a comment\ncreate bl hash:net -exist\ncreate bl hash:net -exist\nflush bl\nadd bl 192.0.2.0/24 "
       "-exist\n"
       "add -exist bl 10.0.0.0/8\ndel bl 192.0.2.0/24\n",
       "create bl hash:net\nadd bl 10.0.0.0/8\n"},
      {"create \"bl\" hash:ip timeout 0 comment\nadd bl 192.0.2.1 comment \"a  b --c\"\nadd bl 192.0.2.2\n"
       "del bl 192.0.2.2\n",
       "create bl hash:ip timeout 0 comment\nadd bl 192.0.2.1 timeout 0 comment \"a  b --c\"\n"},
      {"create a iphash\nadd a 192.0.2.1\nflush\n", "create a hash:ip\n"},
      // ipset 7.17 made these of them.
      {"create a hash:ip comment\nadd a 192.0.2.1 comment \"x\\\" -exist\n",
       "create a hash:ip comment\nadd a 192.0.2.1 comment \"x\\\"\n"},
      {"create a hash:ip comment\nadd a 192.0.2.1 comment \"a b\"c\nadd a 192.0.2.2 comment ab\"c d\"\n",
       "create a hash:ip comment\nadd a 192.0.2.1 comment \"a bc\"\nadd a 192.0.2.2 comment \"abc d\"\n"},
      {"create a hash:ip comment skbinfo\nadd a 192.0.2.1 skbmark 0x1/0xffffffff comment \"x\\\"\n",
       "create a hash:ip comment skbinfo\nadd a 192.0.2.1 comment \"x\\\" skbmark 0x1\n"},
  }));
  const auto sets = parse_sets(text, "ipset", SetsText::by_hand);
  if (!sets) FAIL(sets.error().message);
  CHECK(canonical_text(*sets) == canonical);
}

TEST_CASE("a quote that a person's file of sets does not close is refused, as by ipset") {
  const auto sets =
      parse_sets("create a hash:ip comment\nadd a 192.0.2.1 comment \"ab\n", "f", SetsText::by_hand);
  REQUIRE_FALSE(sets);
  CHECK(sets.error().message == "f:2: missing closing quote: '\"ab'");
}

TEST_CASE("the hash of a set with timeouts grows with the traffic, that of another with its members") {
  const auto same = [](const std::string& one, const std::string& other) {
    return same_but_for_traffic(options("hash:ip", one), options("hash:ip", other));
  };
  CHECK(same("hashsize 1024 timeout 5", "hashsize 4096 timeout 5"));
  CHECK_FALSE(same("hashsize 1024 timeout 5", "hashsize 1024 timeout 6"));
  CHECK_FALSE(same("hashsize 1024", "hashsize 4096"));
}

TEST_CASE("a set may bear the name of an option") {
  CHECK(meaning_of_member("timeout") == "timeout");
  CHECK(meaning_of_member("packets packets 5 bytes 6") == "packets");
}

TEST_CASE("what the kernel chooses for a set is no part of its meaning") {
  CHECK(meaning_of_options(options("hash:ip", "")) ==
        meaning_of_options(
            options("hash:ip", "family inet hashsize 4096 maxelem 65536 bucketsize 12 initval 0x95b6d74a")));
  CHECK(meaning_of_options(options("hash:ip", "timeout 5 counters")) ==
        meaning_of_options(options("hash:ip", "counters timeout 5")));
  CHECK(meaning_of_options(options("hash:ip", "timeout 5")) !=
        meaning_of_options(options("hash:ip", "timeout 6")));
  CHECK(meaning_of_options(options("hash:ip", "")) != meaning_of_options(options("hash:ip", "family inet6")));
  CHECK(meaning_of_options(options("hash:ip", "")) != meaning_of_options(options("hash:net", "")));
}

TEST_CASE("sets that cannot be read are refused with line and word") {
  const auto [text, message] = GENERATE(table<std::string, std::string>({
      {"create s hash:ip\nadd t 1.2.3.4\n", "ipset:2: unknown set 't'"},
      {"create s hash:ip\ncreate s hash:ip\n", "ipset:2: set 's' is created twice"},
      {"create sp ace hash:ip\n", "ipset:1: set 'sp': 'ace' is not a set type"},
      {"create\n", "ipset:1: no set name after 'create'"},
      {"create s hash:ip\nadd s\n", "ipset:2: no member after 'add' 's'"},
      {"destroy s\n", "ipset:1: not ipset save format: expected 'create' or 'add', found 'destroy'"},
      {"\x1b[2J\n", "ipset:1: not ipset save format: expected 'create' or 'add', found '\\x1b[2J'"},
      {std::string("create s hash:ip\nadd s 1\0\n", 25), "ipset:2: NUL byte"},
  }));
  const auto sets = parse_sets(text, "ipset");
  REQUIRE_FALSE(sets.has_value());
  CHECK(sets.error().message == message);
  CHECK(sets.error().kind == ErrorKind::usage);
}

TEST_CASE("a rule names a set to match, to fill or to map by, not in its comment") {
  const auto black = [](std::string_view set) { return set == "black"; };
  CHECK(names_set("-m set --match-set black src -j DROP", black));
  CHECK(names_set("-m set ! --match-set \"black\" src -j DROP", black));
  CHECK(names_set("-j SET --add-set white src --del-set black dst", black));
  CHECK(names_set("-j SET --map-set black src --map-mark", black));
  CHECK_FALSE(names_set("-m comment --comment --match-set -m comment --comment black -j DROP", black));
  CHECK_FALSE(names_set("-m set --match-set blacker src -j DROP", black));
  CHECK_FALSE(names_set("-m comment --comment \"--match-set black src\" -j DROP", black));
  CHECK_FALSE(names_set("-m set --match-set white src -m comment --comment black", black));
}

TEST_CASE("sets are swapped only with sets of their type and family") {
  const Set four{.name = "a", .type = "hash:ip", .options = "family inet hashsize 1024"};
  const Set more{.name = "b", .type = "hash:ip", .options = "family inet maxelem 9 counters"};
  const Set six{.name = "c", .type = "hash:ip", .options = "family inet6"};
  const Set net{.name = "d", .type = "hash:net", .options = "family inet"};
  CHECK(can_swap(four, more));
  CHECK_FALSE(can_swap(four, six));
  CHECK_FALSE(can_swap(four, net));
}

TEST_CASE("the sets of two sides together load with the rules of either") {
  const auto sets = [](const std::string& text) { return parse_sets(text, "test").value(); };
  const auto both = [&](const std::string& before, const std::string& after) {
    return canonical_text(with_both(sets(before), sets(after)));
  };
  CHECK(both("create a hash:ip family inet\nadd a 192.0.2.1\nadd a 192.0.2.2\n",
             "create a hash:ip family inet\nadd a 192.0.2.3\nadd a 192.0.2.2\ncreate b hash:net family "
             "inet\n") ==
        "create a hash:ip family inet\nadd a 192.0.2.1\nadd a 192.0.2.2\nadd a 192.0.2.3\n"
        "create b hash:net family inet\n");
  CHECK(both("create gone hash:ip family inet\n", "") == "create gone hash:ip family inet\n");
  // One element is there once, as it was.
  CHECK(both("create a hash:net comment\nadd a 192.0.2.0/24 comment \"one\"\n",
             "create a hash:net comment\nadd a 192.0.2.0/24 nomatch comment \"two\"\n") ==
        "create a hash:net comment\nadd a 192.0.2.0/24 comment \"one\"\n");
  // Another kind of set stays what it was, and one that is too small for both is what it is.
  CHECK(both("create a hash:ip family inet\n", "create a hash:net family inet\nadd a 192.0.2.0/24\n") ==
        "create a hash:ip family inet\n");
  CHECK(both("create a hash:ip maxelem 1\nadd a 192.0.2.1\n",
             "create a hash:ip maxelem 1\nadd a 192.0.2.2\n") ==
        "create a hash:ip maxelem 1\nadd a 192.0.2.2\n");
  CHECK(both("create a bitmap:port range 1-9\nadd a 1\n", "create a bitmap:port range 1-9\nadd a 2\n") ==
        "create a bitmap:port range 1-9\nadd a 1\nadd a 2\n");
}

namespace {

std::string as_saved(const std::string& text) {
  const auto sets = parse_sets(text, "file", SetsText::by_hand);
  REQUIRE(sets);
  return canonical_text(*sets);
}

}  // namespace

// Right: what ipset 7.17 saved after it had restored the left.
TEST_CASE("what a person wrote of a set is said as ipset save says it") {
  const auto [by_hand, saved] = GENERATE(table<std::string, std::string>({
      {"create a hash:ip\nadd a 10.0.0.0/30\n",
       "create a hash:ip\nadd a 10.0.0.0\nadd a 10.0.0.1\nadd a 10.0.0.2\nadd a 10.0.0.3\n"},
      {"create a hash:ip\nadd a 10.0.0.5-10.0.0.7\n",
       "create a hash:ip\nadd a 10.0.0.5\nadd a 10.0.0.6\nadd a 10.0.0.7\n"},
      {"create a hash:ip\nadd a 10.1\n", "create a hash:ip\nadd a 10.0.0.1\n"},
      {"create a hash:ip netmask 24\nadd a 10.0.0.5-10.0.2.7\n",
       "create a hash:ip netmask 24\nadd a 10.0.0.0\nadd a 10.0.1.0\nadd a 10.0.2.0\n"},
      {"create a hash:net\nadd a 10.0.0.5/8\nadd a 11.1.1.1/32\nadd a 12.0.0.1-12.0.0.6\n",
       "create a hash:net\nadd a 10.0.0.0/8\nadd a 11.1.1.1\nadd a 12.0.0.1\nadd a 12.0.0.2/31\nadd a "
       "12.0.0.4/31\nadd a 12.0.0.6\n"},
      {"create a hash:net family inet6\nadd a 2001:DB8::5/32\nadd a ::1/128\n",
       "create a hash:net family inet6\nadd a 2001:db8::/32\nadd a ::1\n"},
      {"create a hash:net,iface\nadd a 10.0.0.5/8,eth0\nadd a 0.0.0.0/0,eth1\n",
       "create a hash:net,iface\nadd a 0.0.0.0/0,eth1\nadd a 10.0.0.0/8,eth0\n"},
      {"create a hash:ip,port\nadd a 10.0.0.0/31,tcp:22-23\nadd a 10.0.0.1,TCP:99\nadd a 10.0.0.1,6:98\nadd "
       "a "
       "10.0.0.1,tcp:http\n",
       "create a hash:ip,port\nadd a 10.0.0.0,tcp:22\nadd a 10.0.0.0,tcp:23\nadd a 10.0.0.1,tcp:22\nadd a "
       "10.0.0.1,tcp:23\nadd a 10.0.0.1,tcp:80\nadd a 10.0.0.1,tcp:98\nadd a 10.0.0.1,tcp:99\n"},
      {"create a hash:ip,port\nadd a 10.0.0.1,80-81\nadd a 10.0.0.1,tcp:[ftp-data]\n",
       "create a hash:ip,port\nadd a 10.0.0.1,tcp:20\nadd a 10.0.0.1,tcp:80\nadd a 10.0.0.1,tcp:81\n"},
      {"create a hash:ip,port,net\nadd a 10.0.0.1,80,11.0.0.1/8\n",
       "create a hash:ip,port,net\nadd a 10.0.0.1,tcp:80,11.0.0.0/8\n"},
      {"create a bitmap:ip range 192.0.2.0/28\nadd a 192.0.2.8-192.0.2.9\n",
       "create a bitmap:ip range 192.0.2.0-192.0.2.15\nadd a 192.0.2.8\nadd a 192.0.2.9\n"},
      {"create a bitmap:port range 1-100\nadd a 5-7\nadd a http\nadd a tcp:9\n",
       "create a bitmap:port range 1-100\nadd a 5\nadd a 6\nadd a 7\nadd a 80\nadd a 9\n"},
      {"create a bitmap:ip,mac range 192.0.2.0/28\nadd a 192.0.2.3,aa:bb:cc:dd:ee:ff\n",
       "create a bitmap:ip,mac range 192.0.2.0-192.0.2.15\nadd a 192.0.2.3,AA:BB:CC:DD:EE:FF\n"},
      {"create a hash:ip timeout 60 comment counters\nadd a 1.1.1.1 comment x timeout 0 bytes 3\n",
       "create a hash:ip timeout 60 comment counters\nadd a 1.1.1.1 timeout 0 comment \"x\"\n"},
      {"create a hash:net comment\nadd a 10.0.0.0/8 nomatch comment \"a b\"\nadd a 11.0.0.0/8 comment c "
       "nomatch\n",
       "create a hash:net comment\nadd a 10.0.0.0/8 nomatch comment \"a b\"\nadd a 11.0.0.0/8 nomatch "
       "comment "
       "\"c\"\n"},
      {"create a hash:ip\nadd a 10.0.0.0/30\ndel a 10.0.0.0/31\ndel a 10.0.0.3\n",
       "create a hash:ip\nadd a 10.0.0.2\n"},
      // Not known: as they are.
      {"create a hash:ip,port\nadd a 10.0.0.1,icmp:ping\nadd a 10.0.0.1,gre:0\n",
       "create a hash:ip,port\nadd a 10.0.0.1,gre:0\nadd a 10.0.0.1,icmp:ping\n"},
      {"create a hash:ip\nadd a host.example\nadd a 10.0.0.0/8\nadd a 256.1.1.1\n",
       "create a hash:ip\nadd a 10.0.0.0/8\nadd a 256.1.1.1\nadd a host.example\n"},
  }));
  CHECK(as_saved(by_hand) == saved);
  CHECK(as_saved(saved) == saved);
}

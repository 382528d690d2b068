#include "kernel/audit.h"

#include <catch2/catch.hpp>
#include <cstring>

using namespace rewall;

namespace {

// linux/audit.h
constexpr unsigned kTables = 1325;
constexpr unsigned kCall = 1300;
constexpr unsigned kTitle = 1327;
constexpr unsigned kEnd = 1320;

}  // namespace

// The messages are those of a Linux 6.18 for `iptables-legacy -A INPUT -j LOG` and `iptables -N foo`.
TEST_CASE("what the kernel audits is put together from its messages") {
  AuditParser parser;
  CHECK(
      parser
          .take(
              kTables,
              R"(audit(1795569300.398:21): table=filter family=2 entries=4 op=xt_replace pid=12403 comm="iptables-legacy")")
          .empty());
  // Another event in between.
  CHECK(
      parser
          .take(
              kTables,
              R"(audit(1795569300.394:19): table=filter:2 family=10 entries=2 op=nft_register_chain pid=12401 comm="iptables")")
          .empty());
  CHECK(
      parser
          .take(
              kCall,
              R"(audit(1795569300.398:21): arch=c000003e syscall=54 success=yes exit=0 a0=4 a1=0 a2=40 a3=56115ad15260 items=0 ppid=12400 pid=12403 auid=1000 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=pts3 ses=7 comm="iptables-legacy" exe="/usr/sbin/xtables-legacy-multi" key=(null))")
          .empty());
  CHECK(parser
            .take(kTitle,
                  "audit(1795569300.398:21): "
                  "proctitle=69707461626C65732D6C6567616379002D4100494E505554002D6A004C4F47")
            .empty());
  const auto records = parser.take(kEnd, "audit(1795569300.398:21): ");
  REQUIRE(records.size() == 1);
  const auto& record = records[0];
  CHECK(record.table == "filter");
  CHECK(record.family == Family::ipv4);
  CHECK_FALSE(record.generation);
  CHECK(record.entries == 4);
  CHECK(record.operation == "xt_replace");
  CHECK(record.process == 12403);
  CHECK(record.who.parent == 12400);
  CHECK(record.who.name == "iptables-legacy");
  CHECK(record.who.login == 1000u);
  CHECK(record.who.user == 0u);
  CHECK(record.who.tty == "pts/3");
  CHECK(record.who.words == std::vector<std::string>{"iptables-legacy", "-A", "INPUT", "-j", "LOG"});

  // No login, no terminal, and a title that needs no hexadecimal.
  parser.take(kCall,
              "audit(1795569300.394:19): arch=c000003e ppid=1 pid=12401 auid=4294967295 uid=0 tty=(none)");
  parser.take(kTitle, "audit(1795569300.394:19): proctitle=\"iptables\"");
  const auto other = parser.take(kEnd, "audit(1795569300.394:19): ");
  REQUIRE(other.size() == 1);
  CHECK(other[0].generation == 2u);
  CHECK(other[0].family == Family::ipv6);
  CHECK_FALSE(other[0].who.login);
  CHECK(other[0].who.tty.empty());
  CHECK(other[0].who.words == std::vector<std::string>{"iptables"});
}

TEST_CASE("the name of a table forges nothing") {
  AuditParser parser;
  // A table of nf_tables that an unprivileged user made in a namespace of their own: the kernel writes its
  // name as it is.
  const auto record_of = [&](const std::string& table) {
    parser.take(kTables, "audit(1.1:7): table=" + table +
                             ":3 family=2 entries=1 op=nft_register_table pid=99 comm=\"nft\"");
    parser.take(kCall, "audit(1.1:7): arch=c000003e ppid=98 pid=99 auid=1000 uid=1000 tty=(none)");
    const auto records = parser.take(kEnd, "audit(1.1:7): ");
    REQUIRE(records.size() == 1);
    return records[0];
  };
  for (const std::string name : {"filter:8 family=2 entries=4 op=xt_replace pid=4711 comm=\"iptables\" x=",
                                 "filter:8", "filter pid=4711", "filter family=2", "filter:8 family=2",
                                 " family=2 op=xt_replace pid=4711", "", ":"}) {
    INFO(name);
    const auto record = record_of(name);
    CHECK(record.table == name);
    CHECK(record.process == 99);
    CHECK(record.generation == 3u);
    CHECK(record.operation == "nft_register_table");
    CHECK(record.who.user == 1000u);
  }
}

TEST_CASE("an event has a record for each table and generation, and a bounded number of them") {
  AuditParser parser;
  for (int i = 0; i < 10000; ++i)
    parser.take(kTables, "audit(1.1:7): table=t" + std::to_string(i / 2) +
                             ":3 family=2 entries=1 op=nft_register_table pid=99 comm=\"nft\"");
  CHECK(parser.take(kEnd, "audit(1.1:7): ").size() == 64);
}

TEST_CASE("a message is read as it is received, whatever its length says") {
  AuditParser parser;
  const auto message = [](std::uint32_t length, std::uint16_t type, const std::string& text) {
    std::string bytes(16, '\0');
    std::memcpy(bytes.data(), &length, sizeof length);
    std::memcpy(bytes.data() + sizeof length, &type, sizeof type);
    return bytes + text;
  };
  for (const std::uint32_t length : {0U, 7U, 0xffffffffU}) {
    CHECK(parser
              .take(message(length, kTables,
                            "audit(1.1:7): table=filter family=2 entries=1 op=xt_replace pid=9 comm=\"x\""))
              .empty());
    CHECK(parser.take(message(length, kEnd, "audit(1.1:7): ")).size() == 1);
  }
  CHECK(parser.take(std::string_view("short")).empty());
  CHECK(parser.take(std::string_view()).empty());
}

TEST_CASE("events of others, half ones and broken ones are no records") {
  AuditParser parser;
  CHECK(parser.take(kCall, "audit(1.1:1): ppid=1 pid=2 auid=0 uid=0 tty=pts0").empty());
  CHECK(parser.take(kEnd, "audit(1.1:1): ").empty());
  CHECK(parser.take(kTables, "").empty());
  CHECK(parser.take(kTables, "audit(1.1:2)").empty());
  CHECK(parser.take(kTables, "audit(1.1:2): table= family=99 entries=x op= pid=x comm=zz").empty());
  parser.take(kTitle, "audit(1.1:2): proctitle=0g1");
  const auto records = parser.take(kEnd, "audit(1.1:2): ");
  REQUIRE(records.size() == 1);
  CHECK_FALSE(records[0].family);
  CHECK(records[0].process == 0);
  CHECK(records[0].who.name.empty());
  CHECK(records[0].who.words.empty());
  // Events that never end are forgotten, the oldest first.
  for (int i = 0; i < 3000; ++i)
    parser.take(kTables, "audit(2." + std::to_string(i) + ":9): table=nat family=2 entries=1 op=xt_replace");
  CHECK(parser.take(kEnd, "audit(2.0:9): ").empty());
  CHECK(parser.take(kEnd, "audit(2.2999:9): ").size() == 1);
}

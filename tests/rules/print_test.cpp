#include "rules/print.h"

#include <catch2/catch.hpp>

#include "rules/rules_file.h"

using namespace rewall;

namespace {

Tables read(const std::string& text) {
  auto tables = parse_tables(text, Family::ipv4, "text");
  if (!tables) FAIL(tables.error().message);
  return *std::move(tables);
}

}  // namespace

TEST_CASE("tables are printed as iptables-save prints them, counters where they are known") {
  const std::string text =
      "*nat\n:PREROUTING ACCEPT [1:2]\n:POSTROUTING DROP\n:web - [0:0]\n[3:4] -A PREROUTING -j web\n-A "
      "web\nCOMMIT\n"
      "*filter\n:INPUT ACCEPT [18446744073709551615:0]\nCOMMIT\n";
  CHECK(print_tables(read(text)) == text);
}

TEST_CASE("canonical text has tables and chains in order, no counters and nothing that is empty") {
  const auto tables = read(
      "*filter\n:zoo - [1:2]\n:Bar - [0:0]\n:bar - [0:0]\n:OUTPUT DROP [5:6]\n[7:8] -A zoo -j bar\n-A OUTPUT "
      "-j zoo\nCOMMIT\n"
      "*mangle\n:PREROUTING ACCEPT [9:9]\nCOMMIT\n*raw\n-A OUTPUT -j NOTRACK\nCOMMIT\n");
  CHECK(canonical_text(tables) ==
        "*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -j NOTRACK\nCOMMIT\n"
        "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT DROP [0:0]\n"
        ":Bar - [0:0]\n:bar - [0:0]\n:zoo - [0:0]\n-A OUTPUT -j zoo\n-A zoo -j bar\nCOMMIT\n");
}

TEST_CASE("a table with its counters has the lines of its canonical text") {
  const auto tables =
      read("*nat\n:web - [7:8]\n:OUTPUT DROP [1:2]\n[3:4] -A web -j RETURN\n-A OUTPUT -j web\nCOMMIT\n");
  CHECK(counted_text(tables.tables[0]) ==
        "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT DROP [1:2]\n:POSTROUTING ACCEPT [0:0]\n"
        ":web - [7:8]\n[0:0] -A OUTPUT -j web\n[3:4] -A web -j RETURN\nCOMMIT\n");
}

TEST_CASE("canonical text of nothing is nothing") {
  CHECK(canonical_text(Tables{}).empty());
  CHECK(canonical_text(read("*filter\n:INPUT ACCEPT [1:2]\nCOMMIT\n")).empty());
}

TEST_CASE("an empty table is printed when it is asked for") {
  CHECK(canonical_text(empty_table("nat")) ==
        "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT "
        "[0:0]\nCOMMIT\n");
}

TEST_CASE("a table is empty when it is as the kernel makes it") {
  CHECK(is_empty(empty_table("filter")));
  CHECK(is_empty(Table{.name = "filter"}));
  CHECK_FALSE(is_empty(read("*filter\n:INPUT DROP [0:0]\nCOMMIT\n").tables[0]));
  CHECK_FALSE(is_empty(read("*filter\n:own - [0:0]\nCOMMIT\n").tables[0]));
  CHECK_FALSE(is_empty(read("*filter\n-A INPUT\nCOMMIT\n").tables[0]));
}

TEST_CASE("no kernel has built-in chains for a table of another name") {
  CHECK(built_in_chains("filter") == std::vector<std::string>{"INPUT", "FORWARD", "OUTPUT"});
  CHECK(built_in_chains("broute").empty());
}

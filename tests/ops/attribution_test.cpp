#include "ops/watch/attribution.h"

#include <catch2/catch.hpp>

using namespace rewall;

namespace {

// No process has such a number (pid_max is at most 2^22, proc(5)).
constexpr pid_t kGone = 0x7fff'0000;

Committed transaction(std::uint32_t generation, pid_t process, const std::string& program) {
  return {.generation = generation,
          .process = process,
          .program = program,
          .chains = {{{Family::ipv4, "filter", "INPUT"}, true}}};
}

std::vector<std::string> programs(const AttributedChanges& taken) {
  std::vector<std::string> names;
  for (const auto& change : taken.changes) names.push_back(change.who.name);
  return names;
}

}  // namespace

TEST_CASE("changes are taken in order, up to a generation") {
  Attribution attribution;
  attribution.add(transaction(5, kGone, "iptables"));
  attribution.add(transaction(6, kGone + 1, "docker"));
  attribution.add(transaction(7, kGone + 2, "nft"));
  CHECK(programs(attribution.take(6, {}, {})) == std::vector<std::string>{"iptables", "docker"});
  CHECK(programs(attribution.take(6, {}, {})).empty());
  CHECK(programs(attribution.take(std::nullopt, {}, {})) == std::vector<std::string>{"nft"});
}

TEST_CASE("the transactions of one process are one change, and those that touch no chain are none") {
  Attribution attribution;
  for (std::uint32_t i = 1; i <= 3; ++i) attribution.add(transaction(i, kGone, "iptables-restor"));
  attribution.add(Committed{.generation = 4, .process = kGone + 1, .program = "nft"});
  CHECK(programs(attribution.take(std::nullopt, {}, {})) == std::vector<std::string>{"iptables-restor"});
}

TEST_CASE("more changes than anybody reads are counted") {
  Attribution attribution;
  for (std::uint32_t i = 0; i < 203; ++i)
    attribution.add(transaction(i + 1, kGone + static_cast<pid_t>(i), "iptables"));
  auto taken = attribution.take(std::nullopt, {}, {});
  CHECK(taken.changes.size() == 200);
  CHECK(taken.left_out == 3);
  taken.append({.changes = {{.who = {.name = "later"}}}, .left_out = 2});
  CHECK(taken.changes.back().who.name == "later");
  CHECK(taken.left_out == 5);
}

TEST_CASE("a command is shown as people would type it") {
  CHECK(command_of({.who = {.name = "iptables", .words = {"iptables", "-A", "my chain"}}}) ==
        "iptables -A 'my chain'");
  CHECK(command_of({.who = {.name = "iptables", .words = {"iptables", "-A"}}, .words_are_cut = true}) ==
        "iptables -A ...");
  CHECK(command_of({.who = {.name = "dockerd"}}) == "dockerd");
}

TEST_CASE("the entries of a legacy table are counted as the kernel does") {
  // linux/netfilter_ipv4/ip_tables.h, by hand: two policies, two entries for a chain, two rules, the end.
  LegacyTables tables;
  add_tables(
      "*filter\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:mine - [0:0]\n-A INPUT -j mine\n-A mine -j "
      "RETURN\nCOMMIT\n*raw\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n",
      Family::ipv4, tables);
  CHECK(tables.size() == 2);
  CHECK(tables.at({Family::ipv4, "filter"}).entries == 7);
  CHECK(tables.at({Family::ipv4, "raw"}).entries == 2);
}

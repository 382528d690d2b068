// The options of commands without a parser: what each reads, and what it refuses.
#include <catch2/catch.hpp>
#include <set>

#include "commands/command.h"
#include "commands/command_output.h"
#include "commands/guard.h"
#include "commands/history_options.h"
#include "commands/packet_argument.h"
#include "commands/syntax.h"
#include "core/text.h"

using namespace rewall;

namespace {

Status read(const Syntax& syntax, std::string_view name, const std::string& value) {
  return std::get<Argument::Reader>(syntax.find(name)->target)(value);
}

}  // namespace

TEST_CASE("an argument is found by its long name, and a positional one by its only name") {
  Syntax syntax;
  std::string message;
  std::vector<std::string> files;
  syntax.option("-m,--message", "MSG", &message, "");
  syntax.positional("FILE", &files, "");
  REQUIRE(syntax.find("--message") != nullptr);
  CHECK(syntax.find("--message")->names == "-m,--message");
  CHECK(syntax.find("-m") == nullptr);
  REQUIRE(syntax.find("FILE") != nullptr);
  CHECK(syntax.find("FILE")->most == Argument::kMany);
}

TEST_CASE("the option --family takes the names of both families, and no other word") {
  Syntax syntax;
  std::optional<Family> family;
  add_family(syntax, family, "");
  for (const char* word : {"ipv6", "ip6", "6"}) {
    family.reset();
    CHECK(read(syntax, "--family", word));
    CHECK(family == Family::ipv6);
  }
  for (const char* word : {"ipv4", "ip", "4"}) {
    family.reset();
    CHECK(read(syntax, "--family", word));
    CHECK(family == Family::ipv4);
  }
  CHECK(read(syntax, "--family", "x\x1b").error().message == "'x\\x1b' is not ipv4 or ipv6");
  CHECK(family == Family::ipv4);
}

TEST_CASE("the option --for takes a time longer than zero") {
  Syntax syntax;
  std::optional<std::chrono::milliseconds> time;
  add_guard_time(syntax, time, "");
  CHECK(read(syntax, "--for", "0s").error().message == "the time must be longer than zero");
  CHECK_FALSE(read(syntax, "--for", "soon"));
  CHECK_FALSE(time);
  CHECK(read(syntax, "--for", "10m"));
  CHECK(time == std::chrono::minutes{10});
}

TEST_CASE("the option -n takes a number of snapshots") {
  Syntax syntax;
  HistoryOptions options;
  add_history_options(syntax, options);
  CHECK(read(syntax, "--max-count", "20"));
  CHECK(options.limit == 20U);
  for (const char* word : {"", "-1", "2x", "99999999999999999999999"}) {
    INFO(word);
    CHECK(read(syntax, "--max-count", word).error().message ==
          std::string("'") + word + "' is not a number of snapshots");
  }
}

TEST_CASE("a table that no kernel has is refused, with the nearest name") {
  Syntax syntax;
  std::string table;
  add_table(syntax, table, "");
  CHECK(read(syntax, "--table", "mangle"));
  CHECK(table == "mangle");
  CHECK(read(syntax, "--table", ""));
  CHECK(read(syntax, "--table", "filtre").error().hint == "did you mean 'filter'?");
  CHECK(read(syntax, "--table", "zzzzzzzz").error().hint ==
        "the tables are raw, mangle, nat, filter, security");
  CHECK(table.empty());
}

TEST_CASE("the table of commands says which commands change the live rules") {
  std::set<std::string_view> changing;
  std::set<std::string_view> names;
  for (const auto& command : command_table()) {
    CHECK(names.insert(command.name).second);
    if (command.effect == Effect::changes) changing.insert(command.name);
  }
  CHECK(changing == std::set<std::string_view>{"apply", "edit", "redo", "restore", "rollback", "template",
                                               "try", "undo"});
}

TEST_CASE("a text fits its column, and is cut between characters") {
  CHECK(fitted("ann", 5) == "ann  ");
  CHECK(fitted("annabel", 5) == "anna…");
  CHECK(fitted("ab\xc3\xbcrger", 4) == "ab\xc3\xbc…");
  CHECK(fitted("\xe6\x9d\xb1\xe4\xba\xac", 5) == "\xe6\x9d\xb1\xe4\xba\xac ");
  CHECK(fitted("\xe6\x9d\xb1\xe4\xba\xac", 3) == "\xe6\x9d\xb1…");
}

TEST_CASE("the first word before a packet is its revision, unless it is an option or begins a line") {
  using Words = std::vector<std::string>;
  const auto revision = [](const Words& words) { return split_revision(words).revision.value_or("none"); };
  CHECK(revision({"good", "-p", "tcp"}) == "good");
  CHECK(revision({"-", "-p", "tcp"}) == "-");
  CHECK(revision({"-p", "tcp"}) == "none");
  CHECK(revision({"!", "-s", "192.0.2.1"}) == "none");
  const std::string line = "IP 192.0.2.1.40000 > 192.0.2.2.22: Flags [S], length 0";
  CHECK(revision({line}) == "none");
  CHECK(revision({"HEAD", line}) == "HEAD");
  CHECK(split_revision(Words{"HEAD", line, "-i", "eth0"}).packet == Words{line, "-i", "eth0"});
  Words conntrack;
  for (const auto word :
       split("udp 17 27 src=192.0.2.1 dst=192.0.2.2 sport=1 dport=2 [UNREPLIED] src=192.0.2.2 "
             "dst=192.0.2.1 sport=2 dport=1 mark=0",
             ' '))
    conntrack.emplace_back(word);
  CHECK(revision(conntrack) == "none");
  CHECK(split_revision(conntrack).packet == conntrack);
}

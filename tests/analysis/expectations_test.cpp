// The lines of the file expect, and what a ruleset says to them.
#include "analysis/expectations.h"

#include <catch2/catch.hpp>

#include "analysis/model.h"
#include "analysis/walk.h"
#include "rules/parse.h"

using namespace rewall;

namespace {

Ruleset ruleset_with(const std::string& rules) {
  auto tables = parse_saved(
      "*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n" + rules + "COMMIT\n",
      Family::ipv4, "rules.v4");
  REQUIRE(tables);
  Ruleset ruleset;
  ruleset.v4 = *std::move(tables);
  return ruleset;
}

std::vector<Expectation> lines_of(const std::string& text) {
  auto read = read_expectations(text, "expect");
  INFO((read ? "" : read.error().message));
  REQUIRE(read);
  return *std::move(read);
}

std::string error_of_text(const std::string& text) {
  const auto read = read_expectations(text, "expect");
  REQUIRE_FALSE(read);
  CHECK(read.error().kind == ErrorKind::usage);
  return read.error().message;
}

}  // namespace

TEST_CASE("a line is a verdict, a packet and perhaps a comment") {
  const auto lines = lines_of(
      "# nothing\n\naccept -p tcp --dport 22 -s 192.0.2.7  # the office # of Ann\n"
      "  DROP\t'-p' \"udp\"   --dport 53 #53\nreject -p icmp #\n");
  REQUIRE(lines.size() == 3);
  CHECK(lines[0].verdict == Verdict::accept);
  CHECK(lines[0].text() == "accept -p tcp --dport 22 -s 192.0.2.7");
  CHECK(lines[0].comment == "the office # of Ann");
  CHECK(lines[0].line == 3);
  CHECK(lines[0].packet[Field::destination_port] == NumberSet::one(22));
  CHECK(lines[2].verdict == Verdict::reject);
  CHECK(lines[2].comment.empty());
}

TEST_CASE("a line that is printed is read as it was") {
  for (const std::string line :
       {"accept -p tcp --dport 22", "drop -s 192.0.2.0/24 -p udp  # who's there", "reject -p icmp -i eth0"}) {
    const auto lines = lines_of(line);
    REQUIRE(lines.size() == 1);
    CHECK(print_expectation(lines[0]) == line);
  }
}

TEST_CASE("the error of a line names the file, the line and the word") {
  CHECK(error_of_text("\nallow -p tcp\n") == "expect:2: 'allow' is no verdict: accept, drop or reject");
  CHECK(error_of_text("accept -s '192.0.2.7\n") == "expect:1: a quote is not closed");
  CHECK(error_of_text("accept --dport banana\n").starts_with("expect:1: "));
  CHECK(error_of_text("accept -p tcp --dport 22 extra\n").find("extra") != std::string::npos);
}

TEST_CASE("an expectation holds, fails, or cannot be proved") {
  const auto ruleset = ruleset_with(
      "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n-A INPUT -p tcp -m tcp --dport 80 -m limit --limit 3/min "
      "-j "
      "ACCEPT\n-A INPUT -p tcp -m tcp --dport 113 -j REJECT\n");
  const auto lines = lines_of(
      "accept -p tcp --dport 22\ndrop -p tcp --dport 22\naccept -p tcp --dport 80\ndrop -p tcp --dport 81\n"
      "drop -p tcp --dport 113\nreject -p tcp --dport 113\naccept -p tcp --dport 22:23\naccept -6 -p tcp\n");
  const auto checked = check_expectations(lines, ruleset, HostFacts{});
  REQUIRE(checked.size() == 8);
  const auto answers = [&](std::size_t at) { return checked[at].answered; };
  CHECK(answers(0) == Answered::holds);
  CHECK(answers(1) == Answered::fails);
  CHECK(checked[1].text() ==
        "'drop -p tcp --dport 22' (line 2): ACCEPT by ip filter INPUT 1: -p tcp -m tcp --dport 22 -j ACCEPT");
  CHECK(answers(2) == Answered::unproved);
  CHECK(checked[2].reason().starts_with("depends on "));
  CHECK(answers(3) == Answered::holds);
  CHECK(checked[3].reason() == "DROP by ip filter INPUT policy DROP");
  // Who is answered by a refusal is not ignored.
  CHECK(answers(4) == Answered::fails);
  CHECK(answers(5) == Answered::holds);
  CHECK(answers(6) == Answered::unproved);
  CHECK(answers(7) == Answered::holds);
}

#include "store/message.h"

#include <catch2/catch.hpp>

namespace rewall {
namespace {

Repository::Message full_message() {
  return {.subject = "filter/INPUT: +1 tcp dport 443 ACCEPT",
          .body = "For the new web server.\n\nAsked for by Bob.",
          .trailers = {.trigger = "watch",
                       .backend = "nft+legacy",
                       .tools = "1.8.9",
                       .actor = "alice pts/0 192.0.2.7",
                       .commands = {"iptables -A INPUT -p tcp --dport 443 -j ACCEPT", "ip6tables -F"},
                       .parts = {{.person = {.name = "alice", .email = "alice@web1"},
                                  .actor = "alice, pts/0",
                                  .parts = {"ip filter INPUT", "set bans"}},
                                 {.person = {.name = "B; ob, \\", .email = "bob@web1"},
                                  .perhaps = true,
                                  .parts = {"ip6 nat A,B;C"}}},
                       .foreign = {"docker", "fail2ban"},
                       .restores = "0123456789012345678901234567890123456789",
                       .undoes = "9876543210987654321098765432109876543210",
                       .exact = "yes"}};
}

void check_same(const Trailers& a, const Trailers& b) {
  CHECK(a.trigger == b.trigger);
  CHECK(a.backend == b.backend);
  CHECK(a.tools == b.tools);
  CHECK(a.actor == b.actor);
  CHECK(a.commands == b.commands);
  CHECK(a.foreign == b.foreign);
  CHECK(a.restores == b.restores);
  CHECK(a.undoes == b.undoes);
  CHECK(a.exact == b.exact);
  REQUIRE(a.parts.size() == b.parts.size());
  for (std::size_t i = 0; i < a.parts.size(); ++i) {
    CHECK(a.parts[i].person.name == b.parts[i].person.name);
    CHECK(a.parts[i].person.email == b.parts[i].person.email);
    CHECK(a.parts[i].actor == b.parts[i].actor);
    CHECK(a.parts[i].perhaps == b.parts[i].perhaps);
    CHECK(a.parts[i].parts == b.parts[i].parts);
  }
}

TEST_CASE("a message holds subject, body and trailers in the contract's order") {
  CHECK(format_message(full_message()) ==
        "filter/INPUT: +1 tcp dport 443 ACCEPT\n"
        "\n"
        "For the new web server.\n"
        "\n"
        "Asked for by Bob.\n"
        "\n"
        "Rewall-Trigger: watch\n"
        "Rewall-Backend: nft+legacy\n"
        "Rewall-Tools: 1.8.9\n"
        "Rewall-Actor: alice pts/0 192.0.2.7\n"
        "Rewall-Command: iptables -A INPUT -p tcp --dport 443 -j ACCEPT\n"
        "Rewall-Command: ip6tables -F\n"
        "Rewall-Part: alice <alice@web1>; alice\\, pts/0; ip filter INPUT, set bans\n"
        "Rewall-Part: (perhaps) B\\; ob\\, \\\\ <bob@web1>; ; ip6 nat A\\,B\\;C\n"
        "Rewall-Foreign: docker, fail2ban\n"
        "Rewall-Restores: 0123456789012345678901234567890123456789\n"
        "Rewall-Undoes: 9876543210987654321098765432109876543210\n"
        "Rewall-Exact: yes\n");
}

TEST_CASE("a message that is read back says the same") {
  const auto message = full_message();
  const auto again = parse_message(format_message(message));
  CHECK(again.subject == message.subject);
  CHECK(again.body == message.body);
  check_same(again.trailers, message.trailers);
}

TEST_CASE("a trailer for a part that says no person or no part is none") {
  for (const char* value : {"", "alice", "alice <a@b>; x", "alice <a@b>; x; ", "a; b; c; d", "\\"}) {
    INFO(value);
    const auto read = parse_message(std::string("a\n\nRewall-Trigger: watch\nRewall-Part: ") + value + "\n");
    CHECK(read.trailers.trigger == "watch");
    CHECK(read.trailers.parts.empty());
  }
  const auto read = parse_message("a\n\nRewall-Part: <>; ; x\\\n");
  REQUIRE(read.trailers.parts.size() == 1);
  CHECK(read.trailers.parts[0].parts == std::vector<std::string>{"x\\"});
}

TEST_CASE("a message without body or trailers is its subject alone") {
  CHECK(format_message({.subject = "import"}) == "import\n");
  CHECK(format_message({.subject = "a", .trailers = {.trigger = "boot"}}) == "a\n\nRewall-Trigger: boot\n");
  CHECK(parse_message("import\n").subject == "import");
  CHECK(parse_message("import\n").body.empty());
  CHECK(parse_message("").subject.empty());
}

TEST_CASE("a subject is never empty, and its further lines belong to the body") {
  CHECK(format_message({.subject = " \n"}) == "snapshot\n");
  CHECK(format_message({.subject = "first\nsecond", .body = "third"}) == "first\n\nsecond\nthird\n");
}

TEST_CASE("a value from outside stays one line and cannot bring a trailer of its own") {
  const auto text =
      format_message({.subject = "x\r\x1b[2J",
                      .trailers = {.trigger = "manual\nRewall-Actor: root",
                                   .commands = {"iptables -A INPUT\n\nRewall-Restores: 1\x1b[31m"}}});
  CHECK(text ==
        "x\\x0d\\x1b[2J\n"
        "\n"
        "Rewall-Trigger: manual\\x0aRewall-Actor: root\n"
        "Rewall-Command: iptables -A INPUT\\x0a\\x0aRewall-Restores: 1\\x1b[31m\n");
  const auto again = parse_message(text);
  CHECK(again.trailers.actor.empty());
  CHECK(again.trailers.restores.empty());
}

TEST_CASE("a body cannot pose as trailers") {
  const auto again = parse_message(format_message({.subject = "x", .body = "text\n\nRewall-Actor: root"}));
  CHECK(again.trailers.actor.empty());
  CHECK(again.body == "text\n\n Rewall-Actor: root");
}

TEST_CASE("anyone's commit message is read") {
  const auto foreign =
      parse_message("fix the port\n\nIt was wrong.\n\nSigned-off-by: Bob <bob@example.org>\n");
  CHECK(foreign.subject == "fix the port");
  CHECK(foreign.body == "It was wrong.\n\nSigned-off-by: Bob <bob@example.org>");
  CHECK(foreign.trailers.trigger.empty());

  const auto mixed = parse_message("x\n\nRewall-Trigger: watch\nSigned-off-by: Bob <bob@example.org>\n\n\n");
  CHECK(mixed.trailers.trigger == "watch");
  CHECK(mixed.body.empty());
}

TEST_CASE("a person's name cannot break the author line") {
  const auto person = clean_person({.name = "Eve <root@host>\nparent 1", .email = "eve@x>\r 0"}, "web1");
  CHECK(person.name == "Eve root@hostparent 1");
  CHECK(person.email == "eve@x 0");
  const auto nobody = clean_person({.name = " .,;", .email = ""}, "web1");
  CHECK(nobody.name == "unknown");
  CHECK(nobody.email == "unknown@web1");
}

TEST_CASE("a host's name becomes one component of a reference") {
  CHECK(clean_host("web1.example.org") == "web1.example.org");
  CHECK(clean_host("my host/a~b^c:d") == "my-host-a-b-c-d");
  CHECK(clean_host("..a..b.") == "a.b");
  CHECK(clean_host("-.x") == "x");
  CHECK(clean_host("a.lock") == "a-lock");
  CHECK(clean_host("@{") == "localhost");
  CHECK(clean_host("") == "localhost");
  CHECK(clean_host(std::string(4000, 'a')).size() == 200);
}

}  // namespace
}  // namespace rewall

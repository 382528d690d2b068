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
                       .foreign = {"docker", "fail2ban"},
                       .restores = "0123456789012345678901234567890123456789"}};
}

void check_same(const Trailers& a, const Trailers& b) {
  CHECK(a.trigger == b.trigger);
  CHECK(a.backend == b.backend);
  CHECK(a.tools == b.tools);
  CHECK(a.actor == b.actor);
  CHECK(a.commands == b.commands);
  CHECK(a.foreign == b.foreign);
  CHECK(a.restores == b.restores);
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
        "Rewall-Foreign: docker, fail2ban\n"
        "Rewall-Restores: 0123456789012345678901234567890123456789\n");
}

TEST_CASE("a message that is read back says the same") {
  const auto message = full_message();
  const auto again = parse_message(format_message(message));
  CHECK(again.subject == message.subject);
  CHECK(again.body == message.body);
  check_same(again.trailers, message.trailers);
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

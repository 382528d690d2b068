#include "ops/history/record.h"

#include <catch2/catch.hpp>
#include <memory>

#include "ops/history/generation_cache.h"
#include "ops/host/status.h"
#include "rules/parse.h"
#include "support/test_session.h"

using namespace rewall;

namespace {

Ruleset ruleset(const std::string& text) {
  return testing::v4(text);
}

const std::string kFilter =
    "*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A INPUT -i lo -j "
    "ACCEPT\nCOMMIT\n";
const std::string kNat =
    "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n"
    "-A POSTROUTING -j MASQUERADE\nCOMMIT\n";

struct World : TestSession<> {
  explicit World(const std::string& text) : TestSession(ruleset(text)) {}
};

}  // namespace

TEST_CASE("a firewall that cannot be read gets no repository") {
  World world(kFilter);
  world.firewall->capture_fault =
      FakeFirewall::Fault{.error = {.kind = ErrorKind::capture, .message = "table 'filter' is incompatible"}};
  const auto made = make_repository(*world.session, "");
  REQUIRE_FALSE(made);
  CHECK(made.error().kind == ErrorKind::capture);
  CHECK_FALSE(std::filesystem::exists(world.folder.path() / "repo"));
}

TEST_CASE("a capture that fails records nothing") {
  World world(kFilter);
  const auto first = make_repository(*world.session, "");
  REQUIRE(first);
  world.firewall->capture_fault =
      FakeFirewall::Fault{.error = {.kind = ErrorKind::capture, .message = "killed"}};
  REQUIRE_FALSE(record_now(*world.session, {}));
  CHECK(world.repository().head().value() == first->hash);
}

TEST_CASE("a snapshot that loses a whole table is recorded, and says so") {
  World world(kFilter + kNat);
  world.make();
  world.firewall->change(ruleset(kFilter));
  const auto recorded = record_now(*world.session, {});
  REQUIRE(recorded);
  CHECK(recorded->changed);
  const std::vector<std::string> notes{"table ip nat is gone: it had rules in the snapshot before"};
  CHECK(recorded->notes == notes);
  CHECK(world.repository().snapshot(recorded->hash).value().body == notes[0]);
}

TEST_CASE("a table that is there and empty is not said to be gone") {
  World world(kFilter + kNat);
  world.make();
  world.firewall->change(ruleset(kFilter + "*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n"));
  const auto recorded = record_now(*world.session, {});
  REQUIRE(recorded);
  const std::vector<std::string> notes{"table ip nat is now empty; the previous snapshot had rules in it"};
  CHECK(recorded->notes == notes);
}

TEST_CASE("the same meaning in other words is kept, for the words are what is restored") {
  World world(kFilter + kNat);
  world.make();
  auto text = kFilter;
  text.replace(text.find("-i lo"), 5, "-s 0.0.0.0/0 -i lo");
  world.firewall->change(ruleset(text + kNat));
  const auto recorded = record_now(*world.session, {});
  REQUIRE(recorded);
  CHECK(recorded->changed);
  CHECK(recorded->subject == "respelled: other words, the same meaning");
}

TEST_CASE("expectations written by people are recorded with the next snapshot") {
  World world(kFilter);
  world.make();
  REQUIRE(write_file(world.folder.path() / "repo/expect", "accept -p tcp --dport 22\n", 0600));
  const auto recorded = record_now(*world.session, {});
  REQUIRE(recorded);
  CHECK(recorded->changed);
  CHECK(world.repository().file(recorded->hash, "expect").value() == "accept -p tcp --dport 22\n");
  const auto again = record_now(*world.session, {});
  REQUIRE(again);
  CHECK_FALSE(again->changed);
}

TEST_CASE("a snapshot says whose parts alone it changed") {
  const auto banned = [](const std::string& address, const std::string& more = "") {
    auto text = kFilter;
    text.insert(text.find("-A INPUT"), ":f2b-sshd - [0:0]\n");
    text.insert(text.find("COMMIT"),
                "-A INPUT -j f2b-sshd\n" + more + "-A f2b-sshd -s " + address + " -j REJECT\n");
    return text;
  };
  World world(banned("203.0.113.1/32"));
  const auto foreign = [&world](const Result<Recorded>& recorded) {
    REQUIRE(recorded);
    return world.repository().snapshot(recorded->hash).value().trailers.foreign;
  };
  // The first one says what stood.
  CHECK(foreign(make_repository(*world.session, "")).empty());
  world.firewall->change(ruleset(banned("203.0.113.2/32")));
  CHECK(foreign(record_now(*world.session, {})) == std::vector<std::string>{"fail2ban"});
  CHECK(foreign(record_now(*world.session, {.message = "looked", .allow_empty = true})).empty());
  world.firewall->change(ruleset(banned("203.0.113.3/32", "-A INPUT -p icmp -j ACCEPT\n")));
  CHECK(foreign(record_now(*world.session, {})).empty());

  world.firewall->change(ruleset(banned("203.0.113.4/32", "-A INPUT -p icmp -j ACCEPT\n")));
  REQUIRE(write_file(world.folder.path() / "repo/expect", "accept -p tcp --dport 22\n", 0600));
  CHECK(foreign(record_now(*world.session, {})).empty());

  REQUIRE(Settings::open(*world.session->repository().value()).value().set("owner.fail2ban.chain", ""));
  world.firewall->change(ruleset(banned("203.0.113.5/32", "-A INPUT -p icmp -j ACCEPT\n")));
  CHECK(foreign(record_now(*world.session, {})).empty());
}

TEST_CASE("an unmoved generation answers status without a capture, a moved one does not") {
  World world(kFilter);
  world.make();
  const int captures = world.firewall->captures;
  REQUIRE(read_repository_status(*world.session).value().clean);
  CHECK(world.firewall->captures == captures);

  SECTION("a rule changed") {
    world.firewall->change(ruleset(kFilter + kNat));
    const auto standing = read_repository_status(*world.session).value();
    CHECK_FALSE(standing.clean);
    CHECK(standing.changes == 1);
  }
  SECTION("a set came: no generation tells of it") {
    world.firewall->live.sets = parse_sets("create bad hash:ip\n", "ipset").value();
    CHECK_FALSE(read_repository_status(*world.session).value().clean);
  }
  SECTION("what was kept cannot be read") {
    REQUIRE(write_file(world.folder.path() / "repo/.git/rewall/seen", "nonsense\n", 0600));
    CHECK(read_repository_status(*world.session).value().clean);
    CHECK(world.firewall->captures == captures + 1);
  }
  SECTION("another boot, the same number") {
    auto* repository = world.session->repository().value();
    auto seen = read_cached_generation(*repository).value();
    seen.generation.boot = "00000000-0000-0000-0000-000000000002";
    REQUIRE(write_cached_generation(*repository, seen));
    CHECK(read_repository_status(*world.session).value().clean);
    CHECK(world.firewall->captures == captures + 1);
  }
}

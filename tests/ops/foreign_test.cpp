#include <catch2/catch.hpp>
#include <memory>

#include "ops/context/settings.h"
#include "ops/restore/restore.h"
#include "ops/restore/undo.h"
#include "rules/print.h"
#include "rules/rules_file.h"
#include "support/test_session.h"

using namespace rewall;

namespace {

Ruleset filter(const std::string& lines) {
  return {.v4 = parse_tables("*filter\n:INPUT DROP\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n" + lines + "COMMIT\n",
                             Family::ipv4, "v4")
                    .value()};
}

/// A session whose history has `first`, and whose firewall has `live`.
struct World : TestSession<> {
  World(const Ruleset& first, const Ruleset& live) : TestSession(first) {
    make();
    firewall->change(live);
  }
};

const std::string kYesterday = ":f2b-a -\n-A INPUT -j f2b-a\n-A f2b-a -s 203.0.113.1/32 -j DROP\n";
const std::string kToday = ":f2b-a -\n-A INPUT -j f2b-a\n-A f2b-a -s 203.0.113.2/32 -j DROP\n";
const std::string kPort = "-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT\n";

}  // namespace

TEST_CASE("a change of foreign parts alone leaves nothing to restore") {
  World world(filter(kYesterday), filter(kToday));
  const auto restored = restore(*world.session, "HEAD", {});
  REQUIRE(restored);
  CHECK(restored->diff.equal());
  CHECK(restored->notes == std::vector<std::string>{"kept as they are: fail2ban (1 chain)"});
  CHECK(world.firewall->loads == 0);
  CHECK(world.live() == canonical_text(filter(kToday).v4));
}

TEST_CASE("a restore loads and records the wanted rules with the foreign ones of LIVE") {
  World world(filter(kYesterday), filter(kToday + kPort));
  const auto restored = restore(*world.session, "HEAD", {});
  REQUIRE(restored);
  CHECK(world.live() == canonical_text(filter(kToday).v4));
  CHECK(world.repository().files(restored->after->hash).value().at("rules.v4") == world.live());
}

TEST_CASE("a dry run shows and tells what a restore would") {
  World world(filter(kYesterday), filter(kToday + kPort));
  const auto restored = restore(*world.session, "HEAD", {.dry_run = true});
  REQUIRE(restored);
  CHECK(restored->diff.changes.size() == 1);
  CHECK(restored->notes.size() == 1);
  CHECK(world.firewall->loads == 0);
}

TEST_CASE("an exact restore takes foreign parts too") {
  World world(filter(kYesterday), filter(kToday));
  const auto restored = restore(*world.session, "HEAD", {.exact = true});
  REQUIRE(restored);
  CHECK(restored->notes.empty());
  CHECK(world.live() == canonical_text(filter(kYesterday).v4));
}

TEST_CASE("one table restored alone keeps its foreign parts") {
  World world(filter(kYesterday), filter(kToday + kPort));
  REQUIRE(restore(*world.session, "HEAD", {.table = "filter"}));
  CHECK(world.live() == canonical_text(filter(kToday).v4));
}

TEST_CASE("a plan that is made again keeps what is foreign then") {
  World world(filter(kYesterday), filter(kToday + kPort));
  struct Moving : FakeFirewall {
    using FakeFirewall::FakeFirewall;
    Result<Staged> stage(const Ruleset& wanted, const Ruleset* in_force, const FileNames& names) override {
      auto staged = FakeFirewall::stage(wanted, in_force, names);
      if (stages == 1) change(filter(kToday + "-A f2b-a -s 203.0.113.3/32 -j DROP\n" + kPort));
      return staged;
    }
  };
  const auto& firewall = world.open<Moving>(filter(kToday + kPort));
  REQUIRE(restore(*world.session, "HEAD", {}));
  CHECK(firewall.stages == 2);
  CHECK(world.live() == text_of(filter(kToday + "-A f2b-a -s 203.0.113.3/32 -j DROP\n")));
}

TEST_CASE("undo steps over what is foreign") {
  World world(filter(kYesterday), filter(kYesterday + kPort));
  REQUIRE(record_now(*world.session, {}));
  world.firewall->change(filter(kToday + kPort));
  REQUIRE(record_now(*world.session, {}));
  REQUIRE(undo(*world.session, {}));
  CHECK(world.live() == canonical_text(filter(kToday).v4));
}

TEST_CASE("where all that was recorded since is foreign there is nothing to undo") {
  World world(filter(kYesterday), filter(kToday));
  REQUIRE(record_now(*world.session, {}));
  const auto undone = undo(*world.session, {});
  REQUIRE_FALSE(undone);
  CHECK(undone.error().kind == ErrorKind::refused);
  CHECK(undone.error().message == "nothing to undo: the history has no change that is in force");
}

TEST_CASE("owners are the default ones with what the settings say") {
  World world(filter(""), filter(""));
  world.set("owner.docker.rule", "^-A X");
  world.set("owner.fail2ban.chain", "");
  world.set("owner.Mine.set", "a* b?");
  world.set("owner.Mine.table", "mine-* inet filter  ip6 nat*");
  const auto owners = read_owners(world.repository()).value();
  const auto find = [&](const std::string& name) { return *std::ranges::find(owners, name, &Owner::name); };
  CHECK(owners.size() == default_owners().size() + 1);
  CHECK(find("docker").rule == "^-A X");
  CHECK(find("docker").shared == std::vector<std::string>{"DOCKER-USER"});
  CHECK(find("fail2ban").chains.empty());
  CHECK(find("Mine").sets == std::vector<std::string>{"a*", "b?"});
  CHECK(find("Mine").tables == std::vector<std::string>{"mine-*", "inet filter", "ip6 nat*"});
  // What is printed of the defaults reads as them.
  world.set("owner.docker.table", find_key("owner.docker.table").value().standard);
  CHECK(read_owners(world.repository()).value().front().tables == default_owners().front().tables);
}

TEST_CASE("a wrong regular expression in the settings is passed over") {
  World world(filter(""), filter(""));
  world.set("owner.docker.rule", "(");
  const auto owners = read_owners(world.repository()).value();
  CHECK(owners.front().rule == default_owners().front().rule);
}

TEST_CASE("keys of owners are found, and others have the nearest as hint") {
  CHECK(find_key("owner.docker.chain").value().standard == "DOCKER DOCKER-* DOCKER_*");
  CHECK(find_key("owner.any-name_1.set").value().standard.empty());
  CHECK(find_key("owner.docker.rules").error().hint == "did you mean 'owner.docker.rule'?");
  CHECK(find_key("ower.docker.rule").error().hint == "did you mean 'owner.docker.rule'?");
  CHECK(find_key("lock.wiat").error().hint == "did you mean 'lock.wait'?");
  CHECK_FALSE(find_key("owner.a b.chain"));
  CHECK_FALSE(find_key("owner.chain"));
  CHECK_FALSE(find_key("owner.docker"));
}

#include "ops/restore/restore.h"

#include <catch2/catch.hpp>
#include <memory>

#include "core/text.h"
#include "kernel/process.h"
#include "rules/parse.h"
#include "rules/print.h"
#include "rules/rules_file.h"
#include "support/test_session.h"

using namespace rewall;

namespace {

Ruleset with_rules(const std::string& rule, const std::string& v6) {
  return {.v4 = testing::tables(filter_with(rule)), .v6 = testing::tables(filter_with(v6), Family::ipv6)};
}

Ruleset with_nat(Ruleset ruleset) {
  const auto nat = parse_tables(
                       "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
                       ":POSTROUTING ACCEPT [0:0]\n-A PREROUTING -j RETURN\nCOMMIT\n",
                       Family::ipv4, "nat")
                       .value();
  ruleset.v4.tables.push_back(nat.tables[0]);
  ruleset.v4.texts.insert(ruleset.v4.texts.end(), nat.texts.begin(), nat.texts.end());
  return ruleset;
}

/// A session whose firewall is in memory and whose history has `first`, then `second`, which is LIVE.
struct World : TestSession<> {
  World() {
    session->command_line = "rewall restore HEAD~1";
    firewall->change(first);
    make();
    record(second);
  }

  Result<Restored> go_back(const RestoreOptions& options = {}) {
    return restore(*session, "HEAD~1", options);
  }
  std::size_t snapshots() {
    std::size_t n = 0;
    REQUIRE(repository().walk(repository().head().value(),
                              [&](const Snapshot&) -> Result<bool> { return ++n > 0; }));
    return n;
  }

  Ruleset first = with_rules("-p tcp --dport 22 -j ACCEPT", "");
  Ruleset second = with_rules("-p tcp --dport 80 -j ACCEPT", "-j DROP");
};

Error refusal(const char* message) {
  return {.kind = ErrorKind::kernel, .message = message};
}

}  // namespace

TEST_CASE("a restore stages, loads, reads back and records") {
  World world;
  const auto restored = world.go_back();
  REQUIRE(restored);
  CHECK(world.live() == text_of(world.first));
  CHECK(world.firewall->stages == 1);
  CHECK_FALSE(restored->before);
  CHECK(restored->after->changed);
  CHECK(world.snapshots() == 3);
}

TEST_CASE("what staging refuses never reaches LIVE") {
  World world;
  world.firewall->stage_fault = FakeFirewall::Fault{.error = refusal("rules.v4:5: no such set")};
  const auto restored = world.go_back();
  REQUIRE_FALSE(restored);
  CHECK(restored.error().kind == ErrorKind::kernel);
  CHECK(world.firewall->loads == 0);
  CHECK(world.live() == text_of(world.second));
  CHECK(world.snapshots() == 2);
}

TEST_CASE("a recorded ruleset that stages as something else is refused") {
  World world;
  world.firewall->stage_differs = with_rule("-p tcp --dport 23 -j ACCEPT");
  const auto restored = world.go_back();
  REQUIRE_FALSE(restored);
  CHECK(restored.error().kind == ErrorKind::kernel);
  CHECK(world.live() == text_of(world.second));
}

TEST_CASE("a load that fails half way is put back, and that is said") {
  World world;
  world.firewall->load_fault = FakeFirewall::Fault{.error = refusal("ip nat: line 3 failed"), .at_call = 1};
  world.firewall->load_leaves = with_rule("-j ACCEPT");
  const auto restored = world.go_back();
  REQUIRE_FALSE(restored);
  CHECK(restored.error().kind == ErrorKind::kernel);
  CHECK(full_message(restored.error()) == "ip nat: line 3 failed; LIVE is what it was before");
  CHECK(world.live() == text_of(world.second));
}

TEST_CASE("what others changed elsewhere stays when a load is put back") {
  World world;
  const auto* repository = world.session->repository().value();
  world.firewall->load_fault = FakeFirewall::Fault{.error = refusal("no"), .at_call = 1};
  SECTION("nothing was loaded") {
    world.firewall->load_leaves = with_nat(world.second);
    const auto restored = world.go_back();
    REQUIRE_FALSE(restored);
    CHECK(full_message(restored.error()) == "no; LIVE is what it was before");
    CHECK(world.snapshots() == 2);
  }
  SECTION("a half was loaded, and somebody changed that too: it is in the history") {
    auto half = with_nat(with_rules("-s 192.0.2.5/32 -j ACCEPT", "-j DROP"));
    world.firewall->load_leaves = half;
    REQUIRE_FALSE(world.go_back());
    const auto recorded = repository->file(repository->resolve("HEAD~1").value(), "rules.v4").value();
    CHECK(recorded == canonical_text(half.v4));
  }
  CHECK(world.live() == text_of(with_nat(world.second)));
}

TEST_CASE("what the firewall refuses to take back because it moved is tried again") {
  World world;
  struct Busy : FakeFirewall {
    using FakeFirewall::FakeFirewall;
    Result<Loaded> load(const Staged& staged, const Ruleset& now,
                        const std::optional<Generation>& at) override {
      if (loads == 1) before_load = [this] { change(with_nat(live)); };
      return FakeFirewall::load(staged, now, at);
    }
  };
  Busy& firewall = world.open<Busy>(world.second);
  firewall.number = 99;
  firewall.load_fault = FakeFirewall::Fault{.error = refusal("no"), .at_call = 1};
  firewall.load_leaves = with_rule("-j ACCEPT");
  const auto restored = world.go_back();
  REQUIRE_FALSE(restored);
  CHECK(full_message(restored.error()) == "no; LIVE is what it was before");
  CHECK(world.live() == text_of(with_nat(world.second)));
}

TEST_CASE("what reads back as something else is taken back") {
  World world;
  world.firewall->load_differs = with_rule("-j ACCEPT");
  const auto restored = world.go_back();
  REQUIRE_FALSE(restored);
  CHECK(restored.error().kind == ErrorKind::kernel);
  CHECK(world.live() == text_of(world.second));
}

TEST_CASE(
    "what somebody changed in the same chain right behind the load is in the history, and the restore goes "
    "on") {
  World world;
  const auto theirs = with_rule("-s 192.0.2.99/32 -j DROP");
  world.firewall->after_load = [&] { world.firewall->change(theirs); };
  const auto restored = world.go_back();
  REQUIRE(restored);
  CHECK(world.live() == text_of(world.first));
  CHECK(text_of(read_revision(*world.session, "HEAD~2").value().ruleset) == text_of(theirs));
}

TEST_CASE("when nothing can be put back either, it is status 9 and the words say so") {
  World world;
  world.firewall->load_fault = FakeFirewall::Fault{.error = refusal("no")};
  world.firewall->load_leaves = with_rule("-j ACCEPT");
  const auto restored = world.go_back();
  REQUIRE_FALSE(restored);
  CHECK(restored.error().kind == ErrorKind::damaged);
  CHECK(restored.error().message == "no; and the old ruleset could not be put back: no");
  CHECK(restored.error().live == LiveState::changed);
  CHECK_FALSE(restored.error().hint.empty());
}

TEST_CASE("when LIVE reads as before after all, a refused way back is no status 9") {
  World world;
  world.firewall->load_fault = FakeFirewall::Fault{.error = refusal("no")};
  const auto restored = world.go_back();
  REQUIRE_FALSE(restored);
  CHECK(restored.error().kind == ErrorKind::kernel);
  CHECK(restored.error().live == LiveState::put_back);
}

TEST_CASE("a load that changed nothing is no status 9 where the programs cannot read LIVE afterwards") {
  World world;
  const auto before = world.live();
  world.firewall->load_fault = FakeFirewall::Fault{.error = refusal("Can't open socket to ipset.")};
  world.firewall->before_load = [&] {
    world.firewall->capture_fault = FakeFirewall::Fault{.error = refusal("no raw sockets")};
  };
  const auto restored = world.go_back();
  REQUIRE_FALSE(restored);
  CHECK(restored.error().kind == ErrorKind::kernel);
  CHECK(restored.error().live == LiveState::put_back);
  CHECK(world.live() == before);
  CHECK_FALSE(std::filesystem::exists(world.session->repository().value()->state_path() / "journal"));
}

TEST_CASE("a dry run ends with what LIVE would refuse") {
  World world;
  const auto before = world.live();
  world.firewall->check_fault = FakeFirewall::Fault{.error = refusal("Operation not supported")};
  const auto restored = restore(*world.session, "HEAD~1", {.dry_run = true});
  REQUIRE_FALSE(restored);
  CHECK(restored.error().kind == ErrorKind::kernel);
  CHECK(restored.error().message == "Operation not supported");
  CHECK(restored.error().live == LiveState::untouched);
  CHECK(world.live() == before);
}

TEST_CASE("a firewall that changes between planning and loading is planned again, and then refused") {
  struct Restless : FakeFirewall {
    using FakeFirewall::FakeFirewall;
    Result<Staged> stage(const Ruleset& wanted, const Ruleset* live_now, const FileNames& names) override {
      if (restless > 0) {
        --restless;
        change(with_rule("-s 192.0.2." + std::to_string(restless + 1) + "/32 -j DROP"));
      }
      return FakeFirewall::stage(wanted, live_now, names);
    }
    int restless = 0;
  };
  TestSession<Restless> world(with_rule("-j LOG"));
  auto* firewall = world.firewall;
  auto& session = *world.session;
  world.make();

  SECTION("once: the change is recorded, then the revision restored") {
    firewall->restless = 1;
    const auto restored = restore(session, "HEAD", {});
    REQUIRE(restored);
    CHECK(text_of(firewall->live) == text_of(with_rule("-j LOG")));
    CHECK(restored->before);
  }
  SECTION("always: LIVE is left alone") {
    firewall->restless = 99;
    const auto restored = restore(session, "HEAD", {});
    REQUIRE_FALSE(restored);
    CHECK(restored.error().kind == ErrorKind::refused);
    CHECK(firewall->loads == 0);
  }
}

TEST_CASE("what somebody else changed in another table meanwhile is kept and recorded") {
  World world;
  const auto other = with_nat(world.first);
  world.firewall->load_differs = other;
  const auto restored = world.go_back();
  REQUIRE(restored);
  CHECK(world.live() == text_of(other));
  const auto* repository = world.session->repository().value();
  CHECK(repository->file(repository->head().value(), "rules.v4").value() == canonical_text(other.v4));
}

TEST_CASE("members that come after a load are recorded, other differences of a set are taken back") {
  const auto with_set = [](const std::string& rule, const std::string& set) {
    auto ruleset = with_rule(rule);
    ruleset.sets = parse_sets(std::string(set), "ipset").value();
    return ruleset;
  };
  TestSession<FakeFirewall> world(with_set("-j LOG", "create mine hash:ip\nadd mine 192.0.2.1\n"));
  auto* firewall = world.firewall;
  auto& session = *world.session;
  world.make();
  const auto second = with_set("-j LOG", "create mine hash:ip\nadd mine 192.0.2.2\n");
  firewall->change(second);
  const auto sets = [&] { return canonical_text(firewall->live.sets); };
  SECTION("a member") {
    const std::string found = "create mine hash:ip\nadd mine 192.0.2.1\nadd mine 192.0.2.9\n";
    firewall->load_differs = with_set("-j LOG", found);
    const auto restored = restore(session, "HEAD", {});
    REQUIRE(restored);
    CHECK(sets() == found);
    CHECK(session.repository().value()->file(restored->after->hash, "ipset").value() == found);
  }
  SECTION("an option") {
    firewall->load_differs = with_set("-j LOG", "create mine hash:ip timeout 60\nadd mine 192.0.2.1\n");
    REQUIRE_FALSE(restore(session, "HEAD", {}));
    CHECK(sets() == canonical_text(second.sets));
  }
}

TEST_CASE("what stood in the kernel before it was taken back is in the history") {
  World world;
  const auto found = with_rule("-s 192.0.2.5/32 -j ACCEPT");
  world.firewall->load_differs = found;
  REQUIRE_FALSE(world.go_back());
  CHECK(world.live() == text_of(world.second));
  const auto* repository = world.session->repository().value();
  const auto rules = [&](const char* name) {
    return repository->file(repository->resolve(name).value(), "rules.v4").value();
  };
  CHECK(rules("HEAD~1") == canonical_text(found.v4));
  CHECK(rules("HEAD") == canonical_text(world.second.v4));
}

TEST_CASE("an exception while loading is put back like any failure") {
  struct Throwing : FakeFirewall {
    using FakeFirewall::FakeFirewall;
    Result<Loaded> load(const Staged& staged, const Ruleset& now,
                        const std::optional<Generation>& at) override {
      if (++calls == 1) {
        change(with_rule("-j ACCEPT"));
        throw std::bad_alloc();
      }
      return FakeFirewall::load(staged, now, at);
    }
    int calls = 0;
  };
  TestSession<Throwing> world(with_rule("-j LOG"));
  auto* firewall = world.firewall;
  auto& session = *world.session;
  world.make();
  const auto second = with_rule("-j DROP");
  firewall->change(second);
  const auto restored = restore(session, "HEAD", {});
  REQUIRE_FALSE(restored);
  CHECK(restored.error().kind == ErrorKind::kernel);
  CHECK(text_of(firewall->live) == text_of(second));
}

TEST_CASE("a set that somebody filled while the restore was planned is not lost") {
  struct Filling : FakeFirewall {
    using FakeFirewall::FakeFirewall;
    Result<Staged> stage(const Ruleset& wanted, const Ruleset* live_now, const FileNames& names) override {
      if (stages == 0) live.sets = parse_sets("create mine hash:ip\nadd mine 8.8.8.8\n", "ipset").value();
      return FakeFirewall::stage(wanted, live_now, names);
    }
  };
  TestSession<Filling> world(with_rule("-j LOG"));
  auto* firewall = world.firewall;
  auto& session = *world.session;
  world.make();
  firewall->change(with_rule("-j DROP"));
  const auto restored = restore(session, "HEAD", {});
  REQUIRE(restored);
  REQUIRE(restored->before);
  const auto* repository = session.repository().value();
  CHECK(repository->file(restored->before->hash, "ipset").value() ==
        "create mine hash:ip\nadd mine 8.8.8.8\n");
}

TEST_CASE("a set that the restore does not touch may move while it is planned, and keeps what it got") {
  const std::string living = "create seen hash:ip\n";
  const std::string mine = "create mine hash:ip\n";
  struct Living : FakeFirewall {
    using FakeFirewall::FakeFirewall;
    Result<Staged> stage(const Ruleset& wanted, const Ruleset* live_now, const FileNames& names) override {
      auto staged = FakeFirewall::stage(wanted, live_now, names);
      live.sets =
          parse_sets("create mine hash:ip\ncreate seen hash:ip\nadd seen 192.0.2.1\n", "ipset").value();
      if (gone) live.sets.sets.pop_back();
      return staged;
    }
    // As the kernel's: a set that is the same in both is not touched.
    Result<Loaded> load(const Staged& staged, const Ruleset& then,
                        const std::optional<Generation>& at) override {
      Staged moved = staged;
      auto& texts = moved.ruleset.sets.texts;
      texts.insert(texts.end(), live.sets.texts.begin(), live.sets.texts.end());
      for (auto& set : moved.ruleset.sets.sets) {
        const auto text = [&](const Set* one) { return canonical_text(Sets{.sets = {*one}}); };
        const Set* old = then.sets.find(set.name);
        if (old != nullptr && text(old) == text(&set)) set = *live.sets.find(set.name);
      }
      return FakeFirewall::load(moved, then, at);
    }
    bool gone = false;
  };
  TemporaryFolder folder;
  auto ruleset = with_rule("-j LOG");
  ruleset.sets = parse_sets(mine + living, "ipset").value();
  auto owned = std::make_unique<Living>(ruleset);
  Living* firewall = owned.get();
  Session session(folder.path() / "repo", BackendChoice::automatic, std::move(owned));
  REQUIRE(make_repository(session, ""));
  auto second = with_rule("-j DROP");
  second.sets = ruleset.sets;
  SECTION("with a generation") {
    firewall->change(second);
    REQUIRE(restore(session, "HEAD", {}));
    CHECK(firewall->stages == 1);
    CHECK(canonical_text(firewall->live.sets) == mine + living + "add seen 192.0.2.1\n");
    const auto* repository = session.repository().value();
    CHECK(repository->file(repository->head().value(), "ipset").value() ==
          canonical_text(firewall->live.sets));
  }
  SECTION("without one") {
    firewall->has_generation = false;
    firewall->change(second);
    REQUIRE(restore(session, "HEAD", {}));
    CHECK(firewall->stages == 1);
  }
  SECTION("what the restore changes must not move") {
    second.sets = parse_sets(mine + "add mine 192.0.2.7\n" + living, "ipset").value();
    firewall->change(second);
    REQUIRE(restore(session, "HEAD", {}));
    CHECK(firewall->stages == 2);
  }
  SECTION("a set that is gone is planned anew") {
    firewall->gone = true;
    firewall->change(second);
    REQUIRE(restore(session, "HEAD", {}));
    CHECK(firewall->stages == 2);
  }
}

TEST_CASE("a load that the kernel refuses because somebody was faster is planned again, three times") {
  World world;
  world.firewall->load_fault =
      FakeFirewall::Fault{.error = {.kind = ErrorKind::refused, .message = "changed meanwhile"}};
  SECTION("LIVE is untouched") {
    const auto restored = world.go_back();
    REQUIRE_FALSE(restored);
    CHECK(restored.error().kind == ErrorKind::refused);
    CHECK(restored.error().live == LiveState::untouched);
    CHECK(world.firewall->loads == 3);
    CHECK(world.live() == text_of(world.second));
  }
  SECTION("but one that had begun is put back") {
    auto half = world.first;
    half.sets = parse_sets("create rewall-1 hash:ip\n", "ipset").value();
    world.firewall->load_fault->at_call = 1;
    world.firewall->load_leaves = half;
    const auto restored = world.go_back();
    REQUIRE_FALSE(restored);
    CHECK(restored.error().kind == ErrorKind::kernel);
    CHECK(full_message(restored.error()) == "changed meanwhile; LIVE is what it was before");
    CHECK(world.live() == text_of(world.second));
    CHECK(world.firewall->live.sets.sets.empty());
  }
}

TEST_CASE("a revision of a backend that this run does not look at is refused") {
  TestSession<FakeFirewall> world(with_rule("-j LOG"));
  auto* firewall = world.firewall;
  world.make();
  auto again = std::make_unique<FakeFirewall>(Ruleset{.backend = Backend::legacy});
  FakeFirewall* legacy = again.get();
  Session other(world.path(), BackendChoice::legacy, std::move(again));
  const auto restored = restore(other, "HEAD", {});
  REQUIRE_FALSE(restored);
  CHECK(restored.error().kind == ErrorKind::usage);
  CHECK(legacy->loads == 0);
  CHECK(firewall->loads == 0);
}

TEST_CASE("LIVE is recorded before it is replaced") {
  World world;
  const auto unrecorded = with_rule("-p tcp --dport 443 -j ACCEPT");
  world.firewall->change(unrecorded);
  const auto restored = restore(*world.session, "HEAD", {});
  REQUIRE(restored);
  REQUIRE(restored->before);
  CHECK(world.live() == text_of(world.second));
  const auto* repository = world.session->repository().value();
  CHECK(repository->files(restored->before->hash).value().at("rules.v4") == canonical_text(unrecorded.v4));
}

TEST_CASE("one family or one table can be restored alone") {
  World world;
  REQUIRE(world.go_back({.family = Family::ipv6}));
  CHECK(canonical_text(world.firewall->live.v4) == canonical_text(world.second.v4));
  CHECK(canonical_text(world.firewall->live.v6) == canonical_text(world.first.v6));
}

TEST_CASE("the history says what was restored and by which command") {
  World world;
  const auto restored = world.go_back({.message = "back to ssh"});
  REQUIRE(restored);
  const auto* repository = world.session->repository().value();
  const auto snapshot = repository->snapshot(restored->after->hash).value();
  CHECK(snapshot.subject == "back to ssh");
  CHECK(snapshot.trailers.trigger == "restore");
  CHECK(snapshot.trailers.restores == restored->restored);
  CHECK(snapshot.trailers.commands == std::vector<std::string>{"rewall restore HEAD~1"});
}

TEST_CASE("what somebody changes right after the load is not taken for what the load proved") {
  struct Sly : FakeFirewall {
    using FakeFirewall::FakeFirewall;
    Result<Sets> sets() override {
      if (loads == 1 && number == proven) change(with_rule("-s 192.0.2.66/32 -j ACCEPT"));
      return FakeFirewall::sets();
    }
    Result<Loaded> load(const Staged& staged, const Ruleset& then,
                        const std::optional<Generation>& at) override {
      auto done = FakeFirewall::load(staged, then, at);
      proven = number;
      return done;
    }
    std::uint32_t proven = 0;
  };
  TestSession<Sly> world(with_rule("-j LOG"));
  auto* firewall = world.firewall;
  auto& session = *world.session;
  firewall->reads_back = true;
  world.make();
  firewall->change(with_rule("-j DROP"));
  const auto restored = restore(session, "HEAD", {});
  REQUIRE(restored);
  CHECK(world.live() == text_of(with_rule("-j LOG")));
  const auto* repository = session.repository().value();
  CHECK(repository->file(repository->resolve("HEAD~2").value(), "rules.v4").value().find("192.0.2.66") !=
        std::string::npos);
}

TEST_CASE("a text that is not the snapshot's own reaches neither LIVE nor the history") {
  // Most chains are shared, so that the restore takes apart only those that are not.
  const auto of_many = [](const std::string& rule) {
    std::string text = "*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n";
    for (char c = 'a'; c < 'z'; ++c) text += std::string(":chain-") + c + " - [0:0]\n";
    text += "-A INPUT " + rule + "\n";
    for (char c = 'a'; c < 'z'; ++c) text += std::string("-A chain-") + c + " -s 192.0.2.1/32 -j ACCEPT\n";
    return Ruleset{.v4 = parse_tables(text + "COMMIT\n", Family::ipv4, "v4").value()};
  };
  World world;
  for (const char* rule : {"-j ACCEPT", "-j DROP", "-j LOG"}) {
    world.firewall->change(of_many(rule));
    REQUIRE(record_now(*world.session, {}));
  }
  const auto repository = world.path();
  const auto object = [&](const std::string& name) {
    const auto said = run({.words = {"/usr/bin/git", "-C", repository, "rev-parse", name}}, ErrorKind::usage);
    REQUIRE(said);
    const auto hash = std::string(trim(said->out));
    return repository / ".git/objects" / hash.substr(0, 2) / hash.substr(2);
  };
  // A whole object, in another's place.
  const auto other = object("HEAD~2:rules.v4");
  const auto replace = [&](const std::string& name) {
    std::filesystem::remove(object(name));
    std::filesystem::copy_file(other, object(name));
  };
  const auto before = world.live();
  SECTION("of the snapshot that is restored") {
    replace("HEAD~1:rules.v4");
    const auto refused = world.go_back();
    REQUIRE_FALSE(refused);
    CHECK(refused.error().kind == ErrorKind::repository);
    CHECK(world.firewall->loads == 0);
    CHECK(world.live() == before);
  }
  SECTION("of HEAD, which keeps nothing from being restored") {
    replace("HEAD:rules.v4");
    const auto restored = world.go_back();
    REQUIRE(restored);
    CHECK_FALSE(restored->after);
    CHECK_FALSE(restored->why_unrecorded.empty());
    CHECK(world.live() == text_of(of_many("-j DROP")));
    const auto kept = read_file(std::filesystem::path(restored->kept) / "rules.v4");
    REQUIRE(kept);
    CHECK(kept->find("-A INPUT -j LOG\n") != std::string::npos);
    std::filesystem::remove_all(restored->kept);
  }
  CHECK(world.snapshots() == 5);
}

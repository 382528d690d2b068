#include <catch2/catch.hpp>
#include <memory>

#include "core/file.h"
#include "ops/context/namespace_match.h"
#include "ops/guard/arm.h"
#include "ops/guard/fallback.h"
#include "ops/guard/guard_ending.h"
#include "ops/guard/guard_state.h"
#include "ops/guard/guarded_change.h"
#include "ops/guard/lockdown.h"
#include "ops/restore/recovery.h"
#include "ops/restore/restore.h"
#include "rules/parse.h"
#include "rules/print.h"
#include "support/test_session.h"

using namespace rewall;

namespace {

Guard a_guard() {
  return {.id = "0123456789abcdef",
          .before = std::string(40, 'a'),
          .backends = "nft+legacy",
          .exact = true,
          .looks_at = BackendChoice::legacy,
          .place = Generation{.boot = "0b", .network = 7, .number = 0},
          .armed = {.seconds = 1700000000, .offset = -90},
          .length = std::chrono::milliseconds(90001),
          .deadline = std::chrono::milliseconds(123456789012),
          .login = "ssh 192.0.2.7 50000 192.0.2.1 22",
          .command = "rewall try -- sh -c 'a\nb\\'",
          .actor = {.person = {.name = "Ann Äh", .email = "ann@example.org"}, .user = "ann", .tty = "pts/3"}};
}

/// A history of `first` (the tag good) and `old`; LIVE is `broken`, which is not recorded.
struct World : TestSession<> {
  World() {
    session->command_line = "rewall try";
    firewall->change(first);
    make();
    REQUIRE(repository().set_tag("good", repository().head().value()));
    record(old);
    firewall->change(broken);
  }

  Result<FallbackResult> go() {
    const auto held = lock(*session);
    REQUIRE(held);
    const auto candidates = with_fallbacks(
        *session, {.what = "the old ruleset", .read = [this] { return read_revision(*session, "HEAD"); }},
        "ssh 192.0.2.7 50000 192.0.2.1 2022");
    return restore_or_fall_back(*session, &*held, candidates,
                                {.trigger = "rollback", .exact = true, .way_back = true});
  }
  std::string trigger() { return head().trailers.trigger; }

  Ruleset first = with_rule("-p tcp --dport 22 -j ACCEPT");
  Ruleset old = with_rule("-p tcp --dport 80 -j ACCEPT");
  Ruleset broken = with_rule("-j DROP");
};

/// Stages nothing that has one of these words in it.
struct Choosy : FakeFirewall {
  using FakeFirewall::FakeFirewall;
  Result<Staged> stage(const Ruleset& wanted, const Ruleset* in_force, const FileNames& names) override {
    for (const auto& word : refuses)
      if (text_of(wanted).find(word) != std::string::npos)
        return Error{.kind = ErrorKind::kernel, .message = "no " + word};
    return FakeFirewall::stage(wanted, in_force, names);
  }
  std::vector<std::string> refuses{};
};

struct ChoosyWorld : World {
  Choosy* choosy = &open<Choosy>(broken);
};

}  // namespace

TEST_CASE("no guard is armed whose way back LIVE would refuse") {
  World world;
  world.firewall->check_fault =
      FakeFirewall::Fault{.error = {.kind = ErrorKind::kernel, .message = "Operation not supported"}};
  const auto guard = begin_try(*world.session, std::chrono::minutes(1));
  REQUIRE_FALSE(guard);
  CHECK(guard.error().kind == ErrorKind::kernel);
  CHECK(guard.error().message == "no guard: the way back is not sure: Operation not supported");
  CHECK(guard.error().live == LiveState::untouched);
  CHECK_FALSE(*read_guard(world.repository().state_path()));
}

TEST_CASE("a dry run of a way back changes nothing, with the repository's lock and without") {
  World world;
  const auto before = world.live();
  const std::vector<Candidate> candidates = with_fallbacks(
      *world.session,
      {.what = "the old ruleset", .read = [&] { return read_revision(*world.session, "HEAD"); }}, "");
  const RestoreOptions options{.trigger = "boot", .dry_run = true, .exact = true, .way_back = true};
  SECTION("with the lock it shows what would change") {
    const auto held = lock(*world.session);
    REQUIRE(held);
    const auto shown = restore_or_fall_back(*world.session, &*held, candidates, options);
    REQUIRE(shown);
    CHECK_FALSE(shown->restored->diff.equal());
  }
  SECTION("without the lock it is refused") {
    const auto shown = restore_or_fall_back(*world.session, nullptr, candidates, options);
    REQUIRE_FALSE(shown);
    CHECK(shown.error().live == LiveState::untouched);
  }
  SECTION("what cannot be read is refused") {
    const auto held = lock(*world.session);
    REQUIRE(held);
    const std::vector<Candidate> lost{
        {.what = "nothing", .read = [] { return Result<Revision>(Error{.message = "lost"}); }}};
    const auto shown = restore_or_fall_back(*world.session, &*held, lost, options);
    REQUIRE_FALSE(shown);
    CHECK(shown.error().kind == ErrorKind::repository);
  }
  CHECK(world.live() == before);
  CHECK(world.firewall->loads == 0);
}

TEST_CASE("a guard reads back as it was written") {
  const auto guard = a_guard();
  const auto read = parse_guard(print_guard(guard));
  REQUIRE(read);
  CHECK(print_guard(*read) == print_guard(guard));
  CHECK(read->id == guard.id);
  CHECK(read->before == guard.before);
  CHECK(read->backends == "nft+legacy");
  CHECK(read->exact);
  CHECK(read->looks_at == BackendChoice::legacy);
  CHECK(read->place == guard.place);
  CHECK(read->armed == guard.armed);
  CHECK(read->length == guard.length);
  CHECK(read->deadline == guard.deadline);
  CHECK(read->login == guard.login);
  CHECK(read->command == guard.command);
  CHECK(read->actor.person.name == "Ann Äh");
  CHECK(read->actor.text() == guard.actor.text());
  auto other = guard;
  other.exact = false;
  other.place.reset();
  CHECK_FALSE(parse_guard(print_guard(other))->exact);
  CHECK_FALSE(parse_guard(print_guard(other))->place);
}

TEST_CASE("half a guard is none, and what is wrong is named") {
  const auto text = print_guard(a_guard());
  for (std::size_t size = 0; size < text.size(); ++size) {
    INFO(size);
    const auto read = parse_guard(text.substr(0, size));
    REQUIRE_FALSE(read);
    CHECK(read.error().kind == ErrorKind::repository);
  }
  const auto with = [&](const std::string& from, const std::string& to) {
    auto wrong = text;
    wrong.replace(wrong.find(from), from.size(), to);
    const auto read = parse_guard(wrong);
    return read ? "" : read.error().message;
  };
  CHECK(with("deadline 123456789012", "deadline -5") == "line 10: no value that it can have");
  CHECK(with("parts all", "parts some") == "line 5: no value that it can have");
  CHECK(with("before aaaa", "before gggg") == "line 3: no value that it can have");
  CHECK(with("length 90001\n", "") == "line 16: 'length' is missing");
  CHECK(with("rewall guard 1", "rewall guard 2") == "line 1: no rewall guard of this version");
}

TEST_CASE("time is left until the deadline, and none of an earlier boot's") {
  auto guard = a_guard();
  guard.deadline = boot_time() + std::chrono::hours(1);
  const Generation here{.boot = "0b", .network = 7, .number = 3};
  CHECK(time_left(guard, here) > std::chrono::minutes(59));
  CHECK(time_left(guard, Generation{.boot = "0c", .network = 7, .number = 3}).count() == 0);
  CHECK(match_namespace(guard.place, Generation{.boot = "0b", .network = 8, .number = 0}) ==
        NamespaceMatch::elsewhere);
  CHECK(match_namespace(std::nullopt, here) == NamespaceMatch::here);
  guard.deadline = boot_time() - std::chrono::seconds(1);
  CHECK(time_left(guard, here).count() == 0);
}

TEST_CASE("how each guard ended is known") {
  const TemporaryFolder folder;
  const auto guard = a_guard();
  REQUIRE(write_guard(folder.path(), guard));
  CHECK(read_guard(folder.path()).value()->id == guard.id);
  CHECK_FALSE(read_ending(folder.path(), guard.id));
  end_guard(folder.path(), guard,
            {.how = EndedBy::deadline, .tried = guard.before, .in_force = "the tag good"});
  CHECK_FALSE(read_guard(folder.path()).value());
  const auto fired = read_ending(folder.path(), guard.id).value();
  CHECK(fired.how == EndedBy::deadline);
  CHECK(fired.guard.command == guard.command);
  CHECK(fired.tried == guard.before);
  CHECK(to_text(fired).starts_with("fired at "));
  CHECK(to_text(fired).ends_with(", because nobody confirmed: the tag good was put in force"));
  // Each guard has an ending of its own, and that of another says nothing of it.
  auto next = guard;
  next.id = "fedcba9876543210";
  REQUIRE(write_guard(folder.path(), next));
  CHECK_FALSE(read_ending(folder.path(), next.id));
  end_guard(folder.path(), next, {.how = EndedBy::confirm, .by = "bob"});
  CHECK(read_ending(folder.path(), next.id).value().by == "bob");
  CHECK(read_ending(folder.path(), guard.id).value().how == EndedBy::deadline);
  CHECK(last_ending(folder.path()).value().guard.id == next.id);
  // A guard whose change was never in force is not the last that anybody asks about.
  auto dropped = guard;
  dropped.id = "0000000000000001";
  REQUIRE(write_guard(folder.path(), dropped));
  end_guard(folder.path(), dropped, {.how = EndedBy::no_change});
  CHECK(last_ending(folder.path()).value().guard.id == next.id);
  // Of many, the newest are kept.
  for (int i = 0; i < 30; ++i) {
    dropped.id = "00000000000001" + std::to_string(10 + i);
    end_guard(folder.path(), dropped, {.how = EndedBy::no_change});
  }
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path() / "guards"), {}) == 20);
}

TEST_CASE("without a program to wait no change is guarded, and none is made") {
  World world;
  GuardedChange guard(*world.session, std::chrono::minutes(1));
  const auto restored = restore(*world.session, "good", {.safeguard = &guard});
  REQUIRE_FALSE(restored);
  CHECK(restored.error().kind == ErrorKind::refused);
  CHECK(world.live() == text_of(world.broken));
  CHECK_FALSE(read_guard(world.folder.path() / "repo/.git/rewall").value());
}

TEST_CASE("the old ruleset is put back and recorded") {
  World world;
  const auto fallback = world.go();
  REQUIRE(fallback);
  CHECK(fallback->as_wanted);
  CHECK(fallback->restored);
  CHECK(fallback->refused.empty());
  CHECK(world.live() == text_of(world.old));
  CHECK(world.trigger() == "rollback");
}

TEST_CASE("what is refused is followed by the tag good, then by lockdown, then by words") {
  ChoosyWorld world;
  world.choosy->refuses = {"--dport 80 "};
  SECTION("good") {
    const auto fallback = world.go();
    REQUIRE(fallback);
    CHECK(fallback->what == "the tag good");
    CHECK_FALSE(fallback->as_wanted);
    CHECK(fallback->restored);
    REQUIRE(fallback->refused.size() == 1);
    CHECK(fallback->refused[0] == "the old ruleset: no --dport 80 ");
    CHECK(world.live() == text_of(world.first));
  }
  SECTION("lockdown") {
    world.choosy->refuses.emplace_back("--dport 22 ");
    const auto fallback = world.go();
    REQUIRE(fallback);
    CHECK(fallback->what == "the template lockdown");
    CHECK(fallback->restored);
    CHECK(world.live().find("-m multiport --dports 22,2022 -j ACCEPT") != std::string::npos);
  }
  SECTION("nothing") {
    world.choosy->refuses = {"-A "};
    const auto fallback = world.go();
    REQUIRE_FALSE(fallback);
    CHECK(fallback.error().kind == ErrorKind::damaged);
    CHECK(fallback.error().message.find("the template lockdown: no -A ") != std::string::npos);
    CHECK(world.live() == text_of(world.broken));
  }
}

TEST_CASE("a repository that is locked is no matter") {
  World world;
  const std::vector<Candidate> candidates{
      {.what = "the old ruleset", .read = [&] { return read_revision(*world.session, "HEAD"); }}};
  const auto fallback = restore_or_fall_back(*world.session, nullptr, candidates, {.trigger = "rollback"});
  REQUIRE(fallback);
  CHECK_FALSE(fallback->restored);
  CHECK(fallback->why_unrecorded == "the repository cannot be used");
  CHECK(world.live() == text_of(world.old));
}

TEST_CASE("whoever changes the firewall after every load does not bring lockdown about") {
  struct Restless : FakeFirewall {
    using FakeFirewall::FakeFirewall;
    Result<Loaded> load(const Staged& staged, const Ruleset& now,
                        const std::optional<Generation>& at) override {
      auto done = FakeFirewall::load(staged, now, at);
      if (done) change(with_rule("-s 192.0.2." + std::to_string(loads) + " -j ACCEPT"));
      return done;
    }
  };
  World world;
  auto owned = std::make_unique<Restless>(world.broken);
  auto* firewall = owned.get();
  world.firewall = firewall;
  world.session =
      std::make_unique<Session>(world.folder.path() / "repo", BackendChoice::automatic, std::move(owned));
  const auto fallback = world.go();
  REQUIRE(fallback);
  CHECK(fallback->as_wanted);
  CHECK_FALSE(fallback->restored);
  CHECK(fallback->why_unrecorded.find("somebody goes on changing it: ") != std::string::npos);
  REQUIRE_FALSE(firewall->loaded.empty());
  CHECK(text_of(firewall->loaded.back()) == text_of(world.old));
}

TEST_CASE("whoever changes the firewall too fast for it to be read does not bring lockdown about") {
  struct Restless : FakeFirewall {
    using FakeFirewall::FakeFirewall;
    Status load_anew(const Staged& staged) override {
      const auto fault = capture_fault;
      auto done = FakeFirewall::load_anew(staged);
      capture_fault = fault;
      return done;
    }
  };
  World world;
  auto owned = std::make_unique<Restless>(world.broken);
  world.firewall = owned.get();
  owned->capture_fault =
      FakeFirewall::Fault{.error = {.kind = ErrorKind::capture, .message = "it changed all the time"}};
  world.session =
      std::make_unique<Session>(world.folder.path() / "repo", BackendChoice::automatic, std::move(owned));
  const auto fallback = world.go();
  REQUIRE(fallback);
  CHECK(fallback->as_wanted);
  CHECK(world.firewall->loads_anew == 1);
  CHECK(world.live() == text_of(world.old));
}

TEST_CASE("what the kernel would not take as a change is put in force whole") {
  World world;
  world.firewall->load_fault =
      FakeFirewall::Fault{.error = {.kind = ErrorKind::kernel, .message = "the rule is gone"}};
  const auto fallback = world.go();
  REQUIRE(fallback);
  CHECK(fallback->as_wanted);
  CHECK(world.firewall->loads_anew == 1);
  CHECK(world.live() == text_of(world.old));
}

TEST_CASE("what cannot be read is replaced whole, by what the kernel would take") {
  ChoosyWorld world;
  world.firewall->capture_fault =
      FakeFirewall::Fault{.error = {.kind = ErrorKind::capture, .message = "table ip filter: incompatible"}};
  SECTION("the old ruleset") {
    const auto fallback = world.go();
    REQUIRE(fallback);
    CHECK(fallback->as_wanted);
    CHECK(world.firewall->loads_anew == 1);
    CHECK(world.live() == text_of(world.old));
  }
  SECTION("nothing is removed for what would not be taken") {
    world.choosy->refuses = {"-A "};
    const auto fallback = world.go();
    REQUIRE_FALSE(fallback);
    CHECK(world.firewall->loads_anew == 0);
    CHECK(world.live() == text_of(world.broken));
  }
}

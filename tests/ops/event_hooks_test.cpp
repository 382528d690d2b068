#include "ops/context/event_hooks.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <memory>
#include <thread>

#include "core/file.h"
#include "core/proc.h"
#include "ops/context/settings.h"
#include "ops/restore/restore.h"
#include "rules/parse.h"
#include "rules/print.h"
#include "support/test_session.h"

using namespace rewall;

namespace {

/// Two snapshots, the second LIVE, and a folder of hooks. What they write goes to `out`.
struct World : TestSession<> {
  World() {
    firewall->change(first);
    make();
    set("hooks.path", hooks());
    record(second);
    session->record_observers = {queue_post_snapshot};
    session->diff_text = [](const Diff& diff) { return "the diff: " + subject(diff) + "\n"; };
  }

  std::string hooks() const { return folder.path() / "etc"; }
  std::string out() const { return read_file(folder.path() / "out").value(); }
  bool ran() const { return std::filesystem::exists(folder.path() / "out"); }
  bool untouched() const { return live() == text_of(second); }

  void hook(const std::string& name, const std::string& script, mode_t mode = 0755) const {
    const std::filesystem::path path = std::filesystem::path(hooks()) / name;
    std::filesystem::create_directories(path.parent_path());
    REQUIRE(
        write_file(path, "#!/bin/sh\ncd " + folder.path().string() + "\n" + script + "\n", mode, Sync::no));
  }
  Result<Restored> go_back(const RestoreOptions& options = {}) {
    auto restored = restore(*session, "HEAD~1", options);
    run_queued_events(*session);
    return restored;
  }

  Ruleset first = with_rule("-p tcp --dport 22 -j ACCEPT");
  Ruleset second = with_rule("-p tcp --dport 80 -j ACCEPT");
};

}  // namespace

TEST_CASE("hooks run in the order of their names, those that are programs and have plain ones") {
  World world;
  for (const char* name : {"20-b", "10_a", "Z", "3", "x.dpkg-old", "y~"}) {
    world.hook(std::string("pre-restore.d/") + name, std::string("echo ") + name + " >>out");
  }
  world.hook("pre-restore.d/15-silent", "echo silent >>out", 0644);
  std::filesystem::create_directory(world.hooks() + "/pre-restore.d/00-folder");
  std::filesystem::create_symlink("20-b", world.hooks() + "/pre-restore.d/30-link");
  std::filesystem::create_symlink("gone", world.hooks() + "/pre-restore.d/40-nowhere");
  REQUIRE(world.go_back());
  CHECK(world.out() == "10_a\n20-b\n3\n20-b\nZ\n");
}

TEST_CASE("a hook before a restore that fails refuses it, and LIVE is left alone") {
  World world;
  world.hook("pre-restore.d/10-no", "echo; echo 'not on a friday' >&2; exit 7");
  world.hook("pre-restore.d/20-after", "echo ran >out");
  world.hook("post-restore.d/10", "echo ran >out");
  const auto head = world.head().hash;
  const auto refused = world.go_back();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == ErrorKind::refused);
  CHECK(full_message(refused.error()) ==
        "pre-restore.d/10-no: exit status 7: not on a friday; LIVE is untouched");
  CHECK(refused.error().hint.find(world.hooks()) != std::string::npos);
  CHECK(world.untouched());
  CHECK(world.firewall->loads == 0);
  CHECK(world.head().hash == head);
  CHECK_FALSE(world.ran());
}

TEST_CASE("what a dry run and a restore of nothing would do is asked of no hook") {
  World world;
  world.hook("pre-restore.d/10", "exit 1");
  world.hook("post-restore.d/10", "echo ran >out");
  REQUIRE(world.go_back({.dry_run = true}));
  REQUIRE(restore(*world.session, "HEAD", {}));
  run_queued_events(*world.session);
  CHECK_FALSE(world.ran());
}

TEST_CASE("a hook gets the diff on standard input, and the facts in a clean environment") {
  World world;
  ::setenv("SECRET", "of the caller", 1);
  const std::string script =
      "{ echo \"$# $SECRET\"; env | grep ^REWALL_ | grep -v ACTOR | sort; cat; } >>out";
  const auto second = world.head().hash;
  const auto first = world.repository().resolve("HEAD~1").value();
  const auto facts = [&](const char* event, const char* trigger, const std::string& from,
                         const std::string& hash, const std::string& subject, const char* revision,
                         const std::string& restores) {
    return std::string("0 \nREWALL_EVENT=") + event + "\nREWALL_FROM=" + from + "\nREWALL_HASH=" + hash +
           "\nREWALL_REPO=" + world.session->path().string() + "\nREWALL_RESTORES=" + restores +
           "\nREWALL_REVISION=" + revision + "\nREWALL_SUBJECT=" + subject + "\nREWALL_TRIGGER=" + trigger +
           "\n";
  };
  const std::string back = "filter/INPUT: 80 -> 22 tcp ACCEPT";

  SECTION("before a restore") {
    world.hook("pre-restore.d/10", script);
    REQUIRE(world.go_back({.message = "back", .trigger = "undo"}));
    const auto said = world.out();
    CHECK(said.starts_with(facts("pre-restore", "undo", second, "", "back", "HEAD~1", first) + "the diff: "));
  }
  SECTION("after a restore, and its snapshots in the order they were made") {
    world.hook("post-restore.d/10", script);
    world.hook("post-snapshot.d/10", script);
    world.firewall->change(with_rule("-j LOG"));
    const auto restored = restore(*world.session, "HEAD~1", {.message = "back"});
    REQUIRE(restored);
    CHECK_FALSE(world.ran());  // not before the lock is released
    run_queued_events(*world.session);
    const auto said = world.out();
    const auto before = restored->before->hash;
    const auto after = restored->after->hash;
    const auto one = said.find(
        facts("post-snapshot", "manual", second, before, restored->before->subject, "", "") + "the diff: ");
    const auto two =
        said.find(facts("post-snapshot", "restore", before, after, "back", "", first) + "the diff: ");
    const auto three =
        said.find(facts("post-restore", "restore", before, after, "back", "HEAD~1", first) + "the diff: ");
    CHECK(one == 0);
    CHECK(one < two);
    CHECK(two < three);
    CHECK(three < said.size());
  }
  ::unsetenv("SECRET");
}

TEST_CASE("a hook after the event that fails changes no answer, and the next one runs") {
  World world;
  world.hook("post-restore.d/10", "exit 1");
  world.hook("post-restore.d/20", "echo ran >out");
  REQUIRE(world.go_back());
  CHECK(world.out() == "ran\n");
}

TEST_CASE("a hook that takes too long is killed with what it started") {
  World world;
  world.set("hooks.deadline", "200ms");
  world.hook("pre-restore.d/10", "sleep 600 & echo $! >pid.new; mv pid.new pid; wait");
  // On a busy machine the hook may not have come so far.
  while (!std::filesystem::exists(world.folder.path() / "pid")) {
    const auto refused = world.go_back();
    REQUIRE_FALSE(refused);
    CHECK(full_message(refused.error()) ==
          "pre-restore.d/10: gave no answer within 200 ms; LIVE is untouched");
  }
  const pid_t sleeper = std::stoi(read_file(world.folder.path() / "pid").value());
  // A process that is killed ends in its own time.
  for (int i = 0; i < 6000 && lives(sleeper); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  CHECK_FALSE(lives(sleeper));
  CHECK(world.untouched());
}

TEST_CASE("what others can write is not run, and a restore is refused for it") {
  World world;
  world.hook("pre-restore.d/10-good", "echo ran >out");
  world.hook("pre-restore.d/20-open", "echo ran >out");
  const std::string folder = world.hooks() + "/pre-restore.d";
  const auto refused_at = [&](const std::string& path) {
    const auto refused = world.go_back();
    REQUIRE_FALSE(refused);
    CHECK(refused.error().kind == ErrorKind::refused);
    CHECK(full_message(refused.error()) ==
          path + ": users other than root can write to it; LIVE is untouched");
    CHECK(refused.error().hint == "chown root " + path + "; chmod go-w " + path);
    CHECK_FALSE(world.ran());
    CHECK(world.untouched());
  };
  SECTION("a program that the group can write") {
    ::chmod((folder + "/20-open").c_str(), 0775);
    refused_at(folder + "/20-open");
  }
  SECTION("a folder that all can write, sticky or not") {
    ::chmod(folder.c_str(), GENERATE(0757, 01777));
    refused_at(folder);
  }
  SECTION("the folder above") {
    ::chmod(world.hooks().c_str(), 0777);
    refused_at(world.hooks());
  }
  SECTION("a program of somebody else") {
    REQUIRE(::chown((folder + "/20-open").c_str(), 65534, 65534) == 0);
    refused_at(folder + "/20-open");
  }
  SECTION("where a link leads") {
    const auto open = world.folder.path() / "open";
    std::filesystem::create_directory(open);
    std::filesystem::rename(folder + "/20-open", open / "program");
    std::filesystem::create_symlink(open / "program", folder + "/20-open");
    ::chmod(open.c_str(), 0777);
    refused_at(open);
  }
  SECTION("after the event it is a warning, and nothing runs") {
    std::filesystem::rename(folder, world.hooks() + "/post-restore.d");
    ::chmod((world.hooks() + "/post-restore.d/20-open").c_str(), 0757);
    CHECK(world.go_back());
    CHECK_FALSE(world.ran());
  }
}

TEST_CASE("no folder, an empty hooks.path: no hook; a relative one is refused") {
  World world;
  CHECK(world.go_back());
  world.hook("pre-restore.d/10", "exit 1");
  world.set("hooks.path", "");
  CHECK(restore(*world.session, "HEAD~1", {}));
  CHECK_FALSE(check_value(find_key("hooks.path").value(), "hooks"));
  CHECK_FALSE(check_value(find_key("hooks.deadline").value(), "soon"));
}

#include "support/store.h"

namespace rewall::test {
namespace {

struct Made {
  TemporaryFolder folder{};
  fs::path path = folder.path() / "r";
  Repository repository = must(Repository::init(path, "web1"));
};

TEST_CASE("tags are listed by name with the snapshot's time") {
  Made made;
  CHECK(must(made.repository.tags()).empty());
  const auto first = record(made.repository, "22");
  const auto second = record(made.repository, "80", 1);
  must(made.repository.set_tag("good", second));
  must(made.repository.set_tag("before/move", first));
  git(made.path, {"tag", "-a", "-m", "by hand", "annotated", first});
  const auto tags = must(made.repository.tags());
  REQUIRE(tags.size() == 3);
  CHECK(tags[0].name == "annotated");
  CHECK(tags[0].hash == first);
  CHECK(tags[1].name == "before/move");
  CHECK(tags[2].name == "good");
  CHECK(tags[2].hash == second);
  CHECK(tags[2].time.seconds == kTime.seconds + 60);
  CHECK(tags[2].time.offset == kTime.offset);
  CHECK(git(made.path, {"rev-parse", "good"}) == second);
  require_whole(made.path);
}

TEST_CASE("a branch that was lost goes on from no branch of another host") {
  Made made;
  const auto own = record(made.repository, "22");
  git(made.path, {"update-ref", "refs/remotes/origin/hosts/web1", own});
  const auto evil = record(made.repository, "80", 1);
  git(made.path, {"update-ref", "refs/remotes/origin/hosts/evil/hosts/web1", evil});
  for (const char* gone : {"refs/heads/hosts/web1", "logs/refs/heads/hosts/web1", "logs/HEAD"})
    fs::remove(made.path / ".git" / gone);
  const auto again = must(Repository::open(made.path));
  CHECK(must(again.head()) == own);
}

TEST_CASE("hex digits are a snapshot, and hosts/ a branch, whatever is tagged so") {
  Made made;
  const auto first = record(made.repository, "22");
  const auto second = record(made.repository, "80", 1);
  const auto digits = first.substr(0, 10);
  for (const std::string& name :
       {digits, std::string("20261128"), std::string("cafe"), std::string("ABCD1234"),
        std::string("hosts/web1"), std::string("origin/hosts/web1")}) {
    CAPTURE(name);
    CHECK(made.repository.set_tag(name, second).error().kind == ErrorKind::usage);
    const bool like_branch = name.find('/') != std::string::npos;
    git(made.path, {"tag", name, like_branch ? first : second});  // as a remote or a person's git makes it
  }
  CHECK(made.repository.set_tag("20261128", second).error().hint.find("v20261128") != std::string::npos);
  CHECK(must(made.repository.resolve(digits)) == first);
  CHECK(must(made.repository.resolve(first.substr(0, 4) + "~0")) == first);
  CHECK(must(made.repository.resolve(second.substr(0, 12) + "~1")) == first);
  CHECK(must(made.repository.resolve("refs/tags/" + digits)) == second);
  const auto date = made.repository.resolve("20261128");
  REQUIRE(!date);
  CHECK(date.error().hint.find("refs/tags/20261128") != std::string::npos);
  CHECK(must(made.repository.resolve("hosts/web1")) == second);
  CHECK(!made.repository.resolve("origin/hosts/web1"));
  git(made.path, {"update-ref", "refs/remotes/origin/hosts/web1", second});
  CHECK(must(made.repository.resolve("origin/hosts/web1~0")) == second);
  must(made.repository.remove_tag(digits));
  CHECK(!made.repository.resolve("refs/tags/" + digits));
}

TEST_CASE("a tag can be moved and removed") {
  Made made;
  const auto first = record(made.repository, "22");
  const auto second = record(made.repository, "80");
  must(made.repository.set_tag("good", first));
  must(made.repository.set_tag("good", second));
  CHECK(git(made.path, {"rev-parse", "good"}) == second);
  must(made.repository.remove_tag("good"));
  CHECK(must(made.repository.tags()).empty());
}

TEST_CASE("a tag's name and snapshot are checked") {
  Made made;
  const auto hash = record(made.repository, "22");
  must(made.repository.set_tag("good", hash));
  const auto name =
      GENERATE(as<std::string>{}, "", "a b", "a..b", "-d", "a:b", "HEAD", "LIVE", "x.lock", "a\n", "@{");
  CHECK(must_fail(made.repository.set_tag(name, hash)).kind == ErrorKind::usage);
  CHECK(must_fail(made.repository.set_tag("x", std::string(40, '1'))).kind == ErrorKind::repository);
  const auto gone = must_fail(made.repository.remove_tag("godo"));
  CHECK(gone.kind == ErrorKind::usage);
  CHECK(gone.hint == "did you mean 'good'?");
}

TEST_CASE("a tag whose snapshot is gone is still listed") {
  Made made;
  const auto first = record(made.repository, "22");
  must(made.repository.set_tag("good", first));
  fs::remove(object_file(made.path, first));
  const auto tags = must(must(Repository::open(made.path)).tags());
  REQUIRE(tags.size() == 1);
  CHECK(tags[0].hash == first);
}

TEST_CASE("a remote fetches the branches of hosts and nothing else") {
  Made made;
  CHECK(must(made.repository.remotes()).empty());
  must(made.repository.add_remote("origin", "ssh://git@example.org/firewalls.git"));
  must(made.repository.add_remote("Backup.2", "/srv/git/firewalls.git"));
  const auto remotes = must(made.repository.remotes());
  REQUIRE(remotes.size() == 2);
  CHECK(remotes[0].name == "Backup.2");
  CHECK(remotes[1].name == "origin");
  CHECK(remotes[1].url == "ssh://git@example.org/firewalls.git");
  CHECK(git(made.path, {"config", "--local", "remote.origin.fetch"}) ==
        "+refs/heads/hosts/*:refs/remotes/origin/hosts/*");
  CHECK(git(made.path, {"remote", "get-url", "Backup.2"}) == "/srv/git/firewalls.git");
  must(Repository::open(made.path));
}

TEST_CASE("a remote's name and address are checked") {
  Made made;
  must(made.repository.add_remote("origin", "/srv/git"));
  CHECK(must_fail(made.repository.add_remote("origin", "/srv/other")).kind == ErrorKind::usage);
  CHECK(must_fail(made.repository.add_remote("a b", "/srv/git")).kind == ErrorKind::usage);
  CHECK(must_fail(made.repository.add_remote("-x", "/srv/git")).kind == ErrorKind::usage);
  CHECK(must_fail(made.repository.add_remote("x", "")).kind == ErrorKind::usage);
  CHECK(must_fail(made.repository.add_remote("x", "--upload-pack=touch /tmp/x")).kind == ErrorKind::usage);
  CHECK(must_fail(made.repository.add_remote("x", "a\n[core]")).kind == ErrorKind::usage);
  CHECK(must(made.repository.remotes()).size() == 1);
}

TEST_CASE("what the clock says does not make a remote wait for less than nothing") {
  const Repository::Behind behind{.snapshots = 1, .since = Time{.seconds = 2000}};
  CHECK(behind.age({.seconds = 2005}).count() == 5);
  CHECK(behind.age({.seconds = 1000}).count() == 0);
}

TEST_CASE("behind counts what the remote's branch of this host lacks") {
  Made made;
  git(made.folder.path(), {"init", "-q", "--bare", "remote.git"});
  must(made.repository.add_remote("origin", (made.folder.path() / "remote.git").string()));

  auto behind = must(made.repository.behind("origin"));
  CHECK(behind.snapshots == 0);
  CHECK_FALSE(behind.since);
  CHECK_FALSE(behind.last_push);

  record(made.repository, "22");
  record(made.repository, "80", 1);
  behind = must(made.repository.behind("origin"));
  CHECK(behind.snapshots == 2);
  CHECK(behind.since == kTime);
  CHECK_FALSE(behind.last_push);

  git(made.path, {"push", "-q", "origin", "HEAD"});
  behind = must(made.repository.behind("origin"));
  CHECK(behind.snapshots == 0);
  CHECK_FALSE(behind.since);
  CHECK(behind.last_push);

  record(made.repository, "443", 2);
  record(made.repository, "25", 3);
  behind = must(made.repository.behind("origin"));
  CHECK(behind.snapshots == 2);
  REQUIRE(behind.since);
  CHECK(behind.since->seconds == kTime.seconds + 120);

  const auto unknown = must_fail(made.repository.behind("orgin"));
  CHECK(unknown.kind == ErrorKind::usage);
  CHECK(unknown.hint == "did you mean 'origin'?");
}

}  // namespace
}  // namespace rewall::test

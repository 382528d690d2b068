#include "store/repository.h"

#include <grp.h>

#include <optional>

#include "support/forked_process.h"
#include "support/store.h"

namespace rewall::test {
namespace {

mode_t mode_of(const fs::path& path) {
  struct stat facts {};
  REQUIRE(::stat(path.c_str(), &facts) == 0);
  return facts.st_mode & 07777U;
}

/// A lax umask for one case.
class Umask {
 public:
  explicit Umask(mode_t mask) : before_(::umask(mask)) {}
  Umask(const Umask&) = delete;
  Umask& operator=(const Umask&) = delete;
  ~Umask() { ::umask(before_); }

 private:
  mode_t before_;
};

TEST_CASE("init makes a private repository on the host's branch") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "a/b";
  const auto repository = must(Repository::init(path, "web 1"));
  CHECK(mode_of(path) == 0700);
  CHECK(mode_of(path / ".git/rewall") == 0700);
  CHECK(git(path, {"symbolic-ref", "HEAD"}) == "refs/heads/hosts/web-1");
  CHECK(repository.host() == "web-1");
  CHECK(repository.path() == path);
  CHECK(repository.state_path() == path / ".git/rewall");
  CHECK(must(repository.head()).empty());
  require_whole(path);
}

TEST_CASE("init takes an empty folder and makes it private") {
  const TemporaryFolder folder;
  ::chmod(folder.path().c_str(), 0755);
  must(Repository::init(folder.path(), "web1"));
  CHECK(mode_of(folder.path()) == 0700);
}

TEST_CASE("init under a lax umask makes what open accepts") {
  const Umask lax(0);
  const TemporaryFolder folder;
  auto repository = must(Repository::init(folder.path() / "r", "web1"));
  must(repository.add_remote("origin", "/srv/git/firewalls.git"));
  must(must(Settings::open(repository)).set("lock.wait", "5s"));
  record(repository, "22");
  must(Repository::open(folder.path() / "r"));
  CHECK(mode_of(folder.path() / "r/rules.v4") == 0600);
  CHECK(mode_of(folder.path() / "r/.git/rewall/config") == 0600);
}

TEST_CASE("init refuses a repository and a folder with something in it, and leaves them alone") {
  const TemporaryFolder folder;
  must(Repository::init(folder.path() / "r", "web1"));
  const auto again = must_fail(Repository::init(folder.path() / "r", "web2"));
  CHECK(again.kind == ErrorKind::repository);
  CHECK(again.message == "repository at " + (folder.path() / "r").string() + ": already exists");
  CHECK(git(folder.path() / "r", {"symbolic-ref", "HEAD"}) == "refs/heads/hosts/web1");

  fs::create_directory(folder.path() / "full");
  put(folder.path() / "full/notes", "x");
  const auto full = must_fail(Repository::init(folder.path() / "full", "web1"));
  CHECK(full.kind == ErrorKind::repository);
  CHECK(full.message == (folder.path() / "full").string() + ": not an empty folder");
  CHECK(fs::exists(folder.path() / "full/notes"));
  CHECK_FALSE(fs::exists(folder.path() / "full/.git"));

  put(folder.path() / "file", "x");
  CHECK(must_fail(Repository::init(folder.path() / "file", "web1")).kind == ErrorKind::repository);
}

TEST_CASE("an init that fails leaves nothing behind") {
  const TemporaryFolder folder;
  put(folder.path() / "file", "x");
  must_fail(Repository::init(folder.path() / "file/a/b", "web1"));
  CHECK(std::distance(fs::directory_iterator(folder.path()), {}) == 1);
}

TEST_CASE("a path without a repository is named, with the init to run") {
  const TemporaryFolder folder;
  const auto none = must_fail(Repository::open(folder.path() / "gone"));
  CHECK(none.kind == ErrorKind::repository);
  CHECK(none.message == "no repository at " + (folder.path() / "gone").string());
  CHECK(none.hint == "run 'rewall -C " + (folder.path() / "gone").string() + " init'");
  CHECK(must_fail(Repository::open(folder.path())).message == "no repository at " + folder.path().string());
  if (!fs::exists("/var/lib/rewall"))
    CHECK(must_fail(Repository::open("/var/lib/rewall")).hint == "run 'rewall init'");
}

TEST_CASE("open refuses what others can write") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "r";
  must(Repository::init(path, "web1"));
  const auto part = GENERATE(as<std::string>{}, "", ".git", ".git/objects", ".git/refs", ".git/HEAD",
                             ".git/config", ".git/rewall");
  const auto bit = GENERATE(as<mode_t>{}, S_IWGRP, S_IWOTH);
  ::chmod((path / part).c_str(), mode_of(path / part) | bit);
  const auto refused = must_fail(Repository::open(path));
  CHECK(refused.kind == ErrorKind::repository);
  CHECK(refused.message.find("others can write to it") != std::string::npos);
  CHECK(refused.hint.find("chmod -R go-w " + path.string()) != std::string::npos);
  git(path, {"rev-parse", "--git-dir"});
}

bool nobody_can_write(const fs::path& path) {
  const pid_t child = ::fork();
  if (child == 0) {
    constexpr uid_t kNobody = 65534;
    const bool is_nobody = ::setgroups(0, nullptr) == 0 && ::setresgid(kNobody, kNobody, kNobody) == 0 &&
                           ::setresuid(kNobody, kNobody, kNobody) == 0;
    ::_exit(is_nobody && ::access(path.c_str(), W_OK) == 0 ? 0 : 1);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  return status == 0;
}

TEST_CASE("a repository that others can walk into is refused when they can write to anything there") {
  if (::geteuid() != 0) skip_without_kernel("it needs root to become nobody");
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "r";
  {
    auto repository = must(Repository::init(path, "web1"));
    record(repository, "22");
  }
  git(path, {"tag", "old"});
  git(path, {"pack-refs", "--all"});
  git(path, {"tag", "good"});
  {
    auto repository = must(Repository::open(path));
    record(repository, "80");
  }
  ::chmod(folder.path().c_str(), 0755);
  for (const auto& entry : fs::recursive_directory_iterator(path)) {
    ::chmod(entry.path().c_str(), entry.is_directory() ? 0755 : 0644);
  }
  ::chmod(path.c_str(), 0755);
  must(Repository::open(path));

  const auto part = GENERATE(as<std::string>{}, "refs/heads", "refs/heads/hosts", "refs/heads/hosts/web1",
                             "refs/tags", "refs/tags/good", "packed-refs", "index", "logs/HEAD", "info",
                             "objects/info", "objects/pack", "rewall");
  INFO(part);
  const fs::path open_to_all = path / ".git" / part;
  ::chmod(open_to_all.c_str(), mode_of(open_to_all) | S_IWOTH);
  REQUIRE(nobody_can_write(open_to_all));
  const auto refused = must_fail(Repository::open(path));
  CHECK(refused.kind == ErrorKind::repository);
  CHECK(refused.message.find(open_to_all.string() + ": others can write to it") == 0);
  CHECK(refused.hint.find("chmod -R go-w " + path.string()) != std::string::npos);

  ::chmod(open_to_all.c_str(), mode_of(open_to_all) & ~static_cast<mode_t>(S_IWOTH));
  must(Repository::open(path));
}

TEST_CASE("a private repository is opened though a lax umask made files in it") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "r";
  must(Repository::init(path, "web1"));
  {
    const Umask lax(0);
    auto repository = must(Repository::open(path));
    record(repository, "22");
  }
  must(Repository::open(path));
}

TEST_CASE("a link among the refs of a repository that others can walk into is refused") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "r";
  must(Repository::init(path, "web1"));
  ::chmod(path.c_str(), 0755);
  ::chmod((path / ".git").c_str(), 0755);
  must(Repository::open(path));
  fs::create_symlink("/tmp/elsewhere", path / ".git/refs/heads/other");
  CHECK(must_fail(Repository::open(path)).message ==
        (path / ".git/refs/heads/other").string() + ": not a plain file");
}

TEST_CASE("open refuses what belongs to somebody else") {
  if (::geteuid() != 0) skip_without_kernel("it needs root to give a folder away");
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "r";
  must(Repository::init(path, "web1"));
  const auto part = GENERATE(as<std::string>{}, "", ".git", ".git/refs", ".git/config");
  REQUIRE(::chown((path / part).c_str(), 12345, static_cast<gid_t>(-1)) == 0);
  const auto refused = must_fail(Repository::open(path));
  CHECK(refused.kind == ErrorKind::repository);
  CHECK(refused.message.find("belongs to user 12345") != std::string::npos);
  CHECK(refused.hint == "chown -R root: " + path.string());
}

TEST_CASE("whatever HEAD says, a repository is that of its host, and stands where the host's branch does") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "r";
  std::string newest;
  {
    auto repository = must(Repository::init(path, "web1"));
    record(repository, "22");
    newest = record(repository, "80");
  }
  SECTION("no HEAD") {
    fs::remove(path / ".git/HEAD");
  }
  SECTION("detached") {
    git(path, {"checkout", "-q", "--detach", "HEAD~1"});
  }
  SECTION("another branch") {
    git(path, {"checkout", "-q", "-b", "main", "HEAD~1"});
  }
  SECTION("another host's branch") {
    git(path, {"checkout", "-q", "-b", "hosts/web2", "HEAD~1"});
  }
  SECTION("nonsense in HEAD") {
    put(path / ".git/HEAD", "nonsense\n");
  }
  SECTION("nonsense in the branch") {
    put(path / ".git/refs/heads/hosts/web1", "nonsense\n");
  }
  SECTION("no branch") {
    fs::remove(path / ".git/refs/heads/hosts/web1");
  }
  SECTION("no branch and no log") {
    fs::remove(path / ".git/refs/heads/hosts/web1");
    fs::remove_all(path / ".git/logs");
  }
  auto repository = must(Repository::open(path));
  CHECK(repository.host() == "web1");
  CHECK(must(repository.head()) == newest);
  CHECK(must(repository.resolve("HEAD")) == newest);
  CHECK(must(repository.resolve("HEAD~1")) == repository.parent(newest));
  // Under the lock the branch is put back, and the next snapshot stands on the newest.
  const auto held = must(repository.lock(std::chrono::seconds(1)));
  const auto next = record(repository, "443");
  CHECK(repository.parent(next) == newest);
  CHECK(git(path, {"rev-parse", "refs/heads/hosts/web1"}) == next);
}

TEST_CASE("a branch that was renamed is the host's new one") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "r";
  {
    auto repository = must(Repository::init(path, "web1"));
    record(repository, "22");
  }
  git(path, {"branch", "-m", "hosts/db1"});
  CHECK(must(Repository::open(path)).host() == "db1");
}

TEST_CASE("open refuses a repository without a host's branch, and links in its place") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "r";
  {
    auto repository = must(Repository::init(path, "web1"));
    record(repository, "22");
  }
  SECTION("of somebody's own") {
    git(path, {"checkout", "-q", "-b", "main"});
    git(path, {"branch", "-q", "-D", "hosts/web1"});
    fs::remove(path / ".git/rewall/host");
    CHECK(must_fail(Repository::open(path)).message.find("HEAD is not on a branch hosts/NAME") !=
          std::string::npos);
  }
  SECTION("a link") {
    fs::rename(path / ".git", folder.path() / "elsewhere");
    fs::create_directory_symlink(folder.path() / "elsewhere", path / ".git");
    CHECK(must_fail(Repository::open(path)).message == (path / ".git").string() + ": not a folder");
  }
}

TEST_CASE("the user's git configuration has no influence") {
  const TemporaryFolder folder;
  put(folder.path() / ".gitconfig", "[core]\n\tautocrlf = true\n[user]\n\tname = nobody\n");
  ::setenv("HOME", folder.path().c_str(), 1);
  auto repository = must(Repository::init(folder.path() / "r", "web1"));
  const auto hash = must(repository.commit("", {{"rules.v4", "a\r\n"}}, {.subject = "x"}, alice(), kTime));
  CHECK(must(repository.files(hash)).at("rules.v4") == "a\r\n");
  CHECK(git(folder.path() / "r", {"log", "-1", "--format=%cn"}) == "rewall");
}

TEST_CASE("the lock is one process's at a time and says whose") {
  const TemporaryFolder folder;
  const auto repository = must(Repository::init(folder.path() / "r", "web1"));
  {
    const auto held = must(repository.lock(std::chrono::milliseconds(0)));
    const auto busy = must_fail(repository.lock(std::chrono::milliseconds(50)));
    CHECK(busy.kind == ErrorKind::repository);
    CHECK(busy.message == (folder.path() / "r").string() + ": another rewall is working (process " +
                              std::to_string(::getpid()) + ")");
    CHECK_FALSE(busy.hint.empty());
  }
  must(repository.lock(std::chrono::milliseconds(0)));
}

TEST_CASE("a lock that is given back is free, though a process that was forked meanwhile lives") {
  const TemporaryFolder folder;
  const auto repository = must(Repository::init(folder.path() / "r", "web1"));
  std::optional<Lock> held = must(repository.lock(std::chrono::milliseconds(0)));
  const ForkedProcess forked;
  held.reset();
  must(repository.lock(std::chrono::milliseconds(0)));
}

TEST_CASE("a lock that is left to mend is free when the programs under it are gone") {
  const TemporaryFolder folder;
  const auto repository = must(Repository::init(folder.path() / "r", "web1"));
  std::optional<Lock> held = must(repository.lock(std::chrono::milliseconds(0)));
  held->leave_to_mend();
  {
    const ForkedProcess program;
    held.reset();
    must_fail(repository.lock(std::chrono::milliseconds(0)));
  }
  must(repository.lock(std::chrono::milliseconds(0)));
}

TEST_CASE("the lock names the process that holds it, and nobody when it is given back") {
  const TemporaryFolder folder;
  const auto repository = must(Repository::init(folder.path() / "r", "web1"));
  CHECK(repository.lock_holder().empty());
  {
    const auto held = must(repository.lock(std::chrono::milliseconds(0)));
    CHECK(repository.lock_holder() == std::to_string(::getpid()));
  }
  CHECK(repository.lock_holder() == "free");
}

TEST_CASE("whoever waits for the lock gets it when it is free") {
  const TemporaryFolder folder;
  const auto repository = must(Repository::init(folder.path() / "r", "web1"));
  std::array<int, 2> ready{};
  std::array<int, 2> go{};
  REQUIRE(::pipe2(ready.data(), O_CLOEXEC) == 0);
  REQUIRE(::pipe2(go.data(), O_CLOEXEC) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    {
      const auto held = repository.lock(std::chrono::milliseconds(0));
      [[maybe_unused]] const auto told = ::write(ready[1], "x", 1);
      char byte = 0;
      [[maybe_unused]] const auto asked = ::read(go[0], &byte, 1);
      ::usleep(100000);  // the other one waits by then
    }
    ::_exit(0);
  }
  char byte = 0;
  REQUIRE(::read(ready[0], &byte, 1) == 1);
  must_fail(repository.lock(std::chrono::milliseconds(0)));
  REQUIRE(::write(go[1], "x", 1) == 1);
  must(repository.lock(std::chrono::seconds(60)));
  ::waitpid(child, nullptr, 0);
  for (const int end : {ready[0], ready[1], go[0], go[1]}) ::close(end);
}

TEST_CASE("settings are kept in the state folder, in git's format") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "r";
  const auto repository = must(Repository::init(path, "web1"));
  auto settings = must(Settings::open(repository));
  CHECK_FALSE(must(settings.get("lock.wait")).has_value());
  must(settings.set("lock.wait", "5s"));
  must(settings.set("owner.my-app.chain", "APP-* \"x\" # y"));
  CHECK(must(must(Settings::open(repository)).get("lock.wait")) == "5s");
  CHECK(git(path, {"config", "-f", ".git/rewall/config", "lock.wait"}) == "5s");
  CHECK(git(path, {"config", "-f", ".git/rewall/config", "owner.my-app.chain"}) == "APP-* \"x\" # y");
  CHECK(run_git(path, {"config", "lock.wait"}).status == 1);
  must(settings.unset("lock.wait"));
  must(settings.unset("lock.wait"));
  CHECK_FALSE(must(settings.get("lock.wait")).has_value());
  CHECK(must_fail(settings.set("nodot", "1")).kind == ErrorKind::usage);
  CHECK(must_fail(settings.get("nodot")).kind == ErrorKind::usage);
}

TEST_CASE("settings that others can write, or that are damaged, are refused") {
  const TemporaryFolder folder;
  const auto repository = must(Repository::init(folder.path() / "r", "web1"));
  const fs::path file = repository.state_path() / "config";
  put(file, "[lock]\n\twait = 5s\n");
  ::chmod(file.c_str(), 0666);
  const auto refused = must_fail(Settings::open(repository));
  CHECK(refused.kind == ErrorKind::repository);
  CHECK(refused.message.find("others can write to it") != std::string::npos);
  ::chmod(file.c_str(), 0600);
  put(file, "[lock\n");
  CHECK(must_fail(Settings::open(repository)).kind == ErrorKind::repository);
}

}  // namespace
}  // namespace rewall::test

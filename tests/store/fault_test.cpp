#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/ptrace.h>

#include <random>

#include "core/log.h"
#include "support/store.h"

namespace rewall::test {
namespace {

/// A tmpfs in a mount namespace of this process's own; unmounted with the object.
class SmallDisk {
 public:
  static bool possible() { return ::geteuid() == 0 && ::unshare(CLONE_NEWNS) == 0; }

  explicit SmallDisk(const fs::path& path) : path_(path) {
    REQUIRE(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0);
    REQUIRE(::mount("tmpfs", path.c_str(), "tmpfs", 0, "size=1m,mode=0755") == 0);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  ~SmallDisk() { ::umount2(path_.c_str(), MNT_DETACH); }

  /// Fills it until only `pages` of 4 kB are left.
  void leave(std::uintmax_t pages) {
    const auto free = fs::space(path_).available;
    REQUIRE(free > pages * 4096);
    put(path_ / "filler", std::string(free - pages * 4096, 'x'));
  }
  void make_room() { fs::remove(path_ / "filler"); }

 private:
  fs::path path_;
};

/// Text that zlib cannot make small, so that each step of a snapshot needs room.
std::string noise(unsigned seed, std::size_t size) {
  std::mt19937 random(seed);
  std::string text;
  while (text.size() < size) text += static_cast<char>('!' + random() % 90);
  return text + "\n";
}

Result<std::string> record_noise(Repository& repository, unsigned seed) {
  const auto head = repository.head();
  if (!head) return head.error();
  return repository.commit(*head, {{"rules.v4", noise(seed, 9000)}, {"rules.v6", noise(seed + 1, 3000)}},
                           {.subject = "noise"}, alice(), kTime);
}

TEST_CASE("a full disk at any step leaves what was recorded as it was") {
  if (!SmallDisk::possible()) skip_without_kernel("it needs root and a mount namespace");
  const TemporaryFolder folder;
  int refused = 0;
  int recorded = 0;
  for (std::uintmax_t pages = 0; pages < 36; ++pages) {
    SmallDisk disk(folder.path());
    const fs::path path = folder.path() / "r";
    auto repository = must(Repository::init(path, "web1"));
    const auto first = must(record_noise(repository, 1));
    disk.leave(pages);
    INFO(pages << " pages left");
    const auto second = record_noise(repository, 3);
    (second ? recorded : refused) += 1;
    if (!second) {
      CHECK(second.error().kind == ErrorKind::repository);
      CHECK(second.error().message.find("No space left on device") != std::string::npos);
      CHECK(second.error().hint == "free some space there and run the command again");
      CHECK(must(read_file(path / "rules.v4")) == noise(1, 9000));
      CHECK(must(read_file(path / "rules.v6")) == noise(2, 3000));
      CHECK(git(path, {"--no-optional-locks", "status", "--porcelain"}).empty());
    }
    const auto again = must(Repository::open(path));
    CHECK(must(again.head()) == (second ? *second : first));
    CHECK(must(again.files(first)).at("rules.v4") == noise(1, 9000));
    CHECK(git(path, {"ls-files"}) == "rules.v4\nrules.v6");
    CHECK(run_git(path, {"fsck", "--strict"}).status == 0);

    disk.make_room();
    must(record_noise(repository, 5));
    require_whole(path);
    CHECK(must(repository.resolve("@{1}")) == (second ? *second : first));
  }
  CHECK(refused > 3);
  CHECK(recorded > 3);
}

TEST_CASE("an init on a full disk leaves nothing behind") {
  if (!SmallDisk::possible()) skip_without_kernel("it needs root and a mount namespace");
  const TemporaryFolder folder;
  for (std::uintmax_t pages = 0; pages < 4; ++pages) {
    SmallDisk disk(folder.path());
    disk.leave(pages);
    const auto failed = must_fail(Repository::init(folder.path() / "a/r", "web1"));
    CHECK(failed.kind == ErrorKind::repository);
    CHECK_FALSE(fs::exists(folder.path() / "a"));
  }
}

/// Runs `work` in a child that is killed when it enters its `count`th system call; says whether it came so
/// far.
template <class Work>
bool killed_at(int count, const Work& work) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    ::raise(SIGSTOP);
    work();
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  for (int stops = 0; stops < 2 * count - 1; ++stops) {  // a call stops twice: on its way in and out
    ::ptrace(PTRACE_SYSCALL, child, nullptr, nullptr);
    ::waitpid(child, &status, 0);
    if (WIFEXITED(status)) return false;
  }
  ::kill(child, SIGKILL);
  ::waitpid(child, &status, 0);
  return true;
}

TEST_CASE("a kill at any moment leaves a repository that the next process takes up") {
  start_log(-1);  // what is mended is said each time
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "r";
  {
    auto repository = must(Repository::init(path, "web1"));
    must(record_noise(repository, 1));
  }
  unsigned seed = 1;
  bool killed = true;
  int kills = 0;
  constexpr int kStep = 7;
  for (int count = 1; killed; count += kStep) {
    const auto before = must(must(Repository::open(path)).head());
    killed = killed_at(count, [&] {
      auto repository = Repository::open(path);
      const auto lock = repository->lock(std::chrono::milliseconds(0));
      [[maybe_unused]] const auto hash = record_noise(*repository, seed + 2);
    });
    kills += killed ? 1 : 0;
    INFO("killed at system call " << count);
    auto repository = must(Repository::open(path));
    const auto head = must(repository.head());
    const bool moved = head != before;
    CHECK(must(repository.files(before)).at("rules.v4") == noise(seed, 9000));
    CHECK(must(repository.files(head)).at("rules.v4") == noise(moved ? seed + 2 : seed, 9000));
    const auto standing = must(read_file(path / "rules.v4"));
    CHECK((standing == noise(seed, 9000) || standing == noise(seed + 2, 9000)));
    {
      const auto lock = must(repository.lock(std::chrono::milliseconds(0)));
      CHECK(git(path, {"status", "--porcelain"}).empty());
      seed += 4;
      must(record_noise(repository, seed));
    }
    require_whole(path);
  }
  CHECK(kills > 15);
  for (const auto& entry : fs::recursive_directory_iterator(path)) {
    const auto name = entry.path().filename().string();
    CHECK_FALSE(name.ends_with(".lock"));
    CHECK_FALSE(name.starts_with("tmp_"));
  }
  const auto kept = std::distance(fs::directory_iterator(path), {});
  CHECK(kept == 3);  // .git, rules.v4, rules.v6
}

TEST_CASE("git's own locks are removed only when the last holder of ours was killed") {
  const TemporaryFolder folder;
  const auto repository = must(Repository::init(folder.path() / "r", "web1"));
  const fs::path theirs = folder.path() / "r/.git/index.lock";
  must(repository.lock(std::chrono::milliseconds(0)));
  put(theirs, "");
  must(repository.lock(std::chrono::milliseconds(0)));
  CHECK(fs::exists(theirs));
}

TEST_CASE("the lock removes the half-written files of a killed holder, and no other files") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "r";
  const auto repository = must(Repository::init(path, "web1"));
  must(repository.lock(std::chrono::milliseconds(0))).leave_to_mend();
  constexpr std::array<std::string_view, 1> kStateFiles{"journal"};
  const std::vector<fs::path> remains{path / ".git/rewall/journal.new-aB3xYz",
                                      path / ".git/objects/tmp_object_1", path / "rules.v4.new-aB3xYz"};
  const std::vector<fs::path> others{path / ".git/rewall/journal", path / ".git/rewall/guard.new-aB3xYz",
                                     path / "rules.v4.backup", path / "notes.new-aB3xYz"};
  for (const auto* files : {&remains, &others})
    for (const auto& file : *files) put(file, "");
  must(repository.lock(std::chrono::milliseconds(0), kStateFiles));
  for (const auto& file : remains) {
    INFO(file);
    CHECK_FALSE(fs::exists(file));
  }
  for (const auto& file : others) {
    INFO(file);
    CHECK(fs::exists(file));
  }
}

}  // namespace
}  // namespace rewall::test

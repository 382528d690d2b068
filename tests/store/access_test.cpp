#include "store/access.h"

#include <unistd.h>

#include "support/store.h"

namespace rewall::test {
namespace {

constexpr uid_t kNobody = 65534;

/// The least that git takes for a repository, with modes as `rewall init` makes them.
class Skeleton {
 public:
  Skeleton() {
    ::chmod(path().c_str(), 0700);
    for (const char* name : {".git", ".git/objects", ".git/refs", ".git/hooks"}) make_folder(name);
    for (const char* name : {".git/HEAD", ".git/config"}) make_file(name);
  }
  const fs::path& path() const { return folder_.path(); }
  void make_folder(const std::string& name, mode_t mode = 0700) const {
    REQUIRE(::mkdir((path() / name).c_str(), 0700) == 0);
    REQUIRE(::chmod((path() / name).c_str(), mode) == 0);
  }
  void make_file(const std::string& name, mode_t mode = 0600) const {
    put(path() / name, "");
    REQUIRE(::chmod((path() / name).c_str(), mode) == 0);
  }
  void set_mode(const std::string& name, mode_t mode) const {
    REQUIRE(::chmod((path() / name).c_str(), mode) == 0);
  }
  Status check() const { return check_repository_access(path()); }
  std::string quoted() const { return shell_quote(path().string()); }

 private:
  TemporaryFolder folder_{};
};

Error refused(const Skeleton& repository) {
  auto checked = repository.check();
  REQUIRE_FALSE(checked);
  return std::move(checked).error();
}

TEST_CASE("a repository that its owner alone can change is accepted") {
  const Skeleton repository;
  must(repository.check());
  // Others may read it.
  repository.set_mode("", 0755);
  repository.set_mode(".git", 0755);
  repository.set_mode(".git/config", 0644);
  must(repository.check());
}

TEST_CASE("a repository that others can write to is refused, with the command that repairs it") {
  for (const std::string name : {"", ".git", ".git/HEAD", ".git/config", ".git/objects", ".git/refs"}) {
    for (const mode_t write : {S_IWGRP, S_IWOTH}) {
      const Skeleton repository;
      repository.set_mode(name, 0700 | write);
      INFO(name << " " << write);
      const auto error = refused(repository);
      CHECK(error.kind == ErrorKind::repository);
      const auto file = name.empty() ? repository.path() : repository.path() / name;
      CHECK(error.message ==
            file.string() + ": others can write to it (mode " + (write == S_IWGRP ? "0720" : "0702") + ")");
      CHECK(error.hint == "look at what they wrote, then: chmod -R go-w " + repository.quoted());
    }
  }
}

TEST_CASE("a file of another user is refused, and one of root is not") {
  if (::geteuid() != 0) skip("needs root");
  const Skeleton repository;
  REQUIRE(::chown((repository.path() / ".git/config").c_str(), kNobody, 0) == 0);
  const auto error = refused(repository);
  CHECK(error.message == (repository.path() / ".git/config").string() + ": belongs to nobody");
  CHECK(error.hint == "chown -R root: " + repository.quoted());
}

TEST_CASE("a link in the place of a file or a folder is refused") {
  const Skeleton repository;
  fs::rename(repository.path() / ".git/config", repository.path() / "config");
  fs::create_symlink(repository.path() / "config", repository.path() / ".git/config");
  CHECK(refused(repository).message == (repository.path() / ".git/config").string() + ": not a plain file");
  const Skeleton other;
  fs::remove(other.path() / ".git/refs");
  fs::create_symlink("/tmp", other.path() / ".git/refs");
  CHECK(refused(other).message == (other.path() / ".git/refs").string() + ": not a folder");
}

TEST_CASE("where others can enter, every file of .git counts, but objects and hooks") {
  const Skeleton repository;
  repository.make_file(".git/packed-refs", 0666);
  repository.make_folder(".git/objects/ab");
  repository.make_file(".git/objects/ab/cdef", 0666);
  repository.make_file(".git/hooks/post-commit", 0777);
  must(repository.check());  // nobody else can enter
  repository.set_mode("", 0755);
  repository.set_mode(".git", 0755);
  CHECK(refused(repository).message ==
        (repository.path() / ".git/packed-refs").string() + ": others can write to it (mode 0666)");
  repository.set_mode(".git/packed-refs", 0644);
  must(repository.check());
}

TEST_CASE("a repository below a folder that others can write to is refused, but in one like /tmp") {
  const TemporaryFolder folder;
  const auto above = folder.path() / "above";
  REQUIRE(::mkdir(above.c_str(), 0700) == 0);
  const Skeleton made;
  fs::rename(made.path(), above / "repo");
  const auto check = [&] { return check_repository_access(above / "repo"); };
  must(check());
  REQUIRE(::chmod(above.c_str(), 0777) == 0);
  const auto checked = check();
  REQUIRE_FALSE(checked);
  CHECK(checked.error().kind == ErrorKind::repository);
  CHECK(checked.error().message == above.string() + ": users other than root can write to it");
  // A link elsewhere does not hide it.
  fs::create_symlink(above / "repo", folder.path() / "link");
  CHECK_FALSE(check_repository_access(folder.path() / "link"));
  REQUIRE(::chmod(above.c_str(), 01777) == 0);
  must(check());
  must(check_repository_access(folder.path() / "link"));
  if (::geteuid() == 0) {
    REQUIRE(::chmod(above.c_str(), 0755) == 0);
    REQUIRE(::chown(above.c_str(), kNobody, kNobody) == 0);
    CHECK_FALSE(check());
    REQUIRE(::chown(above.c_str(), 0, 0) == 0);
  }
  fs::rename(above / "repo", made.path());
}

TEST_CASE("a path without a repository gets the init to run, and a forbidden one a word on root") {
  const TemporaryFolder folder;
  const auto missing = must_fail(Result<int>(no_repository(folder.path() / "my rules", ENOENT)));
  CHECK(missing.kind == ErrorKind::repository);
  CHECK(missing.message == "no repository at " + (folder.path() / "my rules").string());
  CHECK(missing.hint == "run 'rewall -C '" + (folder.path() / "my rules").string() + "' init'");
  CHECK(no_repository("/var/lib/rewall", ENOENT).hint == "run 'rewall init'");
  const auto forbidden = no_repository("/var/lib/rewall", EACCES);
  CHECK(forbidden.kind == ErrorKind::permission);
  CHECK(forbidden.hint == "run it as root");
  const auto none = check_repository_access(folder.path());
  REQUIRE_FALSE(none);
  CHECK(none.error().message == "no repository at " + folder.path().string());
}

}  // namespace
}  // namespace rewall::test

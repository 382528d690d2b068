#include "core/file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <system_error>

#include "support/temporary_folder.h"

using namespace rewall;

TEST_CASE("a file is replaced whole, with its mode, and nothing is left beside it") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "rules.v4";
  REQUIRE(write_file(path, "old", 0600));
  REQUIRE(write_file(path, "new\n", 0600));
  CHECK(read_file(path).value() == "new\n");
  struct stat facts {};
  REQUIRE(::stat(path.c_str(), &facts) == 0);
  CHECK((facts.st_mode & 07777) == 0600);
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 1);
}

TEST_CASE("a staged file that is not committed vanishes and leaves the old one") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "rules.v4";
  REQUIRE(write_file(path, "old", 0600));
  {
    auto staged = StagedFile::write(path, "new", 0600);
    REQUIRE(staged);
  }
  CHECK(read_file(path).value() == "old");
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 1);
}

TEST_CASE("a file that cannot be read or written is named with the reason") {
  CHECK(read_file("/nonexistent/x").error().message ==
        "/nonexistent/x: cannot read: No such file or directory");
  const auto failed = write_file("/nonexistent/x", "", 0600);
  REQUIRE_FALSE(failed);
  CHECK(failed.error().kind == ErrorKind::repository);
  CHECK(failed.error().message == "/nonexistent/x: cannot write: No such file or directory");
}

TEST_CASE("the name of a staged file is known, and no other name is taken for one") {
  const TemporaryFolder folder;
  const auto staged = StagedFile::write(folder.path() / "rules.v4", "new", 0600);
  REQUIRE(staged);
  const auto name = std::filesystem::directory_iterator(folder.path())->path().filename().string();
  CHECK(is_staged_name(name, "rules.v4"));
  CHECK_FALSE(is_staged_name(name, "rules.v6"));
  CHECK_FALSE(is_staged_name("rules.v4", "rules.v4"));
  CHECK_FALSE(is_staged_name("rules.v4.backup", "rules.v4"));
  CHECK_FALSE(is_staged_name("rules.v4.old-aB3xYz", "rules.v4"));
}

TEST_CASE("what a folder holds is found as far as it can be read, and nothing throws") {
  const TemporaryFolder folder;
  const auto top = folder.path();
  std::filesystem::create_directories(top / "a/b");
  std::ofstream(top / "a/b/c") << "x";
  std::filesystem::create_directory_symlink(top, top / "a/up");
  std::filesystem::create_symlink("loop", top / "loop");
  std::set<std::string> names;
  for (const auto& entry : entries_below(top)) names.insert(entry.path().lexically_relative(top).string());
  CHECK(names == std::set<std::string>{"a", "a/b", "a/b/c", "a/up", "loop"});
  CHECK(entries_in(top).size() == 2);
  std::error_code failed;
  CHECK(entries_in(top / "loop", failed).empty());
  CHECK(failed == std::errc::too_many_symbolic_link_levels);
  for (const auto& path : {top / "loop", top / "loop/x", top / std::string(300, 'x'), top / "none"}) {
    CHECK_FALSE(path_exists(path));
    CHECK_FALSE(is_folder(path));
    CHECK_FALSE(is_plain_file(path));
  }
}

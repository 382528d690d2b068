#include "core/trust.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "core/file.h"
#include "support/skip.h"
#include "support/temporary_folder.h"

using namespace rewall;

namespace {

/// A program in a folder in a temporary one.
struct Program {
  Program() {
    std::filesystem::create_directory(folder());
    REQUIRE(write_file(path(), "#!/bin/sh\n", 0755, Sync::no));
    mode(folder(), 0755);
  }
  static void mode(const std::filesystem::path& of, mode_t mode) { REQUIRE(::chmod(of.c_str(), mode) == 0); }
  std::filesystem::path folder() const { return top.path() / "etc"; }
  std::filesystem::path path() const { return folder() / "program"; }
  /// What others can write, by the message; empty where nothing is.
  std::string writable() const {
    const auto trusted = check_trust(path());
    if (trusted) return {};
    CHECK(trusted.error().kind == ErrorKind::refused);
    const std::string message = trusted.error().message;
    if (std::filesystem::exists(path())) CHECK(trusted.error().hint.find("chmod go-w") != std::string::npos);
    return message.substr(0, message.find(": "));
  }
  TemporaryFolder top{};
};

}  // namespace

TEST_CASE("a program is trusted that this user alone can change, below a folder like /tmp too") {
  const Program program;
  CHECK(program.writable().empty());
  Program::mode(program.path(), 0500);
  CHECK(program.writable().empty());
}

TEST_CASE("a program that its group or others can write is not trusted") {
  const Program program;
  Program::mode(program.path(), GENERATE(0775, 0757, 01777));
  CHECK(program.writable() == program.path());
}

TEST_CASE("a program in a folder that others can write is not trusted, where they can move it away") {
  const Program program;
  Program::mode(program.folder(), GENERATE(0775, 0777));
  CHECK(program.writable() == program.folder());
  Program::mode(program.folder(), 01777);
  CHECK(program.writable().empty());
}

TEST_CASE("a program that belongs to another user, or whose folder does, is not trusted") {
  if (::geteuid() != 0) skip_without_kernel("it needs root to give a file away");
  const Program program;
  REQUIRE(::chown(program.path().c_str(), 65534, 65534) == 0);
  CHECK(program.writable() == program.path());
  REQUIRE(::chown(program.path().c_str(), 0, 0) == 0);
  REQUIRE(::chown(program.folder().c_str(), 65534, 65534) == 0);
  CHECK(program.writable() == program.folder());
}

TEST_CASE("a program that is not there is not trusted") {
  const Program program;
  std::filesystem::remove(program.path());
  CHECK(program.writable() == program.path());
}

TEST_CASE("each link that leads to a program counts, and the folder that it stands in") {
  const Program program;
  const auto beside = program.top.path() / "beside";
  std::filesystem::create_directory(beside);
  std::filesystem::create_symlink(program.folder(), beside / "etc");
  CHECK(check_trust(beside / "etc/program"));
  Program::mode(beside, 0777);
  const auto trusted = check_trust(beside / "etc/program");
  REQUIRE_FALSE(trusted);
  CHECK(trusted.error().message.starts_with(beside.string() + ": "));
  Program::mode(beside, 01777);
  CHECK(check_trust(beside / "etc/program"));
  if (::geteuid() != 0) return;
  REQUIRE(::lchown((beside / "etc").c_str(), 65534, 65534) == 0);
  CHECK_FALSE(check_trust(beside / "etc/program"));
  std::filesystem::create_symlink("round", beside / "round");
  CHECK_FALSE(check_trust(beside / "round"));
}

TEST_CASE("the way to a file counts without the file") {
  const Program program;
  CHECK(check_way_to(program.folder() / "none"));
  Program::mode(program.path(), 0777);
  CHECK(check_way_to(program.path()));
  Program::mode(program.folder(), 01777);
  CHECK(check_way_to(program.path()));
  Program::mode(program.folder(), 0777);
  CHECK_FALSE(check_way_to(program.path()));
  CHECK_FALSE(check_way_to(program.folder() / "none"));
}

TEST_CASE("a folder of one's own may stand in a folder of others, and is not left by a link of theirs") {
  const Program program;
  const auto name = [&] {
    return std::filesystem::read_symlink(path_in(*open_own_folder(program.folder()), {}));
  };
  CHECK(name() == program.folder());
  Program::mode(program.top.path(), 0777);
  CHECK(name() == program.folder());
  for (const mode_t mode : {0775, 0777, 01777}) {
    Program::mode(program.folder(), mode);
    CHECK_FALSE(open_own_folder(program.folder()));
  }
  Program::mode(program.folder(), 0755);
  const auto link = program.top.path() / "link";
  std::filesystem::create_symlink(program.folder(), link);
  CHECK(open_own_folder(link));
  CHECK_FALSE(open_own_folder(program.path()));
  CHECK_FALSE(open_own_folder(program.folder() / "none"));
  if (::geteuid() != 0) return;
  REQUIRE(::lchown(link.c_str(), 65534, 65534) == 0);
  CHECK_FALSE(open_own_folder(link));
}

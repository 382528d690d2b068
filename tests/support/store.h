#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "core/file.h"
#include "core/text.h"
#include "store/repository.h"
#include "support/skip.h"
#include "support/temporary_folder.h"

namespace rewall::test {

namespace fs = std::filesystem;

struct Ran {
  int status = -1;
  std::string output{};  ///< standard output and error
};

/// Runs the system's git, with no configuration but the repository's own.
inline Ran run_git(const fs::path& repository, std::vector<std::string> words) {
  words.insert(words.begin(), {"/usr/bin/git", "-C", repository.string()});
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::array<std::string, 6> settings{"PATH=/usr/bin:/bin",      "HOME=/nonexistent",
                                      "GIT_CONFIG_NOSYSTEM=1",   "LC_ALL=C",
                                      "GIT_AUTHOR_NAME=someone", "GIT_COMMITTER_NAME=someone"};
  std::string author = "GIT_AUTHOR_EMAIL=someone@example.org";
  std::string committer = "GIT_COMMITTER_EMAIL=someone@example.org";
  std::vector<char*> environment{author.data(), committer.data()};
  for (auto& setting : settings) environment.push_back(setting.data());
  environment.push_back(nullptr);

  std::array<int, 2> ends{};
  REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(ends[1], STDOUT_FILENO);
    ::dup2(ends[1], STDERR_FILENO);
    ::execve(argv[0], argv.data(), environment.data());
    ::_exit(127);
  }
  ::close(ends[1]);
  const Fd reading(ends[0]);
  Ran ran;
  ran.output = read_all(reading.get(), "git").value();
  int status = 0;
  ::waitpid(child, &status, 0);
  ran.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return ran;
}

/// What git prints when it ends well, without the last line end.
inline std::string git(const fs::path& repository, std::vector<std::string> words) {
  auto ran = run_git(repository, std::move(words));
  INFO(ran.output);
  REQUIRE(ran.status == 0);
  return std::string(trim(ran.output));
}

/// git itself finds every object whole, and nothing to say of the work tree.
inline void require_whole(const fs::path& repository) {
  const auto checked = run_git(repository, {"fsck", "--strict", "--no-dangling"});
  INFO(checked.output);
  REQUIRE(checked.status == 0);
  REQUIRE(git(repository, {"status", "--porcelain"}).empty());
}

template <class T>
T must(Result<T> result) {
  if (!result) FAIL(result.error().message << " (" << result.error().hint << ")");
  return *std::move(result);
}
inline void must(const Status& status) {
  if (!status) FAIL(status.error().message << " (" << status.error().hint << ")");
}
template <class T>
Error must_fail(Result<T> result) {
  REQUIRE_FALSE(result);
  return std::move(result).error();
}

inline void put(const fs::path& file, std::string_view content) {
  std::ofstream(file, std::ios::binary | std::ios::trunc) << content;
}

constexpr Time kTime{.seconds = 1700000000, .offset = 60};  // 2023-11-14T23:13:20+01:00

inline const Person& alice() {
  static const Person person{.name = "Alice", .email = "alice@example.org"};
  return person;
}

inline std::string rules(const std::string& port) {
  return "*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp -m tcp --dport " + port + " -j ACCEPT\nCOMMIT\n";
}

/// Records rules that accept one port, on top of HEAD, `minutes` after kTime.
inline std::string record(Repository& repository, const std::string& port, int minutes = 0) {
  return must(repository.commit(must(repository.head()), {{"rules.v4", rules(port)}},
                                {.subject = "port " + port, .trailers = {.trigger = "manual"}}, alice(),
                                {.seconds = kTime.seconds + minutes * 60, .offset = kTime.offset}));
}

/// Where git keeps a loose object.
inline fs::path object_file(const fs::path& repository, const std::string& hash) {
  return repository / ".git/objects" / hash.substr(0, 2) / hash.substr(2);
}

}  // namespace rewall::test

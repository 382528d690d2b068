#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "diff/diff.h"
#include "kernel/process.h"
#include "support/skip.h"
#include "support/temporary_folder.h"

using namespace rewall;

namespace {

class Folder : TemporaryFolder {
 public:
  std::string path(const std::string& name) const { return TemporaryFolder::path() / name; }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path(name), std::ios::binary) << text;
    return path(name);
  }
  std::string read(const std::string& name) const {
    std::ostringstream out;
    out << std::ifstream(path(name), std::ios::binary).rdbuf();
    return out.str();
  }
};

// What git apply makes of `from` with our patch.
std::string patched(const Folder& folder, const std::string& git, const std::string& from,
                    const std::string& to) {
  folder.write("rules", from);
  const auto patch = folder.write("patch", unified(from, to, "a/rules", "b/rules"));
  const auto outcome = run(Command{.words = {git, "-C", folder.path("."), "apply", "--unsafe-paths",
                                             "--whitespace=nowarn", patch}},
                           ErrorKind::usage);
  REQUIRE(outcome);
  INFO(outcome->text() << "\n" << unified(from, to, "a/rules", "b/rules"));
  REQUIRE(outcome->ok());
  return folder.read("rules");
}

}  // namespace

TEST_CASE("equal texts have no unified text") {
  CHECK(unified("a\nb\n", "a\nb\n", "a/x", "b/x").empty());
}

TEST_CASE("unified text is as diff -u prints it") {
  CHECK(unified("1\n2\n3\n4\n5\n6\n7\n8\n", "1\n2\n3\n4\nfive\n6\n7\n8\n", "a/x", "b/x") ==
        "--- a/x\n+++ b/x\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n");
  CHECK(unified("", "1\n", "a/x", "b/x") == "--- a/x\n+++ b/x\n@@ -0,0 +1 @@\n+1\n");
  CHECK(unified("1\n2\n", "", "a/x", "b/x") == "--- a/x\n+++ b/x\n@@ -1,2 +0,0 @@\n-1\n-2\n");
}

TEST_CASE("changes that are near share a hunk, changes that are far do not") {
  const std::string from = "a\n1\n2\n3\n4\n5\n6\nb\n1\n2\n3\n4\n5\n6\n7\nc\n";
  const std::string to = "A\n1\n2\n3\n4\n5\n6\nB\n1\n2\n3\n4\n5\n6\n7\nC\n";
  const auto text = unified(from, to, "a/x", "b/x");
  CHECK(text.find("@@ -1,11 +1,11 @@\n") != std::string::npos);
  CHECK(text.find("@@ -13,4 +13,4 @@\n") != std::string::npos);
}

TEST_CASE("a last line without an end is marked") {
  CHECK(unified("1\n2", "1\n2\n", "a/x", "b/x") ==
        "--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n 1\n-2\n\\ No newline at end of file\n+2\n");
}

TEST_CASE("git applies the unified text of random texts") {
  const auto git = find_program("git");
  if (git.empty()) skip("no git program here");
  const Folder folder;
  std::mt19937 random(4);  // NOLINT(cert-msc51-cpp): the same cases every time
  const auto text = [&](bool ended) {
    std::string out;
    for (auto n = random() % 40; n > 0; --n) out += "line " + std::to_string(random() % 12) + '\n';
    if (!out.empty() && !ended) out.pop_back();
    return out;
  };
  for (int round = 0; round < 150; ++round) {
    auto from = text(random() % 4 != 0);
    auto to = text(random() % 4 != 0);
    // git means removal and creation by other headers.
    if (from.empty() || to.empty() || from == to) continue;
    REQUIRE(patched(folder, git, from, to) == to);
  }
}

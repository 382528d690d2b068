#include "store/unified.h"

#include <random>

#include "support/store.h"

using namespace rewall;
using namespace rewall::test;

namespace {

std::string text_of(const std::string& from, const std::string& to) {
  return must(unified(from, to, "a/rules", "b/rules"));
}

std::string lines(const std::string& text) {
  return "--- a/rules\n+++ b/rules\n" + text;
}

// `from` after git apply has patched it with our text.
std::string patched(const fs::path& folder, const std::string& from, const std::string& to) {
  put(folder / "rules", from);
  put(folder / "patch", text_of(from, to));
  git(folder, {"apply", "--unsafe-paths", "--whitespace=nowarn", "patch"});
  return read_file(folder / "rules").value();
}

}  // namespace

TEST_CASE("equal texts have no unified text") {
  CHECK(text_of("a\nb\n", "a\nb\n").empty());
}

TEST_CASE("unified text is as diff -u prints it") {
  CHECK(text_of("1\n2\n3\n4\n5\n6\n7\n8\n", "1\n2\n3\n4\nfive\n6\n7\n8\n") ==
        lines("@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n"));
  CHECK(text_of("", "1\n") == lines("@@ -0,0 +1 @@\n+1\n"));
  CHECK(text_of("1\n2\n", "") == lines("@@ -1,2 +0,0 @@\n-1\n-2\n"));
}

TEST_CASE("changes that are near share a hunk, changes that are far do not") {
  const std::string from = "a\n1\n2\n3\n4\n5\n6\nb\n1\n2\n3\n4\n5\n6\n7\nc\n";
  const std::string to = "A\n1\n2\n3\n4\n5\n6\nB\n1\n2\n3\n4\n5\n6\n7\nC\n";
  const auto text = text_of(from, to);
  CHECK(text.find("@@ -1,11 +1,11 @@\n") != std::string::npos);
  CHECK(text.find("@@ -13,4 +13,4 @@\n") != std::string::npos);
}

TEST_CASE("a hunk names no line of the text, and a NUL byte makes no text binary") {
  CHECK(text_of("create s\n1\n2\n3\n4\n5\n", "create s\n1\n2\n3\n4\n") ==
        lines("@@ -3,4 +3,3 @@\n 2\n 3\n 4\n-5\n"));
  CHECK(text_of(std::string("a\0\n", 3), "b\n") == lines(std::string("@@ -1 +1 @@\n-a\0\n+b\n", 19)));
}

TEST_CASE("a last line without an end is marked") {
  CHECK(text_of("1\n2", "1\n2\n") == lines("@@ -1,2 +1,2 @@\n 1\n-2\n\\ No newline at end of file\n+2\n"));
}

TEST_CASE("git applies the unified text of random texts") {
  const TemporaryFolder folder;
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
    REQUIRE(patched(folder.path(), from, to) == to);
  }
}

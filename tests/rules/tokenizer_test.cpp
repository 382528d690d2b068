#include "rules/tokenizer.h"

#include <catch2/catch.hpp>
#include <vector>

using namespace rewall;

namespace {

using Texts = std::vector<std::string>;

Texts raw_words(std::string_view line) {
  Tokenizer words(line);
  Texts out;
  while (const auto word = words.next()) out.emplace_back(word->raw);
  return out;
}

Texts words_of(std::string_view line) {
  Tokenizer words(line);
  Texts out;
  while (const auto word = words.next()) out.push_back(word->text());
  return out;
}

}  // namespace

TEST_CASE("blanks and tabs separate words") {
  CHECK(words_of("-p tcp") == Texts{"-p", "tcp"});
  CHECK(words_of("  -p\t \ttcp  ") == Texts{"-p", "tcp"});
  CHECK(words_of("").empty());
  CHECK(words_of(" \t ").empty());
}

TEST_CASE("a quoted word holds blanks, and its text comes without the quotes") {
  CHECK(words_of(R"(--comment "a  b" -j DROP)") == Texts{"--comment", "a  b", "-j", "DROP"});
  CHECK(raw_words(R"(--comment "a  b" -j DROP)") == Texts{"--comment", R"("a  b")", "-j", "DROP"});
  CHECK(words_of(R"("" x)") == Texts{"", "x"});
}

TEST_CASE("a backslash keeps the next byte inside quotes alone") {
  CHECK(words_of(R"("a\"b")") == Texts{R"(a"b)"});
  CHECK(words_of(R"("a\\" b)") == Texts{R"(a\)", "b"});
  CHECK(words_of(R"("\"\"x" y)") == Texts{R"(""x)", "y"});
  CHECK(words_of(R"("\\\\" y)") == Texts{R"(\\)", "y"});
  CHECK(words_of(R"(a\ b)") == Texts{R"(a\)", "b"});
}

TEST_CASE("a closing quote ends the word, whatever follows") {
  CHECK(words_of(R"(x"a b"c)") == Texts{"xa b", "c"});
  CHECK(words_of(R"("a""b")") == Texts{"a", "b"});
}

TEST_CASE("a quote that does not close is reported, and takes the rest of the line") {
  Tokenizer words(R"(-m "comment --comment x)");
  CHECK(words.next()->raw == "-m");
  CHECK(!words.unclosed());
  CHECK(words.next()->raw == R"("comment --comment x)");
  CHECK(words.unclosed());
  CHECK(!words.next());
}

TEST_CASE("a quoted word is never an option") {
  Tokenizer words(R"("-j" -j)");
  CHECK(!words.next()->is("-j"));
  CHECK(words.next()->is("-j"));
}

#include "core/text.h"

#include <catch2/catch.hpp>

using namespace rewall;

TEST_CASE("what could drive a terminal is escaped, and nothing else") {
  CHECK(escape("web server (Zürich) → ok\tx") == "web server (Zürich) → ok\tx");
  CHECK(escape("\x1b[2J\x07") == "\\x1b[2J\\x07");
  CHECK(escape("a\nb\r") == "a\\x0ab\\x0d");
  CHECK(escape("\x7f") == "\\x7f");
  CHECK(escape("\xc2\x9b"
               "31m") == "\\x9b31m");  // CSI as one C1 character
  CHECK(escape("\xe2\x80\xae"
               "txt") == "\\u202etxt");  // right-to-left override
  CHECK(escape("\xff\xfe") == "\\xff\\xfe");
  CHECK(escape("\xc0\xaf") == "\\xc0\\xaf");                    // overlong form of '/'
  CHECK(escape("\xed\xa0\x80") == "\\xed\\xa0\\x80");           // a surrogate
  CHECK(escape("\xf4\x90\x80\x80") == "\\xf4\\x90\\x80\\x80");  // above U+10FFFF
  CHECK(escape("caf\xc3") == "caf\\xc3");
}

TEST_CASE("a quoted word comes back from a shell as it was") {
  CHECK(shell_quote("10.0.0.0/8") == "10.0.0.0/8");
  CHECK(shell_quote("") == "''");
  CHECK(shell_quote("$(id)") == "'$(id)'");
  CHECK(shell_quote("it's") == "'it'\\''s'");
  CHECK(shell_quote("a b") == "'a b'");
  CHECK(shell_quote("!") == "'!'");
}

TEST_CASE("lines end with LF or CRLF, and the last one may not end") {
  CHECK(split_lines("a\r\nb\n\nc") == std::vector<std::string_view>{"a", "b", "", "c"});
  CHECK(split_lines("").empty());
}

TEST_CASE("the nearest word is offered only when it is near") {
  const std::vector<std::string> commands{"snapshot", "status", "show", "log"};
  CHECK(nearest("snapshto", commands) == "snapshot");
  CHECK(nearest("stauts", commands) == "status");
  CHECK(nearest("sohw", commands) == "show");
  CHECK(nearest("frobnicate", commands).empty());
}

TEST_CASE("counts agree with their nouns") {
  CHECK(counted(1, "rule") == "1 rule");
  CHECK(counted(0, "rule") == "0 rules");
}

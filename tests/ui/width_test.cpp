#include "ui/width.h"

#include <catch2/catch.hpp>
#include <cstdlib>

using namespace rewall;

TEST_CASE("wide characters take two columns, combining ones none") {
  CHECK(display_width("plain") == 5);
  CHECK(display_width("b\xc3\xbcrger") == 6);
  CHECK(display_width("\xe6\x9d\xb1\xe4\xba\xac") == 4);  // two of CJK
  CHECK(display_width("e\xcc\x81") == 1);                 // e and an acute
  CHECK(display_width("\xf0\x9f\x94\xa5") == 2);          // an emoji
  CHECK(display_width("\xff\xc3") == 2);                  // no UTF-8
}

TEST_CASE("text is wrapped between words, with a hanging indent") {
  CHECK(wrapped("one two three four", 0, 2, 10) == "one two\n  three\n  four");
  CHECK(wrapped("one two", 0, 2, 0) == "one two");
  CHECK(wrapped("two three", 8, 4, 24) == "two three");
  CHECK(wrapped("two three", 18, 4, 24) == "two\n    three");
  CHECK(wrapped("averyverylongword x", 0, 2, 10) == "averyverylongword\n  x");
  CHECK(wrapped("\xe6\x9d\xb1\xe4\xba\xac \xe6\x9d\xb1\xe4\xba\xac", 0, 0, 8) ==
        "\xe6\x9d\xb1\xe4\xba\xac\n\xe6\x9d\xb1\xe4\xba\xac");
}

TEST_CASE("colours take no column, and begin again in each line") {
  CHECK(display_width("\x1b[1;31mred\x1b[0m") == 3);
  CHECK(wrapped("\x1b[31mone two\x1b[0m three", 0, 2, 6) ==
        "\x1b[31mone\x1b[0m\n  \x1b[31mtwo\x1b[0m\n  three");
  CHECK(wrapped("one \x1b[2mtwo\x1b[0m", 0, 2, 6) == "one\n  \x1b[2mtwo\x1b[0m");
}

TEST_CASE("no line ends in blanks, and blanks between columns do not begin one") {
  CHECK(wrapped("abc   def", 0, 2, 5) == "abc\n  def");
  CHECK(wrapped("abc   def", 0, 2, 8) == "abc\n  def");
  CHECK(wrapped("abc   def", 0, 2, 9) == "abc   def");
  CHECK(wrapped_lines("  + 3     -p tcp -j ACCEPT\nshort\n", 10, 20) ==
        "  + 3     -p tcp -j\n  ACCEPT\nshort\n");  // ten are too many of 20: two
  CHECK(wrapped_lines("  + 3     -p tcp -j ACCEPT\n", 10, 26) == "  + 3     -p tcp -j ACCEPT\n");
  CHECK(wrapped_lines("  + 3     -p tcp --dport 22 -j ACCEPT\n", 10, 30) ==
        "  + 3     -p tcp --dport 22 -j\n          ACCEPT\n");
}

TEST_CASE("text hangs beside columns, and stands below them where they leave no place") {
  CHECK(beside("name      ", "one two three four five six", 0) == "name      one two three four five six");
  CHECK(beside("name      ", "one two three four five six", 30) ==
        "name      one two three four\n          five six");
  CHECK(beside("name          12:00    root  ", "one two three", 30) ==
        "name  12:00  root\n    one two three");
}

TEST_CASE("COLUMNS counts before the terminal, where it is a number") {
  ::setenv("COLUMNS", "72", 1);
  CHECK(terminal_width(-1) == 72);
  for (const char* none : {"0", "", "wide", "72x", "-1"}) {
    ::setenv("COLUMNS", none, 1);
    CHECK(terminal_width(-1) == 0);
  }
  ::unsetenv("COLUMNS");
  CHECK(terminal_width(-1) == 0);
}

TEST_CASE("a command that is there to be copied stays in one line") {
  CHECK(wrapped("see it: rewall log -n 5; and then 'rewall undo now' reverts", 0, 2, 20) ==
        "see it:\n  rewall log -n 5;\n  and then\n  'rewall undo now'\n  reverts");
  CHECK(wrapped("it comes back: find objects -empty -delete; git fetch --refetch origin", 0, 2, 24) ==
        "it comes back:\n  find objects -empty -delete;\n  git fetch --refetch origin");
  CHECK(wrapped("ip filter INPUT  policy ACCEPT", 0, 2, 20) == "ip filter INPUT\n  policy ACCEPT");
  CHECK(wrapped("    apt install nftables; then all of git is well", 0, 4, 20) ==
        "    apt install nftables;\n    then all of git\n    is well");
}

#include "ui/width.h"

#include <catch2/catch.hpp>

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

TEST_CASE("a command that is there to be copied stays in one line") {
  CHECK(wrapped("see it: rewall log -n 5; and then 'rewall undo now' reverts", 0, 2, 20) ==
        "see it:\n  rewall log -n 5;\n  and then\n  'rewall undo now'\n  reverts");
}

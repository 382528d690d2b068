#include "core/result.h"

#include <catch2/catch.hpp>

using namespace rewall;

TEST_CASE("each kind of failure has the exit status of the contract") {
  CHECK(exit_code(ErrorKind::usage) == 2);
  CHECK(exit_code(ErrorKind::refused) == 3);
  CHECK(exit_code(ErrorKind::kernel) == 4);
  CHECK(exit_code(ErrorKind::repository) == 5);
  CHECK(exit_code(ErrorKind::permission) == 6);
  CHECK(exit_code(ErrorKind::remote) == 7);
  CHECK(exit_code(ErrorKind::capture) == 8);
  CHECK(exit_code(ErrorKind::damaged) == 9);
}

TEST_CASE("a caller adds what it knows before the message and keeps the hint") {
  const auto error = Error{.message = "no such file"}.hinted("look again").within("rules.v4");
  CHECK(error.message == "rules.v4: no such file");
  CHECK(error.hint == "look again");
}

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

TEST_CASE("what is known of LIVE is printed once, behind the message") {
  const auto error = [](std::optional<LiveState> live) {
    return Error{.message = "no answer", .live = live};
  };
  CHECK(full_message(error(std::nullopt)) == "no answer");
  CHECK(full_message(error(LiveState::untouched).within("stage")) == "stage: no answer; LIVE is untouched");
  CHECK(full_message(error(LiveState::put_back)) == "no answer; LIVE is what it was before");
  CHECK(full_message(error(LiveState::unknown)) == "no answer; the state of LIVE is unknown");
  CHECK(name(LiveState::put_back) == "untouched");
  CHECK(name(LiveState::changed) == "changed");
}

TEST_CASE("TRY takes the value, or returns the error of a failed step") {
  const auto half = [](int number) -> Result<int> {
    if (number % 2 != 0) return Error{.message = "odd"};
    return number / 2;
  };
  const auto check = [](int number) -> Status {
    if (number == 0) return Error{.message = "zero"};
    return {};
  };
  const auto quarter = [&](int number) -> Result<int> {
    TRY(check(number));
    return TRY(half(TRY(half(number))));
  };
  CHECK(quarter(8).value() == 2);
  CHECK(quarter(2).error().message == "odd");
  CHECK(quarter(0).error().message == "zero");
}

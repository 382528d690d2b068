#include "core/messages.h"

#include <catch2/catch.hpp>

using namespace rewall;

namespace {
constexpr Message kBusy{.kind = ErrorKind::refused,
                        .text = "{} is busy ({} times)",
                        .hint = "stop {0}",
                        .live = LiveState::untouched};
}

TEST_CASE("an error of the table has its kind, its texts with the arguments, and its state of LIVE") {
  const auto error = error_of<kBusy>("web1", 3);
  CHECK(error.kind == ErrorKind::refused);
  CHECK(error.message == "web1 is busy (3 times)");
  CHECK(error.hint == "stop web1");
  CHECK(error.live == LiveState::untouched);
}

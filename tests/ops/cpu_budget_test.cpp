#include "ops/watch/cpu_budget.h"

#include <catch2/catch.hpp>

using namespace rewall;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

TEST_CASE("a budget of 10% begins with 6 s of processor time, and then pays back") {
  CpuBudget budget(0.1, {.time = seconds(1000), .spent = seconds(50)});
  CHECK(budget.wait({.time = seconds(1000), .spent = seconds(50)}) == milliseconds(0));
  CHECK(budget.wait({.time = seconds(1000), .spent = seconds(56)}) == milliseconds(0));
  // One second in advance takes ten to come back; a wait is never too short.
  const auto wait = budget.wait({.time = seconds(1000), .spent = seconds(57)});
  CHECK(wait >= seconds(10));
  CHECK(wait <= milliseconds(10'001));
  CHECK(budget.wait({.time = seconds(1009), .spent = seconds(57)}) > milliseconds(0));
  CHECK(budget.wait({.time = milliseconds(1010'001), .spent = seconds(57)}) == milliseconds(0));
}

TEST_CASE("a budget saves time for a minute, not for longer") {
  CpuBudget budget(0.5, {});
  CHECK(budget.wait({.time = minutes(60), .spent = microseconds(0)}) == milliseconds(0));
  CHECK(budget.wait({.time = minutes(60), .spent = seconds(30)}) == milliseconds(0));
  const auto wait = budget.wait({.time = minutes(60), .spent = seconds(31)});
  CHECK(wait >= seconds(2));
  CHECK(wait <= milliseconds(2'001));
}

TEST_CASE("a whole core is never waited for by who spends no more than it") {
  CpuBudget budget(1, {});
  for (int i = 1; i <= 1000; ++i)
    CHECK(budget.wait({.time = seconds(i), .spent = seconds(i)}) == milliseconds(0));
}

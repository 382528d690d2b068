#include "core/time.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <ctime>
#include <string>
#include <utility>
#include <vector>

using namespace rewall;

namespace {
// 2026-11-22T17:20:01Z, worked out with date -u -d @1795368001.
constexpr Time kNow{1795368001, 0};
}  // namespace

TEST_CASE("a moment is printed as RFC 3339 with the offset of its place") {
  CHECK(rfc3339(kNow) == "2026-11-22T17:20:01+00:00");
  CHECK(rfc3339({kNow.seconds, 330}) == "2026-11-22T22:50:01+05:30");
  CHECK(rfc3339({kNow.seconds, -210}) == "2026-11-22T13:50:01-03:30");
}

TEST_CASE("people read how long ago") {
  CHECK(ago({kNow.seconds - 3, 0}, kNow) == "just now");
  CHECK(ago({kNow.seconds - 90, 0}, kNow) == "1 minute ago");
  CHECK(ago({kNow.seconds - 2 * 3600 - 5, 0}, kNow) == "2 hours ago");
  CHECK(ago({kNow.seconds - 15 * 86400, 0}, kNow) == "2 weeks ago");
  CHECK(ago({kNow.seconds - 800 * 86400LL, 0}, kNow) == "2 years ago");
  CHECK(ago({kNow.seconds + 60, 0}, kNow) == "in the future");
}

TEST_CASE("lengths of time have units") {
  CHECK(parse_duration("90s").value() == std::chrono::seconds(90));
  CHECK(parse_duration("10m").value() == std::chrono::minutes(10));
  CHECK(parse_duration("1h").value() == std::chrono::hours(1));
  CHECK(parse_duration("500ms").value() == std::chrono::milliseconds(500));
  CHECK(parse_duration("10min").value() == std::chrono::minutes(10));
  const auto bare = parse_duration("10");
  REQUIRE_FALSE(bare);
  CHECK(bare.error().hint == "write 10s for seconds, 10m for minutes");
  for (const char* bad : {"", "s", "1x", "-1s", "10 m", "99999999999999999999", "9999999d"}) {
    INFO(bad);
    CHECK_FALSE(parse_duration(bad));
  }
}

TEST_CASE("moments are written in the formats of git") {
  ::setenv("TZ", "UTC-1", 1);
  ::tzset();
  const Time time{kNow.seconds, 60};
  const auto as = [&](const char* format) { return written(time, parse_date_format(format).value(), kNow); };
  CHECK(as("iso") == "2026-11-22 18:20:01 +0100");
  CHECK(as("iso-strict") == "2026-11-22T18:20:01+01:00");
  CHECK(as("rfc") == "Sun, 22 Nov 2026 18:20:01 +0100");
  CHECK(as("short") == "2026-11-22");
  CHECK(as("local") == "Sun Nov 22 18:20:01 2026");
  CHECK(as("unix") == "1795368001");
  CHECK(as("relative") == "just now");
  CHECK_FALSE(parse_date_format("nope"));
}

TEST_CASE("people write moments in many ways") {
  ::setenv("TZ", "UTC0", 1);
  ::tzset();
  CHECK(parse_time("now", kNow).value() == kNow);
  CHECK(parse_time("@1700000000", kNow).value().seconds == 1700000000);
  CHECK(parse_time("2 hours ago", kNow).value().seconds == kNow.seconds - 7200);
  CHECK(parse_time("2.hours.ago", kNow).value().seconds == kNow.seconds - 7200);
  CHECK(parse_time("a day ago", kNow).value().seconds == kNow.seconds - 86400);
  CHECK(parse_time("yesterday", kNow).value().seconds == kNow.seconds - 86400);
  CHECK(parse_time("2026-11-22T17:20:01Z", kNow).value().seconds == kNow.seconds);
  CHECK(parse_time("2026-11-22T18:20:01+01:00", kNow).value() == Time{kNow.seconds, 60});
  CHECK(parse_time("2026-11-22 17:20", kNow).value().seconds == kNow.seconds - 1);
  CHECK(parse_time("2026-11-22", kNow).value().seconds == kNow.seconds - (17 * 3600 + 20 * 60 + 1));
  // kNow is a Sunday.
  const auto midnight = kNow.seconds - (17 * 3600 + 20 * 60 + 1);
  for (const auto& [text, seconds] : std::vector<std::pair<std::string, std::int64_t>>{
           {"2026/11/22", midnight},
           {"22.11.2026", midnight},
           {"11/22/2026 00:00", midnight},
           {"22 Nov 2026", midnight},
           {"Nov 22, 2026", midnight},
           {"22 November", midnight},
           {"Nov 23", midnight - 364 * 86400LL},  // of the year before
           {"today", midnight},
           {"midnight", midnight},
           {"noon", midnight + 12 * 3600},
           {"17:20", kNow.seconds - 1},
           {"17:21", kNow.seconds + 59 - 86400},  // yesterday's
           {"yesterday noon", midnight - 12 * 3600},
           {"yesterday 10:00", midnight - 14 * 3600},
           {"Sun, 22 Nov 2026 18:20:01 +0100", kNow.seconds},
           {"Sun Nov 22 18:20:01 2026 +0100", kNow.seconds},
           {"1795368001", kNow.seconds},
           {"never", 0},
           {"2 weeks", kNow.seconds - 14 * 86400},
           {"2 Weeks Ago", kNow.seconds - 14 * 86400},
           {"last week", kNow.seconds - 7 * 86400},
           {"three days ago", kNow.seconds - 3 * 86400},
           {"1 day 2 hours ago", kNow.seconds - 26 * 3600},
           {"saturday", kNow.seconds - 86400},
           {"last sunday", kNow.seconds - 7 * 86400},
           {"90s ago", kNow.seconds - 90},
           {"2d", kNow.seconds - 2 * 86400}}) {
    INFO(text);
    REQUIRE(parse_time(text, kNow));
    CHECK(parse_time(text, kNow)->seconds == seconds);
  }
  for (const char* bad : {"ago", "2", "2 2 days", "weeks", "25:00", "10:60", "2 mondays ago", "last",
                          "9999999999 weeks", "", "soon", "2026-13-01", "3 parsecs ago", "@x",
                          "2026-11-22 17:20 CET", "2026-02-30", "@-5", "@99999999999999"}) {
    INFO(bad);
    CHECK_FALSE(parse_time(bad, kNow));
  }
}

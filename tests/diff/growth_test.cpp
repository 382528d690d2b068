// Many chains and sets: the time to compare them grows with their number, and not with its square.
#include <catch2/catch.hpp>

#include "core/format.h"
#include "diff/diff.h"
#include "support/cpu_time.h"
#include "support/rulesets.h"

namespace rewall {
namespace {

using testing::v4;

constexpr int kMany = 30'000;
constexpr std::chrono::seconds kEnough{30};  // with sanitizers, and a machine that is busy otherwise

template <class Line>
std::string lines(Line line) {
  std::string all;
  for (int i = 0; i < kMany; ++i) all += line(i);
  return all;
}

Ruleset chains(const std::string& name, int apart) {
  return v4("*filter\n:INPUT ACCEPT [0:0]\n" +
            lines([&](int i) { return format(":{}{} - [0:0]\n", name, i); }) + lines([&](int i) {
              return format("-A {}{} -s 10.{}.{}.{} -j DROP\n", name, i, i >> 16, i >> 8 & 255,
                            (i & 255) / apart);
            }) +
            "COMMIT\n");
}

}  // namespace

TEST_CASE("thirty thousand chains with other names") {
  const auto from = chains("a", 1);
  const auto to = chains("b", 1);
  Diff diff;
  CHECK(cpu_time([&] { diff = compare(from, to); }) < kEnough);
  CHECK(summary(diff) == std::map<ChangeKind, std::size_t>{{ChangeKind::chain_renamed, kMany}});
  CHECK(cpu_time([&] { diff = compare(chains("a", 2), to); }) < kEnough);
}

TEST_CASE("the commands for a long way of jumps that turns round") {
  const auto way = [](int step) {
    return v4("*filter\n:INPUT ACCEPT [0:0]\n" + lines([](int i) { return format(":c{} - [0:0]\n", i); }) +
              lines([&](int i) {
                return i + 1 < kMany ? format("-A c{} -j c{}\n", step > 0 ? i : i + 1, step > 0 ? i + 1 : i)
                                     : std::string();
              }) +
              "COMMIT\n");
  };
  const auto from = way(1);
  const auto to = way(-1);
  CHECK(cpu_time([&] { CHECK(commands(from, to).size() >= kMany); }) < kEnough);
}

}  // namespace rewall

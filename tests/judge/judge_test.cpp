#include <catch2/catch.hpp>
#include <cstdlib>
#include <iostream>
#include <random>

#include "judge/judge.h"
#include "support/skip.h"

using namespace rewall;

namespace {

std::size_t number(const char* name, std::size_t otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : static_cast<std::size_t>(std::strtoull(value, nullptr, 10));
}

void run(std::size_t seed, bool nft, bool legacy) {
  const bool by_hand = std::getenv("REWALL_JUDGE") != nullptr;
  judge::Judge judge(seed);
  judge.run_random(number("REWALL_JUDGE", 5000), by_hand ? 400 : 100, nft, legacy);
  std::cout << judge.summary(by_hand) << std::flush;
  CHECK(judge.report().disagreement_count == 0);
  CHECK(judge.report().depends_count * 10 < judge.report().packets);
}

}  // namespace

TEST_CASE("the kernel does with packets what the model says, on nft", "[nft]") {
  run(number("REWALL_JUDGE_SEED", 1), true, false);
}

TEST_CASE("the kernel does with packets what the model says, on legacy", "[legacy]") {
  run(number("REWALL_JUDGE_SEED", 1), false, true);
}

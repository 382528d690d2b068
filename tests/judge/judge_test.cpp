#include "judge/judge.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <iostream>
#include <random>

#include "support/corpus.h"
#include "support/skip.h"

using namespace rewall;

namespace {

/// A whole number of the environment (REWALL_JUDGE, ..._SEED, ..._CORPUS).
std::size_t number(const char* name, std::size_t otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : static_cast<std::size_t>(std::strtoull(value, nullptr, 10));
}

bool by_hand() {
  return std::getenv("REWALL_JUDGE") != nullptr;
}

void check(const judge::Judge& judge) {
  std::cout << judge.summary(by_hand()) << std::flush;
  CHECK(judge.report().disagreement_count == 0);
  // What hangs on something unknown is no agreement.
  CHECK(judge.report().depends_count * 8 < judge.report().packets);
}

void run(std::size_t seed, std::size_t packets, bool nft, bool legacy) {
  // The same seed is another ruleset on each backend.
  judge::Judge judge(2 * seed + (legacy ? 1 : 0));
  judge.run_random(packets, by_hand() ? 400 : 250, nft, legacy);
  check(judge);
}

/// By hand one seed; else one that is always the same, and a fresh one.
void run(bool nft, bool legacy) {
  if (by_hand()) return run(number("REWALL_JUDGE_SEED", 1), number("REWALL_JUDGE", 0), nft, legacy);
  run(1, 5000, nft, legacy);
  run(std::random_device{}(), 5000, nft, legacy);
}

void run_corpus(Backend backend) {
  const auto folder = corpus();
  judge::Judge judge(number("REWALL_JUDGE_SEED", 1));
  const auto every = number("REWALL_JUDGE_CORPUS", 0) != 0 ? 1U : 9U;
  std::size_t place = 0;
  for (const auto& row : rows(folder / "manifest.tsv")) {
    if (++place % every != 0) continue;
    const auto text = contents(folder / "dumps" / row.at("file"));
    INFO(row.at("file"));
    (void)judge.run_dump(text, family_of(row), backend, number("REWALL_JUDGE_CORPUS", 40));
  }
  check(judge);
}

}  // namespace

TEST_CASE("the kernel does with packets what the model says, on nft", "[nft]") {
  run(true, false);
}

TEST_CASE("the kernel does with packets what the model says, on legacy", "[legacy]") {
  run(false, true);
}

TEST_CASE("the kernel does with packets what the model says, with rules on both backends", "[nft]") {
  if (by_hand())
    run(number("REWALL_JUDGE_SEED", 1), number("REWALL_JUDGE", 0) / 10, true, true);
  else
    run(std::random_device{}(), 1000, true, true);
}

TEST_CASE("the kernel does with packets what the model says, of rules people use, on nft", "[nft]") {
  run_corpus(Backend::nft);
}

TEST_CASE("the kernel does with packets what the model says, of rules people use, on legacy", "[legacy]") {
  run_corpus(Backend::legacy);
}

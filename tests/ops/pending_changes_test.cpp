#include "ops/watch/pending_changes.h"

#include <catch2/catch.hpp>

using namespace rewall;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

const ChainName kInput{Family::ipv4, "filter", "INPUT"};
const ChainName kMine{Family::ipv6, "nat", "mine"};

Committed transaction(std::uint32_t generation, std::map<ChainName, bool> chains, bool more = false) {
  return {.generation = generation, .chains = std::move(chains), .more = more};
}

}  // namespace

TEST_CASE("without a change nothing is due") {
  const PendingChanges pending;
  CHECK_FALSE(pending.any());
  CHECK(pending.first() == PendingChanges::kNever);
  CHECK(pending.due(seconds(1), seconds(5)) == PendingChanges::kNever);
  CHECK(pending.latest_due(seconds(5)) == PendingChanges::kNever);
}

TEST_CASE("changes are due when they rest, and at the latest a while after the first") {
  PendingChanges pending;
  pending.note(seconds(100));
  CHECK(pending.any());
  CHECK(pending.due(seconds(1), seconds(5)) == seconds(101));
  pending.note(seconds(103));
  CHECK(pending.first() == seconds(100));
  CHECK(pending.due(seconds(1), seconds(5)) == seconds(104));
  pending.note(milliseconds(104'900));
  CHECK(pending.due(seconds(1), seconds(5)) == seconds(105));
  CHECK(pending.latest_due(seconds(5)) == seconds(105));
}

TEST_CASE("of a chain the newest change counts") {
  PendingChanges pending;
  pending.add(transaction(7, {{kInput, true}, {kMine, true}}));
  pending.add(transaction(9, {{kMine, false}}));
  CHECK(pending.chains() == std::map<ChainName, bool>{{kInput, true}, {kMine, false}});
  CHECK(pending.changed_after(kMine, 8));
  CHECK_FALSE(pending.changed_after(kMine, 9));
  CHECK_FALSE(pending.changed_after(kInput, 7));
  CHECK_FALSE(pending.changed_after({Family::ipv4, "filter", "OUTPUT"}, 1));
}

TEST_CASE("what is recorded is dropped, and later changes stay") {
  PendingChanges pending;
  pending.note(seconds(100));
  pending.add(transaction(7, {{kInput, true}}));
  pending.add(transaction(9, {{kMine, true}}));
  pending.add_everything();
  pending.drop(8, seconds(200));
  CHECK(pending.chains() == std::map<ChainName, bool>{{kMine, true}});
  CHECK_FALSE(pending.everything());
  CHECK(pending.any());
  CHECK(pending.first() == seconds(200));
  pending.drop(9, seconds(300));
  CHECK(pending.chains().empty());
  CHECK_FALSE(pending.any());
}

TEST_CASE("a table that came or went is pending until a state after it is recorded") {
  PendingChanges pending;
  pending.note(seconds(100));
  pending.add(transaction(7, {}, true));
  CHECK(pending.more_than_chains());
  pending.drop(6, seconds(200));
  CHECK(pending.more_than_chains());
  CHECK(pending.any());
  pending.drop(7, seconds(300));
  CHECK_FALSE(pending.more_than_chains());
  CHECK_FALSE(pending.any());
}

TEST_CASE("a state without a generation drops everything") {
  PendingChanges pending;
  pending.note(seconds(100));
  pending.add(transaction(7, {{kInput, true}}, true));
  pending.drop(std::nullopt, seconds(200));
  CHECK(pending.chains().empty());
  CHECK_FALSE(pending.more_than_chains());
  CHECK_FALSE(pending.any());
}

TEST_CASE("generations that begin again at zero are later than those before") {
  PendingChanges pending;
  pending.add(transaction(0xffff'ffff, {{kInput, true}}));
  pending.add(transaction(1, {{kMine, true}}));
  CHECK(pending.changed_after(kMine, 0xffff'ffff));
  CHECK_FALSE(pending.changed_after(kInput, 1));
  pending.drop(0xffff'ffff, seconds(1));
  CHECK(pending.chains() == std::map<ChainName, bool>{{kMine, true}});
}

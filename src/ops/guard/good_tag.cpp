#include "ops/guard/good_tag.h"

#include <algorithm>

namespace rewall {
namespace {

// More snapshots than a guard sees.
constexpr int kMostGuarded = 1000;

bool holds_the_same(const Repository& repository, const std::string& a, const std::string& b) {
  const auto one = repository.file_hashes(a);
  const auto other = repository.file_hashes(b);
  return one && other && *one == *other;
}

/// True where `hash` is one of the snapshots from `last` back to that before the guard, which is none of
/// them.
bool taken_under(const Repository& repository, const Guard& guard, std::string last,
                 const std::string& hash) {
  for (int i = 0; i < kMostGuarded && !last.empty() && last != guard.before; ++i) {
    if (last == hash) return !holds_the_same(repository, hash, guard.before);
    last = repository.parent(last);
  }
  return false;
}

}  // namespace

std::string good_snapshot(const Repository& repository) {
  const auto tags = repository.tags();
  if (!tags) return {};
  const auto found = std::ranges::find(*tags, "good", &Tag::name);
  return found == tags->end() ? std::string{} : found->hash;
}

bool takes_back(const Repository& repository, const Guard& guard, const std::string& hash) {
  const auto head = repository.head();
  return head && taken_under(repository, guard, *head, hash);
}

std::optional<GuardEnding> took_good_back(const Repository& repository) {
  const auto good = good_snapshot(repository);
  const auto head = repository.head();
  if (good.empty() || !head || holds_the_same(repository, good, *head)) return std::nullopt;
  for (auto& ending : endings(repository.state_path())) {
    const bool reverted = ending.how != EndedBy::confirm && ending.how != EndedBy::no_change;
    if (reverted && taken_under(repository, ending.guard, ending.tried, good)) return std::move(ending);
  }
  return std::nullopt;
}

}  // namespace rewall

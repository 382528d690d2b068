#include "ops/watch/pending_changes.h"

#include <algorithm>

namespace rewall {

void PendingChanges::note(Time time) {
  first_ = std::min(first_, time);
  last_ = time;
}

void PendingChanges::add(const Committed& transaction) {
  for (const auto& [name, there] : transaction.chains)
    chains_[name] = {.there = there, .generation = transaction.generation};
  if (transaction.more) more_ = transaction.generation;
  if (!transaction.native.empty()) native_ = transaction.generation;
}

std::map<ChainName, bool> PendingChanges::chains() const {
  std::map<ChainName, bool> all;
  for (const auto& [name, change] : chains_) all.emplace(name, change.there);
  return all;
}

bool PendingChanges::changed_after(const ChainName& chain, std::uint32_t generation) const {
  const auto found = chains_.find(chain);
  return found != chains_.end() && is_after(found->second.generation, generation);
}

void PendingChanges::drop(const std::optional<std::uint32_t>& generation, Time now) {
  const auto is_old = [&](std::uint32_t other) { return !generation || !is_after(other, *generation); };
  std::erase_if(chains_, [&](const auto& entry) { return is_old(entry.second.generation); });
  if (more_ && is_old(*more_)) more_.reset();
  if (native_ && is_old(*native_)) native_.reset();
  everything_ = false;
  first_ = kNever;
  if (!chains_.empty() || more_ || native_) note(now);
}

PendingChanges::Time PendingChanges::due(Time settle, Time latest) const {
  return any() ? std::min(last_ + settle, latest_due(latest)) : kNever;
}

}  // namespace rewall

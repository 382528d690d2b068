#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>

#include "kernel/events.h"

namespace rewall {

/// The changes of LIVE that are not recorded yet: which parts changed, up to which generation, and since
/// when. Times are those of boot_time().
class PendingChanges {
 public:
  using Time = std::chrono::milliseconds;
  static constexpr Time kNever = Time::max();

  bool any() const { return first_ != kNever; }
  Time first() const { return first_; }  ///< when the oldest of them was noticed; kNever where there is none

  /// A change was noticed at this time. add() and add_everything() say which part changed; without them only
  /// sets can have changed, which are always read.
  void note(Time time);
  void add(const Committed& transaction);
  /// Any part may have changed: LIVE is read whole.
  void add_everything() { everything_ = true; }

  bool everything() const { return everything_; }
  /// True after a transaction that changed more than chains: a table came or went, say.
  bool more_than_chains() const { return more_.has_value(); }
  /// True where native tables changed; they are read all at once.
  bool native() const { return native_.has_value(); }
  bool native_after(std::uint32_t generation) const { return native_ && is_after(*native_, generation); }
  /// The chains that changed; false: the chain is gone.
  std::map<ChainName, bool> chains() const;
  /// True where a chain changed after this generation.
  bool changed_after(const ChainName& chain, std::uint32_t generation) const;

  /// Drops all changes up to a generation (absent: all of them). What is left is as of `now`.
  void drop(const std::optional<std::uint32_t>& generation, Time now);

  /// When the changes are to be recorded: `settle` after the newest one, at the latest `latest` after the
  /// oldest one; kNever where there is none.
  Time due(Time settle, Time latest) const;
  /// The latest time of those.
  Time latest_due(Time latest) const { return any() ? first_ + latest : kNever; }

 private:
  struct Change {
    bool there = true;
    std::uint32_t generation = 0;
  };
  std::map<ChainName, Change> chains_{};
  std::optional<std::uint32_t> more_{};    ///< the newest generation that changed more than chains
  std::optional<std::uint32_t> native_{};  ///< the newest generation that changed native tables
  bool everything_ = false;
  Time first_ = kNever;
  Time last_{};
};

}  // namespace rewall

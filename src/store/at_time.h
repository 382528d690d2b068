#pragma once

#include <optional>
#include <string>

#include "core/result.h"
#include "store/git.h"

namespace rewall {

/// `BASE@{TIME}REST`: what a reference named at a time.
struct AtTime {
  std::string base{};  ///< "HEAD" where none is written
  std::string when{};
  std::string rest{};  ///< "~2"
};

/// Takes an expression apart; absent for one without a time, such as `HEAD@{2}` and `@{upstream}`.
std::optional<AtTime> asks_for_time(const std::string& expression);

/// The full hash of what the reference named at that time, by git's log of it. Where that log begins later,
/// it is the newest snapshot of the reference's history that is not younger, by the times of the snapshots,
/// and a warning names it. Kind usage: the text is no time, no reference has the name, or no snapshot is so
/// old.
Result<std::string> find_at_time(git_repository* repo, const AtTime& asked);

}  // namespace rewall

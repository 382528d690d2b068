#include "ops/guard/guarded_change.h"

#include <utility>

#include "ops/guard/arm.h"

namespace rewall {

Status GuardedChange::check() {
  if (!length_) return {};
  return refuse_second_guard(session_);
}

Status GuardedChange::check_none_armed() {
  return refuse_second_guard(session_);
}

Status GuardedChange::arm(const Lock& held, const std::string& before, bool exact) {
  if (!length_) return {};
  // A new plan begins at another snapshot.
  drop(held);
  guard_ = TRY(rewall::arm(session_, held, before, *length_, exact));
  return {};
}

void GuardedChange::drop(const Lock& held) {
  if (guard_) disarm(session_, held, *std::exchange(guard_, std::nullopt), {.how = EndedBy::no_change});
}

void GuardedChange::keep(const Lock& held, bool exact) {
  if (!length_) note_in_armed_guard(session_, held, exact);
}

}  // namespace rewall

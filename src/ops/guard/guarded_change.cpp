#include "ops/guard/guarded_change.h"

#include <utility>

#include "core/log.h"
#include "core/messages.h"
#include "ops/context/settings.h"
#include "ops/expiry/expiry.h"
#include "ops/guard/arm.h"

namespace rewall {

Status GuardedChange::check() {
  if (!length_) return {};
  return refuse_second_guard(session_);
}

Status GuardedChange::check_none_armed() {
  return refuse_second_guard(session_);
}

Status GuardedChange::arm(const Lock& held, const std::string& before, bool exact,
                          const WantedChange& change) {
  // A new plan begins at another snapshot.
  drop(held);
  if (length_) guard_ = TRY(rewall::arm(session_, held, before, *length_, exact));
  if (!expires_) return {};
  auto begun = begin_expiry(held, before, change);
  if (!begun) drop(held);
  return begun;
}

Status GuardedChange::check_wanted(const WantedChange& change) {
  if (!expires_) return {};
  TRY(expiring_parts(change));
  return {};
}

Result<std::vector<ExpiringPart>> GuardedChange::expiring_parts(const WantedChange& change) {
  auto parts = added_parts(change.diff, change.from, change.to, owners_of(session_));
  const auto native = native_parts_of(change.diff);
  if (parts.empty() && !native.empty()) return error_of<messages::native_does_not_expire>();
  if (parts.empty()) return error_of<messages::nothing_expires>();
  if (!native.empty()) log_warning("what changes in tables of nft ({}) does not expire", native);
  return parts;
}

Status GuardedChange::begin_expiry(const Lock& held, const std::string& before, const WantedChange& change) {
  if (before.empty()) return error_of<messages::unrecorded_unguarded>("the history cannot be used");
  auto parts = TRY(expiring_parts(change));
  auto expiry = make_expiry(session_, *expires_, std::move(parts));
  expiry.before = before;
  expiry.guard = armed_guard_id(session_);
  TRY(rewall::begin_expiry(session_, held, expiry));
  expiry_ = std::move(expiry);
  return {};
}

void GuardedChange::drop(const Lock&) {
  if (expiry_) drop_expiry(session_.state_path(), *std::exchange(expiry_, std::nullopt));
  if (guard_) disarm(session_, *std::exchange(guard_, std::nullopt), {.how = EndedBy::no_change});
}

void GuardedChange::keep(const Lock& held, bool exact, const std::string& after) {
  if (expiry_) {
    expiry_->after = after;
    if (auto written = write_expiry(session_.state_path(), *expiry_); !written)
      log_warning("{}", written.error().message);
  }
  if (!length_) note_in_armed_guard(session_, held, exact);
}

}  // namespace rewall

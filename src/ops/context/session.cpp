#include "ops/context/session.h"

#include "core/log.h"
#include "core/text.h"
#include "ops/guard/rollback.h"
#include "ops/history/signature.h"
#include "ops/remote/background.h"
#include "ops/restore/recovery.h"

namespace rewall {

Result<Repository*> Session::repository() {
  if (!repository_) {
    auto opened = TRY(Repository::open(path_));
    repository_ = std::move(opened);
    repository_->sign_with(sign_commit);
    if (auto settled = recover_interrupted_restore(*this, *repository_)) {
      unfinished_ = *std::move(settled);
      if (!sees_to_guard) settled_ = fire_overdue_guard(*this);
    } else {
      settled_ = std::move(settled).error();
      unfinished_ = settled_.error().message;
    }
    start_background_work(*this);
    // Whoever changes something gets it as the error.
    if (!settled_ && only_looks) log_warning("{}", escape(settled_.error().message));
  }
  if (!settled_ && !only_looks) return settled_.error();
  return &*repository_;
}

}  // namespace rewall

#include "ops/session.h"

#include "core/log.h"
#include "core/text.h"
#include "ops/background.h"
#include "ops/fire.h"
#include "ops/settle.h"

namespace rewall {

Result<Repository*> Session::repository() {
  if (!repository_) {
    auto opened = Repository::open(path_);
    if (!opened) return std::move(opened).error();
    repository_ = *std::move(opened);
    if (auto settled = settle_journal(*this, *repository_)) {
      unfinished_ = *std::move(settled);
      if (!sees_to_guard) settled_ = finish_overdue_guard(*this);
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

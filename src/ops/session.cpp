#include "ops/session.h"

namespace rewall {

Result<Repository*> Session::repository() {
  if (!repository_) {
    auto opened = Repository::open(path_);
    if (!opened) return std::move(opened).error();
    repository_ = *std::move(opened);
  }
  return &*repository_;
}

}  // namespace rewall

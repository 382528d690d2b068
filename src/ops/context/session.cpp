#include "ops/context/session.h"

namespace rewall {

Result<Repository*> Session::repository() {
  if (withheld_) return *withheld_;
  if (!repository_) {
    repository_ = TRY(uses_what_it_can ? Repository::open_readable(path_) : Repository::open(path_));
    if (signer) repository_->sign_with(signer);
  }
  return &*repository_;
}

}  // namespace rewall

#pragma once

#include <utility>

#include "kernel/namespace.h"
#include "support/skip.h"

namespace rewall {

/// A network namespace of the test's own. The test case is skipped where there is none to be had.
inline ScratchNamespace scratch_namespace() {
  auto made = ScratchNamespace::create();
  if (!made) skip_without_kernel(made.error().message);
  return *std::move(made);
}

}  // namespace rewall

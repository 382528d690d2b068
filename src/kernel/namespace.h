#pragma once

#include <functional>

#include "core/file.h"
#include "core/result.h"

namespace rewall {

/// A network namespace without a name, which lives as long as the object (network_namespaces(7)).
class ScratchNamespace {
 public:
  /// Kind permission without CAP_SYS_ADMIN; kind kernel for any other failure.
  static Result<ScratchNamespace> create();

  /// Runs `work` on a thread inside the namespace and waits for it. Programs that `work` starts are inside
  /// too. An exception of `work` reaches the caller. The error is for a namespace that cannot be entered, or
  /// no thread: `work` has not run then. Kinds as create().
  Status run(const std::function<void()>& work) const;

 private:
  explicit ScratchNamespace(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

}  // namespace rewall

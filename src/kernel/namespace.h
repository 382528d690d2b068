#pragma once

#include <functional>

#include "core/file.h"
#include "core/result.h"

namespace rewall {

/// A network namespace of our own, without a name, gone with the object (network_namespaces(7)).
class ScratchNamespace {
 public:
  /// Kind permission without CAP_SYS_ADMIN.
  static Result<ScratchNamespace> create();

  /// Runs `work` on a thread inside the namespace and waits; programs that it starts are inside too. What
  /// `work` throws arrives here; std::system_error when the namespace cannot be entered (then `work` is not
  /// run).
  void run(const std::function<void()>& work) const;

 private:
  explicit ScratchNamespace(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

}  // namespace rewall

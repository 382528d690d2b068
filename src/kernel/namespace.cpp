#include "kernel/namespace.h"

#include <fcntl.h>
#include <sched.h>

#include <cerrno>
#include <exception>

#include "core/messages.h"
#include "core/parallel.h"

namespace rewall {

namespace {

Error cannot(std::string_view what, int error) {
  const std::string reason = std::string(what) + errno_text(error);
  return error == EPERM ? error_of<messages::no_scratch_permission>(reason)
                        : error_of<messages::no_scratch_namespace>(reason);
}

/// The same on this thread, which returns to its own namespace.
Status run_here(const std::function<void()>& work) {
  const Fd own(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  // Without a way back nobody may leave.
  if (!own || setns(own.get(), CLONE_NEWNET) != 0) return cannot("no thread: ", errno);
  work();
  // Going on in the scratch namespace would take its rules for LIVE.
  if (setns(own.get(), CLONE_NEWNET) != 0) std::terminate();
  return {};
}

/// Runs `work` on a thread of its own, because unshare(2) and setns(2) move the calling thread; on this one
/// where no thread can be had.
Status run_apart(const std::function<void()>& work) {
  auto thread = start_thread("scratch", work);
  if (!thread) return run_here(work);
  thread->join();
  return {};
}

}  // namespace

Result<ScratchNamespace> ScratchNamespace::create() {
  Fd fd;
  int error = 0;
  TRY(run_apart([&] {
    if (unshare(CLONE_NEWNET) == 0) fd.reset(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    if (!fd) error = errno;
  }));
  if (!fd) return cannot("", error);
  return ScratchNamespace(std::move(fd));
}

Status ScratchNamespace::run(const std::function<void()>& work) const {
  std::exception_ptr thrown;
  int error = 0;
  TRY(run_apart([&] {
    // Going on outside would do the work to the host's own firewall.
    if (setns(fd_.get(), CLONE_NEWNET) != 0) {
      error = errno;
      return;
    }
    try {
      work();
    } catch (...) {
      thrown = std::current_exception();
    }
  }));
  if (thrown) std::rethrow_exception(thrown);
  return error == 0 ? Status{} : Status(cannot("cannot enter it: ", error));
}

}  // namespace rewall

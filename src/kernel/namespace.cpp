#include "kernel/namespace.h"

#include <fcntl.h>
#include <sched.h>

#include <cerrno>
#include <exception>
#include <system_error>
#include <thread>

#include "core/format.h"

namespace rewall {

Result<ScratchNamespace> ScratchNamespace::create() {
  Fd fd;
  int error = 0;
  // unshare() moves the calling thread: one of its own leaves ours where it is.
  std::thread([&] {
    if (unshare(CLONE_NEWNET) == 0) fd.reset(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    if (!fd) error = errno;
  }).join();
  if (fd) return ScratchNamespace(std::move(fd));
  return Error{.kind = error == EPERM ? ErrorKind::permission : ErrorKind::kernel,
               .message = format("scratch network namespace: {}", errno_text(error)),
               .hint = error == EPERM ? "it needs root with CAP_SYS_ADMIN" : ""};
}

void ScratchNamespace::run(const std::function<void()>& work) const {
  std::exception_ptr thrown;
  std::thread([&] {
    try {
      // Going on without it would do the work to the host's own firewall.
      if (setns(fd_.get(), CLONE_NEWNET) != 0)
        throw std::system_error(errno, std::generic_category(), "setns");
      work();
    } catch (...) {
      thrown = std::current_exception();
    }
  }).join();
  if (thrown) std::rethrow_exception(thrown);
}

}  // namespace rewall

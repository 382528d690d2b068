#include "kernel/connect.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <memory>

#include "core/file.h"
#include "core/format.h"

namespace rewall {
namespace {

using Clock = std::chrono::steady_clock;

// 0, or the errno of what failed.
int connect_until(const addrinfo& address, Clock::time_point end) {
  const Fd fd(::socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return errno;
  if (::connect(fd.get(), address.ai_addr, address.ai_addrlen) == 0) return 0;
  if (errno != EINPROGRESS) return errno;
  pollfd connected{.fd = fd.get(), .events = POLLOUT, .revents = 0};
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()).count();
  if (left <= 0 || ::poll(&connected, 1, static_cast<int>(left)) == 0) return ETIMEDOUT;
  int error = 0;
  socklen_t size = sizeof error;
  return ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

}  // namespace

Status try_connection(const std::string& host, const std::string& port, std::chrono::milliseconds wait) {
  const auto end = Clock::now() + wait;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int failed = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &found); failed != 0)
    return Error{.kind = ErrorKind::remote,
                 .message = format("Could not resolve host '{}': {}", host, ::gai_strerror(failed))};
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses(found, ::freeaddrinfo);
  int error = 0;
  for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
    error = connect_until(*address, end);
    if (error == 0) return {};
  }
  return Error{.kind = ErrorKind::remote, .message = format("{} port {}: {}", host, port, errno_text(error))};
}

}  // namespace rewall

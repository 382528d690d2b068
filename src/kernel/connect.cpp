#include "kernel/connect.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string_view>
#include <vector>

#include "core/file.h"
#include "core/format.h"
#include "core/text.h"
#include "core/time.h"
#include "kernel/process.h"

namespace rewall {
namespace {

using Clock = std::chrono::steady_clock;

using Addresses = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

constexpr std::string_view kStream = " STREAM";

/// That of an address as it is written; of a name none.
Addresses read_address(const std::string& text, const std::string& port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (::getaddrinfo(text.c_str(), port.c_str(), &hints, &found) != 0) found = nullptr;
  return {found, ::freeaddrinfo};
}

// By a program: getaddrinfo(3) itself cannot be given an end.
Result<std::vector<Addresses>> find_addresses(const std::string& host, const std::string& port,
                                              Clock::time_point end) {
  std::vector<Addresses> addresses;
  addresses.push_back(read_address(host, port));
  if (addresses.front()) return addresses;
  addresses.clear();
  const auto program = find_program("getent");
  if (program.empty())
    return Error{.kind = ErrorKind::remote, .message = "getent: not installed"}.hinted(
        "apt install libc-bin");
  auto asked =
      TRY(run({.words = {program, "ahosts", "--", host}, .deadline = time_left(end)}, ErrorKind::remote));
  for (const auto line : split_lines(asked.out)) {
    if (line.find(kStream) == std::string_view::npos) continue;
    if (auto address = read_address(std::string(line.substr(0, line.find(' '))), port))
      addresses.push_back(std::move(address));
  }
  if (!addresses.empty()) return addresses;
  return Error{.kind = ErrorKind::remote,
               .message = format("Could not resolve host '{}'{}", host,
                                 asked.timed_out ? ": no name server answers" : "")};
}

/// 0, or the errno of what failed.
int result_of(const Fd& socket) {
  int error = 0;
  socklen_t size = sizeof error;
  return ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

// All at once, as curl does nearly: one that is dead must not take the time of the others. 0, or the errno of
// what failed last.
int connect_to_any(const std::vector<Addresses>& addresses, Clock::time_point end) {
  int error = 0;
  std::vector<Fd> sockets;
  for (const auto& address : addresses) {
    Fd socket(::socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (socket && ::connect(socket.get(), address->ai_addr, address->ai_addrlen) == 0) return 0;
    error = errno;
    if (socket && error == EINPROGRESS) sockets.push_back(std::move(socket));
  }
  while (!sockets.empty()) {
    std::vector<pollfd> waits;
    for (const auto& socket : sockets) waits.push_back({.fd = socket.get(), .events = POLLOUT, .revents = 0});
    const int ready = ::poll(waits.data(), waits.size(), static_cast<int>(time_left(end).count()));
    if (ready == 0 || Clock::now() >= end) return ETIMEDOUT;
    for (std::size_t i = waits.size(); i-- > 0;) {
      if (waits[i].revents == 0) continue;
      error = result_of(sockets[i]);
      if (error == 0) return 0;
      sockets.erase(sockets.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
  return error;
}

}  // namespace

Status try_connection(const std::string& host, const std::string& port, std::chrono::milliseconds wait) {
  const auto end = Clock::now() + wait;
  auto addresses = TRY(find_addresses(host, port, end));
  const int error = connect_to_any(addresses, end);
  if (error == 0) return {};
  return Error{.kind = ErrorKind::remote, .message = format("{} port {}: {}", host, port, errno_text(error))};
}

}  // namespace rewall

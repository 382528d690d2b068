#include "ops/context/connection.h"

#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <string>
#include <vector>

#include "core/file.h"
#include "core/format.h"
#include "core/proc.h"
#include "core/text.h"
#include "ops/context/identity.h"

namespace rewall {
namespace {

/// The port behind the last colon, in hexadecimal digits (proc(5), /proc/net/tcp).
bool has_port(std::string_view address, unsigned port) {
  const auto digits = address.substr(address.rfind(':') + 1);
  unsigned number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number, 16);
  return error == std::errc{} && end == digits.data() + digits.size() && number == port;
}

/// The inode numbers of the established sockets between two ports, in the network namespace of a process.
std::set<std::string> sockets_between(pid_t process, unsigned here, unsigned there) {
  constexpr std::size_t kLocal = 1;
  constexpr std::size_t kRemote = 2;
  constexpr std::size_t kState = 3;
  constexpr std::size_t kInode = 9;
  std::set<std::string> inodes;
  for (const char* table : {"tcp", "tcp6"}) {
    const auto text = read_file(format("/proc/{}/net/{}", process, table));
    if (!text) continue;
    for (const auto line : split_lines(*text)) {
      auto words = split(line, ' ');
      std::erase(words, "");
      if (words.size() > kInode && words[kState] == "01" && has_port(words[kLocal], here) &&
          has_port(words[kRemote], there))
        inodes.emplace(words[kInode]);
    }
  }
  return inodes;
}

bool holds_one_of(pid_t process, const std::set<std::string>& sockets) {
  return std::ranges::any_of(sockets_of_process(process),
                             [&](const std::string& inode) { return sockets.contains(inode); });
}

}  // namespace

std::optional<std::chrono::milliseconds> connection_began() {
  // "CLIENT PORT SERVER PORT" (ssh(1)). What is not so does not lead to a process with such a socket.
  const auto connection = ssh_connection();
  const auto words = split(connection, ' ');
  const auto number = [](std::string_view text) {
    unsigned port = 0;
    (void)std::from_chars(text.data(), text.data() + text.size(), port);
    return port;
  };
  if (words.size() != 4) return std::nullopt;
  std::optional<std::chrono::milliseconds> began;
  for (pid_t process = ::getppid(); process > 1; process = parent_of(process)) {
    const auto sockets = sockets_between(process, number(words[3]), number(words[1]));
    if (sockets.empty() || !holds_one_of(process, sockets)) continue;
    // Of several processes that serve one connection the first was there when it began.
    const auto start = started(process);
    if (!start) return std::nullopt;
    began = began ? std::min(*began, *start) : *start;
  }
  return began;
}

}  // namespace rewall

#include "ops/guard/guard_place.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "core/format.h"
#include "core/log.h"
#include "core/text.h"
#include "ops/context/state_file.h"
#include "ops/context/state_paths.h"

namespace rewall {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPlaceVersion = "rewall place 1";
constexpr int kNames = 4;  // any user may take a name: another one is left then
constexpr int kWaiting = 128;
constexpr int kAnswerWithin = 1000;  // milliseconds

struct SocketName {
  sockaddr_un address{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&address); }
};

SocketName socket_name(int number) {
  const auto text = format("rewall/guard/{}", number);
  SocketName name;
  name.address.sun_family = AF_UNIX;
  // Its first byte is 0: the name is no path.
  text.copy(name.address.sun_path + 1, sizeof name.address.sun_path - 1);
  name.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + text.size());
  return name;
}

Fd open_socket(int flags) {
  return Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
}

bool may_arm(const Fd& socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  return ::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
         (peer.uid == 0 || peer.uid == ::geteuid());
}

std::string place_text(const PlacedGuard& guard) {
  StateLines lines;
  lines.add("repository", guard.repository);
  lines.add("id", guard.id);
  lines.add("name", guard.name);
  return lines.text(kPlaceVersion);
}

std::optional<PlacedGuard> parse_place(std::string_view text) {
  PlacedGuard guard;
  if (!parse_state(text, kPlaceVersion,
                   {{"repository", required(text_key(guard.repository))},
                    {"id", required(text_key(guard.id))},
                    {"name", required(text_key(guard.name))}}))
    return std::nullopt;
  return guard;
}

/// Absent where none comes in time: the process is stopped, or just firing.
std::optional<std::string> read_answer(const Fd& socket) {
  std::string text;
  for (;;) {
    pollfd waits{.fd = socket.get(), .events = POLLIN, .revents = 0};
    std::array<char, 1024> bytes{};
    if (text.size() > 16 * bytes.size() || ::poll(&waits, 1, kAnswerWithin) <= 0) return std::nullopt;
    const ssize_t n = ::read(socket.get(), bytes.data(), bytes.size());
    if (n <= 0) return text;
    text.append(bytes.data(), static_cast<std::size_t>(n));
  }
}

/// Who has the name; absent where nobody has who may arm a guard.
std::optional<PlacedGuard> guard_at(int number) {
  const auto name = socket_name(number);
  const Fd socket = open_socket(SOCK_NONBLOCK);
  if (!socket || ::connect(socket.get(), name.get(), name.size) != 0 || !may_arm(socket)) return std::nullopt;
  const auto answer = read_answer(socket);
  // A process whose guard has just ended goes without a word.
  return answer ? parse_place(*answer) : PlacedGuard{.name = "a guard that gives no answer"};
}

fs::path place_path(const std::optional<Generation>& place) {
  return fs::path(kRunFolder) / format("armed-{}", place ? place->network : 0);
}

/// A note that its repository does not know is one that a kill left behind.
std::optional<PlacedGuard> noted_guard(const std::optional<Generation>& here) {
  const auto text = read_file(place_path(here));
  auto guard = text ? parse_place(*text) : std::nullopt;
  if (!guard) return std::nullopt;
  const auto armed = read_guard(fs::path(guard->repository) / ".git/rewall");
  if (armed && (!*armed || (*armed)->id != guard->id)) return std::nullopt;
  return guard;
}

}  // namespace

std::optional<GuardPlace> GuardPlace::take(const PlacedGuard& guard, bool& taken) {
  for (int i = 0; i < kNames && !taken; ++i) {
    const auto there = guard_at(i);
    taken = there && there->id != guard.id;
  }
  if (taken) return std::nullopt;
  for (int i = 0; i < kNames; ++i) {
    const auto name = socket_name(i);
    Fd socket = open_socket(SOCK_NONBLOCK);
    if (!socket || ::bind(socket.get(), name.get(), name.size) != 0) continue;
    if (::listen(socket.get(), kWaiting) == 0) return GuardPlace(std::move(socket), place_text(guard));
  }
  return std::nullopt;
}

void GuardPlace::answer() const {
  for (;;) {
    const Fd asks(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!asks) return;
    (void)::send(asks.get(), words_.data(), words_.size(), MSG_NOSIGNAL);
  }
}

std::optional<PlacedGuard> guard_of_other_repository(Session& session) {
  const auto ours = read_guard(session.state_path());
  const auto is_ours = [&](const PlacedGuard& guard) { return ours && *ours && (*ours)->id == guard.id; };
  for (int i = 0; i < kNames; ++i) {
    if (auto there = guard_at(i); there && !is_ours(*there)) return there;
  }
  auto noted = noted_guard(session.firewall().generation());
  return noted && !is_ours(*noted) ? noted : std::nullopt;
}

void note_place(const fs::path& repository, const Guard& guard) {
  const auto path = place_path(guard.place);
  std::error_code ignored;
  fs::create_directory(path.parent_path(), ignored);
  const PlacedGuard placed{.repository = repository, .id = guard.id, .name = name_of(guard)};
  if (auto written = write_file(path, place_text(placed), 0600, Sync::no); !written)
    log_info("{}", written.error().message);
}

void clear_place(const Guard& guard) {
  const auto path = place_path(guard.place);
  const auto text = read_file(path);
  const auto noted = text ? parse_place(*text) : std::nullopt;
  std::error_code ignored;
  if (noted && noted->id == guard.id) std::filesystem::remove(path, ignored);
}

}  // namespace rewall

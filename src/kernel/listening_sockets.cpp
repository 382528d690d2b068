#include "kernel/listening_sockets.h"

#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string_view>
#include <tuple>

#include "core/file.h"
#include "core/format.h"
#include "core/messages.h"
#include "core/proc.h"
#include "core/text.h"
#include "kernel/netlink_attributes.h"
#include "kernel/netlink_socket.h"

namespace rewall {
namespace {

// include/net/tcp_states.h: a UDP socket that is not connected counts as closed.
constexpr unsigned kClosed = 7;
constexpr unsigned kListens = 10;

constexpr std::array<std::uint8_t, 5> kProtocols{IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, IPPROTO_DCCP,
                                                 IPPROTO_UDPLITE};

bool is_connectionless(std::uint8_t protocol) {
  return protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE;
}

unsigned state_of_listeners(std::uint8_t protocol) {
  return is_connectionless(protocol) ? kClosed : kListens;
}

// Adds a socket for each family whose packets it takes: one of IPv6 with no address takes those of IPv4 too,
// unless it says IPV6_V6ONLY; one with an address of ::ffff:0:0/96 takes those alone (ipv6(7)).
void add_socket(std::vector<ListeningSocket>& sockets, ListeningSocket socket, bool only_v6) {
  constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (socket.family == Family::ipv6 && std::equal(kMapped.begin(), kMapped.end(), socket.address.begin())) {
    std::array<std::uint8_t, 16> v4{};
    std::copy(socket.address.begin() + 12, socket.address.end(), v4.begin());
    socket.family = Family::ipv4;
    socket.address = v4;
  }
  if (socket.family == Family::ipv6 && socket.any_address() && !only_v6) {
    auto other = socket;
    other.family = Family::ipv4;
    sockets.push_back(std::move(other));
  }
  sockets.push_back(std::move(socket));
}

std::string interface_of(unsigned number) {
  std::array<char, IF_NAMESIZE> name{};
  if (number == 0) return {};
  return ::if_indextoname(number, name.data()) != nullptr ? name.data() : format("#{}", number);
}

void read_socket(const nlmsghdr* message, std::uint8_t protocol, std::vector<ListeningSocket>& sockets) {
  if (message->nlmsg_type != SOCK_DIAG_BY_FAMILY || message->nlmsg_len < NLMSG_HDRLEN + sizeof(inet_diag_msg))
    return;
  const auto* told = static_cast<const inet_diag_msg*>(mnl_nlmsg_get_payload(message));
  ListeningSocket socket{.family = told->idiag_family == AF_INET6 ? Family::ipv6 : Family::ipv4,
                         .protocol = protocol,
                         .port = be16toh(told->id.idiag_sport),
                         .interface = interface_of(told->id.idiag_if),
                         .inode = told->idiag_inode};
  std::memcpy(socket.address.data(), told->id.idiag_src, socket.family == Family::ipv6 ? 16 : 4);
  bool only_v6 = false;
  for_each_attribute(mnl_nlmsg_get_payload_offset(message, sizeof(inet_diag_msg)),
                     reinterpret_cast<const char*>(message) + message->nlmsg_len, [&](const nlattr* at) {
                       if (mnl_attr_get_type(at) == INET_DIAG_SKV6ONLY)
                         only_v6 = raw_number<std::uint8_t>(at) != 0;
                     });
  if (socket.port != 0) add_socket(sockets, std::move(socket), only_v6);
}

// sock_diag(7).
class SocketQuestions {
 public:
  SocketQuestions() : socket_(mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC)) {
    if (socket_ && mnl_socket_bind(socket_.get(), 0, MNL_SOCKET_AUTOPID) < 0) socket_.reset();
  }

  /// 0, or the errno.
  int ask(std::uint8_t family, std::uint8_t protocol, std::vector<ListeningSocket>& sockets) {
    if (!socket_) return ENOTSUP;
    alignas(nlmsghdr) std::array<char, 256> request{};
    auto* message = mnl_nlmsg_put_header(request.data());
    message->nlmsg_type = SOCK_DIAG_BY_FAMILY;
    message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    message->nlmsg_seq = ++number_;
    auto* wanted =
        static_cast<inet_diag_req_v2*>(mnl_nlmsg_put_extra_header(message, sizeof(inet_diag_req_v2)));
    wanted->sdiag_family = family;
    wanted->sdiag_protocol = protocol;
    wanted->idiag_states = 1U << state_of_listeners(protocol);
    if (mnl_socket_sendto(socket_.get(), message, message->nlmsg_len) < 0) return errno;
    for (;;) {
      const auto size =
          receive_from_kernel(mnl_socket_get_fd(socket_.get()), received_.data(), received_.size(), 0);
      if (size < 0 && errno == EINTR) continue;
      if (size < 0) return errno;
      std::optional<int> end;
      const auto whole =
          for_each_message({received_.data(), static_cast<std::size_t>(size)},
                           [&](const nlmsghdr* one) { read_answer(one, protocol, sockets, end); });
      if (!whole) return EBADMSG;
      if (end) return *end;
    }
  }

 private:
  void read_answer(const nlmsghdr* message, std::uint8_t protocol, std::vector<ListeningSocket>& sockets,
                   std::optional<int>& end) const {
    if (message->nlmsg_seq != number_ || end) return;
    if (message->nlmsg_type == NLMSG_DONE) {
      end = 0;
    } else if (message->nlmsg_type == NLMSG_ERROR) {
      const bool whole = message->nlmsg_len >= NLMSG_HDRLEN + sizeof(nlmsgerr);
      end = whole ? -static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(message))->error : EBADMSG;
    } else {
      read_socket(message, protocol, sockets);
    }
  }

  struct Close {
    void operator()(mnl_socket* socket) const noexcept { mnl_socket_close(socket); }
  };
  std::unique_ptr<mnl_socket, Close> socket_;
  std::uint32_t number_ = 0;
  std::vector<char> received_ = std::vector<char>(1 << 16);
};

template <class Value>
std::optional<Value> hexadecimal(std::string_view text) {
  Value value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  return error == std::errc{} && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

// "0100007F:0016 ... 0A ... inode": the address in words of 32 bits as the machine has them (proc(5),
// /proc/net/tcp).
std::optional<ListeningSocket> read_proc_line(std::string_view line, Family family, std::uint8_t protocol) {
  std::vector<std::string_view> words;
  for (const auto word : split(line, ' '))
    if (!word.empty()) words.push_back(word);
  if (words.size() < 10) return std::nullopt;
  const auto colon = words[1].rfind(':');
  const std::size_t digits = family == Family::ipv6 ? 32 : 8;
  if (colon != digits || hexadecimal<unsigned>(words[3]) != state_of_listeners(protocol)) return std::nullopt;
  ListeningSocket socket{.family = family, .protocol = protocol};
  for (std::size_t i = 0; i < digits; i += 8) {
    const auto word = hexadecimal<std::uint32_t>(words[1].substr(i, 8));
    if (!word) return std::nullopt;
    std::memcpy(socket.address.data() + i / 2, &*word, 4);
  }
  const auto port = hexadecimal<std::uint16_t>(words[1].substr(colon + 1));
  if (!port || *port == 0) return std::nullopt;
  socket.port = *port;
  std::from_chars(words[9].data(), words[9].data() + words[9].size(), socket.inode);
  return socket;
}

// False where there is no such file: the kernel does not have the protocol, or shows none.
bool read_proc(Family family, std::uint8_t protocol, std::vector<ListeningSocket>& sockets) {
  static const std::map<std::uint8_t, std::string> kFiles{
      {IPPROTO_TCP, "tcp"}, {IPPROTO_UDP, "udp"}, {IPPROTO_UDPLITE, "udplite"}};
  const auto file = kFiles.find(protocol);
  if (file == kFiles.end()) return false;
  const auto text =
      read_file(format("/proc/thread-self/net/{}{}", file->second, family == Family::ipv6 ? "6" : ""));
  if (!text) return false;
  for (const auto line : split_lines(*text))
    if (auto socket = read_proc_line(line, family, protocol)) add_socket(sockets, *std::move(socket), false);
  return true;
}

void name_programs(std::vector<ListeningSocket>& sockets) {
  std::map<std::string, std::set<std::string>> programs;
  for (const auto& socket : sockets) programs[format("{}", socket.inode)];
  for (const pid_t process : all_processes()) {
    std::string name;
    for (const auto& inode : sockets_of_process(process)) {
      const auto found = programs.find(inode);
      if (found == programs.end()) continue;
      if (name.empty())
        if (const auto known = look_at_process(process)) name = known->name;
      if (!name.empty()) found->second.insert(name);
    }
  }
  for (auto& socket : sockets) {
    const auto& names = programs[format("{}", socket.inode)];
    if (socket.inode != 0) socket.programs.assign(names.begin(), names.end());
  }
}

}  // namespace

Result<std::vector<ListeningSocket>> listening_sockets() {
  std::vector<ListeningSocket> sockets;
  SocketQuestions questions;
  for (const auto protocol : kProtocols) {
    for (const auto family : {Family::ipv4, Family::ipv6}) {
      auto found = sockets;
      const int failed = questions.ask(family == Family::ipv6 ? AF_INET6 : AF_INET, protocol, found);
      if (failed == 0) {
        sockets = std::move(found);
      } else if (!read_proc(family, protocol, sockets) && protocol == IPPROTO_TCP && family == Family::ipv4) {
        return error_of<messages::sockets_unread>(errno_text(failed));
      }
    }
  }
  name_programs(sockets);
  const auto place = [](const ListeningSocket& socket) {
    return std::tie(socket.family, socket.protocol, socket.port, socket.address, socket.interface,
                    socket.inode);
  };
  std::ranges::sort(sockets, [&](const auto& a, const auto& b) { return place(a) < place(b); });
  return sockets;
}

}  // namespace rewall

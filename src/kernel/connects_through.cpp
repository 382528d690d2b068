#include "kernel/connects_through.h"

#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "core/file.h"
#include "core/format.h"
#include "core/time.h"
#include "kernel/namespace.h"
#include "kernel/scratch.h"

namespace rewall {
namespace {

using Clock = std::chrono::steady_clock;
using Mac = std::array<std::uint8_t, 6>;

constexpr std::chrono::milliseconds kPatience{1000};
constexpr const char* kClientLink = "client";
constexpr Mac kHostMac{0x02, 0x72, 0x77, 0, 0, 1};
constexpr Mac kClientMac{0x02, 0x72, 0x77, 0, 0, 2};

struct CloseRoute {
  void operator()(mnl_socket* socket) const noexcept { mnl_socket_close(socket); }
};

/// Requests to rtnetlink in the namespace of the thread that makes it.
class RouteSocket {
 public:
  RouteSocket() : socket_(mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC)) {
    if (socket_ && mnl_socket_bind(socket_.get(), 0, MNL_SOCKET_AUTOPID) < 0) socket_.reset();
  }

  /// 0, or the errno.
  template <class Header>
  int ask(std::uint16_t type, std::uint16_t flags, const Header& header,
          const std::function<void(nlmsghdr*)>& add) {
    if (!socket_) return errno;
    alignas(nlmsghdr) std::array<char, 1024> buffer{};
    nlmsghdr* message = mnl_nlmsg_put_header(buffer.data());
    message->nlmsg_type = type;
    message->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
    std::memcpy(mnl_nlmsg_put_extra_header(message, sizeof header), &header, sizeof header);
    add(message);
    if (mnl_socket_sendto(socket_.get(), message, message->nlmsg_len) < 0) return errno;
    alignas(nlmsghdr) std::array<char, 4096> answer{};
    const auto got = mnl_socket_recvfrom(socket_.get(), answer.data(), answer.size());
    if (got < 0) return errno;
    return mnl_cb_run(answer.data(), static_cast<std::size_t>(got), 0, 0, nullptr, nullptr) < 0 ? errno : 0;
  }

 private:
  std::unique_ptr<mnl_socket, CloseRoute> socket_;
};

constexpr std::uint16_t kMake = NLM_F_CREATE | NLM_F_REPLACE;

unsigned char family_of(Family family) {
  return family == Family::ipv4 ? AF_INET : AF_INET6;
}

std::size_t bytes_of_address(Family family) {
  return family == Family::ipv4 ? 4 : 16;
}

int set_up(RouteSocket& socket, unsigned link) {
  ifinfomsg header{};
  header.ifi_index = static_cast<int>(link);
  header.ifi_flags = IFF_UP;
  header.ifi_change = IFF_UP;
  return socket.ask(RTM_NEWLINK, 0, header, [](nlmsghdr*) {});
}

int remove_link(RouteSocket& socket, const std::string& name) {
  return socket.ask(RTM_DELLINK, 0, ifinfomsg{},
                    [&](nlmsghdr* message) { mnl_attr_put_strz(message, IFLA_IFNAME, name.c_str()); });
}

/// A veth of that name and number here, whose other end is in the namespace `there`.
int make_veth(RouteSocket& socket, const std::string& name, unsigned number, const Fd& there) {
  ifinfomsg header{};
  header.ifi_index = static_cast<int>(number);
  return socket.ask(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, header, [&](nlmsghdr* message) {
    mnl_attr_put_strz(message, IFLA_IFNAME, name.c_str());
    mnl_attr_put(message, IFLA_ADDRESS, kHostMac.size(), kHostMac.data());
    nlattr* info = mnl_attr_nest_start(message, IFLA_LINKINFO);
    mnl_attr_put_strz(message, IFLA_INFO_KIND, "veth");
    nlattr* data = mnl_attr_nest_start(message, IFLA_INFO_DATA);
    const ifinfomsg peer{};
    nlattr* nest = mnl_attr_nest_start(message, VETH_INFO_PEER);
    std::memcpy(mnl_nlmsg_get_payload_tail(message), &peer, sizeof peer);
    message->nlmsg_len += static_cast<std::uint32_t>(MNL_ALIGN(sizeof peer));
    mnl_attr_put_strz(message, IFLA_IFNAME, kClientLink);
    mnl_attr_put(message, IFLA_ADDRESS, kClientMac.size(), kClientMac.data());
    mnl_attr_put_u32(message, IFLA_NET_NS_FD, static_cast<std::uint32_t>(there.get()));
    mnl_attr_nest_end(message, nest);
    mnl_attr_nest_end(message, data);
    mnl_attr_nest_end(message, info);
  });
}

int add_address(RouteSocket& socket, unsigned link, Family family, const AddressBits& address) {
  ifaddrmsg header{};
  header.ifa_family = family_of(family);
  header.ifa_prefixlen = static_cast<unsigned char>(bytes_of_address(family) * 8);
  header.ifa_index = link;
  header.ifa_flags = IFA_F_NODAD;
  return socket.ask(RTM_NEWADDR, kMake, header, [&](nlmsghdr* message) {
    mnl_attr_put(message, IFA_LOCAL, bytes_of_address(family), address.data());
    mnl_attr_put(message, IFA_ADDRESS, bytes_of_address(family), address.data());
  });
}

int add_route(RouteSocket& socket, unsigned link, Family family, const AddressBits& to) {
  rtmsg header{};
  header.rtm_family = family_of(family);
  header.rtm_dst_len = static_cast<unsigned char>(bytes_of_address(family) * 8);
  header.rtm_table = RT_TABLE_MAIN;
  header.rtm_protocol = RTPROT_STATIC;
  header.rtm_scope = family == Family::ipv4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  header.rtm_type = RTN_UNICAST;
  return socket.ask(RTM_NEWROUTE, kMake, header, [&](nlmsghdr* message) {
    mnl_attr_put(message, RTA_DST, bytes_of_address(family), to.data());
    mnl_attr_put_u32(message, RTA_OIF, link);
  });
}

// The rules may say nothing about neighbours that the host has known for long.
int add_neighbour(RouteSocket& socket, unsigned link, Family family, const AddressBits& address,
                  const Mac& mac) {
  ndmsg header{};
  header.ndm_family = family_of(family);
  header.ndm_ifindex = static_cast<int>(link);
  header.ndm_state = NUD_PERMANENT;
  return socket.ask(RTM_NEWNEIGH, kMake, header, [&](nlmsghdr* message) {
    mnl_attr_put(message, NDA_DST, bytes_of_address(family), address.data());
    mnl_attr_put(message, NDA_LLADDR, mac.size(), mac.data());
  });
}

/// One end of the cable: its addresses, and the way to those of the other end.
int set_up_end(RouteSocket& socket, unsigned link, Family family, std::span<const AddressBits> own,
               std::span<const AddressBits> others, const Mac& mac) {
  for (const auto& address : own)
    if (const int error = add_address(socket, link, family, address); error != 0) return error;
  if (const int error = set_up(socket, link); error != 0) return error;
  for (const auto& address : others) {
    if (const int error = add_route(socket, link, family, address); error != 0) return error;
    if (const int error = add_neighbour(socket, link, family, address, mac); error != 0) return error;
  }
  return 0;
}

struct SocketAddress {
  sockaddr_storage bytes{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&bytes); }
};

SocketAddress socket_address(Family family, const Endpoint& end) {
  SocketAddress out;
  if (family == Family::ipv4) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(end.port);
    std::memcpy(&address.sin_addr, end.address.data(), sizeof address.sin_addr);
    std::memcpy(&out.bytes, &address, out.size = sizeof address);
  } else {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(end.port);
    std::memcpy(&address.sin6_addr, end.address.data(), sizeof address.sin6_addr);
    std::memcpy(&out.bytes, &address, out.size = sizeof address);
  }
  return out;
}

Fd tcp_socket(Family family) {
  return Fd(::socket(family_of(family), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

bool comes_within(const Fd& fd, short what, Clock::time_point end) {
  pollfd wait{.fd = fd.get(), .events = what, .revents = 0};
  return ::poll(&wait, 1, static_cast<int>(time_left(end).count())) > 0;
}

/// One try, in steps that each happen in the namespace they need.
class Attempt {
 public:
  Attempt(const ScratchNamespace& host, const TriedConnection& connection)
      : host_(host), connection_(connection), family_(connection.ends.family) {}

  Result<bool> run() {
    if (is_local()) {
      TRY(in(host_, [this] { return set_up_loopback(); }));
      TRY(in(host_, [this] { return listen_here(); }));
      TRY(in(host_, [this] { return connect_from_there(); }));
    } else {
      const auto client = TRY(ScratchNamespace::create());
      TRY(in(client, [this] { return remember_client(); }));
      TRY(in(host_, [this] { return set_up_host(); }));
      TRY(in(client, [this] { return set_up_client(); }));
      TRY(in(host_, [this] { return listen_here(); }));
      TRY(in(client, [this] { return connect_from_there(); }));
    }
    return is_completed();
  }

 private:
  bool is_local() const { return connection_.interface == "lo"; }

  /// Runs a step, which returns 0 or the errno.
  static Status in(const ScratchNamespace& space, const std::function<int()>& step) {
    int error = 0;
    TRY(space.run([&] { error = step(); }));
    if (error == 0) return {};
    return Error{.kind = ErrorKind::kernel,
                 .message = format("no connection can be tried: {}", errno_text(error))};
  }

  std::array<AddressBits, 2> host_addresses() const {
    return {connection_.ends.here.address, connection_.dialled.address};
  }
  std::span<const AddressBits> distinct(const std::array<AddressBits, 2>& addresses) const {
    return std::span(addresses).first(addresses[0] == addresses[1] ? 1 : 2);
  }

  int remember_client() {
    client_.reset(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    return client_ ? 0 : errno;
  }

  int set_up_loopback() {
    RouteSocket socket;
    const unsigned link = number_of_interface("lo");
    if (const int error = set_up(socket, link); error != 0) return error;
    for (const auto& address : host_addresses())
      if (!is_own_address(family_, address))
        if (const int error = add_address(socket, link, family_, address); error != 0) return error;
    const auto& there = connection_.ends.there.address;
    return is_own_address(family_, there) ? 0 : add_address(socket, link, family_, there);
  }

  int set_up_host() {
    RouteSocket socket;
    set_up(socket, number_of_interface("lo"));
    const auto& name = connection_.interface;
    // Staged tables of nft may have made one already, and hold its number.
    const unsigned old = number_of_interface(name);
    if (old != 0) remove_link(socket, name);
    int error = make_veth(socket, name, old, client_);
    if (error != 0) return error;
    const auto addresses = host_addresses();
    const std::span<const AddressBits> there(&connection_.ends.there.address, 1);
    return set_up_end(socket, number_of_interface(name), family_, distinct(addresses), there, kClientMac);
  }

  int set_up_client() {
    RouteSocket socket;
    const std::span<const AddressBits> own(&connection_.ends.there.address, 1);
    const std::span<const AddressBits> dialled(&connection_.dialled.address, 1);
    return set_up_end(socket, number_of_interface(kClientLink), family_, own, dialled, kHostMac);
  }

  int listen_here() {
    listener_ = tcp_socket(family_);
    const int yes = 1;
    const auto address = socket_address(family_, connection_.ends.here);
    if (!listener_ || ::setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
        ::bind(listener_.get(), address.get(), address.size) != 0 || ::listen(listener_.get(), 1) != 0)
      return errno;
    return 0;
  }

  int connect_from_there() {
    end_ = Clock::now() + kPatience;
    dialler_ = tcp_socket(family_);
    const auto own = socket_address(family_, {.address = connection_.ends.there.address});
    const auto dialled = socket_address(family_, connection_.dialled);
    if (!dialler_ || ::bind(dialler_.get(), own.get(), own.size) != 0) return errno;
    refused_ = ::connect(dialler_.get(), dialled.get(), dialled.size) != 0 && errno != EINPROGRESS;
    return 0;
  }

  /// The client has its answer, and we have its answer to that.
  bool is_completed() const {
    if (refused_ || !comes_within(dialler_, POLLOUT, end_)) return false;
    int error = 0;
    socklen_t size = sizeof error;
    if (::getsockopt(dialler_.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) return false;
    return comes_within(listener_, POLLIN, end_);
  }

  const ScratchNamespace& host_;
  const TriedConnection& connection_;
  Family family_;
  Fd client_{};
  Fd listener_{};
  Fd dialler_{};
  bool refused_ = false;
  Clock::time_point end_{};
};

}  // namespace

Result<bool> connects_through(const Staged& staged, const TriedConnection& connection) {
  if (!staged.scratch)
    return Error{.kind = ErrorKind::kernel, .message = "no connection can be tried: no scratch namespace"};
  return Attempt(staged.scratch->space, connection).run();
}

}  // namespace rewall

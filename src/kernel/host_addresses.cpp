#include "kernel/host_addresses.h"

#include <libmnl/libmnl.h>
#include <net/if.h>

// After libc's own, which they would collide with.
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/xfrm.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <memory>

#include "core/file.h"
#include "core/messages.h"
#include "kernel/netlink_attributes.h"

namespace rewall {
namespace {

constexpr int kTries = 5;  // a list that changed while it was read

struct CloseHostSocket {
  void operator()(mnl_socket* socket) const noexcept { mnl_socket_close(socket); }
};
using HostSocket = std::unique_ptr<mnl_socket, CloseHostSocket>;
using EachMessage = std::function<void(const nlmsghdr*)>;

int hand_over(const nlmsghdr* message, void* each) {
  (*static_cast<const EachMessage*>(each))(message);
  return MNL_CB_OK;
}

// Sends a request for a list, and calls `each` with every entry. Returns 0 or the errno.
int receive_list(mnl_socket* socket, nlmsghdr* request, const EachMessage& each) {
  if (mnl_socket_sendto(socket, request, request->nlmsg_len) < 0) return errno;
  std::vector<char> received(1 << 16);
  const unsigned port = mnl_socket_get_portid(socket);
  while (true) {
    const auto size = mnl_socket_recvfrom(socket, received.data(), received.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return errno;
    const int more = mnl_cb_run(received.data(), static_cast<std::size_t>(size), request->nlmsg_seq, port,
                                hand_over, const_cast<EachMessage*>(&each));
    if (more < 0) return errno;
    if (more == MNL_CB_STOP) return 0;
  }
}

struct ListRequest {
  int bus = NETLINK_ROUTE;
  std::uint16_t type = 0;
  int family = AF_UNSPEC;
  std::uint32_t table = 0;  // of routes; 0 for all
};

// A list whose request begins with a Header. `begin` is called before each try, so that the caller forgets
// what it got of the one before.
template <class Header>
int list(const ListRequest& wanted, const std::function<void()>& begin, const EachMessage& each) {
  int error = 0;
  for (int i = 0; i < kTries; ++i) {
    const HostSocket socket(mnl_socket_open2(wanted.bus, SOCK_CLOEXEC));
    if (!socket || mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) < 0) return errno;
    // Without it the kernel sends the routes of all tables.
    int strict = 1;
    if (wanted.table != 0)
      mnl_socket_setsockopt(socket.get(), NETLINK_GET_STRICT_CHK, &strict, sizeof strict);
    alignas(nlmsghdr) std::array<char, 256> buffer{};
    auto* message = mnl_nlmsg_put_header(buffer.data());
    message->nlmsg_type = wanted.type;
    message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    message->nlmsg_seq = 1;
    // All these headers begin with the family (rtgenmsg of linux/rtnetlink.h), but that of IPsec.
    auto* header = static_cast<unsigned char*>(mnl_nlmsg_put_extra_header(message, sizeof(Header)));
    header[0] = static_cast<unsigned char>(wanted.family);
    if (wanted.table != 0) mnl_attr_put_u32(message, RTA_TABLE, wanted.table);
    begin();
    error = receive_list(socket.get(), message, each);
    if (error != EINTR) return error;
  }
  return error;
}

template <std::size_t N, class Header>
Attributes<N> attributes_behind(const nlmsghdr* message) {
  Attributes<N> kept{};
  for_each_attribute(mnl_nlmsg_get_payload_offset(message, sizeof(Header)),
                     reinterpret_cast<const char*>(message) + message->nlmsg_len,
                     [&](const nlattr* at) { keep(kept, at); });
  return kept;
}

// True where the message is long enough for its header, which is then at its payload.
template <class Header>
const Header* header_of(const nlmsghdr* message) {
  if (mnl_nlmsg_get_payload_len(message) < sizeof(Header)) return nullptr;
  return static_cast<const Header*>(mnl_nlmsg_get_payload(message));
}

std::uint32_t number_in(const nlattr* attribute) {
  if (attribute == nullptr || mnl_attr_get_payload_len(attribute) < sizeof(std::uint32_t)) return 0;
  return mnl_attr_get_u32(attribute);
}

std::optional<HostAddress> address_in(const nlattr* attribute, int family, unsigned prefix) {
  const std::size_t size = family == AF_INET ? 4 : 16;
  if (attribute == nullptr || mnl_attr_get_payload_len(attribute) < size) return std::nullopt;
  HostAddress address{.family = family == AF_INET ? Family::ipv4 : Family::ipv6, .prefix = prefix};
  std::memcpy(address.bits.data(), mnl_attr_get_payload(attribute), size);
  return address;
}

HostAddress network_of(HostAddress address) {
  const std::size_t bits = address.family == Family::ipv4 ? 32 : 128;
  for (std::size_t bit = address.prefix; bit < bits; ++bit)
    address.bits[bit / 8] = static_cast<std::uint8_t>(address.bits[bit / 8] & ~(0x80U >> (bit % 8)));
  return address;
}

int read_links(std::vector<HostInterface>& interfaces, std::vector<std::uint32_t>& down) {
  return list<ifinfomsg>(
      {.type = RTM_GETLINK},
      [&] {
        interfaces.clear();
        down.clear();
      },
      [&](const nlmsghdr* message) {
        const auto* link = header_of<ifinfomsg>(message);
        if (message->nlmsg_type != RTM_NEWLINK || link == nullptr) return;
        const auto facts = attributes_behind<IFLA_GROUP + 1, ifinfomsg>(message);
        if (facts[IFLA_IFNAME] == nullptr) return;
        const auto index = static_cast<std::uint32_t>(link->ifi_index);
        interfaces.push_back({.index = index,
                              .name = std::string(text(facts[IFLA_IFNAME])),
                              .group = number_in(facts[IFLA_GROUP]),
                              .finds_neighbours = (link->ifi_flags & (IFF_NOARP | IFF_LOOPBACK)) == 0});
        if ((link->ifi_flags & IFF_UP) == 0) down.push_back(index);
      });
}

int read_addresses_of(std::vector<HostInterface>& interfaces, const std::vector<std::uint32_t>& down) {
  return list<ifaddrmsg>(
      {.type = RTM_GETADDR},
      [&] {
        for (auto& interface : interfaces) {
          interface.addresses.clear();
          interface.networks.clear();
        }
      },
      [&](const nlmsghdr* message) {
        const auto* head = header_of<ifaddrmsg>(message);
        if (message->nlmsg_type != RTM_NEWADDR || head == nullptr) return;
        if (head->ifa_family != AF_INET && head->ifa_family != AF_INET6) return;
        const auto at = std::ranges::find(interfaces, head->ifa_index, &HostInterface::index);
        if (at == interfaces.end() || std::ranges::find(down, head->ifa_index) != down.end()) return;
        const auto facts = attributes_behind<IFA_MAX + 1, ifaddrmsg>(message);
        // With a peer, IFA_ADDRESS is the peer's (rtnetlink(7)).
        const auto* own = facts[IFA_LOCAL] != nullptr ? facts[IFA_LOCAL] : facts[IFA_ADDRESS];
        const auto address = address_in(own, head->ifa_family, head->ifa_prefixlen);
        const auto network = address_in(facts[IFA_ADDRESS], head->ifa_family, head->ifa_prefixlen);
        if (address) at->addresses.push_back(*address);
        if (network) at->networks.push_back(network_of(*network));
      });
}

int read_local_networks(int family, const std::vector<HostInterface>& interfaces,
                        std::vector<HostAddress>& networks) {
  const auto before = networks.size();
  const auto is_interfaces = [&interfaces](const HostAddress& network) {
    return std::ranges::any_of(interfaces, [&network](const auto& interface) {
      return std::ranges::any_of(interface.addresses, [&network](const auto& address) {
        return address.family == network.family && address.bits == network.bits;
      });
    });
  };
  return list<rtmsg>(
      {.type = RTM_GETROUTE, .family = family, .table = RT_TABLE_LOCAL}, [&] { networks.resize(before); },
      [&](const nlmsghdr* message) {
        const auto* route = header_of<rtmsg>(message);
        if (message->nlmsg_type != RTM_NEWROUTE || route == nullptr || route->rtm_type != RTN_LOCAL) return;
        if (route->rtm_table != RT_TABLE_LOCAL) return;
        const auto facts = attributes_behind<RTA_MAX + 1, rtmsg>(message);
        // A route for all addresses has no RTA_DST.
        auto network =
            route->rtm_dst_len == 0
                ? std::optional(HostAddress{.family = family == AF_INET ? Family::ipv4 : Family::ipv6})
                : address_in(facts[RTA_DST], family, route->rtm_dst_len);
        const unsigned whole = family == AF_INET ? 32 : 128;
        if (network && !(network->prefix == whole && is_interfaces(*network))) networks.push_back(*network);
      });
}

// The interfaces that a route leaves by: one, or those of its next hops.
std::vector<std::uint32_t> interfaces_of_route(const Attributes<RTA_MAX + 1>& facts) {
  if (facts[RTA_MULTIPATH] == nullptr) return {number_in(facts[RTA_OIF])};
  std::vector<std::uint32_t> out;
  const auto* at = static_cast<const char*>(mnl_attr_get_payload(facts[RTA_MULTIPATH]));
  std::size_t left = mnl_attr_get_payload_len(facts[RTA_MULTIPATH]);
  while (left >= sizeof(rtnexthop)) {
    rtnexthop hop{};
    std::memcpy(&hop, at, sizeof hop);
    const auto length = std::max<std::size_t>(NLMSG_ALIGN(hop.rtnh_len), sizeof hop);
    out.push_back(static_cast<std::uint32_t>(hop.rtnh_ifindex));
    if (length >= left) break;
    at += length;
    left -= length;
  }
  return out;
}

int read_default_routes(int family, std::vector<HostInterface>& interfaces) {
  const auto is_default = family == AF_INET ? &HostInterface::v4_default : &HostInterface::v6_default;
  const unsigned longest = family == AF_INET ? 1 : 3;  // what people write in place of a route for all
  return list<rtmsg>(
      {.type = RTM_GETROUTE, .family = family},
      [&] {
        for (auto& interface : interfaces) interface.*is_default = false;
      },
      [&](const nlmsghdr* message) {
        const auto* route = header_of<rtmsg>(message);
        if (message->nlmsg_type != RTM_NEWROUTE || route == nullptr || route->rtm_type != RTN_UNICAST) return;
        if (route->rtm_dst_len > longest || (route->rtm_flags & RTM_F_CLONED) != 0) return;
        for (const auto index : interfaces_of_route(attributes_behind<RTA_MAX + 1, rtmsg>(message))) {
          const auto at = std::ranges::find(interfaces, index, &HostInterface::index);
          if (at != interfaces.end()) (*at).*is_default = true;
        }
      });
}

// Of a file that is not there, the kernel does not say.
bool forwards(const char* protocol, const std::string& interface) {
  const auto text =
      read_file(std::string("/proc/sys/net/") + protocol + "/conf/" + interface + "/forwarding");
  return !text || !text->starts_with('0');
}

// The kernel's own rules ask for nothing and lead to its own tables (fib_rules.c, fib6_rules.c).
bool is_kernels_rule(const fib_rule_hdr& rule, const Attributes<FRA_MAX + 1>& facts) {
  const bool own_table =
      rule.table == RT_TABLE_LOCAL || rule.table == RT_TABLE_MAIN || rule.table == RT_TABLE_DEFAULT;
  if (!own_table || rule.action != FR_ACT_TO_TBL || rule.src_len != 0 || rule.dst_len != 0 || rule.tos != 0 ||
      (rule.flags & FIB_RULE_INVERT) != 0)
    return false;
  for (const auto asks : {FRA_IIFNAME, FRA_OIFNAME, FRA_FWMARK, FRA_FLOW, FRA_TUN_ID, FRA_L3MDEV,
                          FRA_UID_RANGE, FRA_IP_PROTO, FRA_SPORT_RANGE, FRA_DPORT_RANGE})
    if (facts[static_cast<std::size_t>(asks)] != nullptr) return false;
  return true;
}

bool has_routing_rules() {
  bool found = false;
  for (const int family : {AF_INET, AF_INET6}) {
    const int error = list<fib_rule_hdr>(
        {.type = RTM_GETRULE, .family = family}, [] {},
        [&found](const nlmsghdr* message) {
          const auto* rule = header_of<fib_rule_hdr>(message);
          if (message->nlmsg_type != RTM_NEWRULE || rule == nullptr) return;
          found = found || !is_kernels_rule(*rule, attributes_behind<FRA_MAX + 1, fib_rule_hdr>(message));
        });
    // A kernel without rules of routing, or without IPv6, has none.
    found = found || (error != 0 && error != EAFNOSUPPORT && error != EOPNOTSUPP);
  }
  return found;
}

bool has_ipsec() {
  bool found = false;
  const int error = list<xfrm_userpolicy_id>(
      {.bus = NETLINK_XFRM, .type = XFRM_MSG_GETPOLICY}, [] {}, [&found](const nlmsghdr*) { found = true; });
  // A kernel without it has no such protocol of netlink.
  return found || (error != 0 && error != EPROTONOSUPPORT);
}

Error unread_host(int error) {
  return error_of<messages::host_addresses_unread>(errno_text(error));
}

}  // namespace

Result<HostAddresses> read_host_addresses() {
  HostAddresses host;
  std::vector<std::uint32_t> down;
  if (const int error = read_links(host.interfaces, down)) return unread_host(error);
  if (const int error = read_addresses_of(host.interfaces, down)) return unread_host(error);
  for (const int family : {AF_INET, AF_INET6}) {
    const int error = read_local_networks(family, host.interfaces, host.local_networks);
    if (error != 0 && error != EAFNOSUPPORT && error != EOPNOTSUPP) return unread_host(error);
    const int routes = read_default_routes(family, host.interfaces);
    if (routes != 0 && routes != EAFNOSUPPORT && routes != EOPNOTSUPP) return unread_host(routes);
  }
  // ip6_forward() asks for this one alone.
  const bool v6_forwards = forwards("ipv6", "all");
  for (auto& interface : host.interfaces) {
    interface.v4_forwards = forwards("ipv4", interface.name);
    interface.v6_forwards = v6_forwards;
  }
  host.ipsec = has_ipsec();
  host.routes_by_rules = has_routing_rules();
  return host;
}

}  // namespace rewall

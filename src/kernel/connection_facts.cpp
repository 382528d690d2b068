#include "kernel/connection_facts.h"

#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <functional>
#include <memory>

#include "kernel/netlink_attributes.h"

namespace rewall {
namespace {

struct CloseMnlSocket {
  void operator()(mnl_socket* socket) const noexcept { mnl_socket_close(socket); }
};

using Handler = std::function<void(const nlmsghdr*)>;

int call_handler(const nlmsghdr* message, void* handler) {
  (*static_cast<Handler*>(handler))(message);
  return MNL_CB_OK;
}

/// Sends one request, whose answer is one message or an error. 0, or the errno.
int ask_once(int bus, nlmsghdr* request, Handler handle) {
  const std::unique_ptr<mnl_socket, CloseMnlSocket> socket(mnl_socket_open2(bus, SOCK_CLOEXEC));
  if (!socket || mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) < 0) return errno;
  // The acknowledgement ends the answer.
  request->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
  request->nlmsg_seq = 1;
  if (mnl_socket_sendto(socket.get(), request, request->nlmsg_len) < 0) return errno;
  alignas(nlmsghdr) std::array<char, 16384> answer{};
  for (;;) {
    const auto got = mnl_socket_recvfrom(socket.get(), answer.data(), answer.size());
    if (got < 0) return errno;
    const int more = mnl_cb_run(answer.data(), static_cast<std::size_t>(got), 1,
                                mnl_socket_get_portid(socket.get()), call_handler, &handle);
    if (more < 0) return errno;
    if (more == 0) return 0;
  }
}

std::size_t address_size(Family family) {
  return family == Family::ipv4 ? 4 : 16;
}

std::uint8_t family_number(Family family) {
  return family == Family::ipv4 ? AF_INET : AF_INET6;
}

void put_tuple(nlmsghdr* message, const ConnectionEnds& ends) {
  const bool v4 = ends.family == Family::ipv4;
  const auto size = address_size(ends.family);
  nlattr* tuple = mnl_attr_nest_start(message, CTA_TUPLE_REPLY);
  nlattr* ip = mnl_attr_nest_start(message, CTA_TUPLE_IP);
  mnl_attr_put(message, v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, size, ends.here.address.data());
  mnl_attr_put(message, v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, size, ends.there.address.data());
  mnl_attr_nest_end(message, ip);
  nlattr* proto = mnl_attr_nest_start(message, CTA_TUPLE_PROTO);
  mnl_attr_put_u8(message, CTA_PROTO_NUM, ends.protocol);
  mnl_attr_put_u16(message, CTA_PROTO_SRC_PORT, htons(ends.here.port));
  mnl_attr_put_u16(message, CTA_PROTO_DST_PORT, htons(ends.there.port));
  mnl_attr_nest_end(message, proto);
  mnl_attr_nest_end(message, tuple);
}

AddressBits bits_of_attribute(const nlattr* attribute) {
  AddressBits bits{};
  const auto bytes = payload(attribute);
  std::memcpy(bits.data(), bytes.data(), std::min(bytes.size(), bits.size()));
  return bits;
}

std::uint16_t port_of_attribute(const nlattr* attribute) {
  return ntohs(raw_number<std::uint16_t>(attribute));
}

void read_tuple(const nlattr* tuple, Family family, Endpoint& source, Endpoint& destination) {
  const bool v4 = family == Family::ipv4;
  const auto parts = attributes<CTA_TUPLE_MAX + 1>(tuple);
  const auto ip = attributes<CTA_IP_MAX + 1>(parts[CTA_TUPLE_IP]);
  const auto proto = attributes<CTA_PROTO_MAX + 1>(parts[CTA_TUPLE_PROTO]);
  source = {bits_of_attribute(ip[v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC]),
            port_of_attribute(proto[CTA_PROTO_SRC_PORT])};
  destination = {bits_of_attribute(ip[v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST]),
                 port_of_attribute(proto[CTA_PROTO_DST_PORT])};
}

struct Route {
  unsigned interface = 0;
  unsigned char type = RTN_UNSPEC;
};

std::optional<Route> find_route(Family family, const AddressBits& to, const AddressBits* from) {
  alignas(nlmsghdr) std::array<char, 256> buffer{};
  nlmsghdr* message = mnl_nlmsg_put_header(buffer.data());
  message->nlmsg_type = RTM_GETROUTE;
  auto* request = static_cast<rtmsg*>(mnl_nlmsg_put_extra_header(message, sizeof(rtmsg)));
  const auto size = address_size(family);
  const auto bits = static_cast<unsigned char>(size * 8);
  request->rtm_family = family_number(family);
  request->rtm_dst_len = bits;
  mnl_attr_put(message, RTA_DST, size, to.data());
  if (from != nullptr) {
    request->rtm_src_len = bits;
    mnl_attr_put(message, RTA_SRC, size, from->data());
  }
  std::optional<Route> route;
  const int error = ask_once(NETLINK_ROUTE, message, [&](const nlmsghdr* answer) {
    if (answer->nlmsg_type != RTM_NEWROUTE || answer->nlmsg_len < mnl_nlmsg_size(sizeof(rtmsg))) return;
    route = Route{.type = static_cast<const rtmsg*>(mnl_nlmsg_get_payload(answer))->rtm_type};
    for_each_attribute(mnl_nlmsg_get_payload_offset(answer, sizeof(rtmsg)),
                       reinterpret_cast<const char*>(answer) + answer->nlmsg_len, [&](const nlattr* at) {
                         if (mnl_attr_get_type(at) == RTA_OIF)
                           route->interface = raw_number<std::uint32_t>(at);
                       });
  });
  return error == 0 ? route : std::nullopt;
}

}  // namespace

std::optional<bool> has_socket(const ConnectionEnds& ends) {
  alignas(nlmsghdr) std::array<char, 256> buffer{};
  nlmsghdr* message = mnl_nlmsg_put_header(buffer.data());
  message->nlmsg_type = SOCK_DIAG_BY_FAMILY;
  auto* request =
      static_cast<inet_diag_req_v2*>(mnl_nlmsg_put_extra_header(message, sizeof(inet_diag_req_v2)));
  request->sdiag_family = family_number(ends.family);
  request->sdiag_protocol = ends.protocol;
  request->idiag_states = 1U << TCP_ESTABLISHED;
  request->id.idiag_sport = htons(ends.here.port);
  request->id.idiag_dport = htons(ends.there.port);
  std::memcpy(request->id.idiag_src, ends.here.address.data(), ends.here.address.size());
  std::memcpy(request->id.idiag_dst, ends.there.address.data(), ends.there.address.size());
  request->id.idiag_cookie[0] = INET_DIAG_NOCOOKIE;
  request->id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
  // Where no socket is connected so, the kernel answers with the one that listens there.
  bool established = false;
  const int error = ask_once(NETLINK_SOCK_DIAG, message, [&](const nlmsghdr* answer) {
    const auto* facts = static_cast<const inet_diag_msg*>(mnl_nlmsg_get_payload(answer));
    established = established || (answer->nlmsg_len >= mnl_nlmsg_size(sizeof *facts) &&
                                  facts->idiag_state == TCP_ESTABLISHED);
  });
  if (error == 0 || error == ENOENT) return established;
  return std::nullopt;
}

Tracking tracking_of(const ConnectionEnds& ends) {
  alignas(nlmsghdr) std::array<char, 512> buffer{};
  nlmsghdr* message = mnl_nlmsg_put_header(buffer.data());
  message->nlmsg_type = static_cast<std::uint16_t>((NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_GET);
  auto* head = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(message, sizeof(nfgenmsg)));
  head->nfgen_family = family_number(ends.family);
  head->version = NFNETLINK_V0;
  put_tuple(message, ends);
  std::optional<TrackedConnection> found;
  const int error = ask_once(NETLINK_NETFILTER, message, [&](const nlmsghdr* answer) {
    const auto facts = attributes<CTA_MAX + 1>(answer);
    if (facts[CTA_TUPLE_ORIG] == nullptr || facts[CTA_TUPLE_REPLY] == nullptr) return;
    auto& connection = found.emplace();
    read_tuple(facts[CTA_TUPLE_ORIG], ends.family, connection.original_source,
               connection.original_destination);
    read_tuple(facts[CTA_TUPLE_REPLY], ends.family, connection.reply_source, connection.reply_destination);
    connection.mark = number(facts[CTA_MARK]);
    connection.status = number(facts[CTA_STATUS]);
  });
  if (error == 0 && found) return {.known = true, .connection = found};
  return {.known = error == ENOENT};
}

std::string interface_towards(const ConnectionEnds& ends) {
  // A source that is no address of this namespace is an error of its own.
  auto route = find_route(ends.family, ends.there.address, &ends.here.address);
  if (!route) route = find_route(ends.family, ends.there.address, nullptr);
  std::array<char, IF_NAMESIZE> name{};
  return route && if_indextoname(route->interface, name.data()) != nullptr ? std::string(name.data())
                                                                           : std::string{};
}

bool is_own_address(Family family, const AddressBits& address) {
  const auto route = find_route(family, address, nullptr);
  return route && route->type == RTN_LOCAL;
}

unsigned number_of_interface(const std::string& name) {
  return if_nametoindex(name.c_str());
}

}  // namespace rewall

#include "kernel/set_numbers.h"

#include <netinet/in.h>
#include <sys/socket.h>

// After libc's own, which they would collide with.
#include <linux/netfilter/ipset/ip_set.h>

#include <algorithm>
#include <array>

#include "kernel/netlink_socket.h"

namespace rewall {

namespace {

template <class Request>
bool ask(const Fd& socket, Request& request) {
  socklen_t size = sizeof request;
  return socket && getsockopt(socket.get(), SOL_IP, SO_IP_SET, &request, &size) == 0;
}

}  // namespace

SetNumbers::SetNumbers() : socket_(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW)) {
  ip_set_req_version request{.op = IP_SET_OP_VERSION, .version = 0};
  if (ask(socket_, request)) version_ = request.version;
}

std::optional<std::uint16_t> SetNumbers::number(const std::string& name) const {
  ip_set_req_get_set request{.op = IP_SET_OP_GET_BYNAME, .version = version_, .set = {}};
  if (name.size() >= sizeof request.set.name) return std::nullopt;
  std::ranges::copy(name, request.set.name);
  if (!ask(socket_, request) || request.set.index == IPSET_INVALID_ID) return std::nullopt;
  return request.set.index;
}

std::optional<std::string> SetNumbers::name(std::uint16_t number) const {
  ip_set_req_get_set request{.op = IP_SET_OP_GET_BYINDEX, .version = version_, .set = {}};
  request.set.index = number;
  if (!ask(socket_, request) || request.set.name[0] == '\0') return std::nullopt;
  return std::string(request.set.name);
}

bool no_sets() {
  NetlinkSocket socket;
  if (!socket) return false;
  NetlinkRequest request(IPSET_CMD_LIST, AF_INET, NLM_F_DUMP | NLM_F_ACK, NFNL_SUBSYS_IPSET);
  request.add(IPSET_ATTR_PROTOCOL, std::uint8_t{IPSET_PROTOCOL_MIN});
  request.add(IPSET_ATTR_FLAGS | NLA_F_NET_BYTEORDER, std::uint32_t{IPSET_FLAG_LIST_SETNAME});
  bool any = false;
  return socket.ask(request, [&](const nlmsghdr*) { any = true; }) == 0 && !any;
}

}  // namespace rewall

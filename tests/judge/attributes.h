#pragma once

#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>

#include <cstddef>
#include <functional>
#include <string_view>

namespace rewall::judge {

/// The attributes of a message of nfnetlink, and those in an attribute.
inline std::string_view inside_of(const nlmsghdr* message) {
  constexpr std::size_t kHead = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(nfgenmsg));
  return {reinterpret_cast<const char*>(message) + kHead, message->nlmsg_len - kHead};
}
inline std::string_view inside_of(const nlattr* attribute) {
  return {static_cast<const char*>(mnl_attr_get_payload(attribute)), mnl_attr_get_payload_len(attribute)};
}

/// Calls `handle` with each attribute, in order.
template <typename Handle>
void for_each_attribute(std::string_view bytes, const Handle& handle) {
  while (bytes.size() >= sizeof(nlattr)) {
    const auto* attribute = reinterpret_cast<const nlattr*>(bytes.data());
    if (attribute->nla_len < sizeof(nlattr) || attribute->nla_len > bytes.size()) return;
    handle(attribute);
    const std::size_t size = MNL_ALIGN(attribute->nla_len);
    if (size >= bytes.size()) return;
    bytes.remove_prefix(size);
  }
}

}  // namespace rewall::judge

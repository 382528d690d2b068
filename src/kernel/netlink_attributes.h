#pragma once

#include <endian.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace rewall {

/// The attributes of a message, indexed by type (linux/netfilter/nf_tables.h). A missing attribute is null.
template <std::size_t N>
using Attributes = std::array<const nlattr*, N>;

/// Calls `each` with the attributes from `begin` to `end`. The loop macros of libmnl do not compile with our
/// warnings.
template <class Each>
void for_each_attribute(const void* begin, const char* end, const Each& each) {
  const auto* at = static_cast<const nlattr*>(begin);
  while (mnl_attr_ok(at, static_cast<int>(end - reinterpret_cast<const char*>(at)))) {
    each(at);
    at = mnl_attr_next(at);
  }
}

template <class Each>
void for_each_nested(const nlattr* nest, const Each& each) {
  const auto* begin = static_cast<const char*>(mnl_attr_get_payload(nest));
  for_each_attribute(begin, begin + mnl_attr_get_payload_len(nest), each);
}

template <std::size_t N>
void keep(Attributes<N>& kept, const nlattr* attribute) {
  const std::uint16_t type = mnl_attr_get_type(attribute);
  if (type < N) kept[type] = attribute;
}

template <std::size_t N>
Attributes<N> attributes(const nlmsghdr* message) {
  Attributes<N> kept{};
  for_each_attribute(mnl_nlmsg_get_payload_offset(message, sizeof(nfgenmsg)),
                     static_cast<const char*>(mnl_nlmsg_get_payload_tail(message)),
                     [&](const nlattr* at) { keep(kept, at); });
  return kept;
}

/// The attributes inside a nested attribute; none when `nest` is null.
template <std::size_t N>
Attributes<N> attributes(const nlattr* nest) {
  Attributes<N> kept{};
  if (nest != nullptr) for_each_nested(nest, [&](const nlattr* at) { keep(kept, at); });
  return kept;
}

/// The number of an attribute; 0 when it is missing.
inline std::uint32_t number(const nlattr* attribute) {
  return attribute != nullptr ? be32toh(mnl_attr_get_u32(attribute)) : 0;
}

inline std::string_view text(const nlattr* attribute) {
  return attribute != nullptr ? mnl_attr_get_str(attribute) : std::string_view{};
}

}  // namespace rewall

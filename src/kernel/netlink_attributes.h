#pragma once

#include <endian.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace rewall {

/// The attributes of a message by their type (linux/netfilter/nf_tables.h); null for one that is not there.
template <std::size_t N>
using Attributes = std::array<const nlattr*, N>;

/// libmnl's own loops are C that our warnings refuse.
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

/// Of a nest; none where there is no nest.
template <std::size_t N>
Attributes<N> attributes(const nlattr* nest) {
  Attributes<N> kept{};
  if (nest != nullptr) for_each_nested(nest, [&](const nlattr* at) { keep(kept, at); });
  return kept;
}

/// 0 where there is none.
inline std::uint32_t number(const nlattr* attribute) {
  return attribute != nullptr ? be32toh(mnl_attr_get_u32(attribute)) : 0;
}

inline std::string_view text(const nlattr* attribute) {
  return attribute != nullptr ? mnl_attr_get_str(attribute) : std::string_view{};
}

}  // namespace rewall

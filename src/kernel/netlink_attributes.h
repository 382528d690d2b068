#pragma once

#include <endian.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
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
  // mnl_nlmsg_get_payload_tail() rounds up, and would end behind the message.
  for_each_attribute(mnl_nlmsg_get_payload_offset(message, sizeof(nfgenmsg)),
                     reinterpret_cast<const char*>(message) + message->nlmsg_len,
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

/// The bytes of an attribute; none when it is missing.
inline std::string_view payload(const nlattr* attribute) {
  if (attribute == nullptr) return {};
  return {static_cast<const char*>(mnl_attr_get_payload(attribute)), mnl_attr_get_payload_len(attribute)};
}

/// A number as an attribute holds it, for as long as the number is there.
template <class Number>
std::string_view bytes_of(const Number& number) {
  return {reinterpret_cast<const char*>(&number), sizeof number};
}

/// The number that an attribute begins with, as its bytes are; 0 when it is missing or too short.
template <class Number>
Number raw_number(const nlattr* attribute) {
  Number number{};
  if (const auto bytes = payload(attribute); bytes.size() >= sizeof number)
    std::memcpy(&number, bytes.data(), sizeof number);
  return number;
}

/// The number of an attribute in network byte order; 0 when it is missing or too short.
inline std::uint32_t number(const nlattr* attribute) {
  return be32toh(raw_number<std::uint32_t>(attribute));
}
inline std::uint64_t number64(const nlattr* attribute) {
  return be64toh(raw_number<std::uint64_t>(attribute));
}

/// The text of an attribute up to its NUL; the end of the attribute ends it too.
inline std::string_view text(const nlattr* attribute) {
  const auto bytes = payload(attribute);
  return bytes.substr(0, bytes.find('\0'));
}

}  // namespace rewall

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "rules/ruleset.h"

namespace rewall {

/// Reads a number as iptables does (xtables_strtoul): decimal, 0x hexadecimal or 0 octal. Nothing when other
/// text follows, or the number is above `greatest`.
std::optional<std::uint64_t> read_number(std::string_view text, std::uint64_t greatest = UINT64_MAX);

/// The number of a protocol; 0 is any protocol. Takes names of iptables' own table, then of protocols(5), in
/// any case, and numbers.
std::optional<std::uint8_t> protocol_number(std::string_view text);

/// The number of a port, from a number or a name of services(5).
std::optional<std::uint16_t> port_number(std::string_view text);

/// The id of a user of passwd(5) or a group of group(5).
std::optional<std::uint32_t> user_number(const std::string& name);
std::optional<std::uint32_t> group_number(const std::string& name);

/// The number of a name in /etc/iproute2/group, of devices, and in /etc/iproute2/rt_realms.
std::optional<std::uint32_t> device_group_number(const std::string& name);
std::optional<std::uint32_t> realm_number(const std::string& name);

struct IcmpType {
  std::uint8_t type = 0;
  std::uint8_t first_code = 0;
  std::uint8_t last_code = 255;
  bool any = false;
};
/// Reads a name of `iptables -p icmp -h`, an unambiguous beginning of one, TYPE or TYPE/CODE.
std::optional<IcmpType> icmp_type(std::string_view text, Family family);

/// The code point of a class of differentiated services (RFC 2474, RFC 2597, RFC 3246): CS0-7, BE, AF11-43,
/// EF.
std::optional<std::uint8_t> dscp_class(std::string_view text);

/// The number of a level of syslog(3), from its name or the number itself.
std::optional<std::uint8_t> log_level(std::string_view text);

/// The full name of a type of REJECT: icmp-port-unreachable for `port-unreach`.
std::optional<std::string_view> reject_type(std::string_view text, Family family);
std::string_view default_reject_type(Family family);

/// The value of one of iptables' names for types of service (tos_values.c).
std::optional<std::uint8_t> tos_value(std::string_view name);

bool equal_ignoring_case(std::string_view a, std::string_view b);

}  // namespace rewall

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "rules/ruleset.h"

namespace rewall {

/// A number as iptables reads it (xtables_strtoul): decimal, 0x hexadecimal or 0 octal, nothing behind it.
std::optional<std::uint64_t> read_number(std::string_view text, std::uint64_t greatest = UINT64_MAX);

/// 0 is any protocol. Names of iptables' own table, then of protocols(5); case is free.
std::optional<std::uint8_t> protocol_number(std::string_view text);

/// A number, or a name of services(5).
std::optional<std::uint16_t> port_number(std::string_view text);

/// User or group of passwd(5), group(5).
std::optional<std::uint32_t> user_number(const std::string& name);
std::optional<std::uint32_t> group_number(const std::string& name);

struct IcmpType {
  std::uint8_t type = 0;
  std::uint8_t first_code = 0;
  std::uint8_t last_code = 255;
  bool any = false;
};
/// A name of `iptables -p icmp -h`, TYPE or TYPE/CODE.
std::optional<IcmpType> icmp_type(std::string_view text, Family family);

/// A class of differentiated services (RFC 2474, RFC 2597): CS0-7, BE, AF11-43, EF.
std::optional<std::uint8_t> dscp_class(std::string_view text);

/// A name of syslog(3)'s levels or a number.
std::optional<std::uint8_t> log_level(std::string_view text);

/// The type of REJECT under its full name: `port-unreach` is icmp-port-unreachable.
std::optional<std::string_view> reject_type(std::string_view text, Family family);
std::string_view default_reject_type(Family family);

/// iptables' names of TOS values (tos_values.c).
std::optional<std::uint8_t> tos_value(std::string_view name);

bool equal_ignoring_case(std::string_view a, std::string_view b);

}  // namespace rewall

#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/packet.h"
#include "core/result.h"

namespace rewall {

/// The packet that a line of `tcpdump -n`, `conntrack -L` or the kernel's LOG target tells of. Kind usage: it
/// is none, or it is of no IP packet, or has a name where an address belongs.
Result<Packet> read_packet_line(std::string_view line);

/// The same for a line of tcpdump(1) with any of -v, -e, -q, -t; two lines of -v joined by blanks are one.
Result<Packet> read_tcpdump_line(std::string_view line);
bool is_tcpdump_line(std::string_view line);

/// A line that is taken apart: what it says, each value alone.
class LinePacket {
 public:
  LinePacket(Family family, Hook hook) : packet_(any_packet(family, hook)) {}

  void set(Field field, Number value) { packet_[field] = NumberSet::one(value); }
  void set(Field field, NumberSet values) { packet_[field] = std::move(values); }
  /// Nothing where the text is no number of the field.
  void set_number(Field field, std::string_view text);
  void set_interface(Field field, std::string_view name);
  /// A SYN alone begins a connection.
  void set_tcp_flags(std::uint8_t flags);
  Packet& packet() { return packet_; }

 private:
  Packet packet_;
};

/// An address of either family, and the family; absent for any other text.
struct LineAddress {
  Family family = Family::ipv4;
  Number number = 0;
};
std::optional<LineAddress> read_line_address(std::string_view text);
/// A hardware address at the beginning of the text.
std::optional<Number> read_line_mac(std::string_view text);

/// The words of a line, cut at blanks and ends of lines.
std::vector<std::string_view> line_words(std::string_view line);

}  // namespace rewall

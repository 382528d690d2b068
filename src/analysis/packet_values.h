#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "analysis/packet.h"
#include "core/result.h"

namespace rewall {

/// Values of a field as people write them: a list of names, numbers, networks and ranges (`22,8000:8010`,
/// `NEW,RELATED`, `eth0,wg+`, `192.0.2.0/24,198.51.100.1-198.51.100.9`). Kind usage: the text is none; the
/// message says what was expected.
Result<NumberSet> read_values(Field field, std::string_view text, Family family);

/// The values in a text that read_values() takes and that gives them back. They must not be empty.
std::string list_text(Field field, const NumberSet& values, Family family);

/// "192.0.2.7", "192.0.2.0/24", "192.0.2.7-192.0.2.9".
std::string address_range_text(NumberRange range, Family family);

/// The protocols whose packets have the field; absent for a field that packets of all protocols have.
std::optional<NumberSet> carriers(Field field, Family family);

/// The bits of names of TCP flags: "SYN,ACK", "ALL", "NONE", or a number; absent for any other text.
std::optional<std::uint8_t> read_tcp_flags(std::string_view text);
std::string tcp_flags_text(std::uint8_t flags);

}  // namespace rewall

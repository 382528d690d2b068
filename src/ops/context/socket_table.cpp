#include "ops/context/socket_table.h"

#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include "core/file.h"
#include "core/format.h"
#include "core/text.h"

namespace rewall {
namespace {

struct ListedAddress {
  Family family = Family::ipv4;
  AddressBits bits{};
};

ListedAddress unmapped(ListedAddress address) {
  constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255};
  if (address.family != Family::ipv6 || !std::equal(kMapped.begin(), kMapped.end(), address.bits.begin()))
    return address;
  ListedAddress v4;
  std::copy(address.bits.begin() + 12, address.bits.end(), v4.bits.begin());
  return v4;
}

template <class Number>
std::optional<Number> hexadecimal(std::string_view digits) {
  Number number{};
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number, 16);
  return error == std::errc{} && end == digits.data() + digits.size() ? std::optional(number) : std::nullopt;
}

/// "0100007F:0016": words of 32 bits, each in the byte order of the host.
std::optional<std::pair<ListedAddress, std::uint16_t>> listed_endpoint(std::string_view text) {
  const auto colon = text.find(':');
  if (colon != 8 && colon != 32) return std::nullopt;
  ListedAddress address{.family = colon == 8 ? Family::ipv4 : Family::ipv6};
  for (std::size_t at = 0; at < colon; at += 8) {
    const auto word = hexadecimal<std::uint32_t>(text.substr(at, 8));
    if (!word) return std::nullopt;
    std::memcpy(address.bits.data() + at / 2, &*word, sizeof *word);
  }
  const auto port = hexadecimal<std::uint16_t>(text.substr(colon + 1));
  if (!port) return std::nullopt;
  return std::pair(unmapped(address), *port);
}

}  // namespace

std::vector<ListedSocket> socket_table(pid_t process, std::uint8_t protocol) {
  constexpr std::size_t kLocal = 1;
  constexpr std::size_t kRemote = 2;
  constexpr std::size_t kState = 3;
  constexpr std::size_t kInode = 9;
  std::vector<ListedSocket> sockets;
  const std::string_view table = protocol == IPPROTO_TCP ? "tcp" : "udp";
  for (const char* version : {"", "6"}) {
    const auto text = read_file(format("/proc/{}/net/{}{}", process, table, version));
    if (!text) continue;
    for (const auto line : split_lines(*text)) {
      auto words = split(line, ' ');
      std::erase(words, "");
      if (words.size() <= kInode) continue;
      const auto here = listed_endpoint(words[kLocal]);
      const auto there = listed_endpoint(words[kRemote]);
      if (!here || !there) continue;
      const auto state = words[kState];
      sockets.push_back({.ends = {.family = here->first.family,
                                  .protocol = protocol,
                                  .here = {here->first.bits, here->second},
                                  .there = {there->first.bits, there->second}},
                         .established = state == "01",
                         .listening = state == (protocol == IPPROTO_TCP ? "0A" : "07"),
                         .inode = std::string(words[kInode])});
    }
  }
  return sockets;
}

}  // namespace rewall

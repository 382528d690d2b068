#include "kernel/expressions.h"

#include <netinet/in.h>

// After libc's own, which they would collide with.
#include <linux/netfilter/nf_tables.h>

#include <catch2/catch.hpp>
#include <regex>

#include "core/file.h"
#include "core/text.h"

using namespace rewall;

namespace {

/// The protocol that a listing of `nft --debug=netlink` asks for.
Compat asked_in(const std::string& listing) {
  static const std::regex kProtocol(
      R"((?:meta load l4proto|payload load 1b @ network header \+ 9) => reg 1 \] \[ cmp (eq|neq) reg 1 0x([0-9a-f]+))");
  std::smatch found;
  if (!std::regex_search(listing, found, kProtocol)) return {};
  return {.protocol = static_cast<std::uint32_t>(std::stoul(found[2], nullptr, 16)),
          .flags = found[1] == "neq" ? std::uint32_t{NFT_RULE_COMPAT_F_INV} : 0};
}

Compat compat(const std::string& words, Family family = Family::ipv4) {
  const auto said = compat_of(words, family);
  INFO(words << (said ? "" : ": " + said.error().message));
  REQUIRE(said);
  return *said;
}

}  // namespace

TEST_CASE("the words of a rule name the protocol that each version's expressions ask for") {
  const std::string version = GENERATE("1.8.9", "1.8.11", "1.8.13");
  const auto text = read_file(REWALL_SOURCE_DIR "/tests/kernel/encodings/iptables-" + version + ".txt");
  REQUIRE(text);
  std::size_t with_protocol = 0;
  for (const auto line : split_lines(*text)) {
    const auto at = line.find(" => ");
    const auto rule = line.find(" -A INPUT ");
    if (at == std::string_view::npos || rule == std::string_view::npos) continue;
    const std::string words(line.substr(rule + 10, at - rule - 10));
    const auto asked = asked_in(std::string(line.substr(at)));
    INFO(line);
    CHECK(compat(words, line.starts_with("ip6") ? Family::ipv6 : Family::ipv4) == asked);
    if (asked.protocol != 0) ++with_protocol;
  }
  CHECK(with_protocol >= 10);
}

TEST_CASE("only a rule's own -p is its protocol") {
  CHECK(compat("-j ACCEPT") == Compat{});
  CHECK(compat("-p all -j LOG") == Compat{});
  CHECK(compat("! -p tcp -j LOG") == Compat{6, NFT_RULE_COMPAT_F_INV});
  CHECK(compat("-s 192.0.2.1/32 -i -p -p udp -m udp --dport 53 -j LOG").protocol == 17);
  CHECK(compat("-m comment --comment \"-p tcp\" -j LOG") == Compat{});
  CHECK(compat("-m comment --comment -p -j LOG --log-prefix \"-p udp \"") == Compat{});
  CHECK(compat("-p ipv6-icmp -m icmp6 --icmpv6-type 1 -j LOG", Family::ipv6).protocol == 58);
  CHECK(compat("-p 253 -j LOG").protocol == 253);
}

TEST_CASE("a protocol that this host has no number for is named") {
  const auto said = compat_of("-p nosuchprotocol -j LOG", Family::ipv4);
  REQUIRE_FALSE(said);
  CHECK(said.error().kind == ErrorKind::kernel);
  CHECK(said.error().message == "this host knows no protocol nosuchprotocol: -p nosuchprotocol -j LOG");
}

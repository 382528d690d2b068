#include "analysis/stations.h"

#include <array>
#include <catch2/catch.hpp>

#include "kernel/base_chain.h"
#include "support/kernel_lab.h"

using namespace rewall;

namespace {

constexpr std::array<std::string_view, 5> kTables = {"raw", "mangle", "nat", "filter", "security"};
constexpr std::array kEvery = {Hook::prerouting, Hook::input, Hook::forward, Hook::output, Hook::postrouting};

void compare_with_kernel(const std::string& program, Family family) {
  NetlinkSocket socket;
  REQUIRE(socket);
  for (const auto table : kTables) {
    for (const auto hook : kEvery) {
      const std::string chain(name(hook));
      shell(program + " -w -t " + std::string(table) + " -P " + chain + " ACCEPT 2>/dev/null || true");
      const auto base = read_base_chain(socket, family, std::string(table), chain);
      REQUIRE(base);
      if (!*base) continue;  // the table has no such chain
      INFO(program << ' ' << table << ' ' << chain);
      CHECK((*base)->hook == static_cast<std::uint32_t>(hook));
      CHECK((*base)->priority == priority_of(table, hook, Backend::nft));
    }
  }
}

}  // namespace

TEST_CASE("chains stand where iptables puts them") {
  in_lab([] {
    compare_with_kernel("iptables-nft", Family::ipv4);
    compare_with_kernel("ip6tables-nft", Family::ipv6);
  });
}

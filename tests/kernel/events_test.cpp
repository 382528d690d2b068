#include "kernel/events.h"

#include <linux/netlink.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>

#include "core/file.h"
#include "kernel/process.h"
#include "support/scratch_namespace.h"

using namespace rewall;

namespace {

/// Sends a netlink message of our own to the socket `to`.
void send_to(int to, const nlmsghdr& header) {
  sockaddr_nl address{};
  socklen_t size = sizeof address;
  REQUIRE(::getsockname(to, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  const Fd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
  REQUIRE(socket);
  REQUIRE(::sendto(socket.get(), &header, sizeof header, 0, reinterpret_cast<sockaddr*>(&address), size) ==
          static_cast<ssize_t>(sizeof header));
}

}  // namespace

TEST_CASE(
    "what another process sends to the socket of the notifications is not believed, whatever its length "
    "says") {
  const auto place = scratch_namespace();
  REQUIRE(place.run([] {
    auto events = FirewallEvents::open();
    REQUIRE(events);
    for (const std::uint32_t length : {0xffffffffU, 0U, 15U, 16U, 0x7fffffffU})
      for (const std::uint16_t type : {std::uint16_t{0x0a63}, std::uint16_t{0x0a0f}}) {
        // Of nf_tables: unknown, NFT_MSG_NEWGEN.
        nlmsghdr header{};
        header.nlmsg_len = length;
        header.nlmsg_type = type;
        send_to(events->fd(), header);
      }
    const auto spoofed = events->read();
    CHECK(spoofed.transactions.empty());
    CHECK_FALSE(spoofed.lost);
    REQUIRE(run({.words = {find_program("iptables"), "-A", "INPUT", "-j", "ACCEPT"}}, ErrorKind::usage));
    const auto news = events->read();
    REQUIRE_FALSE(news.transactions.empty());
    CHECK(news.transactions.back().chains.contains({Family::ipv4, "filter", "INPUT"}));
  }));
}

#pragma once

#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/file.h"

namespace rewall {

/// Begins a message of nfnetlink (linux/netfilter/nfnetlink.h) in `buffer`, which has room for all of it.
nlmsghdr* put_header(void* buffer, std::uint16_t type, std::uint16_t flags, std::uint8_t family,
                     std::uint16_t resource);

/// One request to nf_tables (NFT_MSG_GET*, linux/netfilter/nf_tables.h), or to another subsystem of
/// nfnetlink.
class NetlinkRequest {
 public:
  NetlinkRequest(std::uint16_t type, std::uint8_t family, std::uint16_t flags,
           std::uint16_t subsystem = NFNL_SUBSYS_NFTABLES);
  void add(std::uint16_t attribute, const std::string& text);
  void add(std::uint16_t attribute, std::uint8_t number);
  void add(std::uint16_t attribute, std::uint32_t number);
  const nlmsghdr* message() const { return message_; }

 private:
  alignas(nlmsghdr) std::array<char, 1024> buffer_{};
  nlmsghdr* message_;
};

using MessageHandler = std::function<void(const nlmsghdr*)>;

/// A netlink socket of the namespace that the calling thread is in when it is made; any thread may use it
/// then.
class NetlinkSocket {
 public:
  NetlinkSocket();
  explicit operator bool() const { return socket_ != nullptr; }
  int fd() const { return mnl_socket_get_fd(socket_.get()); }

  /// True when the last error is the kernel's own answer that it knows no nf_tables (nfnetlink_rcv_msg in
  /// net/netfilter/nfnetlink.c), and not that of a socket.
  bool without_nf_tables() const { return without_nf_tables_; }

  /// 0, or the errno: EINTR when what was listed changed meanwhile.
  int ask(const NetlinkRequest& request, const MessageHandler& answer);

 private:
  struct Close {
    void operator()(mnl_socket* socket) const noexcept;
  };

  std::unique_ptr<mnl_socket, Close> socket_;
  bool without_nf_tables_ = false;
  std::vector<char> received_ = std::vector<char>(1 << 16);
};

/// A netlink socket that never waits, with room for `buffer` bytes, in the network namespace of the calling
/// thread; a member of multicast group `group`, 0 for none (netlink(7)). Empty where the kernel does not let
/// us.
Fd open_listener(int protocol, int group, int buffer);

}  // namespace rewall

#pragma once

#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.h"

namespace rewall {

/// Writes the header of an nfnetlink message (linux/netfilter/nfnetlink.h) to `buffer`, which has room for
/// the whole message.
nlmsghdr* put_header(void* buffer, std::uint16_t type, std::uint16_t flags, std::uint8_t family,
                     std::uint16_t resource);

/// Appends an attribute to a message whose buffer holds `room` bytes. False, and nothing is appended, where
/// the buffer has no room for it, or where it is longer than an attribute can be (64 KiB, netlink(7)).
bool put_attribute(nlmsghdr* message, std::size_t room, std::uint16_t type, std::string_view bytes);

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
  /// False where an attribute was too long to be added.
  bool is_whole() const { return is_whole_; }

 private:
  void put(std::uint16_t attribute, std::string_view bytes);

  alignas(nlmsghdr) std::array<char, 1024> buffer_{};
  nlmsghdr* message_;
  bool is_whole_ = true;
};

using MessageHandler = std::function<void(const nlmsghdr*)>;

/// A netlink socket in the network namespace of the thread that makes it. Any one thread at a time may use it
/// afterwards.
class NetlinkSocket {
 public:
  NetlinkSocket();
  explicit operator bool() const { return socket_ != nullptr; }
  int fd() const { return mnl_socket_get_fd(socket_.get()); }

  /// True when the last error of ask() means that this kernel has no nf_tables (nfnetlink_rcv_msg in
  /// net/netfilter/nfnetlink.c), and not that the socket failed.
  bool without_nf_tables() const { return without_nf_tables_; }

  /// Sends a request and calls `handle` with each message of the reply. Returns 0 or the errno: EINTR when
  /// the listed objects changed meanwhile, EMSGSIZE when the request is not whole.
  int ask(const NetlinkRequest& request, const MessageHandler& handle);

 private:
  struct Close {
    void operator()(mnl_socket* socket) const noexcept;
  };

  std::unique_ptr<mnl_socket, Close> socket_;
  bool without_nf_tables_ = false;
  std::vector<char> received_ = std::vector<char>(1 << 16);
};

/// recv(2) of what the kernel sent to a netlink socket. Messages of other processes, which may send some with
/// CAP_NET_ADMIN, are passed over.
ssize_t receive_from_kernel(int fd, void* buffer, std::size_t size, int flags);

/// Calls `handle` with each message of what was received, in order. False where the next message says that it
/// is longer than the rest, or shorter than its header: it and what is behind it are not read.
bool for_each_message(std::string_view received, const MessageHandler& handle = {});

/// Opens a non-blocking netlink socket with a buffer of `buffer` bytes, in the network namespace of the
/// calling thread, as a member of multicast group `group` (0 for none, netlink(7)). Empty when the kernel
/// refuses.
Fd open_listener(int protocol, int group, int buffer);

}  // namespace rewall

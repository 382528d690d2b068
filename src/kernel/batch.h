#pragma once

#include <linux/netlink.h>
#include <linux/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/netlink_socket.h"

namespace rewall {

/// A message of a transaction in the making (NFT_MSG_NEW*, NFT_MSG_DEL*, linux/netfilter/nf_tables.h).
/// Numbers go out in network order.
class BatchMessage {
 public:
  /// In `buffer`, one message at a time.
  BatchMessage(std::vector<char>& buffer, std::uint16_t type, std::uint8_t family, std::uint16_t flags);

  void text(std::uint16_t attribute, const std::string& value);
  void number(std::uint16_t attribute, std::uint32_t value);
  void handle(std::uint16_t attribute, std::uint64_t value);
  void bytes(std::uint16_t attribute, std::string_view value);
  nlattr* begin(std::uint16_t nest);
  void end(nlattr* nest);

  nlmsghdr* header() { return header_; }

 private:
  nlmsghdr* header_;
};

/// What the kernel said no to.
struct BatchRefusal {
  int error = 0;              ///< the errno; ERESTART: the generation has moved, nothing was done
  std::uint32_t message = 0;  ///< which, from 1; 0: the transaction as a whole
  std::string text{};         ///< the kernel's own words, where it has some (NLMSGERR_ATTR_MSG)
};

/// One transaction of nf_tables: the kernel carries out all of its messages or none, and none at all when its
/// generation is no longer `generation` (NFNL_BATCH_GENID, linux/netfilter/nfnetlink.h).
class Batch {
 public:
  explicit Batch(std::uint32_t generation);

  BatchMessage start(std::uint16_t type, std::uint8_t family, std::uint16_t flags = 0);
  /// What was started last. Its number, from 1.
  std::uint32_t add(BatchMessage& message);
  bool empty() const { return count_ == 0; }
  /// Nothing when it is carried out.
  std::optional<BatchRefusal> send(const NetlinkSocket& socket);

 private:
  void append(const nlmsghdr* message);

  std::vector<char> buffer_;
  std::vector<std::string> pages_{};
  std::uint32_t count_ = 0;
  std::size_t last_ = 0;  ///< where in the last page the newest message begins
};

}  // namespace rewall

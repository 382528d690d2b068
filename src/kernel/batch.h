#pragma once

#include <linux/netlink.h>
#include <linux/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/events.h"
#include "kernel/expressions.h"
#include "kernel/netlink_socket.h"

namespace rewall {

/// One message of a batch (NFT_MSG_NEW*, NFT_MSG_DEL*, linux/netfilter/nf_tables.h). Numbers are written in
/// network byte order. A message with more than a buffer or an attribute holds is not whole, and the rest of
/// it is left out.
class BatchMessage {
 public:
  /// Writes into `buffer`, which holds one message at a time.
  BatchMessage(std::vector<char>& buffer, std::uint16_t type, std::uint8_t family, std::uint16_t flags);

  void text(std::uint16_t attribute, const std::string& value);
  void number(std::uint16_t attribute, std::uint32_t value);
  void handle(std::uint16_t attribute, std::uint64_t value);
  void bytes(std::uint16_t attribute, std::string_view value);
  nlattr* begin(std::uint16_t nest);
  void end(nlattr* nest);

  nlmsghdr* header() { return header_; }
  bool is_whole() const { return is_whole_; }

 private:
  nlmsghdr* header_;
  std::size_t room_;
  bool is_whole_ = true;
};

/// The reason why the kernel refused a batch.
struct BatchRefusal {
  int error = 0;              ///< the errno; ERESTART when the generation is another one
  std::uint32_t message = 0;  ///< the number of the refused message, from 1; 0 for the batch as a whole
  std::string text{};         ///< the kernel's own words, if any (NLMSGERR_ATTR_MSG)
};

/// One transaction of nf_tables. The kernel carries out all of its messages or none of them, and none when
/// its generation is not `generation` (NFNL_BATCH_GENID, linux/netfilter/nfnetlink.h).
class Batch {
 public:
  explicit Batch(std::uint32_t generation);

  BatchMessage start(std::uint16_t type, std::uint8_t family, std::uint16_t flags = 0);
  /// Appends the message that was started last, and returns its number, from 1.
  std::uint32_t add(BatchMessage& message);
  /// Appends NFT_MSG_NEWRULE: before the rule with the handle `before`, at the end of the chain for 0.
  /// Returns the message's number.
  std::uint32_t add_rule(const ChainName& place, const RawRule& rule, const Compat& compat,
                         std::uint64_t before);
  /// Appends NFT_MSG_NEWRULE in place of the rule with this handle.
  std::uint32_t replace_rule(const ChainName& place, const RawRule& rule, const Compat& compat,
                             std::uint64_t handle);
  bool empty() const { return count_ == 0; }
  /// Sends the batch. Absent when the kernel carried it out; else the first refusal: EMSGSIZE, and nothing is
  /// sent, for a message that is not whole.
  std::optional<BatchRefusal> send(const NetlinkSocket& socket);
  /// Sends the batch without its end: the kernel works through all messages, and then changes nothing
  /// (nfnetlink_rcv_batch in net/netfilter/nfnetlink.c). What it validates of whole tables, loops of jumps
  /// say, it does not ask here. Absent when it would carry the messages out.
  std::optional<BatchRefusal> check(const NetlinkSocket& socket);

 private:
  std::uint32_t finish_rule(BatchMessage& message, const RawRule& rule, const Compat& compat);
  void append(const nlmsghdr* message);
  std::optional<BatchRefusal> put(const NetlinkSocket& socket);
  std::optional<BatchRefusal> answer(const NetlinkSocket& socket) const;

  std::vector<char> buffer_;
  std::vector<std::string> pages_{};
  std::uint32_t count_ = 0;
  std::optional<BatchRefusal> too_long_{};
  std::size_t last_ = 0;  ///< where in the last page the newest message begins
};

}  // namespace rewall

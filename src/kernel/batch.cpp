#include "kernel/batch.h"

#include <libmnl/libmnl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

// After libc's own, which they would collide with.
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "kernel/netlink_attributes.h"
#include "kernel/rule_list.h"

namespace rewall {

namespace {

constexpr std::size_t kLongestMessage = 1 << 17;  // a rule's expressions are one attribute, of 64 KiB at most
constexpr std::size_t kPageSize = 1 << 20;

void set_option(const NetlinkSocket& socket, int level, int option, int value) {
  setsockopt(socket.fd(), level, option, &value, sizeof value);  // a kernel without it works too
}

std::string words_of(const nlmsghdr* message) {
  if ((message->nlmsg_flags & NLM_F_ACK_TLVS) == 0) return {};
  const auto* error = static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(message));
  std::size_t skip = sizeof(nlmsgerr);
  if ((message->nlmsg_flags & NLM_F_CAPPED) == 0) skip += error->msg.nlmsg_len - sizeof(nlmsghdr);
  if (mnl_nlmsg_get_payload_len(message) < skip) return {};
  Attributes<NLMSGERR_ATTR_MAX + 1> facts{};
  for_each_attribute(static_cast<const char*>(mnl_nlmsg_get_payload(message)) + skip,
                     reinterpret_cast<const char*>(message) + message->nlmsg_len,
                     [&](const nlattr* at) { keep(facts, at); });
  return std::string(text(facts[NLMSGERR_ATTR_MSG]));
}

}  // namespace

BatchMessage::BatchMessage(std::vector<char>& buffer, std::uint16_t type, std::uint8_t family,
                           std::uint16_t flags)
    : header_(put_header(buffer.data(), static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type), flags,
                         family, 0)),
      room_(buffer.size()) {}

void BatchMessage::text(std::uint16_t attribute, const std::string& value) {
  bytes(attribute, {value.c_str(), value.size() + 1});
}

void BatchMessage::number(std::uint16_t attribute, std::uint32_t value) {
  bytes(attribute, bytes_of(htobe32(value)));
}

void BatchMessage::handle(std::uint16_t attribute, std::uint64_t value) {
  bytes(attribute, bytes_of(htobe64(value)));
}

void BatchMessage::bytes(std::uint16_t attribute, std::string_view value) {
  is_whole_ = put_attribute(header_, room_, attribute, value) && is_whole_;
}

nlattr* BatchMessage::begin(std::uint16_t nest) {
  return mnl_attr_nest_start_check(header_, room_, nest);
}

void BatchMessage::end(nlattr* nest) {
  const auto* end = static_cast<const char*>(mnl_nlmsg_get_payload_tail(header_));
  if (nest == nullptr || end - reinterpret_cast<const char*>(nest) > UINT16_MAX)
    is_whole_ = false;
  else
    mnl_attr_nest_end(header_, nest);
}

Batch::Batch(std::uint32_t generation) : buffer_(kLongestMessage) {
  alignas(nlmsghdr) std::array<char, 64> buffer{};
  nlmsghdr* begin = put_header(buffer.data(), NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
  mnl_attr_put_u32(begin, NFNL_BATCH_GENID, htobe32(generation));
  append(begin);
}

void Batch::append(const nlmsghdr* message) {
  if (pages_.empty() || pages_.back().size() + message->nlmsg_len > kPageSize)
    pages_.emplace_back().reserve(kPageSize);
  last_ = pages_.back().size();
  pages_.back().append(reinterpret_cast<const char*>(message), message->nlmsg_len);
}

BatchMessage Batch::start(std::uint16_t type, std::uint8_t family, std::uint16_t flags) {
  return {buffer_, type, family, flags};
}

std::uint32_t Batch::add(BatchMessage& message) {
  message.header()->nlmsg_seq = ++count_;
  if (!message.is_whole() && !too_long_)
    too_long_ = {.error = EMSGSIZE, .message = count_, .text = "a name or a rule is too long"};
  append(message.header());
  return count_;
}

std::uint32_t Batch::add_rule(const ChainName& place, const RawRule& rule, const Compat& compat,
                              std::uint64_t before) {
  const auto at_end = before == 0 ? NLM_F_APPEND : 0;
  auto message =
      start(NFT_MSG_NEWRULE, number_of(place.family), static_cast<std::uint16_t>(NLM_F_CREATE | at_end));
  message.text(NFTA_RULE_TABLE, place.table);
  message.text(NFTA_RULE_CHAIN, place.chain);
  if (before != 0) message.handle(NFTA_RULE_POSITION, before);
  return finish_rule(message, rule, compat);
}

std::uint32_t Batch::replace_rule(const ChainName& place, const RawRule& rule, const Compat& compat,
                                  std::uint64_t handle) {
  auto message = start(NFT_MSG_NEWRULE, number_of(place.family), NLM_F_REPLACE);
  message.text(NFTA_RULE_TABLE, place.table);
  message.text(NFTA_RULE_CHAIN, place.chain);
  message.handle(NFTA_RULE_HANDLE, handle);
  return finish_rule(message, rule, compat);
}

std::uint32_t Batch::finish_rule(BatchMessage& message, const RawRule& rule, const Compat& compat) {
  message.bytes(NFTA_RULE_EXPRESSIONS | NLA_F_NESTED, rule.expressions);
  if (compat != Compat{}) {
    nlattr* nest = message.begin(NFTA_RULE_COMPAT);
    message.number(NFTA_RULE_COMPAT_PROTO, compat.protocol);
    message.number(NFTA_RULE_COMPAT_FLAGS, compat.flags);
    message.end(nest);
  }
  if (!rule.userdata.empty()) message.bytes(NFTA_RULE_USERDATA, rule.userdata);
  return add(message);
}

std::optional<BatchRefusal> Batch::send(const NetlinkSocket& socket) {
  // The kernel answers a message that asks for it when all are worked through; a refusal it tells unasked.
  auto* newest = reinterpret_cast<nlmsghdr*>(pages_.back().data() + last_);
  newest->nlmsg_flags |= NLM_F_ACK;
  alignas(nlmsghdr) std::array<char, 64> buffer{};
  nlmsghdr* end = put_header(buffer.data(), NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
  end->nlmsg_seq = count_ + 1;
  append(end);
  return put(socket);
}

std::optional<BatchRefusal> Batch::check(const NetlinkSocket& socket) {
  auto* newest = reinterpret_cast<nlmsghdr*>(pages_.back().data() + last_);
  newest->nlmsg_flags |= NLM_F_ACK;
  return put(socket);
}

std::optional<BatchRefusal> Batch::put(const NetlinkSocket& socket) {
  if (too_long_) return too_long_;
  std::vector<iovec> parts;
  std::size_t size = 0;
  for (std::string& page : pages_) {
    parts.push_back({.iov_base = page.data(), .iov_len = page.size()});
    size += page.size();
  }
  const int room = static_cast<int>(size) + 4096;
  set_option(socket, SOL_SOCKET, SO_SNDBUFFORCE, room);
  set_option(socket, SOL_NETLINK, NETLINK_CAP_ACK, 1);
  set_option(socket, SOL_NETLINK, NETLINK_EXT_ACK, 1);
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  msghdr whole{};
  whole.msg_name = &kernel;
  whole.msg_namelen = sizeof kernel;
  whole.msg_iov = parts.data();
  whole.msg_iovlen = parts.size();
  // What is left of the answers to an earlier batch is not taken for one to this one.
  std::array<char, 1> rest{};
  while (recv(socket.fd(), rest.data(), rest.size(), MSG_DONTWAIT) >= 0 || errno == EINTR ||
         errno == ENOBUFS) {
  }
  ssize_t sent = 0;
  do sent = sendmsg(socket.fd(), &whole, 0);
  while (sent < 0 && errno == EINTR);
  if (sent < 0) return BatchRefusal{.error = errno};
  return answer(socket);
}

std::optional<BatchRefusal> Batch::answer(const NetlinkSocket& socket) const {
  // All answers are there when sendmsg comes back: nf_tables works in the sender's time. Thousands of
  // refusals overflow the socket, which says so once (ENOBUFS) before it gives out the first of them.
  std::vector<char> received(1 << 16);
  bool overflowed = false;
  std::optional<BatchRefusal> refusal;
  bool answered = false;
  while (!answered) {
    const ssize_t got = receive_from_kernel(socket.fd(), received.data(), received.size(), MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == ENOBUFS && !std::exchange(overflowed, true)) continue;
    if (got < 0)
      return BatchRefusal{.error = errno != EAGAIN ? errno : overflowed ? int{ENOBUFS} : int{EPROTO}};
    for_each_message({received.data(), static_cast<std::size_t>(got)}, [&](const nlmsghdr* message) {
      if (answered || message->nlmsg_type != NLMSG_ERROR ||
          message->nlmsg_len < NLMSG_LENGTH(sizeof(nlmsgerr)))
        return;
      const auto* error = static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(message));
      if (error->error != 0)
        refusal = {.error = -error->error, .message = message->nlmsg_seq, .text = words_of(message)};
      answered = refusal || message->nlmsg_seq == count_;
    });
  }
  return refusal;
}

}  // namespace rewall

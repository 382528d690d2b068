#include "kernel/nftables.h"

#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <functional>
#include <memory>
#include <string_view>

#include "core/file.h"
#include "core/format.h"
#include "core/text.h"
#include "kernel/netlink.h"
#include "kernel/rule_shape.h"
#include "rules/print.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71  // asm-generic/socket.h since Linux 5.14
#endif

namespace rewall {

namespace {

struct Close {
  void operator()(mnl_socket* socket) const noexcept { mnl_socket_close(socket); }
};
using Socket = std::unique_ptr<mnl_socket, Close>;
using Answer = std::function<void(const nlmsghdr*)>;

/// One question to nf_tables.
class Question {
 public:
  Question(std::uint16_t type, std::uint8_t family, std::uint16_t flags)
      : message_(mnl_nlmsg_put_header(buffer_.data())) {
    message_->nlmsg_type = static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type);
    message_->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
    message_->nlmsg_seq = 1;
    auto* header = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(message_, sizeof(nfgenmsg)));
    header->nfgen_family = family;
    header->version = NFNETLINK_V0;
    header->res_id = 0;
  }
  void add(std::uint16_t attribute, const std::string& text) {
    mnl_attr_put_strz(message_, attribute, text.c_str());
  }
  const nlmsghdr* message() const { return message_; }

 private:
  alignas(nlmsghdr) std::array<char, 1024> buffer_{};
  nlmsghdr* message_;
};

/// A netlink socket of the calling thread's namespace.
class Channel {
 public:
  Channel() : socket_(mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC)) {
    if (socket_ && mnl_socket_bind(socket_.get(), 0, MNL_SOCKET_AUTOPID) < 0) socket_.reset();
  }
  explicit operator bool() const { return socket_ != nullptr; }
  int fd() const { return mnl_socket_get_fd(socket_.get()); }

  /// True when the last error is the kernel's own answer that it knows no nf_tables (nfnetlink_rcv_msg in
  /// net/netfilter/nfnetlink.c), and not that of a socket.
  bool without_nf_tables() const { return without_nf_tables_; }

  /// 0, or the errno: EINTR when what was listed changed meanwhile.
  int ask(const Question& question, const Answer& answer) {
    const nlmsghdr* message = question.message();
    if (mnl_socket_sendto(socket_.get(), message, message->nlmsg_len) < 0) return errno;
    const bool list = (message->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
    const unsigned port = mnl_socket_get_portid(socket_.get());
    while (true) {
      const ssize_t size = mnl_socket_recvfrom(socket_.get(), received_.data(), received_.size());
      if (size < 0 && errno == EINTR) continue;  // a signal; a list that changed is told by mnl_cb_run
      if (size < 0) return errno;
      const int more = mnl_cb_run(received_.data(), static_cast<std::size_t>(size), message->nlmsg_seq, port,
                                  call, const_cast<Answer*>(&answer));
      if (more < 0) {
        const int error = errno;
        without_nf_tables_ = error == EINVAL || error == EOPNOTSUPP || error == ENOENT;
        return error;
      }
      if (more == 0 || !list) return 0;
    }
  }

 private:
  static int call(const nlmsghdr* message, void* answer) {
    (*static_cast<Answer*>(answer))(message);
    return MNL_CB_OK;
  }

  Socket socket_;
  bool without_nf_tables_ = false;
  std::vector<char> received_ = std::vector<char>(1 << 16);
};

Error refused(int error, std::string_view what) {
  if (error == EPERM)
    return Error{.kind = ErrorKind::permission,
                 .message = "nf_tables: not permitted",
                 .hint = "run it as root (sudo rewall ...)"};
  return Error{.kind = ErrorKind::capture, .message = format("nf_tables: {}: {}", what, errno_text(error))};
}

const std::string& boot_id() {
  static const std::string id = [] {
    auto text = read_file("/proc/sys/kernel/random/boot_id");
    return text ? std::string(trim(*text)) : std::string{};
  }();
  return id;
}

}  // namespace

std::optional<Family> NftTable::iptables_family() const {
  if (family != NFPROTO_IPV4 && family != NFPROTO_IPV6) return std::nullopt;
  if (built_in_chains(name).empty()) return std::nullopt;
  return family == NFPROTO_IPV4 ? Family::ipv4 : Family::ipv6;
}

std::string NftTable::text() const {
  const auto words = [this]() -> std::string {
    switch (family) {
      case NFPROTO_INET:
        return "inet";
      case NFPROTO_IPV4:
        return "ip";
      case NFPROTO_IPV6:
        return "ip6";
      case NFPROTO_ARP:
        return "arp";
      case NFPROTO_BRIDGE:
        return "bridge";
      case NFPROTO_NETDEV:
        return "netdev";
      default:
        return format("family {}", family);
    }
  };
  return words() + " " + name;
}

bool netlink_opens() {
  return static_cast<bool>(Channel());
}

Result<std::vector<NftTable>> list_nft_tables() {
  Channel channel;
  if (!channel) return refused(errno, "netlink socket");
  std::vector<NftTable> tables;
  const Question question(NFT_MSG_GETTABLE, NFPROTO_UNSPEC, NLM_F_DUMP);
  const int error = channel.ask(question, [&](const nlmsghdr* message) {
    const auto* header = static_cast<const nfgenmsg*>(mnl_nlmsg_get_payload(message));
    const auto facts = attributes<NFTA_TABLE_MAX + 1>(message);
    tables.push_back({.family = header->nfgen_family, .name = std::string(text(facts[NFTA_TABLE_NAME]))});
  });
  if (error != 0 && channel.without_nf_tables()) return std::vector<NftTable>{};
  if (error != 0) return refused(error, "list of tables");
  return tables;
}

Result<std::optional<NativeRule>> find_native_rule(Family family, const std::string& table) {
  Channel channel;
  if (!channel) return refused(errno, "netlink socket");
  const std::uint8_t number = family == Family::ipv4 ? NFPROTO_IPV4 : NFPROTO_IPV6;
  std::vector<std::string> chains;
  int error = channel.ask(Question(NFT_MSG_GETCHAIN, number, NLM_F_DUMP), [&](const nlmsghdr* message) {
    const auto facts = attributes<NFTA_CHAIN_MAX + 1>(message);
    if (text(facts[NFTA_CHAIN_TABLE]) == table) chains.emplace_back(text(facts[NFTA_CHAIN_NAME]));
  });
  if (error != 0) return refused(error, "list of chains");

  // Chain by chain: the kernel walks a list from its start for every 32 KiB, so one list of all rules takes a
  // time that grows with the square of their number.
  for (const std::string& chain : chains) {
    Question question(NFT_MSG_GETRULE, number, NLM_F_DUMP);
    question.add(NFTA_RULE_TABLE, table);
    question.add(NFTA_RULE_CHAIN, chain);
    std::string what;
    error = channel.ask(question, [&](const nlmsghdr* message) {
      if (what.empty()) what = native_part(message, family);
    });
    if (error != 0) return refused(error, "list of rules");
    if (!what.empty()) return std::optional(NativeRule{.chain = chain, .what = std::move(what)});
  }
  return std::optional<NativeRule>{};
}

std::optional<Generation> read_generation() {
  Channel channel;
  if (!channel || boot_id().empty()) return std::nullopt;
  Generation generation{.boot = boot_id()};
  socklen_t size = sizeof generation.network;
  if (getsockopt(channel.fd(), SOL_SOCKET, SO_NETNS_COOKIE, &generation.network, &size) != 0)
    return std::nullopt;
  const int error = channel.ask(Question(NFT_MSG_GETGEN, NFPROTO_UNSPEC, 0), [&](const nlmsghdr* message) {
    generation.number = number(attributes<NFTA_GEN_MAX + 1>(message)[NFTA_GEN_ID]);
  });
  if (error != 0) return std::nullopt;
  return generation;
}

}  // namespace rewall

#include "kernel/nftables.h"

#include <libmnl/libmnl.h>
#include <netinet/in.h>
#include <sys/socket.h>

// After libc's own, which they would collide with.
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <array>
#include <cerrno>
#include <string_view>

#include "core/file.h"
#include "core/format.h"
#include "core/text.h"
#include "kernel/netlink_attributes.h"
#include "kernel/netlink_socket.h"
#include "kernel/programs.h"
#include "kernel/rule_list.h"
#include "rules/print.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71  // asm-generic/socket.h since Linux 5.14
#endif

namespace rewall {

namespace {

Error refused(int error, std::string_view what) {
  if (error == EPERM) return not_permitted("nf_tables");
  return Error{.kind = ErrorKind::capture, .message = format("nf_tables: {}: {}", what, errno_text(error))};
}

const std::string& boot_id() {
  static const std::string id = [] {
    auto text = read_file("/proc/sys/kernel/random/boot_id");
    return text ? std::string(trim(*text)) : std::string{};
  }();
  return id;
}

/// An empty transaction: the kernel takes one at a time, and this one changes nothing, not the generation
/// either (nf_tables_valid_genid and nf_tables_commit in net/netfilter/nf_tables_api.c). What is wrong with
/// it is told by the answer to the next request.
bool wait_for_transactions(const NetlinkSocket& socket) {
  alignas(nlmsghdr) std::array<char, 64> buffer{};
  std::size_t size =
      put_header(buffer.data(), NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES)->nlmsg_len;
  size += put_header(buffer.data() + size, NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES)->nlmsg_len;
  return send(socket.fd(), buffer.data(), size, 0) == static_cast<ssize_t>(size);
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
  return static_cast<bool>(NetlinkSocket());
}

Result<std::vector<NftTable>> list_nft_tables() {
  NetlinkSocket socket;
  if (!socket) return refused(errno, "netlink socket");
  std::vector<NftTable> tables;
  const NetlinkRequest request(NFT_MSG_GETTABLE, NFPROTO_UNSPEC, NLM_F_DUMP);
  const int error = socket.ask(request, [&](const nlmsghdr* message) {
    const auto* header = static_cast<const nfgenmsg*>(mnl_nlmsg_get_payload(message));
    const auto facts = attributes<NFTA_TABLE_MAX + 1>(message);
    tables.push_back({.family = header->nfgen_family,
                      .name = std::string(text(facts[NFTA_TABLE_NAME])),
                      .dormant = (number(facts[NFTA_TABLE_FLAGS]) & NFT_TABLE_F_DORMANT) != 0,
                      .owned = (number(facts[NFTA_TABLE_FLAGS]) & NFT_TABLE_F_OWNER) != 0,
                      .owner = number(facts[NFTA_TABLE_OWNER])});
  });
  if (error != 0 && socket.without_nf_tables()) return std::vector<NftTable>{};
  if (error != 0) return refused(error, "list of tables");
  return tables;
}

namespace {

/// The first named set, object or flowtable of a table, "set blocked"; empty for none. iptables has none.
Result<std::string> find_named_part(NetlinkSocket& socket, Family family, const std::string& table) {
  std::string found;
  const auto look = [&](std::uint16_t request, const auto& name_in) {
    return found.empty() ? socket.ask(NetlinkRequest(request, number_of(family), NLM_F_DUMP),
                                      [&](const nlmsghdr* message) {
                                        auto name = name_in(message);
                                        if (found.empty() && !name.empty()) found = std::move(name);
                                      })
                         : 0;
  };
  const auto named = [&](std::string_view kind, const nlattr* of, const nlattr* name) {
    return text(of) == table ? format("{} {}", kind, text(name)) : std::string{};
  };
  int error = look(NFT_MSG_GETSET, [&](const nlmsghdr* message) {
    const auto facts = attributes<NFTA_SET_MAX + 1>(message);
    const auto flags = number(facts[NFTA_SET_FLAGS]);
    if ((flags & NFT_SET_ANONYMOUS) != 0) return std::string{};
    return named((flags & NFT_SET_MAP) != 0 ? "map" : "set", facts[NFTA_SET_TABLE], facts[NFTA_SET_NAME]);
  });
  if (error != 0) return refused(error, "list of sets");
  error = look(NFT_MSG_GETOBJ, [&](const nlmsghdr* message) {
    const auto facts = attributes<NFTA_OBJ_MAX + 1>(message);
    return named("object", facts[NFTA_OBJ_TABLE], facts[NFTA_OBJ_NAME]);
  });
  // Older kernels have none of these.
  if (error != 0 && error != EINVAL && error != EOPNOTSUPP) return refused(error, "list of objects");
  error = look(NFT_MSG_GETFLOWTABLE, [&](const nlmsghdr* message) {
    const auto facts = attributes<NFTA_FLOWTABLE_MAX + 1>(message);
    return named("flowtable", facts[NFTA_FLOWTABLE_TABLE], facts[NFTA_FLOWTABLE_NAME]);
  });
  if (error != 0 && error != EINVAL && error != EOPNOTSUPP) return refused(error, "list of flowtables");
  return found;
}

}  // namespace

Result<KernelTable> ask_nft_table(Family family, const std::string& table) {
  NetlinkSocket socket;
  if (!socket) return refused(errno, "netlink socket");
  std::vector<std::string> chains;
  std::string elsewhere;
  const int error = socket.ask(NetlinkRequest(NFT_MSG_GETCHAIN, number_of(family), NLM_F_DUMP),
                               [&](const nlmsghdr* message) {
                                 const auto facts = attributes<NFTA_CHAIN_MAX + 1>(message);
                                 if (text(facts[NFTA_CHAIN_TABLE]) != table) return;
                                 // A chain without a name of its own, which a rule holds.
                                 if ((number(facts[NFTA_CHAIN_FLAGS]) & NFT_CHAIN_BINDING) != 0) return;
                                 chains.emplace_back(text(facts[NFTA_CHAIN_NAME]));
                                 if (facts[NFTA_CHAIN_HOOK] != nullptr && !is_built_in(table, chains.back()))
                                   elsewhere = format("base chain {}", chains.back());
                               });
  if (error != 0) return refused(error, "list of chains");
  auto foreign_part = elsewhere.empty() ? TRY(find_named_part(socket, family, table)) : std::move(elsewhere);
  auto asked = TRY(ask_nft_table(family, table, chains));
  asked.foreign_part = std::move(foreign_part);
  return asked;
}

Result<KernelTable> ask_nft_table(Family family, const std::string& table,
                                  std::span<const std::string> chains) {
  NetlinkSocket socket;
  if (!socket) return refused(errno, "netlink socket");
  KernelTable asked{.family = family, .name = table};
  // Chain by chain: the kernel walks a list from its start for every 32 KiB, so one list of all rules takes a
  // time that grows with the square of their number.
  for (const std::string& name : chains) {
    KernelChain& chain = asked.chains.emplace_back(KernelChain{.name = name});
    const int error = each_rule(socket, family, table, name, [&](const auto& facts) {
      add_rule(chain, family, payload(facts[NFTA_RULE_EXPRESSIONS]), payload(facts[NFTA_RULE_USERDATA]));
    });
    if (error != 0) return refused(error, "list of rules");
  }
  return asked;
}

Result<RuleCounts> count_rules(const NftTable& table) {
  NetlinkSocket socket;
  if (!socket) return refused(errno, "netlink socket");
  RuleCounts counts;
  int error =
      socket.ask(NetlinkRequest(NFT_MSG_GETCHAIN, table.family, NLM_F_DUMP), [&](const nlmsghdr* message) {
        const auto facts = attributes<NFTA_CHAIN_MAX + 1>(message);
        if (text(facts[NFTA_CHAIN_TABLE]) == table.name &&
            (number(facts[NFTA_CHAIN_FLAGS]) & NFT_CHAIN_BINDING) == 0)
          counts.chains.emplace(text(facts[NFTA_CHAIN_NAME]), 0);
      });
  if (error != 0) return refused(error, "list of chains");
  for (auto& chain : counts.chains) {
    error = each_rule(socket, table.family, table.name, chain.first, [&](const auto& facts) {
      const auto place = chain.second++;
      const auto expressions = payload(facts[NFTA_RULE_EXPRESSIONS]);
      if (!has_extension(expressions)) return;
      counts.extensions = true;
      if (!table.iptables_family()) return;
      counts.with_extensions.push_back(
          {.chain = chain.first,
           .place = place,
           .rule = {.expressions = std::string(expressions),
                    .userdata = std::string(payload(facts[NFTA_RULE_USERDATA]))}});
    });
    if (error != 0) return refused(error, "list of rules");
  }
  return counts;
}

std::optional<Generation> read_generation() {
  NetlinkSocket socket;
  if (!socket || boot_id().empty()) return std::nullopt;
  Generation generation{.boot = boot_id()};
  socklen_t size = sizeof generation.network;
  if (getsockopt(socket.fd(), SOL_SOCKET, SO_NETNS_COOKIE, &generation.network, &size) != 0)
    generation.network = 0;
  if (!wait_for_transactions(socket)) return std::nullopt;
  const int error =
      socket.ask(NetlinkRequest(NFT_MSG_GETGEN, NFPROTO_UNSPEC, 0), [&](const nlmsghdr* message) {
        generation.number = number(attributes<NFTA_GEN_MAX + 1>(message)[NFTA_GEN_ID]);
      });
  if (error != 0) return std::nullopt;
  return generation;
}

}  // namespace rewall

#include "kernel/events.h"

#include <libmnl/libmnl.h>
#include <netinet/in.h>
#include <sys/socket.h>

// After libc's own, which they would collide with.
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include <cerrno>

#include "kernel/netlink_attributes.h"
#include "kernel/netlink_socket.h"
#include "kernel/nftables.h"

namespace rewall {
namespace {

// A ruleset of some 20,000 rules is told of in so much.
constexpr int kEventBuffer = 16 << 20;

std::optional<Family> family_of(const nlmsghdr* message, std::string_view table) {
  const auto* header = static_cast<const nfgenmsg*>(mnl_nlmsg_get_payload(message));
  return NftTable{.family = header->nfgen_family, .name = std::string(table)}.iptables_family();
}

void take_rule(const nlmsghdr* message, Committed& open) {
  const auto facts = attributes<NFTA_RULE_CHAIN + 1>(message);
  const auto table = text(facts[NFTA_RULE_TABLE]);
  if (const auto family = family_of(message, table))
    open.chains[{*family, std::string(table), std::string(text(facts[NFTA_RULE_CHAIN]))}] = true;
}

void take_chain(const nlmsghdr* message, bool gone, Committed& open) {
  const auto facts = attributes<NFTA_CHAIN_MAX + 1>(message);
  const auto table = text(facts[NFTA_CHAIN_TABLE]);
  const auto family = family_of(message, table);
  if (!family) return;
  // A chain that is not new and has no hook is told of when its name changes: rules name it.
  const bool renamed = !gone && (message->nlmsg_flags & NLM_F_CREATE) == 0 && !facts[NFTA_CHAIN_HOOK];
  open.more = open.more || renamed;
  open.chains[{*family, std::string(table), std::string(text(facts[NFTA_CHAIN_NAME]))}] = !gone;
}

}  // namespace

std::optional<FirewallEvents> FirewallEvents::open() {
  Fd socket = open_listener(NETLINK_NETFILTER, NFNLGRP_NFTABLES, kEventBuffer);
  if (!socket) return std::nullopt;
  return FirewallEvents(std::move(socket));
}

void FirewallEvents::take(const char* data, std::size_t size, News& news) {
  for_each_message({data, size}, [&](const nlmsghdr* message) {
    if (NFNL_SUBSYS_ID(message->nlmsg_type) != NFNL_SUBSYS_NFTABLES ||
        message->nlmsg_len < NLMSG_LENGTH(sizeof(nfgenmsg)))
      return;
    switch (NFNL_MSG_TYPE(message->nlmsg_type)) {
      case NFT_MSG_NEWRULE:
      case NFT_MSG_DELRULE:
        take_rule(message, open_);
        break;
      case NFT_MSG_NEWCHAIN:
      case NFT_MSG_DELCHAIN:
        take_chain(message, NFNL_MSG_TYPE(message->nlmsg_type) == NFT_MSG_DELCHAIN, open_);
        break;
      case NFT_MSG_NEWTABLE:
      case NFT_MSG_DELTABLE: {
        const auto facts = attributes<NFTA_TABLE_MAX + 1>(message);
        if (family_of(message, text(facts[NFTA_TABLE_NAME]))) open_.more = true;
        break;
      }
      case NFT_MSG_NEWGEN: {
        const auto facts = attributes<NFTA_GEN_MAX + 1>(message);
        open_.generation = number(facts[NFTA_GEN_ID]);
        open_.process = static_cast<pid_t>(number(facts[NFTA_GEN_PROC_PID]));
        open_.program = text(facts[NFTA_GEN_PROC_NAME]);
        news.transactions.push_back(std::exchange(open_, {}));
        break;
      }
      default:
        break;
    }
  });
}

FirewallEvents::News FirewallEvents::read() {
  News news;
  for (;;) {
    const ssize_t size = receive_from_kernel(socket_.get(), received_.data(), received_.size(), MSG_DONTWAIT);
    if (size >= 0) {
      take(received_.data(), static_cast<std::size_t>(size), news);
    } else if (errno == ENOBUFS) {
      news.lost = true;
      open_ = {};
    } else if (errno != EINTR) {
      return news;
    }
  }
}

}  // namespace rewall

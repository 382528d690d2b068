#include "kernel/events.h"

#include <libmnl/libmnl.h>
#include <netinet/in.h>
#include <sys/socket.h>

// After libc's own, which they would collide with.
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "kernel/netlink_attributes.h"
#include "kernel/netlink_socket.h"
#include "kernel/nftables.h"
#include "rules/print.h"

namespace rewall {
namespace {

// A ruleset of some 20,000 rules is told of in so much.
constexpr int kEventBuffer = 16 << 20;

// More steps than a person reads; a transaction of that many replaces whole tables.
constexpr std::size_t kMostSteps = 50000;
constexpr std::size_t kMostNative = 1000;

/// The chain that a message is about; absent where it is none of a table of iptables.
std::optional<ChainName> chain_of(const nlmsghdr* message, const nlattr* table, const nlattr* chain) {
  const auto* header = static_cast<const nfgenmsg*>(mnl_nlmsg_get_payload(message));
  const NftTable place{.family = header->nfgen_family, .name = std::string(text(table))};
  const auto family = place.iptables_family();
  if (!family) return std::nullopt;
  return ChainName{*family, place.name, std::string(text(chain))};
}

void add_step(Committed& open, ChainStep step) {
  if (open.steps.size() >= kMostSteps)
    open.steps_are_all = false;
  else
    open.steps.push_back(std::move(step));
}

/// A message about a part of a native table. The first attribute of each kind of message names the table.
void note_native(const nlmsghdr* message, int type, Committed& open) {
  if (type == NFT_MSG_NEWGEN || open.native.size() >= kMostNative) return;
  const auto* header = static_cast<const nfgenmsg*>(mnl_nlmsg_get_payload(message));
  const auto name = text(attributes<NFTA_TABLE_NAME + 1>(message)[NFTA_TABLE_NAME]);
  const NftTable table{.family = header->nfgen_family, .name = std::string(name)};
  if (name.empty()) return;
  constexpr std::array kSaidByChain{NFT_MSG_NEWTABLE, NFT_MSG_DELTABLE, NFT_MSG_NEWCHAIN,
                                    NFT_MSG_DELCHAIN, NFT_MSG_NEWRULE,  NFT_MSG_DELRULE};
  if (!table.iptables_family()) {
    open.native.insert(table.text());
  } else if (std::ranges::find(kSaidByChain, type) == kSaidByChain.end()) {
    // A set or an object, which iptables has not.
    open.native.insert(table.text());
    open.more = true;
  }
}

void take_rule(const nlmsghdr* message, bool gone, Committed& open) {
  const auto facts = attributes<NFTA_RULE_MAX + 1>(message);
  auto chain = chain_of(message, facts[NFTA_RULE_TABLE], facts[NFTA_RULE_CHAIN]);
  if (!chain) return;
  open.chains[*chain] = true;
  add_step(open, {.kind = gone ? ChainStep::Kind::rule_removed : ChainStep::Kind::rule_added,
                  .chain = *std::move(chain),
                  .rule = {.expressions = std::string(payload(facts[NFTA_RULE_EXPRESSIONS])),
                           .userdata = std::string(payload(facts[NFTA_RULE_USERDATA]))}});
}

void take_chain(const nlmsghdr* message, bool gone, Committed& open) {
  const auto facts = attributes<NFTA_CHAIN_MAX + 1>(message);
  auto chain = chain_of(message, facts[NFTA_CHAIN_TABLE], facts[NFTA_CHAIN_NAME]);
  if (!chain) return;
  // A chain that is not new and has no hook is told of when its name changes: rules name it.
  const bool is_new = (message->nlmsg_flags & (NLM_F_CREATE | NLM_F_EXCL)) != 0;
  const bool renamed = !gone && (message->nlmsg_flags & NLM_F_CREATE) == 0 && !facts[NFTA_CHAIN_HOOK];
  open.more = open.more || renamed;
  open.chains[*chain] = !gone;
  // A built-in chain that nf_tables does not have is empty and accepts.
  if (is_built_in(chain->table, chain->chain)) {
    const bool drops = !gone && facts[NFTA_CHAIN_POLICY] && number(facts[NFTA_CHAIN_POLICY]) == NF_DROP;
    add_step(
        open,
        {.kind = ChainStep::Kind::policy, .chain = *std::move(chain), .policy = drops ? "DROP" : "ACCEPT"});
  } else if (gone || is_new) {
    add_step(open, {.kind = gone ? ChainStep::Kind::chain_removed : ChainStep::Kind::chain_added,
                    .chain = *std::move(chain)});
  }
}

}  // namespace

std::optional<FirewallEvents> FirewallEvents::open() {
  Fd socket = open_listener(NETLINK_NETFILTER, NFNLGRP_NFTABLES, kEventBuffer);
  if (!socket) return std::nullopt;
  return FirewallEvents(std::move(socket));
}

void EventReader::take(std::string_view received, std::vector<Committed>& transactions) {
  for_each_message(received, [&](const nlmsghdr* message) {
    if (NFNL_SUBSYS_ID(message->nlmsg_type) != NFNL_SUBSYS_NFTABLES ||
        message->nlmsg_len < NLMSG_LENGTH(sizeof(nfgenmsg)))
      return;
    const auto type = NFNL_MSG_TYPE(message->nlmsg_type);
    note_native(message, type, open_);
    switch (type) {
      case NFT_MSG_NEWRULE:
      case NFT_MSG_DELRULE:
        take_rule(message, type == NFT_MSG_DELRULE, open_);
        break;
      case NFT_MSG_NEWCHAIN:
      case NFT_MSG_DELCHAIN:
        take_chain(message, type == NFT_MSG_DELCHAIN, open_);
        break;
      case NFT_MSG_NEWTABLE:
      case NFT_MSG_DELTABLE: {
        const auto facts = attributes<NFTA_TABLE_MAX + 1>(message);
        if (chain_of(message, facts[NFTA_TABLE_NAME], nullptr)) open_.more = true;
        break;
      }
      case NFT_MSG_NEWGEN: {
        const auto facts = attributes<NFTA_GEN_MAX + 1>(message);
        open_.generation = number(facts[NFTA_GEN_ID]);
        open_.process = static_cast<pid_t>(number(facts[NFTA_GEN_PROC_PID]));
        open_.program = text(facts[NFTA_GEN_PROC_NAME]);
        transactions.push_back(std::exchange(open_, {}));
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
      reader_.take({received_.data(), static_cast<std::size_t>(size)}, news.transactions);
    } else if (errno == ENOBUFS) {
      news.lost = true;
      reader_.forget();
    } else if (errno != EINTR) {
      return news;
    }
  }
}

}  // namespace rewall

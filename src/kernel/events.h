#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.h"
#include "kernel/expressions.h"
#include "rules/ruleset.h"

namespace rewall {

/// A chain of a table of iptables on the nft backend.
struct ChainName {
  Family family = Family::ipv4;
  std::string table{};
  std::string chain{};
  auto operator<=>(const ChainName&) const = default;
};

/// A change of one chain, as the kernel notifies of it.
struct ChainStep {
  enum class Kind : std::uint8_t { rule_added, rule_removed, chain_added, chain_removed, policy };
  Kind kind = Kind::rule_added;
  ChainName chain{};
  RawRule rule{};        ///< the rule that was added or removed
  std::string policy{};  ///< the policy that was set, "ACCEPT" or "DROP"; that of a built-in chain
};

/// A rule that the kernel notified of, which need not be in force any more.
struct ToldRule {
  ChainName chain{};
  RawRule rule{};
};

/// What a transaction of nf_tables changed, and which process made it
/// (NFT_MSG_NEWGEN, linux/netfilter/nf_tables.h).
struct Committed {
  std::uint32_t generation = 0;
  pid_t process = 0;      ///< of the initial process namespace
  std::string program{};  ///< as ps(1) names it, at most 15 bytes
  /// The chains that it made, deleted or changed (rules or policy); false for a deleted chain.
  std::map<ChainName, bool> chains{};
  bool more = false;  ///< it also made or deleted a table, or renamed a chain
  /// The native tables in which it changed something: "inet filter"; also tables of iptables' names in which
  /// it changed what iptables has not, a set say.
  std::set<std::string> native{};
  /// Each change of a chain, in order. A chain that is renamed has none; before Linux 5.14, which does not
  /// tell a new chain from one that is renamed, a new chain of people has none either.
  std::vector<ChainStep> steps{};
  bool steps_are_all = true;  ///< false: there were too many to keep

  bool touches() const { return more || !chains.empty() || !native.empty(); }
};

/// True when `generation` is later than `other`. Generations count from 1 and start again after 2^32 - 1.
inline bool is_after(std::uint32_t generation, std::uint32_t other) {
  return static_cast<std::int32_t>(generation - other) > 0;
}

/// Puts transactions together from the kernel's messages, which may be of any content.
class EventReader {
 public:
  /// Takes the messages that one call of recvmsg(2) received; adds the transactions that they end.
  void take(std::string_view received, std::vector<Committed>& transactions);
  /// Messages were lost: forgets the transaction that has not ended yet.
  void forget() { open_ = {}; }

 private:
  Committed open_{};
};

/// The kernel's notifications about nf_tables, for the network namespace of the thread that opens it.
class FirewallEvents {
 public:
  /// Absent when the kernel has no such notifications or refuses them.
  static std::optional<FirewallEvents> open();
  int fd() const { return socket_.get(); }

  struct News {
    std::vector<Committed> transactions{};
    bool lost = false;  ///< some were lost, because the socket's buffer was full (ENOBUFS, netlink(7))
  };
  /// The transactions since the last call. Does not wait.
  News read();

 private:
  explicit FirewallEvents(Fd socket) : socket_(std::move(socket)) {}

  Fd socket_;
  EventReader reader_{};
  std::vector<char> received_ = std::vector<char>(1 << 18);
};

}  // namespace rewall

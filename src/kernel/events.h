#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/file.h"
#include "rules/ruleset.h"

namespace rewall {

/// A chain of a table of iptables on the nft backend.
struct ChainName {
  Family family = Family::ipv4;
  std::string table{};
  std::string chain{};
  auto operator<=>(const ChainName&) const = default;
};

/// What a transaction of nf_tables did to the tables of iptables, and who did it (NFT_MSG_NEWGEN,
/// linux/netfilter/nf_tables.h).
struct Committed {
  std::uint32_t generation = 0;
  pid_t process = 0;      ///< of the initial process namespace
  std::string program{};  ///< as ps(1) names it, at most 15 bytes
  /// Chains whose rules, policy or being there it changed; false: the chain is gone.
  std::map<ChainName, bool> chains{};
  bool more = false;  ///< what chains do not tell: a table came or went, a chain got another name

  bool touches() const { return more || !chains.empty(); }
};

/// Generations count from 1 and begin again when 32 bits are full.
inline bool is_after(std::uint32_t generation, std::uint32_t other) {
  return static_cast<std::int32_t>(generation - other) > 0;
}

/// The kernel's notifications of nf_tables, of the network namespace that the calling thread is in when it is
/// opened.
class FirewallEvents {
 public:
  /// Absent where the kernel has none, or does not let us.
  static std::optional<FirewallEvents> open();
  int fd() const { return socket_.get(); }

  struct News {
    std::vector<Committed> transactions{};
    bool lost = false;  ///< there were more than the socket could hold (ENOBUFS, netlink(7))
  };
  /// All that wait.
  News read();

 private:
  explicit FirewallEvents(Fd socket) : socket_(std::move(socket)) {}
  void take(const char* data, std::size_t size, News& news);

  Fd socket_;
  Committed open_{};
  std::vector<char> received_ = std::vector<char>(1 << 18);
};

}  // namespace rewall

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/result.h"
#include "kernel/scratch.h"
#include "rules/ruleset.h"

namespace rewall {

/// stable_rules() of two chains, but for rules that name a set of `aliases`: these are made anew. `live` may
/// be null.
std::vector<std::pair<std::uint32_t, std::uint32_t>> staying(
    const Chain* live, const Chain& wanted, const std::map<std::string, std::string>& aliases);

/// Whether it is known what is in the nft tables of iptables; where it is not, they go, and are made anew.
enum class LiveTables { known, unknown };

/// The nft tables of the calling thread's namespace on their way from `live` to `wanted`: all tables of both
/// families in one transaction of nf_tables. Rules that have the same words before and after stay in place,
/// with their handles, counters and state; the others come from `scratch`, byte for byte as the kernel has
/// them there.
class Transaction {
 public:
  /// Rules that name a set of `aliases` (name -> alias) are made anew, and name the alias. All live as long
  /// as this.
  Transaction(const Ruleset& live, const Ruleset& wanted, const Scratch& scratch,
              const std::map<std::string, std::string>& aliases, LiveTables live_tables = LiveTables::known);
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction();

  /// Reads handles and staged rules, and makes the messages. Kind refused when the kernel does not have what
  /// `live` says: somebody changed it.
  Status prepare(std::uint32_t generation);
  /// Nothing to do: what is wanted is there.
  bool empty() const;
  /// Kind refused when the generation has moved, kind kernel when the kernel says no, with the rule that it
  /// did not take; nothing was changed then.
  Status send();
  /// Whether every chain that was changed holds, in order, the rules that stayed and those that were sent
  /// (their counters aside). False also when it cannot be known.
  bool reads_back() const;

 private:
  class Work;
  std::unique_ptr<Work> work_;
};

}  // namespace rewall

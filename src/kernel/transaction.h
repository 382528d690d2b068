#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/result.h"
#include "kernel/events.h"
#include "kernel/programs.h"
#include "kernel/scratch.h"
#include "rules/ruleset.h"

namespace rewall {

/// stable_rules() of two chains, without rules that name a set of `aliases`, which have to be replaced.
/// `live` may be null.
std::vector<std::pair<std::uint32_t, std::uint32_t>> staying(
    const Chain* live, const Chain& wanted, const std::map<std::string, std::string>& aliases);

/// Whether the content of the live nft tables is known. A transaction deletes unknown tables and makes new
/// ones.
enum class LiveTables { known, unknown };

/// Changes all nft tables of the calling thread's namespace, of both families, from `live` to `wanted` in one
/// transaction of nf_tables. Rules that are the same before and after stay, with their handles, counters and
/// state. New rules are copied from `scratch`, byte for byte as the kernel has them there.
class Transaction {
 public:
  /// Rules that name a set of `aliases` (name -> alias) are replaced by rules that name the alias. All
  /// arguments must outlive the object.
  Transaction(Programs& programs, const Ruleset& live, const Ruleset& wanted, const Scratch& scratch,
              const std::map<std::string, std::string>& aliases, LiveTables live_tables = LiveTables::known);
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction();

  /// Reads handles and staged rules, and makes the messages. Kind refused when the kernel does not have the
  /// rules of `live`, because another process changed them.
  Status prepare(std::uint32_t generation);
  /// True when there is nothing to change.
  bool empty() const;
  /// Sends the transaction. Kind refused when the generation is another one by now; kind kernel, with the
  /// rule, when the kernel refuses one. After an error nothing has changed.
  Status send();
  /// Makes the messages as prepare() does and puts them to the kernel without carrying them out. Rules that
  /// name a set that is not there yet are left out. Errors as prepare() and send().
  Status check(std::uint32_t generation);
  /// The chains that the transaction makes, changes or (false) removes.
  const std::map<ChainName, bool>& changed() const;

 private:
  class Work;
  std::unique_ptr<Work> work_;
};

}  // namespace rewall

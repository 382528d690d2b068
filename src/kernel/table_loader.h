#pragma once

#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "core/result.h"
#include "kernel/programs.h"
#include "kernel/set_loader.h"
#include "rules/ruleset.h"

namespace rewall {

/// The tables of one slot of a ruleset, with the backend that they belong to.
struct BackendTables {
  Backend backend = Backend::nft;
  Family family = Family::ipv4;
  const Tables* tables = nullptr;
  std::string file{};  ///< the file that errors name: "rules.v4", "rules.v6.legacy"
};

/// The `iptables-restore` of the backend and family of `of`, with `text` as its standard input. Kind kernel
/// when the program is not installed.
Result<Command> restore_command(Programs& programs, const BackendTables& of, std::string text,
                                const std::vector<std::string>& options = {});

/// Changes the tables of this namespace one by one with iptables-restore, for the legacy backend and for
/// hosts without scratch namespaces. A table is the largest unit that the kernel replaces at once there.
class TableLoader {
 public:
  /// `live` has the tables in force now. These tables, and those given later, must outlive the loader.
  TableLoader(Programs& programs, const std::vector<BackendTables>& live);

  /// Makes the tables of each backend and family those of `wanted`. A table that `wanted` lacks becomes
  /// empty, and one that does not differ is not touched. Rules name their sets by `names`.
  ///
  /// Counters: a rule or chain that stays (rules/stable_rules.h) keeps the counters that iptables-save -c
  /// printed right before. Packets that the kernel counts between the two programs are lost from them.
  ///
  /// Order: first tables that only become stricter (rules/stricter.h), then those that change both ways or do
  /// more than accept and drop, then those that only become looser; inside these classes the order of
  /// `wanted` and of the kernel's tables. With at most one table in the middle class, no packet is accepted
  /// at any moment that the old and the new state both drop: before the turn of that table all tables drop at
  /// least what the old state drops, afterwards at least what the new state drops. With more of them such an
  /// order may not exist.
  ///
  /// Kind kernel: the kernel refused a table, or the program did not end in time. Kind refused: another
  /// process changed a table before its turn. In both cases the tables that were already loaded have been put
  /// back.
  ///
  /// With a transaction of other tables, bring() is called twice: tables that become looser or empty change
  /// in the phase after the transaction.
  enum class Phase { all, before_transaction, after_transaction };
  Status bring(const std::vector<BackendTables>& wanted, const SetNames& names, Phase phase = Phase::all);

  /// Puts back the tables that the newest bring() replaced, last first, with their counters. Adds to `why`
  /// those that could not be put back; `why` is of kind kernel then.
  void put_back(Error& why);

  /// False after a table could not be put back.
  bool whole() const { return whole_; }

 private:
  using Place = std::tuple<Backend, Family, std::string>;

  /// A table in force.
  struct InForce {
    const Table* table = nullptr;       ///< null when it is empty
    std::optional<std::string> text{};  ///< absent after a load that failed
    bool ours = false;                  ///< loaded by this object; the kernel may print it differently
  };

  /// The change of one table.
  struct Step {
    BackendTables of{};
    std::string name{};
    InForce wanted{.ours = true};
    bool other_sets = false;  ///< its rules name sets by their aliases
    int turn = 0;             ///< its class in the order of bring()
    InForce before{};
    std::string back{};  ///< the input of iptables-restore that puts it back

    Place place() const { return {of.backend, of.family, name}; }
    std::string title() const;
  };

  std::vector<Step> plan(const std::vector<BackendTables>& wanted, const SetNames& names, Phase phase) const;
  InForce in_force(const Place& place) const;
  Status load(Step step, const SetNames& names);
  std::optional<Tables> read_counters(Step& step);

  Programs& programs_;
  std::map<Place, InForce> in_force_{};
  std::vector<Step> loaded_{};  ///< by the newest bring()
  SetNames unaliased_{};        ///< set names by alias, of all aliases that rules have named
  bool whole_ = true;
};

}  // namespace rewall

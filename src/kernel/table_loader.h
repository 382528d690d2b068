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

/// `iptables-restore` of the backend and family of `of`, with `text` on its standard input. Kind kernel when
/// it is not installed.
Result<Command> restore_command(Programs& programs, const BackendTables& of, std::string text,
                                const std::vector<std::string>& options = {});

/// Brings the tables of the namespace from what they are to what they should be, one by one with
/// iptables-restore: the kernel's unit where there is no transaction.
class TableLoader {
 public:
  /// `live`: the tables that are in force now. These and all later tables must outlive the loader.
  TableLoader(Programs& programs, const std::vector<BackendTables>& live);

  /// Makes the tables of each backend and family those of `wanted`; a table that `wanted` lacks becomes
  /// empty. Sets in rules are called by `names`. What does not differ is not touched.
  ///
  /// Counters: a rule that stays (kept.h) keeps its own, as iptables-save -c tells them right before, and so
  /// does a chain. What the kernel counts between the two programs is lost.
  ///
  /// Order: tables that only become stricter (stricter.h), then those that change both ways or do more than
  /// accept and drop, then those that only become looser; within these in the order of `wanted` and of the
  /// kernel's tables. So with one table at most in the middle, no packet is ever accepted that the old and
  /// the new state both drop: before its turn all drop at least what the old state drops, afterwards what the
  /// new one does. With more of them there may be no such order.
  ///
  /// Kind kernel: a table was refused, or its program gave no answer. Kind refused: somebody changed a table
  /// before its turn. Those loaded before it have then been put back.
  ///
  /// `phase`: beside a transaction of other tables, those that become looser or empty wait until it is done.
  enum class Phase { all, before_transaction, after_transaction };
  Status bring(const std::vector<BackendTables>& wanted, const SetNames& names, Phase phase = Phase::all);

  /// Puts back what the newest bring() loaded, last first, with its counters. What could not be is named in
  /// `why`, which is then of kind kernel.
  void put_back(Error& why);

  /// False once a table could not be put back.
  bool whole() const { return whole_; }

 private:
  using Place = std::tuple<Backend, Family, std::string>;

  /// A table that is there: null when it is empty.
  struct InForce {
    const Table* table = nullptr;
    std::optional<std::string> text{};  ///< unknown when a load went wrong
    bool ours = false;                  ///< loaded here; the kernel may spell it in another way
  };

  /// A table on its way.
  struct Step {
    BackendTables of{};
    std::string name{};
    InForce wanted{.ours = true};
    bool other_sets = false;  ///< rules call sets by their aliases
    int turn = 0;             ///< when it is loaded
    InForce before{};
    std::string back{};  ///< what puts it back

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
  SetNames unaliased_{};           ///< the names of all aliases that rules have had
  bool whole_ = true;
};

}  // namespace rewall

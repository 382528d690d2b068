#pragma once

#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "core/result.h"
#include "ops/context/session.h"
#include "rules/foreign.h"
#include "rules/owners.h"
#include "rules/ruleset.h"
#include "rules/variables.h"
#include "store/repository.h"

namespace rewall {

/// Which rules of hosts are compared. The values of `fleet.vars` are always replaced by their names.
struct FleetScope {
  std::string chain{};   ///< this chain alone, without sets; empty: everything
  bool foreign = false;  ///< with the rules that other programs own
};

/// A host's rules as they are compared.
struct FleetSide {
  Ruleset ruleset{};
  /// Where the rules stood in the snapshot; absent where foreign rules count.
  std::optional<OwnRuleset> own{};
};

/// Reads the rules of hosts as they are compared. One thread uses one reader: other threads get a copy.
class FleetReader {
 public:
  /// Kind usage: the file of `fleet.vars` has a bad line, or other users may write it.
  static Result<FleetReader> make(Session& session, const FleetScope& scope);

  /// Kind repository: the snapshot's files are missing, damaged or no rules.
  Result<FleetSide> read(const Repository& repository, const HostBranch& host, const Snapshot& snapshot);

  /// The variables of a host in the file of `fleet.vars`; null where the file has none of it.
  const Variables* variables_of(const HostBranch& host) const;
  std::span<const Owner> owners() const { return owners_; }

  /// Adds the names of the chains that a copy has read, for check_chain().
  void learn_from(const FleetReader& other);
  /// Kind usage: none of the hosts that were read has the chain.
  Status check_chain() const;

 private:
  using VariablesByHost = std::map<std::string, Variables, std::less<>>;

  FleetReader(FleetScope scope, std::vector<Owner> owners, VariablesByHost variables);

  static Result<VariablesByHost> read_variables(const Repository& repository);
  void note_chains(const Ruleset& ruleset);

  FleetScope scope_;
  std::vector<Owner> owners_;
  VariablesByHost variables_;
  OwnerExpressions expressions_{};
  std::set<std::string> chains_{};
  bool chain_found_ = false;
  bool any_read_ = false;
};

}  // namespace rewall

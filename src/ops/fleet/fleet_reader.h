#pragma once

#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "core/result.h"
#include "ops/fleet/hosts.h"
#include "rules/foreign.h"
#include "rules/owners.h"
#include "rules/ruleset.h"
#include "rules/variables.h"

namespace rewall {

/// A host's rules as they are compared.
struct FleetSide {
  Ruleset ruleset{};
  std::optional<OwnParts> own{};  ///< where they stood; absent where foreign parts count
};

/// Kind repository: what of the host cannot be read.
Error unreadable_host(const std::string& host, const std::string& why);

/// Reads rules of hosts, as they are compared with those of others. Not for two threads at once; a copy each.
class FleetReader {
 public:
  /// Kind usage: a bad line in the file of `fleet.vars`, or one that others may write.
  static Result<FleetReader> make(Session& session, const FleetScope& scope);

  /// Kind repository: its files are missing, damaged or no rules.
  Result<FleetSide> read(const Repository& repository, const HostBranch& host, const Snapshot& snapshot);

  /// What `fleet.vars` says of a host; null: nothing.
  const Variables* variables_of(const HostBranch& host) const;
  std::span<const Owner> owners() const { return owners_; }

  /// Takes over which chains a copy has met.
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

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/result.h"
#include "ops/context/session.h"

namespace rewall {

/// Which rules blame() returns; an empty field lets all through. Lives during the call.
struct BlameFilter {
  std::optional<Family> family{};  ///< of iptables' rules; leaves native tables out
  std::string table{};             ///< a native one is "inet f2b-table"
  std::string chain{};
};

/// A rule of a revision and the snapshot that introduced the rule: every snapshot since then has the rule, by
/// meaning. A rule stays the same rule when it moves, gets another comment or another spelling, or when its
/// chain is renamed. A rule whose meaning changes is a new rule. A rule that a restore, undo, rollback or
/// boot put back is the one of the snapshot that it restored. A value.
struct BlamedRule {
  Family family = Family::ipv4;
  Backend backend = Backend::nft;
  std::optional<NativeFamily> native{};  ///< of a native table; then family and backend say nothing
  std::string table{};
  std::string chain{};
  std::uint32_t pos = 0;                   ///< the position in the chain, from 1
  std::string rule{};                      ///< in iptables-save words, without "-A CHAIN", or in nft's
  std::shared_ptr<const Snapshot> from{};  ///< null where no snapshot has the rule (LIVE, a file)
  /// The snapshot that put the rule back last; null where the rule was there since `from`.
  std::shared_ptr<const Snapshot> put_back_by{};
};

/// The person who changed a chain in a snapshot.
struct ChainAuthor {
  Person person{};                     ///< "unknown" where it is not one person, or not proved
  std::vector<std::string> perhaps{};  ///< the names of those who may have been it then
};
/// The author of the rule in the snapshot that introduced it (Rewall-Part), else that snapshot's author.
ChainAuthor author_of(const BlamedRule& rule, const Snapshot& snapshot);

/// The rules of a revision that the filter lets through, in the order of the revision. Kind usage: the
/// revision does not have the chain of the filter. Else the errors of read_revision().
Result<std::vector<BlamedRule>> blame(Session& session, const std::string& revision,
                                      const BlameFilter& filter);

}  // namespace rewall

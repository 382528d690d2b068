#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/result.h"
#include "ops/context/session.h"

namespace rewall {

struct BlameFilter {
  std::optional<Family> family{};
  std::string table{};
  std::string chain{};
};

/// A rule of a revision, and the snapshot that brought it: the newest from which on every snapshot has it, by
/// meaning. One that moved, got another comment or other words of the same meaning is the same rule, and so
/// is one whose chain got another name; a changed one is new.
struct BlamedRule {
  Family family = Family::ipv4;
  Backend backend = Backend::nft;
  std::string table{};
  std::string chain{};
  std::uint32_t pos = 0;                   ///< from 1
  std::string rule{};                      ///< in iptables-save words, without "-A CHAIN"
  std::shared_ptr<const Snapshot> from{};  ///< null: no snapshot has it (of LIVE, a file)
};

/// The rules that the filter lets through, in the order of the revision. Kind usage: it has no such chain;
/// else the errors of read_revision().
Result<std::vector<BlamedRule>> blame(Session& session, const std::string& revision,
                                      const BlameFilter& filter);

}  // namespace rewall

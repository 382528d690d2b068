#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "kernel/firewall.h"
#include "kernel/programs.h"
#include "kernel/reading.h"
#include "rules/ruleset.h"

namespace rewall {

/// One of a ruleset's four places for tables, by the backend that they belong to.
struct Slot {
  Backend backend = Backend::nft;
  Family family = Family::ipv4;
  const Tables* tables = nullptr;
  std::string file{};  ///< what it is called: "rules.v4", "rules.v6.legacy"
};

/// Both families of the ruleset's backend, then those of legacy where it holds rules beside nft's.
std::vector<Slot> slots_of(const Ruleset& ruleset, const FileNames& names = {});

/// A ruleset with its slots filled from a reading, laid out as `like` is.
Ruleset arranged_like(const Ruleset& like, Reading reading);

/// Firewall::stage and Firewall::load, for the namespace of the calling thread.
Result<Ruleset> stage(Programs& programs, const Ruleset& wanted, const FileNames& names = {});
Status load(Programs& programs, const Ruleset& wanted, const Ruleset& live);

}  // namespace rewall

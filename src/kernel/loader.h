#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/result.h"
#include "kernel/firewall.h"
#include "kernel/programs.h"
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

/// `iptables-restore` of the slot's backend and family, with `text` on its standard input. Kind kernel when
/// it is not installed.
Result<Command> restore_command(Programs& programs, const Slot& slot, std::string text,
                                const std::vector<std::string>& options = {});

/// Firewall::load, for the namespace of the calling thread.
Result<bool> load(Programs& programs, const Staged& staged, const Ruleset& live,
                  const std::optional<Generation>& generation);

}  // namespace rewall

#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/parallel.h"
#include "core/result.h"
#include "kernel/firewall.h"
#include "kernel/programs.h"
#include "kernel/reading.h"
#include "kernel/scratch.h"

namespace rewall {

/// Puts the tables that the words of iptables do not say whole to Reading::unsayable, with the proofs that
/// this takes. Kind capture: a rule can be said by nobody.
using SettleForms = std::function<Status(Reading&)>;

/// Scratch::make() on a thread beside the caller.
Task<std::shared_ptr<Scratch>> make_scratch();

/// Firewall::stage() for the namespace of the calling thread, in the scratch namespace `ready`. Where that is
/// an error of kind permission, the rules are only tested (iptables-restore --test).
Result<Staged> stage(Programs& programs, const Ruleset& wanted, const Ruleset* live, const FileNames& names,
                     Task<std::shared_ptr<Scratch>> ready = make_scratch(), const SettleForms& settle = {});

/// Firewall::in_nft_words().
Result<NativeTable> in_nft_words(Programs& programs, const Ruleset& ruleset, Family family,
                                 const std::string& table,
                                 std::vector<std::shared_ptr<const std::string>>& texts);

}  // namespace rewall

#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/result.h"
#include "kernel/firewall.h"
#include "kernel/printed.h"
#include "kernel/programs.h"

namespace rewall {

/// What has to be proved or said of the rules of chains that were read.
struct ChainDoubts {
  std::vector<DoubtfulRule> rules{};  ///< to be proved (proofs.h)
  std::vector<std::string> notes{};   ///< as Capture::notes
};

/// Firewall::read_chains() for the namespace of the calling thread, without the proofs. Absent also when a
/// program printed what the kernel does not have.
Result<std::optional<std::vector<ChainsOfTable>>> read_chains(Programs& programs,
                                                              const std::map<ChainName, bool>& chains,
                                                              ChainDoubts* doubts = nullptr);

}  // namespace rewall

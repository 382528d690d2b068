#pragma once

#include <span>
#include <string>
#include <vector>

#include "kernel/events.h"
#include "kernel/programs.h"

namespace rewall {

/// Firewall::words_of() for the namespace of the calling thread, whose sets have the numbers that rules hold.
Result<std::vector<std::string>> words_of(Programs& programs, std::span<const ToldRule> rules);

}  // namespace rewall

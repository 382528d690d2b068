#pragma once

#include <filesystem>
#include <string>

namespace rewall {

// Which machine keeps a history: a copy of a disk, or of a virtual machine, is another machine with the same
// history, and both would push to one branch. machine-id(5) tells them apart; it is nobody's to know, so that
// a digest of it is noted, in `.git/rewall/machine`.

/// The digest for this machine, 32 hex digits; empty where it has no machine-id.
std::string machine_here();

/// The digest that is noted (`state` is `.git/rewall`); empty for none.
std::string noted_machine(const std::filesystem::path& state);

/// Notes this machine. A note that cannot be written is no matter.
void note_machine(const std::filesystem::path& state);

}  // namespace rewall

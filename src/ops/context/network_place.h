#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "ops/context/session.h"

namespace rewall {

/// What tells a network namespace from others: its names in /run/netns (ip-netns(8)), whether it is that of
/// process 1, its inode and the boot. A value.
struct NetworkPlace {
  std::vector<std::string> names{};
  std::optional<bool> first{};  ///< absent where process 1's cannot be read
  std::uint64_t inode = 0;      ///< 0 where proc(5) does not show it
  std::string boot{};           ///< /proc/sys/kernel/random/boot_id
};
NetworkPlace network_here();

/// The text of `.git/rewall/namespace`: "name VPN", "first" or "inode NUMBER BOOT". Empty where nothing is
/// known.
std::string print_place(const NetworkPlace& place);

/// How the namespace that a note names relates to the one of this process.
enum class PlaceMatch {
  here,       ///< the same, or not proved to be another; also for a note that cannot be read
  gone,       ///< another, which is not there any more
  elsewhere,  ///< another, which is there
};
PlaceMatch match_place(std::string_view note, const NetworkPlace& here);

/// Refuses a namespace that is not the repository's, and notes this one where no other is noted or the other
/// is gone, with a warning then. A note that cannot be written is no matter. Kind repository: the repository
/// belongs to another namespace, which is there.
Status check_network(Session& session);

/// Notes this namespace in a new repository (`state` is its `.git/rewall`).
void note_network(const std::filesystem::path& state);

}  // namespace rewall

#pragma once

#include <optional>

namespace rewall {

/// Whether the system is going down: systemd says "stopping" (systemctl(1), is-system-running), or the
/// runlevel is 0 or 6 (runlevel(8)). Absent where neither can be asked. Takes some milliseconds, at most 5 s.
std::optional<bool> system_is_stopping();

}  // namespace rewall

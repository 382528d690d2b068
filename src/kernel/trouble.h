#pragma once

#include <optional>
#include <string>

namespace rewall {

/// A trouble that passes by itself and keeps any ruleset from being loaded now, as it is measured: a process
/// holds the lock of iptables-legacy (/run/xtables.lock, iptables(8) -w), or no process can be started
/// (fork(2): EAGAIN, ENOMEM). For people: "'iptables' (process 812) holds the xtables lock". Absent where
/// there is none.
std::optional<std::string> passing_trouble();

/// False for a kernel that was built or started without IPv6 (ipv6.disable=1): it has no sockets of it.
bool kernel_has_ipv6();

}  // namespace rewall

#pragma once

#include <optional>

#include "kernel/firewall.h"

namespace rewall {

/// How the network namespace that a state file names relates to the one that this process is in.
enum class NamespaceMatch {
  here,      ///< the same, or one of the two is not known
  gone,      ///< of an earlier boot
  elsewhere  ///< another one of this boot
};
NamespaceMatch match_namespace(const std::optional<Generation>& noted, const std::optional<Generation>& here);

}  // namespace rewall

#pragma once

#include <optional>

#include "kernel/firewall.h"

namespace rewall {

/// How the network namespace that a state file names relates to the namespace of this process. A value.
enum class NamespaceMatch {
  here,      ///< the two are the same, or one of them is not known
  gone,      ///< the state file names a namespace of an earlier boot
  elsewhere  ///< the state file names another namespace of this boot
};
/// Compares the boots and the namespaces of two generations; their numbers do not matter.
NamespaceMatch match_namespace(const std::optional<Generation>& noted, const std::optional<Generation>& here);

}  // namespace rewall

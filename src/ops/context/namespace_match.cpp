#include "ops/context/namespace_match.h"

namespace rewall {

NamespaceMatch match_namespace(const std::optional<Generation>& noted,
                               const std::optional<Generation>& here) {
  if (!noted || !here) return NamespaceMatch::here;
  if (noted->boot != here->boot) return NamespaceMatch::gone;
  return noted->network == here->network ? NamespaceMatch::here : NamespaceMatch::elsewhere;
}

}  // namespace rewall

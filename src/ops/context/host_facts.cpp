#include "ops/context/host_facts.h"

namespace rewall {

HostFacts live_host_facts() {
  return {};
}

}  // namespace rewall

#pragma once

#include "analysis/model.h"

namespace rewall {

/// What rules ask of this host, from the network namespace of the calling thread.
HostFacts live_host_facts();

}  // namespace rewall

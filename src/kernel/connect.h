#pragma once

#include <chrono>
#include <string>

#include "core/result.h"

namespace rewall {

/// Whether a server takes a TCP connection within that time, at any address of the name (getent(1),
/// connect(2)); it is closed again. `port`: a number. Kind remote: why not.
Status try_connection(const std::string& host, const std::string& port, std::chrono::milliseconds wait);

}  // namespace rewall

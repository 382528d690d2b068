#pragma once

#include <chrono>
#include <string>

#include "core/result.h"

namespace rewall {

/// Opens a TCP connection to a server and closes it again: any address of the name will do (getent(1),
/// connect(2)). `port` is a number. Kind remote, with the reason, when none succeeds within `wait`.
Status try_connection(const std::string& host, const std::string& port, std::chrono::milliseconds wait);

}  // namespace rewall

#pragma once

#include <string>

namespace rewall {

/// What `verify` or `doctor` has to say of one thing that it looked at.
struct Finding {
  std::string check{};  ///< "objects", "clock"
  bool ok = true;
  std::string message{};  ///< may hold bytes from outside
  std::string hint{};     ///< what mends it; of one that is well: advice
};

}  // namespace rewall

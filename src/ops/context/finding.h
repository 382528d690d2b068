#pragma once

#include <string>

namespace rewall {

/// The result of one check of `verify` or `doctor`, a value for the output.
struct Finding {
  std::string check{};  ///< "objects", "clock"
  bool ok = true;
  std::string message{};  ///< may hold bytes from outside: escape before printing
  std::string hint{};     ///< how to repair the fault; where `ok`, advice
};

}  // namespace rewall

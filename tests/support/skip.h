#pragma once

#include <catch2/catch.hpp>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>

namespace rewall {

/// The exit status of a test program in which nothing failed but something was skipped: ctest's
/// SKIP_RETURN_CODE.
constexpr int kSkippedStatus = 77;

/// Whether a test case of this process was skipped.
inline bool& any_skipped() {
  static bool skipped = false;
  return skipped;
}

/// Ends a test case that cannot run here, and says why. ctest counts the test case as skipped.
[[noreturn]] inline void skip(const std::string& why) {
  std::cout << "skipped: " << why << std::endl;
  any_skipped() = true;
  throw Catch::TestFailureException();  // ends the test case; no assertion has failed
}

/// The same of a test case that needs root, namespaces or netfilter. A continuous integration, which sets the
/// variable CI, has all of these: there the test case fails.
[[noreturn]] inline void skip_without_kernel(const std::string& why) {
  const char* ci = std::getenv("CI");
  if (ci != nullptr && !std::string_view(ci).empty() && std::string_view(ci) != "false")
    FAIL("cannot run: " << why);
  skip(why);
}

}  // namespace rewall

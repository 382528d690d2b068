#define CATCH_CONFIG_RUNNER
#include <iostream>

#include "support/release.h"
#include "support/skip.h"

int main(int argc, char** argv) {
  if (!rewall::use_release_program()) {
    std::cerr << "the program of REWALL_RELEASE cannot be put in place\n";
    return 1;
  }
  const int status = Catch::Session().run(argc, argv);
  return status == 0 && rewall::any_skipped() ? rewall::kSkippedStatus : status;
}

#define CATCH_CONFIG_RUNNER
#include "support/skip.h"

int main(int argc, char** argv) {
  const int status = Catch::Session().run(argc, argv);
  return status == 0 && rewall::any_skipped() ? rewall::kSkippedStatus : status;
}

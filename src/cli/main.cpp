#include "cli/program.h"

int main(int argc, char** argv) {
  return rewall::run_program(argc, argv);
}

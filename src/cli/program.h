#pragma once

namespace rewall {

/// The whole program: reads the command line, runs one command, and prints its error. Returns the exit status
/// (rewall(8), EXIT STATUS).
int run_program(int argc, char** argv);

}  // namespace rewall

#pragma once

namespace rewall {

/// The whole program: reads the command line, runs one command, prints what went wrong. The exit status of
/// section 3.
int run_program(int argc, char** argv);

}  // namespace rewall

#pragma once

#include <catch2/catch.hpp>
#include <optional>
#include <string>
#include <vector>

#include "kernel/namespace.h"
#include "kernel/process.h"
#include "support/scratch_namespace.h"
#include "support/skip.h"
#include "support/temporary_folder.h"

namespace rewall::testing {

/// A network namespace of the test's own, and the programs that speak to its kernel.
class TestKernel {
 public:
  /// Skips the test case where a program cannot be had.
  TestKernel() {
    for (const auto* program : {"iptables", "ip6tables", "iptables-legacy", "ip6tables-legacy", "ipset"})
      if (find_program(program).empty()) skip_without_kernel(std::string("no ") + program + " here");
  }

  Outcome run(std::vector<std::string> words, std::string input = {}) const {
    words[0] = find_program(words[0]);
    std::optional<Result<Outcome>> outcome;
    const auto ran = namespace_.run([&] {
      // iptables-legacy without -w fails while another test has the lock in /run.
      outcome = rewall::run({.words = words,
                             .input = std::move(input),
                             .environment = {"XTABLES_LOCKFILE=" + (folder_.path() / "lock").string()},
                             .deadline = std::chrono::minutes{5}},
                            ErrorKind::kernel);
    });
    if (!ran) FAIL(ran.error().message);
    if (!*outcome) FAIL(outcome->error().message);
    return **outcome;
  }

  /// Runs the lines as a person would, stops at the first that fails.
  void shell(const std::vector<std::string>& lines) const {
    std::string script = "set -e\n";
    for (const auto& line : lines) script += line + '\n';
    const auto outcome = run({"sh", "-x"}, script);
    if (!outcome.ok()) FAIL(outcome.text() << "\n" << outcome.err);
  }

  std::string save(const std::string& program) const {
    const auto outcome = run({program});
    if (!outcome.ok()) FAIL(program << ": " << outcome.text());
    return outcome.out;
  }

 private:
  TemporaryFolder folder_{};
  ScratchNamespace namespace_ = scratch_namespace();
};

}  // namespace rewall::testing

#pragma once

#include <catch2/catch.hpp>
#include <optional>
#include <string>
#include <vector>

#include "kernel/namespace.h"
#include "kernel/process.h"

namespace rewall::testing {

/// A network namespace of the test's own, and the programs that speak to its kernel.
class TestKernel {
 public:
  /// Nothing, with a warning, where a namespace or a program cannot be had.
  static std::optional<TestKernel> create() {
    for (const auto* program : {"iptables", "ip6tables", "iptables-legacy", "ip6tables-legacy", "ipset"}) {
      if (!find_program(program).empty()) continue;
      WARN("skipped: no " << program << " program");
      return std::nullopt;
    }
    auto made = ScratchNamespace::create();
    if (made) return TestKernel(*std::move(made));
    WARN("skipped: " << made.error().message);
    return std::nullopt;
  }

  Outcome run(std::vector<std::string> words, std::string input = {}) const {
    words[0] = find_program(words[0]);
    std::optional<Result<Outcome>> outcome;
    namespace_.run([&] {
      outcome =
          rewall::run(Command{.words = words, .input = std::move(input), .deadline = std::chrono::minutes{5}},
                      ErrorKind::kernel);
    });
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
  explicit TestKernel(ScratchNamespace made) : namespace_(std::move(made)) {}
  ScratchNamespace namespace_;
};

}  // namespace rewall::testing

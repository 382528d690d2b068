#pragma once

#include <functional>
#include <optional>
#include <utility>

#include "kernel/firewall.h"

namespace rewall {

/// A firewall in memory for tests: it can refuse, accept and then differ, and fail at the n-th call.
class FakeFirewall : public Firewall {
 public:
  /// What a call answers instead of working.
  struct Fault {
    Error error{};
    int at_call = 0;  ///< the n-th call alone, from 1; 0: every call
  };

  FakeFirewall() = default;
  explicit FakeFirewall(Ruleset ruleset) : live(std::move(ruleset)) {}

  /// Somebody changes the firewall: the generation moves.
  void change(Ruleset ruleset) {
    live = std::move(ruleset);
    ++number;
  }

  Result<Capture> capture(BackendChoice) override {
    if (auto error = refusal(capture_fault, ++captures)) return *std::move(error);
    const char* backends = live.both_backends()           ? "nft+legacy"
                           : live.backend == Backend::nft ? "nft"
                                                          : "legacy";
    return Capture{.ruleset = live,
                   .backends = backends,
                   .tools = "iptables v1.8.9 (nf_tables)",
                   .generation = current_generation(),
                   .notes = notes};
  }

  Result<std::optional<std::vector<ChainsOfTable>>> read_chains(const std::map<ChainName, bool>&) override {
    return std::optional<std::vector<ChainsOfTable>>{};
  }

  std::optional<Generation> generation() override {
    ++generations;
    return current_generation();
  }

  bool legacy_tables() override { return live.both_backends() || live.backend == Backend::legacy; }

  Result<Sets> sets() override {
    if (auto error = refusal(sets_fault, ++set_reads)) return *std::move(error);
    return live.sets;
  }

  void expect_stage() override {}

  Result<Staged> stage(const Ruleset& wanted, const Ruleset* in_force, const FileNames& names = {}) override {
    staged_names = names;
    staged_whole = in_force == nullptr;
    if (auto error = refusal(stage_fault, ++stages)) return *std::move(error);
    return Staged{.ruleset = stage_differs ? *stage_differs : wanted};
  }

  Result<Loaded> load(const Staged& staged, const Ruleset&, const std::optional<Generation>& at) override {
    ++loads;
    if (before_load) std::exchange(before_load, nullptr)();
    if (has_generation && at && at != current_generation())
      return Error{.kind = ErrorKind::refused, .message = "the firewall was changed meanwhile"};
    if (auto error = refusal(load_fault, loads)) {
      if (load_leaves) change(*load_leaves);
      return *std::move(error);
    }
    loaded.push_back(staged.ruleset);
    change(load_differs && loads == 1 ? *load_differs : staged.ruleset);
    const auto made = current_generation();
    if (after_load) std::exchange(after_load, nullptr)();
    return Loaded{.generation = made, .reads_back = reads_back};
  }

  Status check(const Staged&, const Ruleset*, const std::optional<Generation>&) override {
    if (const auto error = refusal(check_fault, ++checks)) return *error;
    return {};
  }

  Status load_anew(const Staged& staged) override {
    ++loads_anew;
    capture_fault.reset();
    change(staged.ruleset);
    return {};
  }

  Ruleset live{};
  std::uint32_t number = 1;
  bool has_generation = true;
  std::vector<std::string> notes{};

  std::optional<Fault> capture_fault{};
  std::optional<Fault> sets_fault{};
  std::optional<Fault> stage_fault{};
  std::optional<Fault> check_fault{};
  std::optional<Fault> load_fault{};
  std::optional<Ruleset> stage_differs{};  ///< what a stage reads back instead of what was wanted
  std::optional<Ruleset> load_differs{};   ///< what the first load leaves in force instead of what was wanted
  std::optional<Ruleset> load_leaves{};    ///< what a refused load leaves in force: half a firewall

  std::function<void()> after_load{};   ///< what somebody does right behind the load, once
  std::function<void()> before_load{};  ///< what somebody does at the last moment, once
  bool reads_back = false;              ///< what load says of itself

  int captures = 0;
  int set_reads = 0;
  int stages = 0;
  int checks = 0;
  int loads = 0;
  int generations = 0;
  int loads_anew = 0;
  bool staged_whole = false;      ///< whether the last stage was to try every rule
  FileNames staged_names{};       ///< what the last stage was to call the files
  std::vector<Ruleset> loaded{};  ///< what the accepted loads were asked for

 private:
  static std::optional<Error> refusal(const std::optional<Fault>& fault, int call) {
    if (!fault || (fault->at_call != 0 && fault->at_call != call)) return std::nullopt;
    return fault->error;
  }
  std::optional<Generation> current_generation() const {
    if (!has_generation) return std::nullopt;
    return Generation{.boot = "00000000-0000-0000-0000-000000000001", .network = 1, .number = number};
  }
};

}  // namespace rewall

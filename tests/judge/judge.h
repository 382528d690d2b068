#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "analysis/walk.h"
#include "judge/lab.h"
#include "judge/random_packets.h"
#include "judge/random_rulesets.h"

namespace rewall::judge {

/// What a run has seen so far.
struct Report {
  std::size_t rulesets = 0;
  std::size_t refused = 0;                        ///< rulesets that the host's programs did not load
  std::map<std::string, std::size_t> refusals{};  ///< rules that were left out, and why
  std::size_t packets = 0;
  std::map<std::string, std::size_t> verdicts{};
  std::map<std::string, std::size_t> states{};
  std::size_t translated = 0;
  std::size_t with_unknowns = 0;  ///< packets whose verdict the model gives though some unknown was met
  std::map<std::string, std::size_t> depends{};  ///< by what the verdict hangs on
  std::size_t depends_count = 0;
  std::map<std::string, std::size_t> disagreements{};  ///< by kind
  std::size_t disagreement_count = 0;
  std::map<std::string, std::size_t> matched{};  ///< packets by what is in the rules that they matched
  std::map<std::string, std::size_t> decided{};  ///< the same of the last rule
};

/// Loads rulesets in the lab, sends packets, and holds trace() against what the kernel did.
class Judge {
 public:
  explicit Judge(std::uint64_t seed) : seed_(seed), chance_(seed) {}

  /// Random rulesets until so many packets are sent.
  void run_random(std::size_t packets, std::size_t packets_each, bool nft, bool legacy);
  /// What iptables-save printed somewhere, with interfaces, addresses and networks of its own in the lab;
  /// false where it does not load.
  bool run_dump(const std::string& dump, Family family, Backend backend, std::size_t packets);
  /// A ruleset of one's own; false where it does not load.
  bool run_one(const RulesetText& text, std::size_t packets, bool nft, bool legacy);
  const Report& report() const { return report_; }
  /// As text: the counts, and with `coverage` the matches and targets.
  std::string summary(bool coverage) const;
  Lab& lab() { return lab_; }
  RandomPackets& packets() { return packets_; }
  /// The types of sets that the kernel has.
  std::set<std::string> set_types();

 private:
  struct Loaded;
  bool restore(Family family, Backend backend, std::string text);
  bool load(const RulesetText& text, bool nft, bool legacy);
  void move_in(const Tables& tables);
  void load_empty(bool nft, bool legacy);
  std::vector<Shot> connect(Family family, std::size_t count);
  void judge(Shot& shot);
  void flow(Shot shot);
  Outcome judged(Shot& shot);
  Packet asked(const Shot& shot, const Outcome& outcome);
  bool odd_dccp(const Shot& shot) const;
  bool beyond_the_lab(const Shot& shot, const Outcome& outcome, const Trace& said) const;
  void compare(const Shot& shot, const Outcome& outcome);
  void disagree(const std::string& kind, const Shot& shot, const Outcome& outcome);
  /// The matches, options and targets of a rule, in words.
  const std::vector<std::string>& parts(Family family, const Place& place);
  std::string restore_program(Family family, Backend backend, const char* what) const;

  std::uint64_t seed_;
  Chance chance_;
  Lab lab_{};
  RandomPackets packets_{chance_, lab_};
  Report report_{};
  std::vector<std::string> old_sets_{};
  std::optional<Family> only_{};  ///< packets of one family alone
  std::shared_ptr<Loaded> loaded_{};
};

}  // namespace rewall::judge

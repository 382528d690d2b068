#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "core/result.h"
#include "kernel/nft_staging.h"
#include "kernel/printed.h"
#include "kernel/programs.h"
#include "rules/ruleset.h"

namespace rewall {

/// Proves of rules that their words make them: what the host's iptables-save prints of a rule, loaded by the
/// host's iptables-restore in a scratch namespace, has to give the same expressions and to be printed in the
/// same words. Remembers what was proved, in a file that holds for one version of iptables and of the kernel.
class Proofs {
 public:
  /// Without a file nothing outlives the object.
  explicit Proofs(std::filesystem::path file) : file_(std::move(file)) {}

  /// `sets` reads the sets of this namespace; it is called where a rule that has to be tried names one. Kind
  /// capture: a rule of unknown shape does not come back as it was, or cannot be tried without the privilege
  /// for a namespace. Where only names were put into quotes and that does not help, or the words of a rule do
  /// not say all of it (OddRule::unsaid), a sentence is added to `notes` instead.
  ///
  /// `refused` becomes the rule of an error of kind capture that is none of iptables'.
  Status prove(Programs& programs, std::span<const DoubtfulRule> rules,
               const std::function<Result<Sets>()>& sets, std::vector<std::string>& notes,
               const DoubtfulRule** refused = nullptr);

  /// Proves of a table in the words of nft that they make it: nft loads them in a scratch namespace, and has
  /// to list the same there. Rules with a note (kIptablesNote) are taken for proved. `links` are the
  /// interfaces of LIVE. Kind capture: it lists something else, or refuses a line.
  Status prove(Programs& programs, const NativeTable& table, const Links& links);

 private:
  void read(const std::string& tools);
  void write() const;

  std::filesystem::path file_;
  std::string tools_{};                  ///< that the proofs hold for
  std::map<std::string, bool> known_{};  ///< by digest, in hexadecimal: whether the words make the rule
};

}  // namespace rewall

#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/result.h"
#include "kernel/programs.h"
#include "rules/ruleset.h"

namespace rewall {

/// Other names for sets: the set KEY is named VALUE.
using SetNames = std::map<std::string, std::string>;

/// Changes the sets of this namespace, in steps between which rules are loaded: a rule needs its sets before
/// it is loaded, and a set cannot be destroyed while a rule names it (ipset(8)).
class SetLoader {
 public:
  /// Errors call `wanted` by the name `file`.
  SetLoader(Programs& programs, const Sets& live, const Sets& wanted, std::string file = "ipset");

  /// The sets that change their type or family, with the name that each has meanwhile: `ipset swap` refuses
  /// such sets.
  const SetNames& aliases() const { return aliases_; }

  /// Creates every wanted set that is new, under its name of `names`, and fills a second set for every other
  /// one. Sets that rules name do not change.
  Status fill(const SetNames& names);
  /// Swaps each second set with the set that it was filled for, one after the other. Kind refused when a set
  /// held something else than the live sets say: all of them have been swapped back.
  Status swap();
  /// Restores the live sets and destroys the new ones. For a failure, once the live rules are back.
  void undo();
  /// Destroys the live sets that are not wanted, and those that are replaced by a set of another type.
  Status drop_old();
  /// Destroys the aliases.
  Status drop_aliases();

 private:
  /// A second set: filled by fill(), and the old set after swap().
  struct Aside {
    std::string name{};
    std::string known{};  ///< the canonical text of the set that it replaces
  };

  using Asides = std::map<std::string, Aside>;  ///< by the name of the set that each replaces

  std::string fresh_name();
  Status fill(const Sets& sets, const SetNames& names);
  /// Swaps each second set with its set, and compares the old set with what is known of it. Kind refused when
  /// they differ by more than timeouts that have run on.
  Status exchange(const Asides& asides);
  void drop_fresh();
  Result<std::string> restore(const std::string& input);
  Status destroy(const std::string& name);

  Programs& programs_;
  const Sets& live_;
  const Sets& wanted_;
  std::string file_;
  SetNames aliases_{};
  Asides aside_{};
  std::map<std::string, std::string> present_{};  ///< the canonical text of each set in the kernel
  bool swapped_ = false;
  int fresh_ = 0;
};

}  // namespace rewall

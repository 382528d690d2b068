#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/result.h"
#include "kernel/programs.h"
#include "rules/ruleset.h"

namespace rewall {

/// Sets under other names: what is called KEY is to be called VALUE.
using SetNames = std::map<std::string, std::string>;

/// Brings the sets of the namespace from what they are to what they should be, in steps between which rules
/// can be loaded: rules need their sets before, and sets cannot go while rules name them (ipset(8)).
class SetLoader {
 public:
  /// `file` is what `wanted` is called where ipset refuses it.
  SetLoader(Programs& programs, const Sets& live, const Sets& wanted, std::string file = "ipset");

  /// Sets that change their type or family, which `ipset swap` refuses: they exist under these names
  /// meanwhile.
  const SetNames& aliases() const { return aliases_; }

  /// Every wanted set, by `names`: new ones are created, others are filled aside. Nothing that rules name has
  /// changed then.
  Status fill(const SetNames& names);
  /// What was filled aside takes its place, one set after the other. Kind refused: one of those that made
  /// room held something else than was known of it; they are back in their places.
  Status swap();
  /// After a failure, with the live rules back: the live sets are as they were, and ours are gone.
  void undo();
  /// Destroys the live sets that are not wanted, and those that wait under an alias for their new type.
  Status drop_old();
  /// Destroys the aliases.
  Status drop_aliases();

 private:
  /// A set that is filled, and then the one that it replaced.
  struct Aside {
    std::string name{};
    std::string known{};  ///< the canonical text of the one that it replaces
  };

  using Asides = std::map<std::string, Aside>;  ///< by the names of those that they replace

  std::string fresh_name();
  Status fill(const Sets& sets, const SetNames& names);
  /// Swaps each with what it was filled for, and looks at what comes out. Kind refused: it holds something
  /// else than is known of it, and that is not time's work.
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
  std::map<std::string, std::string> present_{};  ///< the canonical text of each set that is there
  bool swapped_ = false;
  int fresh_ = 0;
};

}  // namespace rewall

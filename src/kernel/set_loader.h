#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "core/result.h"
#include "kernel/programs.h"
#include "rules/ruleset.h"
#include "rules/set_change.h"

namespace rewall {

/// Other names for sets: the set KEY is named VALUE.
using SetNames = std::map<std::string, std::string>;

/// Changes the sets of this namespace, in steps between which rules are loaded: a rule needs its sets before
/// it is loaded, and a set cannot be destroyed while a rule names it (ipset(8)). Temporary members of the
/// kernel's sets stay, with their remaining time; those that the wanted sets bring are added. Where the
/// wanted set has no place for all, permanent members come first, then the temporary ones with the longest
/// time left; a warning counts the others.
class SetLoader {
 public:
  /// Errors call `wanted` by the name `file`.
  SetLoader(Programs& programs, const Sets& live, const Sets& wanted, std::string file = "ipset");

  /// The sets that change their type or family, with the name that each has meanwhile: `ipset swap` refuses
  /// such sets.
  const SetNames& aliases() const { return aliases_; }

  /// Creates every wanted set that is new, under its name of `names`, and fills a second set for every other
  /// one, but where few members differ (rules/set_change.h). Sets that rules name do not change.
  Status fill(const SetNames& names);
  /// Swaps each second set with the set that it was filled for, one after the other, and then adds and
  /// removes few members of others. Kind refused when a set held something else than the live sets say: all
  /// of them have been swapped back.
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
    Set known{};   ///< the set that it replaces
    Set wanted{};  ///< what it is filled with
  };

  /// A set whose members change in place.
  struct Edit {
    FewMembers few{};
    Set wanted{};  ///< perhaps a part of the set
  };

  using Asides = std::map<std::string, Aside>;  ///< by the name of the set that each replaces
  using Edits = std::map<std::string, Edit>;    ///< by name

  std::string fresh_name();
  Set named(const Set& set, const std::string& name, const SetNames& names);
  Status fill(const Sets& sets, const SetNames& names);
  /// Changes members in place; a set that temporary members fill is swapped instead.
  Status edit();
  Status swap_full(Edits edits);
  /// Swaps each second set with its set, and compares the old set with what is known of it. Kind refused when
  /// they differ by more than temporary members.
  Status exchange(const Asides& asides);
  /// The same, and back again where it is refused; then `known` and `wanted` have changed places.
  Status exchange_or_go_back(Asides& asides);
  Result<Sets> saved(const std::string& input, const std::vector<std::string>& names);
  void bring_temporary(const Set& from, const Sets& earlier, const Set& wanted, const std::string& to);
  /// Carries out the lines that the kernel takes, and returns how many it refuses. A member that is there
  /// already counts as taken.
  std::size_t carry_out_most(std::span<const std::string> lines);
  /// Takes a set that is about to go out of the lists that hold it for a time.
  void leave_lists(const std::string& name);
  void drop_fresh();
  void drop_new(bool lists);
  Result<std::string> restore(const std::string& input);
  /// `mode` is "restore", or "-", which goes on after an error (ipset(8)).
  Result<Outcome> run_lines(const std::string& input, const char* mode = "restore");
  Status destroy(const std::string& name);

  Programs& programs_;
  const Sets& live_;
  const Sets& wanted_;
  std::string file_;
  SetNames aliases_{};
  Asides aside_{};
  Edits edits_{};                         ///< until edit()
  std::map<std::string, Set> present_{};  ///< the sets of the kernel, once all steps begun so far are done
  std::deque<std::string> renamed_{};     ///< members of lists, under other names
  bool changed_ = false;                  ///< a set of LIVE may have changed
  int fresh_ = 0;
};

}  // namespace rewall

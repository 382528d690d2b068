#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "core/result.h"
#include "diff/diff.h"
#include "kernel/firewall.h"
#include "ops/context/identity.h"
#include "ops/watch/attribution.h"
#include "rules/owners.h"
#include "store/repository.h"

namespace rewall {

/// Who the message of a snapshot names.
struct Credit {
  Actor author = nobody();              ///< of the newest part that stands, as far as it is proved
  std::vector<std::string> commands{};  ///< of the changes that stand
  std::vector<std::string> notes{};     ///< lines of the body: a line for each of these changes
  std::vector<PartAuthor> parts{};      ///< where the parts have several authors

  /// False where nobody is known to have changed anything.
  bool names_anybody() const { return !author.user.empty() || !parts.empty() || !commands.empty(); }
};

/// Finds the authors of the changes from one snapshot to the next. Those of sets are never known.
Credit credit_of(const AttributedChanges& changes, const Diff& diff);

/// Changes that were undone before they were recorded, in words.
struct UndoneChanges {
  std::string subject{};                ///< "filter/INPUT: +1 ACCEPT (undone)"; empty where people's are none
  std::vector<std::string> notes{};     ///< what stood there or was gone, who did it and who took it back
  std::vector<std::size_t> by{};        ///< those who did it, of AttributedChanges::changes
  std::vector<std::size_t> commands{};  ///< they and those who took it back, in order
  std::map<std::string, std::size_t> foreign{};  ///< how many are of an owner
};
/// `words`: what the rule of each step says, empty where nothing can say it or where the step is none of a
/// rule.
UndoneChanges describe_undone(const AttributedChanges& changes, std::span<const std::string> words,
                              std::span<const Owner> owners);
/// The rules of the steps in chains of people, for Firewall::words_of(): as many as a message shows. Their
/// places in AttributedChanges::undone.
std::vector<std::size_t> undone_rules(const AttributedChanges& changes, std::span<const Owner> owners);

/// Who did what is told in a snapshot of its own.
Credit credit_of_undone(const AttributedChanges& changes, const UndoneChanges& undone);

}  // namespace rewall

#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "rules/parse.h"
#include "rules/ruleset.h"
#include "rules/set_digest.h"

namespace rewall {

/// A set as the kernel lists it (ip_set_dump_do in net/netfilter/ipset/ip_set_core.c), in the words of
/// `ipset save` 7.
struct KernelSet {
  std::string name{};
  std::string type{};
  std::string options{};
  bool known = true;  ///< false where the kernel says something that has no words here
  bool timeouts = false;
  bool comments = false;
  bool referenced = false;     ///< rules or other sets name it
  std::uint64_t elements = 0;  ///< by the kernel's own count; of a set with timeouts also some that are over
};

/// A member, while the listing goes on.
struct KernelMember {
  std::string_view words{};  ///< without counters
  bool known = true;         ///< false where the kernel says something that has no words here
  bool temporary = false;
  bool replaced = false;  ///< of its comment what `ipset save` cannot say is replaced by '?'
};

using SetHandler = std::function<void(const KernelSet&)>;
using MemberHandler = std::function<void(const KernelSet&, const KernelMember&)>;

/// Lists the sets of this namespace, or the one called `only`, in the kernel's order, each followed by its
/// members; no members without a handler for them. False when the kernel does not answer, and for a set that
/// is not there.
bool list_sets(const SetHandler& set, const MemberHandler& member, const std::string& only = {});

/// The digest of all sets. Absent when the kernel does not answer, or says something that has no words here.
/// Takes less than half of the time of `ipset save`.
std::optional<SetsDigest> digest_of_kernel();

/// What `ipset save` says once more: of the set `only`, or, where that is empty, of all in question.
using SaveAgain = std::function<Result<std::string>(const std::string& only)>;

/// Takes what `ipset save` printed for sets that it agrees with: each set has as many members as the kernel
/// counts. What the program leaves out of a set's options (forceadd) is added. Text that could be read in two
/// ways is not believed: the kernel's own listing stands for it, in which comments are replaced where they
/// cannot be said, and `note` says so. `again` runs the program once more, for sets that change meanwhile, or
/// for one set alone. `names`: the sets in question; all where empty. Kind capture: a set's name, or what
/// else has a meaning, cannot be said; or the sets kept changing.
Result<Sets> agreed_sets(std::string text, const SaveAgain& again, SetsText words,
                         const std::vector<std::string>& names, std::string& note);

/// The sets whose names a file can hold, as the kernel lists them. `again`, `words`, `note` and errors as of
/// agreed_sets().
Result<Sets> sayable_sets(const SaveAgain& again, SetsText words, std::string& note);

}  // namespace rewall

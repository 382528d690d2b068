#pragma once

#include <span>

#include "core/result.h"
#include "ops/context/session.h"
#include "rules/foreign.h"
#include "rules/owners.h"
#include "rules/ruleset.h"

namespace rewall {

/// What becomes of foreign parts of LIVE that cannot be said in the form that a wanted table has: rules with
/// an extension that nft does not know, in a table in the words of nft.
enum class UnsaidForeign {
  is_refused,
  goes,  ///< on a way back, which nothing may stop; a note says so
};

/// keep_foreign(), also where one ruleset has a table in the words of iptables and the other in those of nft:
/// what is foreign in LIVE is brought to the form that wanted has, or wanted to that of LIVE. Kind kernel: it
/// cannot be. Other kinds: the errors of Firewall::in_nft_words().
Result<ForeignMerge> keep_live_foreign(Session& session, const Ruleset& wanted, const Ruleset& live,
                                       std::span<const Owner> owners, LostForeign lost, UnsaidForeign unsaid);

}  // namespace rewall

#pragma once

#include "rules/ruleset.h"

namespace rewall {

/// True when certainly the table `to` drops every packet that the table `from` drops, and both tables only
/// accept and drop packets.
///
/// The rules are judged by their words; the answer is false when in doubt. It is true when
/// - every target is ACCEPT, DROP, REJECT, RETURN, LOG, NFLOG, AUDIT, TRACE or a chain of the table, and no
/// match
///   is unknown or has a state of its own (limit, recent, quota, a set's counters, ...);
/// - and `from` drops nothing at all, or rule by rule (stable_rules.h) DROP, REJECT and rules without a
/// verdict came,
///   ACCEPT and rules without a verdict went, and no policy went from DROP to ACCEPT. A rule that moved went
///   and came.
/// With a jump that came or went the answer is false. A chain that only one side has does not matter: without
/// a jump no packet reaches it.
bool only_stricter(const Table& from, const Table& to, Family family);

}  // namespace rewall

#pragma once

#include "rules/ruleset.h"

namespace rewall {

/// True when it is certain that a packet which the table drops as `from` it drops as `to` as well, and that
/// the table does nothing to packets but accept and drop them, before and after.
///
/// Judged by words, and "no" when in doubt:
/// - every target is ACCEPT, DROP, REJECT, RETURN, LOG, NFLOG, AUDIT, TRACE or a chain of the table, and no
/// match
///   is unknown or has state of its own (limit, recent, quota, a set's counters, ...);
/// - and `from` drops nothing at all, or rule by rule (kept.h) DROP, REJECT and rules without a verdict came,
///   ACCEPT and rules without a verdict went, and no policy went from DROP to ACCEPT. A rule that moved went
///   and came.
/// A jump that came or went is a "no". A chain that is there on one side only does not matter: without one no
/// packet meets it.
bool only_stricter(const Table& from, const Table& to, Family family);

}  // namespace rewall

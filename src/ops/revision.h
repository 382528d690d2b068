#pragma once

#include <string>
#include <utility>

#include "core/result.h"
#include "diff/diff.h"
#include "ops/session.h"
#include "rules/ruleset.h"

namespace rewall {

/// A revision in memory, and what of a firewall it speaks of.
struct Revision {
  std::string name{};  ///< as it was asked for
  std::string hash{};  ///< of a snapshot; empty for LIVE, `file:PATH` and `-`
  Ruleset ruleset{};
  /// A single rules file speaks of its family alone; a snapshot, LIVE and a folder of everything.
  bool has_v4 = true;
  bool has_v6 = true;
  bool has_sets = true;
  /// Written by people rather than by iptables-save: its rules may have words that no iptables takes.
  bool by_hand = false;
};

/// LIVE, `file:PATH`, `-` or what `git rev-parse` takes (the contract's section 1).
/// Kind usage: no such revision, an unreadable file; the errors of capture and repository as they are.
Result<Revision> read_revision(Session& session, const std::string& name, Proof proof = Proof::hash);

/// How much of two revisions is read.
enum class Extent {
  whole,
  unlike,  ///< of two snapshots only the chains that are not the same text: all that compare() asks for
};

/// Both at once, side by side; for looking at (Proof::checksum), not for restoring.
Result<std::pair<Revision, Revision>> read_revisions(Session& session, const std::string& from,
                                                     const std::string& to, Extent extent);

/// Takes out of both what only one of them speaks of, so that they can be compared.
void keep_common(Revision& from, Revision& to);

/// compare(). Kind usage: a rule written by hand that differs and has a word that no iptables takes.
Result<Diff> compare_revisions(const Revision& from, const Revision& to);

/// Refuses the first rule written by hand with a word that no iptables takes: `FILE:LINE: ...`. Kind usage.
Status check_rules(const Revision& revision);

/// `base` with what `revision` speaks of put in its place.
Ruleset overlay(Ruleset base, const Revision& revision);

}  // namespace rewall

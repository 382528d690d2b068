#pragma once

#include <optional>
#include <string>
#include <utility>

#include "core/result.h"
#include "diff/diff.h"
#include "kernel/firewall.h"
#include "ops/context/session.h"
#include "rules/ruleset.h"

namespace rewall {

/// A revision in memory, and what of a firewall it speaks of.
struct Revision {
  std::string name{};  ///< as it was asked for
  std::string hash{};  ///< of a snapshot; empty for LIVE, `file:PATH` and `-`
  Ruleset ruleset{};
  /// A single rules file speaks of its family alone, on the backend in use; a snapshot, LIVE and a folder of
  /// everything.
  bool has_v4 = true;
  bool has_v6 = true;
  bool has_sets = true;
  bool whole() const { return has_v4 && has_v6 && has_sets; }
  /// Written by people rather than by iptables-save: its rules may have words that no iptables takes.
  bool by_hand = false;
};

/// LIVE, `file:PATH`, `-` or what `git rev-parse` takes (the contract's section 1). The family of a single
/// rules file is `family`, else what its name (`rules.v6`, `ip6tables.bak`) or its text says, else IPv4. Kind
/// usage: no such revision, an unreadable file; the errors of capture and repository as they are.
Result<Revision> read_revision(Session& session, const std::string& name, std::optional<Family> family = {},
                               Proof proof = Proof::hash);

/// A snapshot as its files, before they are taken apart.
struct SnapshotFiles {
  std::string name{};  ///< as it was asked for
  std::string hash{};
  std::string backends{};
  Files files{};
};
Result<SnapshotFiles> read_snapshot_files(const Repository& repository, const std::string& name, Proof proof);
Result<Revision> to_revision(SnapshotFiles recording);

/// The session's repository for another thread: a Repository serves one.
Result<Repository> open_again(const Session& session);

/// True for LIVE, `file:PATH` and `-`: what is no snapshot, and needs no repository to be read.
bool is_unrecorded(const std::string& name);

/// The family that a rules file's name or text tells of.
Family family_of(const std::string& path, std::string_view text);

/// The error of a snapshot that does not parse: a damaged history, not a mistyped file.
Error unreadable_snapshot(const std::string& hash, const Error& why);

/// How much of two revisions is read.
enum class Extent {
  whole,
  /// Of two snapshots only the chains that are not the same text, where that is all that compare() and
  /// mark_foreign() ask for.
  differing,
};

/// Both at once, side by side; for looking at (Proof::checksum), not for restoring.
Result<std::pair<Revision, Revision>> read_revisions(Session& session, const std::string& from,
                                                     const std::string& to, Extent extent);

/// Takes out of both what only one of them speaks of, so that they can be compared. Kind usage: nothing is
/// left.
Status keep_common(Revision& from, Revision& to);

/// compare(). Kind usage: a rule written by hand that differs and has a word that no iptables takes.
Result<Diff> compare_revisions(const Revision& from, const Revision& to);

/// What the kernel's refusals call its files: the caller's own, or those of the repository.
FileNames file_names(const Revision& revision);

/// Refuses the first rule written by hand with a word that no iptables takes: `FILE:LINE: ...`. Kind usage.
Status check_rules(const Revision& revision);
Status check_rules(const Tables& tables, const std::string& path);

/// `base` with what `revision` speaks of put in its place.
Ruleset overlay(Ruleset base, const Revision& revision);

}  // namespace rewall

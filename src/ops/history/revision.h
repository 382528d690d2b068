#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/file.h"
#include "core/result.h"
#include "diff/diff.h"
#include "kernel/firewall.h"
#include "ops/context/session.h"
#include "rules/ruleset.h"

namespace rewall {

/// A revision in memory: a ruleset, and which parts of a firewall it covers. A value.
struct Revision {
  std::string name{};  ///< as the user wrote it
  std::string hash{};  ///< of a snapshot, full; empty for LIVE, `file:PATH` and `-`
  Ruleset ruleset{};
  /// The parts that the revision covers. A rules file covers its families alone; a folder covers the parts
  /// that it has files of; a snapshot and LIVE cover all.
  bool has_v4 = true;
  bool has_v6 = true;
  bool has_sets = true;
  bool whole() const { return has_v4 && has_v6 && has_sets; }
  /// True for a file, a folder and standard input, which people may have written: the rules may have words
  /// that no iptables takes, and the backend is the one in use.
  bool by_hand = false;
  std::string left_out{};  ///< what of it had expired and is not in `ruleset`: "1 rule"; empty for nothing
};

/// Reads a revision: LIVE, `file:PATH`, `-` or a name that `git rev-parse` takes (rewall-revisions(7)). A
/// rules file is read for `family`, else for those that find_families() finds; what people should know about
/// how it was read is logged as a warning. `file:PATH` with Pipes::read may be a FIFO. Kind usage: the
/// revision does not exist, or a file cannot be read or parsed. The errors of Session::capture() and
/// Session::repository().
Result<Revision> read_revision(Session& session, const std::string& name, std::optional<Family> family = {},
                               Proof proof = Proof::hash, Pipes pipes = Pipes::refused);

/// The files of a snapshot, not parsed. A value.
struct SnapshotFiles {
  std::string name{};      ///< as the user wrote it
  std::string hash{};      ///< of the snapshot, full
  std::string backends{};  ///< its Rewall-Backend
  Files files{};
};
/// The full hash of the snapshot that `name` names. Kind usage: there is none; where a file has that name,
/// the hint says how a file is written.
Result<std::string> resolve_snapshot(const Repository& repository, const std::string& name);

/// Reads the files of the snapshot that `name` names. Kind usage: no such revision. Kind repository: an
/// object cannot be read, or its content fails `proof`.
Result<SnapshotFiles> read_snapshot_files(const Repository& repository, const std::string& name, Proof proof);
/// Parses the files of a snapshot. Kind repository: see unreadable_snapshot().
Result<Revision> to_revision(SnapshotFiles recording);

/// Opens the session's repository for another thread: one Repository serves one thread.
Result<Repository> open_again(const Session& session);

/// True for LIVE, `file:PATH` and `-`: revisions that are not in the repository.
bool is_unrecorded(const std::string& name);

/// The two revisions of `A..B`, each `HEAD` where it is empty; absent where the text is no range. What begins
/// as a file is none, for its path may have dots; that behind the dots may be one. Kind usage: it has three.
Result<std::optional<std::pair<std::string, std::string>>> read_range(const std::string& text);

/// Reads the text of a rules file for the family that was asked for, else for those that find_families()
/// finds: one set of tables each, none of them empty. Logs what people should know. Kind usage: the family is
/// in doubt, or the text cannot be read.
Result<std::vector<Tables>> read_rules(std::string text, const std::string& path,
                                       std::optional<Family> asked);

/// The error, of kind repository, for a snapshot that does not parse: the history is damaged.
Error unreadable_snapshot(const std::string& hash, const Error& why);

/// How much of two revisions read_revisions() reads.
enum class Extent {
  whole,      ///< both completely
  differing,  ///< of two snapshots, only the chains with different text, where compare() and mark_foreign()
              ///< need no more
};

/// Reads two revisions side by side, to show them (Proof::checksum), not to restore them. Kind usage: both
/// are standard input. Else the errors of read_revision().
Result<std::pair<Revision, Revision>> read_revisions(Session& session, const std::string& from,
                                                     const std::string& to, Extent extent);

/// Removes from both revisions the parts that only one of them covers, so that they can be compared. Kind
/// usage: no part is left.
Status keep_common(Revision& from, Revision& to);

/// The changes between two revisions, as compare() finds them. Kind usage: a rule written by hand is part of
/// a change and has a word that no iptables takes.
Result<Diff> compare_revisions(const Revision& from, const Revision& to);

/// The names of the revision's files in a refusal of the kernel: those that the user gave, or the names of
/// the files of a snapshot.
FileNames file_names(const Revision& revision);

/// Checks the rules written by hand for words that no iptables takes; stops at the first. Kind usage, with
/// `FILE:LINE: ...`.
Status check_rules(const Revision& revision);
Status check_rules(const Tables& tables, const std::string& path);

/// The ruleset `base` with the parts that `revision` covers replaced.
Ruleset overlay(Ruleset base, const Revision& revision);

}  // namespace rewall

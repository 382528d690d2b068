#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "rules/owners.h"
#include "rules/ruleset.h"

namespace rewall {

/// The kinds of changes (rewall-output(7)), in the order of a summary.
enum class ChangeKind {
  added,
  removed,
  changed,
  moved,
  comment,
  policy,
  chain_added,
  chain_removed,
  chain_renamed,
  set_added,
  set_removed,
  set_changed,
  members,
  table_added,  ///< of native tables alone, as the two below
  table_removed,
  table_changed,  ///< its flags or comment, or of a table of iptables' name its form; with a chain that
                  ///< chain's hook, priority, devices or comment
};
std::string_view name(ChangeKind kind);  ///< "added", "chain-renamed", ...

/// One part of a changed rule (`--dport`, 2222, 22; of a native one `tcp dport`) or one member of a set
/// ("member"). An absent side did not have the part.
struct PartChange {
  std::string part{};
  std::optional<std::string> from{};
  std::optional<std::string> to{};
};

/// One difference. Positions count from 1. `from` and `to` are rules in iptables-save words without "-A
/// CHAIN", policies, chain names or create lines, after the kind; of a native table rules and facts as nft
/// prints them, several facts with "; " between them.
struct Change {
  ChangeKind kind = ChangeKind::added;
  std::optional<Family> family{};        ///< absent for sets
  std::optional<Backend> backend{};      ///< absent for sets
  std::optional<NativeFamily> native{};  ///< of a native table; then family and backend are absent
  std::string table{};                   ///< empty for ipsets
  std::string chain{};                   ///< name in the newer ruleset where it has one
  std::string set{};     ///< empty for rules and chains; of a native table a set or another object
  std::string object{};  ///< what `set` names in a native table: "set", "map", "counter", "ct helper", ...
  std::optional<std::uint32_t> from_pos{};
  std::optional<std::uint32_t> to_pos{};
  std::optional<std::string> from{};
  std::optional<std::string> to{};
  std::vector<PartChange> parts{};
  bool no_effect = false;  ///< a move that can change no packet's verdict
  std::string foreign{};   ///< the owner, set by mark_foreign(); empty for a change that belongs to people
};

/// The changes that turn one ruleset into another, by meaning, in the order of tables, chains and positions.
struct Diff {
  std::vector<Change> changes{};
  bool respelled = false;  ///< the texts or the backends differ where the meanings do not

  bool equal() const { return changes.empty(); }
  bool identical() const { return equal() && !respelled; }
};

/// Compares two rulesets by meaning. Rules that are equal as text are not parsed: the cost follows the
/// change.
Diff compare(const Ruleset& from, const Ruleset& to);

/// Sets the owner of each change. `from` and `to` are the rulesets that were compared.
void mark_foreign(Diff& diff, const Ruleset& from, const Ruleset& to, std::span<const Owner> owners);

/// The names of the owners when every change belongs to an owner; empty when a change belongs to people, or
/// there is no change.
std::vector<std::string> foreign_only(const Diff& diff, const Ruleset& from, const Ruleset& to,
                                      std::span<const Owner> owners);

/// The number of changes of each kind; kinds without changes are absent.
std::map<ChangeKind, std::size_t> summary(const Diff& diff);

/// A commit's subject: `filter/INPUT: +1 tcp dport 443 ACCEPT` for one change, counts and chains for several.
/// At most 72 bytes, valid UTF-8, one line.
std::string subject(const Diff& diff);

/// The commands that turn `from` into `to`, quoted for a POSIX shell, in an order that runs. One element a
/// command; a here-document is an element of several lines. Native tables are one here-document for nft, the
/// last element; there is none where `to` has no native tables recorded.
std::vector<std::string> commands(const Ruleset& from, const Ruleset& to);

}  // namespace rewall

#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/proc.h"
#include "kernel/audit.h"
#include "kernel/events.h"
#include "ops/context/identity.h"

namespace rewall {

/// A change of the firewall, and as much as is known of the process that made it.
struct AttributedChange {
  pid_t process = 0;
  Process who{};
  bool words_are_cut = false;  ///< the command line is longer than the audit trail records
};

/// The command line as people would type it, else the program's name.
std::string command_of(const AttributedChange& change);
/// "iptables, pid 4711, by alice, pts/0, 192.0.2.7".
std::string text_of(const AttributedChange& change);

/// Who made the changes of one snapshot.
///
/// An author for each part of the snapshot (a chain, a set) belongs here, as a map from the part to its place
/// in `changes`: the transactions that Attribution gets name the chains that they changed
/// (Committed::chains), and watcher.cpp writes the trailers of a snapshot from this struct alone.
struct AttributedChanges {
  std::vector<AttributedChange> changes{};  ///< in the order in which they were made
  std::size_t left_out = 0;                 ///< how many more there were than a message can have

  void append(AttributedChanges later);
};

/// The tables of the legacy backend, by family and name.
struct LegacyTable {
  unsigned entries = 0;  ///< as the kernel counts them
  std::size_t hash = 0;  ///< of the table's text
};
using LegacyTables = std::map<std::pair<Family, std::string>, LegacyTable>;

/// Adds the tables of a text in iptables-save format. The kernel counts as entries a policy for each built-in
/// chain, two for each other chain, the rules, and one at the end (ip_tables.h).
void add_tables(std::string_view text, Family family, LegacyTables& tables);

/// Finds out who made changes, from nf_tables' notifications and from the audit trail, which has longer
/// command lines and covers all network namespaces.
class Attribution {
 public:
  void add(const Committed& transaction);
  void add(AuditRecord record);

  /// True where the audit trail had a change of the legacy backend, perhaps one of this network namespace,
  /// since the last call.
  bool legacy_changed() { return std::exchange(legacy_changed_, false); }

  /// Takes out all changes of nf_tables up to a generation (absent: all), and all changes of the legacy
  /// backend. A legacy change whose network namespace is not known counts where the tables before and after
  /// show it.
  AttributedChanges take(const std::optional<std::uint32_t>& generation, const LegacyTables& before,
                         const LegacyTables& after);

 private:
  struct Notified {
    std::uint32_t generation = 0;
    AttributedChange change{};
  };
  /// What shows that a change is of this network namespace: its process, or where that is gone, its parent.
  enum class Evidence { none, parent, process };
  struct LegacyChange {
    AuditRecord record{};
    Evidence evidence = Evidence::none;
  };
  std::vector<Notified> notified_{};
  std::map<std::pair<std::uint32_t, pid_t>, Process> audited_{};  ///< of nf_tables, by generation and process
  std::vector<LegacyChange> legacy_{};
  bool legacy_changed_ = false;
  std::size_t left_out_ = 0;
};

}  // namespace rewall

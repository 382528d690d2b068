#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "core/proc.h"
#include "kernel/audit.h"
#include "kernel/events.h"
#include "ops/context/identity.h"

namespace rewall {

/// A table of the legacy backend.
using LegacyTableName = std::pair<Family, std::string>;

/// A change of the firewall, and as much as is known of the process that made it.
struct AttributedChange {
  pid_t process = 0;
  Process who{};
  Actor actor = nobody();
  bool words_are_cut = false;  ///< the command line is longer than the audit trail records
  /// Nothing proves that this process changed this firewall: the change only fits.
  bool perhaps = false;
  /// The same of the actor: where one of several commands of one person made the change, it is that person's.
  bool perhaps_actor = false;
  std::set<ChainName> chains{};    ///< of nft that have something of it at the end
  std::set<ChainName> touched{};   ///< of nft that it changed
  std::set<std::string> native{};  ///< the native tables that it changed: "inet filter"
  std::optional<LegacyTableName> table{};
};

/// The command line as people would type it, else the program's name; with "(perhaps) " before it.
std::string command_of(const AttributedChange& change);
/// "iptables, pid 4711, by alice, pts/0, 192.0.2.7"; with "(perhaps) " before it.
std::string text_of(const AttributedChange& change);

/// What one process did and another one, or the same, took back before it was recorded.
struct UndoneStep {
  ChainStep step{};
  std::size_t by = 0;       ///< the change that did it, of AttributedChanges::changes
  std::size_t back_by = 0;  ///< the change that took it back
};

/// Who made the changes of one snapshot.
struct AttributedChanges {
  std::vector<AttributedChange> changes{};  ///< in the order in which they were made
  std::vector<UndoneStep> undone{};
  std::size_t left_out = 0;  ///< how many more there were than are kept

  void append(AttributedChanges later);
};

/// The tables of the legacy backend, by family and name.
struct LegacyTable {
  unsigned entries = 0;  ///< as the kernel counts them
  std::size_t hash = 0;  ///< of the table's text
};
using LegacyTables = std::map<LegacyTableName, LegacyTable>;

/// Adds the tables of a text in iptables-save format. The kernel counts as entries a policy for each built-in
/// chain, two for each other chain, the rules, and one at the end (ip_tables.h).
void add_tables(std::string_view text, Family family, LegacyTables& tables);

/// Finds out who made changes. Evidence has classes, each with room of its own:
/// - nf_tables' notifications, which are of this network namespace, and audit records with their generation
///   and process: proved;
/// - audit records of the legacy backend, which are of all network namespaces. The process proves that it is
///   one of this namespace while it lives. Else one of root that is the only one which fits is proved too:
///   each change leaves a record. All others fit at best, and those of other users, who cannot change this
///   firewall but can make as many records as they like, count where there is nothing better.
class Attribution {
 public:
  void add(Committed transaction);
  /// Of a record with a generation the notification has to be there already: the kernel sends it first.
  void add(AuditRecord record);
  /// Records were lost: which change fits alone is not known.
  void note_loss() { is_whole_ = false; }
  /// Notifications were lost: what was undone is not known.
  void note_lost_notifications() { steps_are_all_ = false; }

  /// True where the audit trail had a change of the legacy backend, perhaps one of this network namespace,
  /// since the last call.
  bool legacy_changed() { return std::exchange(legacy_changed_, false); }
  /// True where there are changes of the legacy backend that may be of this namespace.
  bool has_legacy() const { return !legacy_.empty(); }
  /// True while the audit record of a notification is missing.
  bool waits_for_audit() const { return audited_ < notified_.size(); }
  /// True where an audit record belonged to a notification since the last call.
  bool audit_spoke() { return std::exchange(audit_spoke_, false); }

  /// The firewall as it was recorded last, and as it is to be recorded now.
  struct Window {
    std::optional<std::uint32_t> generation{};  ///< of nf_tables; changes after it are left; absent: none are
    LegacyTables before{};
    LegacyTables after{};
    std::function<std::string(const ChainName&)> policy_before{};  ///< of a built-in chain
  };
  /// All changes of nf_tables up to a generation, and all changes of the legacy backend.
  AttributedChanges changes(const Window& window) const;
  /// Forgets these changes: they are recorded.
  void forget(const std::optional<std::uint32_t>& generation);

 private:
  struct Notified {
    Committed transaction{};
    AttributedChange change{};
    bool is_audited = false;
  };
  /// What shows that a legacy change is of this network namespace.
  enum class Evidence { process, root, other };
  struct LegacyChange {
    AuditRecord record{};
    Evidence evidence = Evidence::other;
  };
  using TransactionKey = std::pair<std::uint32_t, pid_t>;

  Actor actor_of(const Process& process);
  void add_notified(const Window& window, AttributedChanges& changes) const;
  void add_legacy(const Window& window, AttributedChanges& changes) const;

  std::vector<Notified> notified_{};
  std::map<TransactionKey, std::size_t> index_{};  ///< into notified_, by generation and process
  std::size_t audited_ = 0;
  std::size_t steps_ = 0;
  bool steps_are_all_ = true;
  std::vector<LegacyChange> legacy_{};
  std::map<Evidence, std::size_t> legacy_counts_{};
  bool legacy_changed_ = false;
  bool is_whole_ = true;
  bool audit_spoke_ = false;
  std::size_t left_out_ = 0;
  std::map<std::tuple<std::optional<uid_t>, std::optional<uid_t>, std::string, pid_t>, Actor> actors_{};
};

}  // namespace rewall

#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/proc.h"
#include "kernel/audit.h"
#include "kernel/events.h"
#include "ops/context/identity.h"

namespace rewall {

/// Somebody's change of the firewall: as much as is known of it.
struct AttributedChange {
  pid_t process = 0;
  Process who{};
  bool words_are_cut = false;
};

/// The command line as people would type it, else the program's name.
std::string command_of(const AttributedChange& deed);
/// "iptables, pid 4711, by alice, pts/0, 192.0.2.7".
std::string text_of(const AttributedChange& deed);

/// Collects who did what, from nf_tables' notifications and from the audit trail, which has more words and
/// covers all network namespaces.
class Attribution {
 public:
  void add(const Committed& transaction);
  void add(AuditRecord record);

  /// True when the audit trail told of a change of the legacy backend that may be of this network namespace,
  /// since it was asked last.
  bool legacy_news() { return std::exchange(legacy_news_, false); }

  /// The tables of the legacy backend that are there.
  struct TableState {
    unsigned entries = 0;   ///< as the kernel counts them
    std::size_t words = 0;  ///< a hash of its text
  };
  using Tables = std::map<std::pair<Family, std::string>, TableState>;
  struct Taken {
    std::vector<AttributedChange> deeds{};
    std::size_t left_out = 0;  ///< there were more than anybody would read
  };
  /// All of nf_tables up to this generation (none given: all), and all of the legacy backend, in order. There
  /// the tables before and after tell the changes of other namespaces where nothing else does.
  Taken take(const std::optional<std::uint32_t>& generation, const Tables& before, const Tables& after);

 private:
  struct Told {
    std::uint32_t generation = 0;
    AttributedChange deed{};
  };
  /// What tells that a change is of this namespace: its process, or where that is gone, its parent.
  enum class Evidence { none, parent, process };
  struct Legacy {
    AuditRecord record{};
    Evidence evidence = Evidence::none;
  };
  std::vector<Told> told_{};
  std::map<std::pair<std::uint32_t, pid_t>, Process> audited_{};  ///< of nf_tables, by generation and process
  std::vector<Legacy> legacy_{};
  bool legacy_news_ = false;
  std::size_t left_out_ = 0;
};

/// Adds the tables of a text in iptables-save format. What the kernel counts as entries: a policy for each
/// built-in chain, two for each other one, and the rules; one at the end (ip_tables.h).
void add_tables(std::string_view text, Family family, Attribution::Tables& tables);

}  // namespace rewall

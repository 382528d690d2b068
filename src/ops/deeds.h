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
#include "ops/person.h"

namespace rewall {

/// Somebody's change of the firewall: as much as is known of it.
struct Deed {
  pid_t process = 0;
  Process who{};
  bool words_are_cut = false;
};

/// The command line as people would type it, else the program's name.
std::string command_of(const Deed& deed);
/// "iptables, pid 4711, by alice, pts/0, 192.0.2.7".
std::string text_of(const Deed& deed);

/// Collects who did what, from nf_tables' notifications and from the audit trail, which has more words and
/// covers all network namespaces.
class Deeds {
 public:
  void add(const Committed& transaction);
  void add(AuditRecord record);

  /// True when the audit trail told of a change of the legacy backend that may be of this network namespace,
  /// since it was asked last.
  bool legacy_news() { return std::exchange(legacy_news_, false); }

  /// How many entries the tables of the legacy backend have, as the kernel counts them; those that are not
  /// there have none of their own.
  using Entries = std::map<std::pair<Family, std::string>, unsigned>;
  struct Taken {
    std::vector<Deed> deeds{};
    std::size_t left_out = 0;  ///< there were more than anybody would read
  };
  /// All of nf_tables up to this generation (none given: all), and all of the legacy backend, in order. There
  /// the entries before and after tell the changes of other namespaces where nothing else does.
  Taken take(const std::optional<std::uint32_t>& generation, const Entries& before, const Entries& after);

 private:
  struct Told {
    std::uint32_t generation = 0;
    Deed deed{};
  };
  struct Legacy {
    AuditRecord record{};
    bool ours = false;  ///< for certain; else its process was gone
  };
  std::vector<Told> told_{};
  std::map<std::pair<std::uint32_t, pid_t>, Process> audited_{};  ///< of nf_tables, by generation and process
  std::vector<Legacy> legacy_{};
  bool legacy_news_ = false;
  std::size_t left_out_ = 0;
};

/// Adds what the kernel counts as the entries of the tables of a text in iptables-save format: a policy for
/// each built-in chain, two for each other one, and the rules; one at the end (ip_tables.h).
void add_entries(std::string_view text, Family family, Deeds::Entries& entries);

}  // namespace rewall

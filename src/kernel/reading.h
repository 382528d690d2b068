#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "kernel/firewall.h"
#include "kernel/printed.h"
#include "kernel/programs.h"
#include "rules/ruleset.h"

namespace rewall {

/// Which backends to read.
struct Backends {
  bool nft = false;
  bool legacy = false;
  bool native = false;  ///< tables of nf_tables that iptables does not own
  /// Tables of iptables' names that are read in the words of nft, whatever is in them: "ip filter".
  std::set<std::string> in_nft_words{};
  /// A family without its program is passed over, and a set whose name no file can hold: for who has to put
  /// other rules in force whatever is there.
  bool as_far_as_can_be = false;
};

/// A table of iptables-nft that the words of iptables do not say whole.
struct UnsayableTable {
  Family family = Family::ipv4;
  std::string name{};
  /// What they do not say, as a person is told: "chain INPUT, rule 2", "set blocked".
  std::string part{};
  std::string chain{};    ///< of the rule; empty where the part is no rule
  std::size_t place = 0;  ///< of the rule in its chain, from 0
  Error why{};            ///< kind capture, for where nft has no words for the table either
};

/// The tables and sets that the save programs printed in one run.
struct Reading {
  Tables nft_v4{.family = Family::ipv4};
  Tables nft_v6{.family = Family::ipv6};
  Tables legacy_v4{.family = Family::ipv4};
  Tables legacy_v6{.family = Family::ipv6};
  Sets sets{};
  std::optional<NativeTables> native{};  ///< absent: nobody asked, or there is no program to ask
  std::vector<std::string> notes{};
  std::vector<DoubtfulRule> doubtful{};  ///< to be proved (proofs.h)
  /// Tables that are there, and in no member above.
  std::vector<UnsayableTable> unsayable{};
  bool has_owned = false;  ///< a table of these belongs to a process
  /// What a program printed is not what the kernel has. Absent in a reading that can be believed.
  std::optional<Error> disagreement{};

  Tables& tables(Backend backend, Family family);
  const Tables& tables(Backend backend, Family family) const;
  /// True when a table of this backend has a rule, a chain or a policy that the kernel did not put there.
  bool holds(Backend backend) const;
};

/// Runs the save programs side by side, for the tables that the kernel lists. Their output is checked for
/// completeness, because these programs exit with 0 after half a table and after the word "incompatible", and
/// is held against the kernel's own list of rules (printed.h). Errors as Firewall::capture().
///
/// `meanwhile` runs on another thread beside the programs, instead of the listing of the kernel's rules: for
/// a namespace in which nobody but iptables makes any.
///
/// `known` has the sets for their digest (Firewall::expect_sets()).
Result<Reading> read_once(Programs& programs, Backends backends, const std::function<void()>& meanwhile = {},
                          const Firewall::KnownSets& known = {});

/// Runs `ipset save`. Without the program or the kernel module the result is empty and `note` says why.
Result<Sets> read_sets(Programs& programs, std::string& note);

/// The tables of the legacy backend in this namespace (/proc/net/ip_tables_names). Loads no module.
std::vector<std::string> legacy_table_names(Family family);

}  // namespace rewall

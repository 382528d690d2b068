#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "rules/native_tables.h"

namespace rewall {

enum class Family : std::uint8_t { ipv4, ipv6 };
enum class Backend : std::uint8_t { nft, legacy };

std::string_view name(Family family);        ///< "ipv4", "ipv6"
std::string_view short_name(Family family);  ///< "ip", "ip6"
std::string_view name(Backend backend);      ///< "nft", "legacy"

/// Packets and bytes, as `[12:3400]` in iptables-save text.
struct Counters {
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;
  auto operator<=>(const Counters&) const = default;
};

/// One rule as iptables-save prints it, without "-A CHAIN". parse_rule() (rule.h) parses it on demand, so
/// that a rule that nobody asks about costs no more than its place in the text.
struct Rule {
  std::string_view words{};  ///< verbatim; points into Tables::texts
  std::uint32_t line = 0;    ///< of the text that the rule was read from, from 1
  std::optional<Counters> counters{};
};

struct Chain {
  std::string name{};
  std::string policy{};  ///< "ACCEPT" or "DROP"; "-" in a user-defined chain
  std::uint32_t line = 0;
  std::optional<Counters> counters{};
  std::vector<Rule> rules{};

  bool built_in() const { return policy != "-"; }
};

struct Table {
  std::string name{};
  std::vector<Chain> chains{};

  const Chain* find(std::string_view chain) const;
};

/// Finds the chains of a table by name, for many lookups. A null table has no chains. The table must outlive
/// the index.
class ChainIndex {
 public:
  explicit ChainIndex(const Table* table);
  const Chain* find(std::string_view chain) const;

 private:
  std::unordered_map<std::string_view, const Chain*> chains_{};
};

/// The tables of one family on one backend, in the order of the text they were read from.
///
/// A value: copy it and keep it as long as you like. The rules point into `texts`, which copies share and
/// nobody changes.
struct Tables {
  Family family = Family::ipv4;
  std::vector<Table> tables{};
  std::vector<std::shared_ptr<const std::string>> texts{};

  const Table* find(std::string_view table) const;
};

/// Members that are counted and summed, but not there: sums are equal when the members are. A hash of 128
/// bits of each member, so that the order does not matter (set_digest.h).
struct MemberSum {
  std::uint64_t count = 0;
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  bool operator==(const MemberSum&) const = default;
};

/// One ipset: `create NAME TYPE OPTIONS` and its members.
struct Set {
  std::string name{};
  std::string type{};
  std::string options{};                    ///< verbatim: "family inet hashsize 1024 maxelem 65536 ..."
  std::vector<std::string_view> members{};  ///< verbatim words after "add NAME "; point into Sets::texts
  /// The temporary members that a person's file brings, which a load adds. They are no part of what the set
  /// is, and are never compared; those of LIVE and of snapshots stand nowhere.
  std::vector<std::string_view> temporary{};
  /// In a part of a ruleset (set_delta.h): the members that the set has beside these.
  MemberSum left_out{};
};

struct Sets {
  std::vector<Set> sets{};
  std::vector<std::shared_ptr<const std::string>> texts{};

  const Set* find(std::string_view set) const;
};

/// Names one of the four places of a ruleset that hold tables. The same slot of two rulesets holds the same
/// family, but not always the same backend: a host may have changed its backend between them.
struct Slot {
  Family family = Family::ipv4;
  bool beside = false;  ///< the tables that the legacy backend has beside those of nft
  auto operator<=>(const Slot&) const = default;
};

/// The file of a repository that holds the tables of a slot: "rules.v4", "rules.v6.legacy"
/// (rewall-repository(5)).
std::string_view file_name(Slot slot);
/// The file that holds the native nft tables.
inline constexpr std::string_view kNativeFile = "rules.nft";

/// What iptables-save, ip6tables-save, ipset save and nft print at one instant.
///
/// `v4` and `v6` are the tables of the backend in use; `v4_legacy` and `v6_legacy` hold tables only where
/// the legacy backend has some beside nft's. Code that treats all tables alike walks slots().
///
/// Native nft tables are no `Tables` and no slot: they are a member of their own, with a file of their own.
struct Ruleset {
  Tables v4{.family = Family::ipv4};
  Tables v6{.family = Family::ipv6};
  Tables v4_legacy{.family = Family::ipv4};
  Tables v6_legacy{.family = Family::ipv6};
  Sets sets{};
  /// The tables of nf_tables that iptables does not own. Absent where nobody recorded whether there are any:
  /// in a rules file, in a snapshot of an older version, without the program nft. Whoever restores such a
  /// ruleset leaves those of LIVE as they are.
  std::optional<NativeTables> native{};
  Backend backend = Backend::nft;  ///< of v4 and v6

  /// All slots, in the order of their declaration.
  static constexpr std::array<Slot, 4> slots() {
    return {Slot{Family::ipv4, false}, Slot{Family::ipv6, false}, Slot{Family::ipv4, true},
            Slot{Family::ipv6, true}};
  }
  Tables& operator[](Slot slot);
  const Tables& operator[](Slot slot) const;
  Backend backend_of(Slot slot) const { return slot.beside ? Backend::legacy : backend; }
  /// The tables of a family on a backend; no tables where that backend is not a part of the ruleset.
  const Tables& tables(Family family, Backend of) const;

  bool both_backends() const { return !v4_legacy.tables.empty() || !v6_legacy.tables.empty(); }
  /// False for the slots beside nft's where the legacy backend has no tables there.
  bool uses(Slot slot) const { return !slot.beside || both_backends(); }
};

}  // namespace rewall

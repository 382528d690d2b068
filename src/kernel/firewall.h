#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/result.h"
#include "rules/ruleset.h"

namespace rewall {

enum class BackendChoice { automatic, nft, legacy };

/// A state of this network namespace's nf_tables: equal values mean that no table, chain or rule of the nft
/// backend was touched between. `network` never repeats while the machine is up (SO_NETNS_COOKIE, socket(7));
/// `boot` is /proc/sys/kernel/random/boot_id.
struct Generation {
  std::string boot{};
  std::uint64_t network = 0;
  std::uint32_t number = 0;  ///< NFTA_GEN_ID, linux/netfilter/nf_tables.h
  bool operator==(const Generation&) const = default;
};

/// A ruleset read whole from the kernel.
struct Capture {
  Ruleset ruleset{};
  std::string backends{};                  ///< "nft", "legacy", "nft+legacy": those in use
  std::string tools{};                     ///< "iptables v1.8.9 (nf_tables)"
  std::optional<Generation> generation{};  ///< absent where the kernel does not tell
  std::vector<std::string> notes{};  ///< worth saying: nft tables that are not captured, no ipset program
};

/// What the parts of a ruleset are called where the kernel refuses one: the files that they were read from.
struct FileNames {
  std::string v4{"rules.v4"};
  std::string v6{"rules.v6"};
  std::string v4_legacy{"rules.v4.legacy"};
  std::string v6_legacy{"rules.v6.legacy"};
  std::string sets{"ipset"};
};

/// The kernel's firewall in one network namespace: the only door to it.
class Firewall {
 public:
  virtual ~Firewall() = default;

  /// Reads everything, consistent by generation (nft) or by agreement of two readings (legacy), programs side
  /// by side. Kind capture: a program is missing (the package is named), failed, was killed or spoke half; a
  /// table is incompatible; the ruleset kept changing. Kind permission: not root and no CAP_NET_ADMIN.
  virtual Result<Capture> capture(BackendChoice choice) = 0;

  /// Cheap: no program runs. Absent where nf_tables does not answer.
  virtual std::optional<Generation> generation() = 0;

  /// True when the legacy backend has tables here (/proc/net/ip_tables_names); cheap.
  virtual bool legacy_tables() = 0;

  /// `ipset save`, parsed; what has no generation must be read to be known.
  virtual Result<Sets> sets() = 0;

  /// Loads `wanted` into a scratch network namespace with the host's own programs, and gives back what reads
  /// there afterwards. Kind kernel: refused; names file (by `names`), line and the program's words. LIVE is
  /// not touched.
  virtual Result<Ruleset> stage(const Ruleset& wanted, const FileNames& names = {}) = 0;

  /// Makes this namespace `wanted`: sets that it needs, then each table with iptables-restore, then the sets
  /// that are left. Tables and sets that `wanted` lacks become empty, policy ACCEPT. `live` is what is there
  /// now. Kind kernel: refused on the way; what was loaded before that is in force, and the caller puts back
  /// `live`.
  virtual Status load(const Ruleset& wanted, const Ruleset& live) = 0;
};

/// The real one, for the namespace of the calling thread. A program that says nothing for `deadline` is
/// killed.
std::unique_ptr<Firewall> host_firewall(std::chrono::milliseconds deadline = std::chrono::minutes{2});

}  // namespace rewall

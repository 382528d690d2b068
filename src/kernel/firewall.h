#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/result.h"
#include "kernel/events.h"
#include "rules/ruleset.h"
#include "rules/splice.h"

namespace rewall {

enum class BackendChoice { automatic, nft, legacy };

/// A state of this network namespace's nf_tables: equal values mean that no table, chain or rule of the nft
/// backend was touched between. `network` never repeats while the machine is up (SO_NETNS_COOKIE, socket(7));
/// it is 0 where the kernel has no such number (before Linux 5.14): then the value tells nothing later on.
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

/// The files that the parts of a ruleset were read from: an error names them where the kernel refuses a part.
struct FileNames {
  std::map<Slot, std::string> tables{};  ///< of the slots whose file is not file_name(slot)
  std::string sets{"ipset"};

  std::string of(Slot slot) const {
    const auto found = tables.find(slot);
    return found != tables.end() ? found->second : std::string(file_name(slot));
  }
};

/// Chains of one table on the nft backend, as they are now.
struct ChainsOfTable {
  Family family = Family::ipv4;
  std::string table{};
  std::vector<ChainText> chains{};
};

struct Scratch;

/// A ruleset that the kernel took, in a scratch namespace.
struct Staged {
  Ruleset ruleset{};  ///< in the kernel's words: what LIVE will read as
  std::shared_ptr<const Scratch>
      scratch{};  ///< null without the privilege for a namespace: it was tested only
};

/// The kernel's firewall in one network namespace: the only door to it.
class Firewall {
 public:
  virtual ~Firewall() = default;

  /// Reads everything, consistent by generation (nft) or by agreement of two readings (legacy), programs side
  /// by side. Kind capture: a program is missing (the package is named), failed, was killed or spoke half; a
  /// table is incompatible; the ruleset kept changing. Kind permission: not root and no CAP_NET_ADMIN.
  virtual Result<Capture> capture(BackendChoice choice) = 0;

  /// These chains of the nft backend alone, in the time that they take; false: the chain is gone. Each as it
  /// was at some moment of the reading. Nothing where a program does not say each of them. Kind capture: a
  /// rule that nft made.
  virtual Result<std::optional<std::vector<ChainsOfTable>>> read_chains(
      const std::map<ChainName, bool>& chains) = 0;

  /// Cheap: no program runs. Absent where nf_tables does not answer.
  virtual std::optional<Generation> generation() = 0;

  /// True when the legacy backend has tables here (/proc/net/ip_tables_names); cheap.
  virtual bool legacy_tables() = 0;

  /// `ipset save`, parsed; what has no generation must be read to be known.
  virtual Result<Sets> sets() = 0;

  /// A stage() will follow: what it needs is made ready beside whatever else is done until then.
  virtual void expect_stage() = 0;

  /// Loads `wanted` into a scratch network namespace with the host's own programs, and reads it there. With
  /// `live`, only what is not in force already: the time follows the change. Kind kernel: refused; names file
  /// (by `names`), line and the program's words. LIVE is not touched.
  virtual Result<Staged> stage(const Ruleset& wanted, const Ruleset* live, const FileNames& names = {}) = 0;

  /// Makes this namespace what was staged; `live` is what is there now. The nft backend's tables of both
  /// families change in one transaction, which names `generation`; rules that have the same words before and
  /// after keep their place, counters and state. Sets are filled aside before and swapped. The legacy
  /// backend's tables change one after the other, and so do all tables where nothing could be staged.
  ///
  /// The generation at which every changed rule of the nft backend was read back as it was sent, nobody else
  /// having changed anything; nothing where that is not so, and where there are legacy tables. Kind refused:
  /// the generation had moved. Kind kernel: refused on the way; LIVE is what it was, as far as the tables and
  /// sets could be put back.
  virtual Result<std::optional<Generation>> load(const Staged& staged, const Ruleset& live,
                                                 const std::optional<Generation>& generation) = 0;

  /// The same for a firewall that cannot be captured, because nft changed tables of iptables: these tables go
  /// as they are, in the transaction that makes those that were staged, whatever is there by then. The errors
  /// of load(), but never kind refused; kind kernel too where nothing could be staged.
  virtual Status load_anew(const Staged& staged) = 0;
};

/// While it lives, one at a time, sockets to the kernel stay open when they have served: to close one waits
/// until the kernel has put away what the last transaction took out, some 20 ms in which there is other work
/// (nft_rcv_nl_event in net/netfilter/nf_tables_api.c). What is left of them at its end a process that has
/// nothing else to do waits for; who comes after it is init, should this one be gone by then.
class SocketsKept {
 public:
  SocketsKept();
  SocketsKept(const SocketsKept&) = delete;
  SocketsKept& operator=(const SocketsKept&) = delete;
  ~SocketsKept();
};

/// The real one, for the namespace of the calling thread. A program that says nothing for `deadline` is
/// killed.
std::unique_ptr<Firewall> host_firewall(std::chrono::milliseconds deadline = std::chrono::minutes{2});

}  // namespace rewall

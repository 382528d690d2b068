#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/result.h"
#include "kernel/events.h"
#include "rules/ruleset.h"
#include "rules/set_digest.h"
#include "rules/splice.h"

namespace rewall {

enum class BackendChoice { automatic, nft, legacy };

/// Identifies a state of nf_tables in one network namespace. Between two equal values no table, chain or rule
/// of the nft backend changed.
struct Generation {
  std::string boot{};  ///< /proc/sys/kernel/random/boot_id
  /// Identifies the namespace while the machine is up (SO_NETNS_COOKIE, socket(7)); 0 before Linux 5.14,
  /// where a stored value must not be compared with a later one.
  std::uint64_t network = 0;
  std::uint32_t number = 0;  ///< NFTA_GEN_ID, linux/netfilter/nf_tables.h
  bool operator==(const Generation&) const = default;
};

/// A ruleset, read completely from the kernel.
struct Capture {
  Ruleset ruleset{};
  std::string backends{};                  ///< the backends in use: "nft", "legacy", "nft+legacy"
  std::string tools{};                     ///< "iptables v1.8.9 (nf_tables)"
  std::optional<Generation> generation{};  ///< absent when the kernel has none
  std::vector<std::string> notes{};        ///< warnings: nft tables that are not recorded, no ipset program
  /// Tables of iptables' names that are in Ruleset::native, because the words of iptables do not say them
  /// whole: by title ("ip filter"), the warning that says why.
  std::map<std::string, std::string> in_nft_words{};
  bool without_ipv6 = false;  ///< this kernel has no IPv6, and so no rules of it
  /// A table of `ruleset` belongs to a process: it may go with it, and the generation does not say so.
  bool has_owned = false;
};

/// The files that the parts of a ruleset were read from: an error names them where the kernel refuses a part.
struct FileNames {
  std::map<Slot, std::string> tables{};  ///< of the slots whose file is not file_name(slot)
  std::string sets{"ipset"};
  std::string native{kNativeFile};

  std::string of(Slot slot) const {
    const auto found = tables.find(slot);
    return found != tables.end() ? found->second : std::string(file_name(slot));
  }
};

/// Chains of one table of the nft backend.
struct ChainsOfTable {
  Family family = Family::ipv4;
  std::string table{};
  std::vector<ChainText> chains{};
};

/// A table of nf_tables that belongs to a process (nft's `flags owner`): the kernel lets nobody else change
/// it.
struct OwnedTable {
  std::string title{};    ///< "inet fw"
  std::string process{};  ///< "nft (1234)"; empty where the kernel does not tell

  /// "table inet fw, which process nft (1234) owns"
  std::string text() const;
};

struct Scratch;

/// What load() found of its work.
struct Loaded {
  /// The generation in which all tables of the nft backend were as staged: the one that the transaction made,
  /// or, where no table changed, the one before. Absent where that one was not known, or it took several
  /// transactions. A later one has changes of others.
  std::optional<Generation> generation{};
  /// At that generation the host's programs printed every changed chain of the nft backend word for word as
  /// it was staged, as capture() would have read it. False when another process changed the firewall
  /// meanwhile, when many chains changed or read otherwise, and when there are legacy tables.
  bool reads_back = false;
};

/// A ruleset that the kernel accepted in a scratch namespace.
struct Staged {
  Ruleset ruleset{};  ///< as the kernel prints it, and as LIVE will read after load()
  /// The namespace, which load() reads from. Null without the privilege to make one: the ruleset was only
  /// tested then.
  std::shared_ptr<const Scratch> scratch{};
};

/// The kernel's firewall in one network namespace, and the only way from the layers above to it.
/// host_firewall() is the real one; tests use a fake. No exception leaves these functions: memory that cannot
/// be had is an error like any other.
class Firewall {
 public:
  virtual ~Firewall() = default;

  /// Reads all tables and sets, as they were at one moment: the generation proves this for the nft backend,
  /// two equal readings prove it for the legacy backend and for sets. Kind capture: a program is missing (the
  /// hint names the package), failed, was killed or printed only a part, or other rules than the kernel has;
  /// a table is incompatible; a rule is none that iptables can say; the ruleset kept changing. Kind
  /// permission without CAP_NET_ADMIN.
  virtual Result<Capture> capture(BackendChoice choice) = 0;

  /// Reads some chains of the nft backend, in a time that depends on these chains only. The value of `chains`
  /// is false for a chain that is gone. Each chain is as it was at some moment during the call. Absent when a
  /// program did not print all of them as the kernel has them. Kind capture for a rule that iptables cannot
  /// say.
  virtual Result<std::optional<std::vector<ChainsOfTable>>> read_chains(
      const std::map<ChainName, bool>& chains) = 0;

  /// The current generation; absent when nf_tables does not answer. Cheap: no program runs.
  virtual std::optional<Generation> generation() = 0;

  /// True when the legacy backend has tables in this namespace (/proc/net/ip_tables_names). Cheap.
  virtual bool legacy_tables() = 0;

  /// Reads the sets (`ipset save`). Sets have no generation, so only reading them shows whether they changed.
  virtual Result<Sets> sets() = 0;

  /// The digest of all sets, from the kernel's own listing: it says that they are as they were, or are those
  /// of a text, in less than half of the time of sets(). Absent where the kernel says what rewall has no
  /// words for; whoever asks reads sets() then.
  virtual std::optional<SetsDigest> sets_digest() { return std::nullopt; }

  /// Rules that the kernel notified of, in the words of iptables-save without "-A CHAIN": the host's programs
  /// print them in a scratch namespace. The result has an element for each rule, which is empty where they
  /// cannot say the rule. An error of any kind: none can be said.
  virtual Result<std::vector<std::string>> words_of(std::span<const ToldRule> rules) {
    return std::vector<std::string>(rules.size());
  }

  /// What nft makes of a file that a person wrote (`nft -f`, nft(8)), in a scratch namespace: includes and
  /// variables are resolved, and the tables are in the words of `nft -s list table`; those of iptables' names
  /// are in the words of iptables (v4 and v6) where these say them whole, as a capture would have them.
  /// `path` names the file; where it is empty, `text` is read; notes (kIptablesNote) are taken from `text`.
  /// Kind usage: nft takes it for no ruleset; the message has nft's file, line and words. Kind kernel: the
  /// kernel refuses it, or nft is not installed. Kind permission without CAP_SYS_ADMIN.
  virtual Result<Ruleset> read_written(const std::string& /*path*/, const std::string& /*text*/) {
    return Ruleset{.native = NativeTables{}};
  }

  /// A table that `ruleset` has in the words of iptables, in those of nft; rules with an extension of
  /// iptables have a note (kIptablesNote). `texts` keeps the characters. Kind kernel: it cannot be loaded
  /// into a scratch namespace, or nft has no words for it.
  virtual Result<NativeTable> in_nft_words(const Ruleset& /*ruleset*/, Family /*family*/,
                                           const std::string& /*table*/,
                                           std::vector<std::shared_ptr<const std::string>>& /*texts*/) {
    return Error{.kind = ErrorKind::kernel, .message = "there is no nft"};
  }

  /// Reads the native tables of nft, without those of iptables' names; absent where they cannot be read. Each
  /// table is as it was at some moment during the call. Errors as capture().
  virtual Result<std::optional<NativeTables>> native() { return std::optional<NativeTables>{}; }

  /// The tables that a process owns. Cheap where there are none. Errors as capture().
  virtual Result<std::vector<OwnedTable>> owned_tables() { return std::vector<OwnedTable>{}; }

  /// For the next capture(): it takes the sets that `known` has for their digest, where it has some, and does
  /// not run `ipset save`. `known` is called on another thread, once for each reading.
  using KnownSets = std::function<std::optional<Sets>(const SetsDigest&)>;
  virtual void expect_sets(KnownSets /*known*/) {}

  /// Makes the scratch namespace for the next stage(), beside the caller.
  virtual void expect_stage() = 0;

  /// Loads `wanted` into a scratch network namespace with the host's own programs, and reads it back there.
  /// LIVE is not touched. With `live`, the ruleset in force, only rules that `live` lacks are loaded, so that
  /// the time depends on the size of the change. Kind kernel when the kernel refuses a rule: the message has
  /// the file (of `names`), the line and the program's words.
  virtual Result<Staged> stage(const Ruleset& wanted, const Ruleset* live, const FileNames& names = {}) = 0;

  /// Asks the kernel whether it would take load(), in LIVE itself, and changes nothing; without `live`,
  /// whether it would take load_anew(). What it is not asked: tables of the legacy backend, rules that name a
  /// set which LIVE lacks yet, and all of a ruleset that has no scratch namespace. Errors as load().
  virtual Status check(const Staged& staged, const Ruleset* live,
                       const std::optional<Generation>& generation) = 0;

  /// Puts the staged ruleset in force; `live` is the ruleset in force now. All tables of the nft backend
  /// change in one transaction, which the kernel refuses unless its generation is `generation`. Rules that
  /// are the same before and after keep their place, counters and state. Sets are filled under other names
  /// first and then swapped. Tables of the legacy backend change one after the other, and so do all tables
  /// when `staged` has no scratch namespace.
  ///
  /// Kind refused: the generation is another one; nothing was done. Kind kernel: the kernel refused a part;
  /// tables and sets that were already changed have been put back, and the message names those that could not
  /// be.
  virtual Result<Loaded> load(const Staged& staged, const Ruleset& live,
                              const std::optional<Generation>& generation) = 0;

  /// Does the same for a firewall that cannot be captured, because nft changed tables of iptables. One
  /// transaction deletes these tables, whatever they hold by then, and makes the staged ones; tables that a
  /// process owns stay as they are, as with check() of no LIVE. Errors as
  /// load(), but never of kind refused; also kind kernel when `staged` has no scratch namespace.
  virtual Status load_anew(const Staged& staged) = 0;
};

/// Keeps used netlink sockets open until its end, so that nobody waits for the closing of one: close(2)
/// returns when the kernel has freed what the last transaction removed, after some 20 ms (nft_rcv_nl_event in
/// net/netfilter/nf_tables_api.c). At the end a forked process closes the sockets; init adopts it should this
/// process have ended by then. One object at a time.
class SocketsKept {
 public:
  SocketsKept();
  SocketsKept(const SocketsKept&) = delete;
  SocketsKept& operator=(const SocketsKept&) = delete;
  ~SocketsKept();
};

/// The firewall of the calling thread's network namespace. A program that does not end within `deadline` is
/// killed. What was proved of rules is kept in the file `proofs` (proofs.h), if it is given.
std::unique_ptr<Firewall> host_firewall(std::chrono::milliseconds deadline = std::chrono::minutes{2},
                                        std::filesystem::path proofs = {});

}  // namespace rewall

#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "core/time.h"
#include "kernel/firewall.h"
#include "ops/context/identity.h"
#include "rules/ruleset.h"

namespace rewall {

/// A part of a ruleset that a change added, or a rule that it altered. A value.
struct ExpiringPart {
  enum class Kind { rule, chain, set, member };
  Kind kind = Kind::rule;
  Family family = Family::ipv4;    ///< of a rule or chain
  Backend backend = Backend::nft;  ///< of a rule or chain
  std::string table{};             ///< of a rule or chain
  std::string name{};              ///< the chain or the set
  std::string words{};       ///< the rule without "-A CHAIN", or the member, as iptables or ipset says it
  std::uint64_t others = 0;  ///< how many rules of the same words the chain had before
  std::string was{};         ///< the words of a rule that the change altered; else empty
  bool operator==(const ExpiringPart&) const = default;
};

/// A change of which the rules that it added are taken out at `due` (rewall-guard(7), RULES THAT EXPIRE). The
/// file `.git/rewall/expiries/ID` (rewall-repository(5), STATE) is there until that is done; this value is a
/// copy of it. The repository's lock is held to write the file.
struct Expiry {
  std::string id{};  ///< 16 random hexadecimal digits
  Time due{};        ///< by the machine's clock
  Time asked{};
  std::string before{};  ///< the snapshot before the change, full hash
  std::string after{};   ///< the snapshot that recorded the change, full hash; empty where none did
  std::string guard{};   ///< the guard that was armed then, whose end may take the change back
  std::optional<Generation> place{};                  ///< the boot in which a process or a timer waits for it
  BackendChoice looks_at = BackendChoice::automatic;  ///< the --backend of the command
  std::string command{};
  Actor actor{};
  std::vector<ExpiringPart> parts{};
  /// When the parts were taken out while a guard was armed, which may bring them back: it is done once more
  /// at the guard's end.
  std::optional<Time> done{};
};

/// How an expiry ended. A value.
struct ExpiryEnding {
  Expiry expiry{};
  Time ended{};
  std::string result{};  ///< the snapshot without the parts, full hash; empty where none was made
  std::string says{};    ///< for people: "took out 2 rules"
};

/// The text of a state file, in the format of ops/context/state_file.h. parse_expiry() has the errors of
/// parse_state().
std::string print_expiry(const Expiry& expiry);
Result<Expiry> parse_expiry(std::string_view text);

// `state` is the folder `.git/rewall` of the repository.

/// The expiries that are not ended.
struct Expiries {
  std::vector<Expiry> pending{};          ///< the first due comes first
  std::vector<std::string> unreadable{};  ///< the files that cannot be read, each with the reason
};
Expiries read_expiries(const std::filesystem::path& state);
/// True where a file of an expiry is there, read or not: for whoever only wants to know whether there is
/// work.
bool has_expiries(const std::filesystem::path& state);
/// Writes and syncs the state file. The caller holds the repository's lock. Kind repository.
Status write_expiry(const std::filesystem::path& state, const Expiry& expiry);
/// Removes the file of an expiry whose change is not in force. Failures are logged.
void drop_expiry(const std::filesystem::path& state, const Expiry& expiry);
/// The same for all of a guard that took its change back.
void drop_expiries_of(const std::filesystem::path& state, const std::string& guard);
/// Ends an expiry: its file is renamed to `expiries/ID.ended`, and says how. Where the repository cannot be
/// written, a note beside it says so, until settle_expiries() (ops/context/over_note.h). Failures are logged.
void end_expiry(const std::filesystem::path& state, const ExpiryEnding& ending);
/// Writes into the repository what notes say of expiries that are over; the caller holds the repository's
/// lock.
void settle_expiries(const std::filesystem::path& state);
/// True where there is such a note.
bool has_noted_expiries(const std::filesystem::path& state);
/// The expiries that ended at `since` or later, the last one first.
std::vector<ExpiryEnding> expiries_ended(const std::filesystem::path& state, std::int64_t since);

/// The path of the lock of the process that waits (ops/context/pid_lock.h), and the work that it names.
std::filesystem::path expiry_lock(const std::filesystem::path& state);
inline constexpr std::string_view kExpiryWork = "expire";
/// Makes the process that waits read the files again.
void wake_expiries(const std::filesystem::path& state);

/// "2 rules, 1 member of a set".
std::string count_text(const std::vector<ExpiringPart>& parts);
/// How an expiry ended whose parts were taken out under a guard.
std::string taken_out_text(const Time& at);
/// "ip filter INPUT -s 198.51.100.7/32 -j ACCEPT", "set bad: 192.0.2.1".
std::string to_text(const ExpiringPart& part);
/// "of alice, pts/0 (rewall apply --expire 2h web.v4)".
std::string origin_text(const Expiry& expiry);

}  // namespace rewall

#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/file.h"
#include "core/result.h"
#include "core/time.h"
#include "kernel/firewall.h"
#include "kernel/process.h"
#include "ops/history/record.h"
#include "store/repository.h"

namespace rewall {

/// The content of a journal: everything that another process needs to complete or undo a restore. A value.
struct JournalEntry {
  std::string before{};    ///< the snapshot that LIVE equals before the load, full hash
  std::string wanted{};    ///< the git tree of the wanted ruleset (Repository::prepare()), full hash
  std::string backends{};  ///< of `wanted`, as Rewall-Backend
  BackendChoice looks_at = BackendChoice::automatic;  ///< the restore's --backend
  bool exact = false;                                 ///< the restore replaces foreign parts too
  std::optional<Generation> place{};  ///< the boot and the network namespace; the number is not kept
  Time began{};
  pid_t process = 0;       ///< of the restore
  RecordOptions record{};  ///< message, trailers and actor of the snapshot that records the result
};

/// The text of a journal (rewall-repository(5), STATE), in the format of ops/context/state_file.h.
/// parse_journal() has the errors of parse_state().
std::string print_journal(const JournalEntry& entry);
Result<JournalEntry> parse_journal(std::string_view text);

/// The journal of a restore (`.git/rewall/journal`). The file is synced to disk before begin() returns, and
/// stays until clear(), also when the process is killed. This process and the programs that it starts hold a
/// lock on the file (flock(2)) until the last of them has ended. The caller holds the repository's lock.
class Journal {
 public:
  /// Writes, syncs and locks the journal. Kind repository: this failed, and no file is left.
  static Result<Journal> begin(const Repository& repository, const JournalEntry& entry);
  /// Opens and locks the journal that a killed process left; absent where there is no journal. Waits for the
  /// programs that outlive the process. Kind repository: they run longer than `wait`, or the file cannot be
  /// opened.
  static Result<std::optional<Journal>> left(const Repository& repository, std::chrono::milliseconds wait);

  /// Reads the journal without a lock, also during a restore; absent where there is no journal. Kind
  /// repository: the file cannot be read or parsed.
  static Result<std::optional<JournalEntry>> peek(const Repository& repository);

  /// Kind repository: the file cannot be read or parsed.
  Result<JournalEntry> read() const;
  /// Removes the file. Call when LIVE is one of the two rulesets and the history records it.
  void clear();

 private:
  Journal(std::filesystem::path path, Fd fd);
  std::filesystem::path path_;
  Fd fd_;
  std::unique_ptr<HandedOn> handed_on_;
};

}  // namespace rewall

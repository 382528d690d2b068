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

/// What a restore is about to do: all that another process needs to complete or undo it.
struct JournalEntry {
  std::string before{};                               ///< the snapshot that LIVE is, full hash
  std::string wanted{};                               ///< the tree of what LIVE will be (Repository::prepare)
  std::string backends{};                             ///< those of `wanted`, as Rewall-Backend
  BackendChoice looks_at = BackendChoice::automatic;  ///< the restore's --backend
  bool exact = false;                                 ///< foreign parts too
  std::optional<Generation> place{};  ///< which network namespace of which boot; its number is not kept
  Time began{};
  pid_t process = 0;
  RecordOptions record{};  ///< with its actor
};

/// In the lines of ops/context/state_file.h; the same for what it takes and refuses.
std::string print_journal(const JournalEntry& entry);
Result<JournalEntry> parse_journal(std::string_view text);

/// The journal of a restore that is at work (`.git/rewall/journal`): on disk and synced when it exists, and
/// locked by this process and the programs that it starts, for as long as any of them lives. The caller holds
/// the repository's lock.
class Journal {
 public:
  /// Kind repository: it could not be written, and nothing of it is left.
  static Result<Journal> begin(const Repository& repository, const JournalEntry& entry);
  /// The one that a killed process left, absent where there is none. Waits for the programs that outlive it;
  /// kind repository: they are at work longer than `wait`.
  static Result<std::optional<Journal>> left(const Repository& repository, std::chrono::milliseconds wait);

  /// What the journal says, whoever works by it or nobody; absent where there is none.
  static Result<std::optional<JournalEntry>> peek(const Repository& repository);

  /// Kind repository: it cannot be read.
  Result<JournalEntry> read() const;
  /// LIVE is one of the two rulesets and the history says so: removes it.
  void clear();

 private:
  Journal(std::filesystem::path path, Fd fd);
  std::filesystem::path path_;
  Fd fd_;
  std::unique_ptr<HandedOn> handed_on_;
};

}  // namespace rewall

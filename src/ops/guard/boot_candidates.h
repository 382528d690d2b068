#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ops/context/session.h"
#include "ops/guard/fallback.h"
#include "ops/guard/guard_state.h"

namespace rewall {

/// What a boot puts in force, one candidate after the other: the old ruleset of a guard that was armed, else
/// HEAD; then the newest older snapshots that can be read, are signed where `sign.require` is set, and are no
/// shutdowns; then the tag good; then the template lockdown. Snapshots of the trigger shutdown are never
/// candidates, and neither is a guarded change that nobody confirmed, as far as the guard's file, its second
/// copy, the endings of guards and the trigger `try` tell. Lives during the boot; the session must outlive
/// it.
class BootCandidates {
 public:
  explicit BootCandidates(Session& session, bool exact);
  BootCandidates(const BootCandidates&) = delete;
  BootCandidates& operator=(const BootCandidates&) = delete;
  ~BootCandidates() = default;

  std::optional<Candidate> next();

  /// The guard that was armed.
  const std::optional<Guard>& guard() const { return guard_; }
  /// Why the guard's file tells nothing; empty where it does, and without one. The first candidate is the
  /// best guess then.
  const std::string& guard_matter() const { return guard_matter_; }
  /// True where a guard's file is there and read_guard() cannot read it.
  bool guard_is_damaged() const { return guard_is_damaged_; }

 private:
  void begin();
  void begin_with(Guard guard);
  void begin_with_damaged_guard(const Error& why);
  void begin_before_unconfirmed();
  Candidate good();
  Candidate of_snapshot(const std::string& hash, std::string what);
  std::optional<Candidate> older();
  /// False where a candidate so far had the same files; notes them.
  bool note_files(const std::string& hash);

  Session& session_;
  bool exact_;
  std::optional<Guard> guard_{};
  std::string guard_matter_{};
  bool guard_is_damaged_ = false;
  std::string login_{};
  std::vector<Candidate> first_{};  ///< the last comes first
  std::vector<Candidate> last_{};   ///< the last comes first
  std::string at_{};                ///< the snapshot whose parents follow
  int older_left_;
  int looked_at_ = 0;
  std::set<std::map<std::string, std::string>> tried_{};  ///< the files of those that could be read, by hash
};

}  // namespace rewall

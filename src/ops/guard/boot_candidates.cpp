#include "ops/guard/boot_candidates.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "core/file.h"
#include "core/format.h"
#include "core/log.h"
#include "core/messages.h"
#include "core/text.h"
#include "ops/context/settings.h"
#include "ops/context/state_file.h"
#include "ops/context/state_paths.h"
#include "ops/expiry/expiry.h"
#include "ops/guard/guard_ending.h"
#include "ops/guard/lockdown.h"
#include "ops/guard/way_back.h"
#include "ops/history/signature.h"

namespace rewall {
namespace {

constexpr std::string_view kGood = "refs/tags/good";
// A ruleset that the kernel refuses takes seconds; who looks at more than so many snapshots has no history.
constexpr int kOlder = 5;
constexpr int kLookedAt = 10000;

std::string name_of_snapshot(const std::string& hash) {
  return format("snapshot {}", hash.substr(0, 10));
}

/// Kind refused: `sign.require` is set, and no allowed key signed it. Settings that cannot be read ask for
/// nothing: they stop no boot.
Status check_signed(const Repository& repository, const std::string& hash) {
  const auto must = read_setting(repository, settings::sign_require);
  if (!must || !*must) return {};
  auto checked = check_signature(repository, hash);
  return checked ? Status{} : Status(std::move(checked).error());
}

Result<Revision> read_allowed(Session& session, const std::string& hash) {
  auto repository = TRY(session.repository());
  TRY(check_signed(*repository, hash));
  auto revision = TRY(read_revision(session, hash));
  revision.ruleset = without_expired(session, std::move(revision.ruleset), hash, revision.left_out);
  return revision;
}

bool is_shutdown(const Repository& repository, const std::string& hash) {
  const auto snapshot = repository.snapshot(hash);
  return snapshot && snapshot->trailers.trigger == kShutdown;
}

/// True for a snapshot that `watch` made of what a shutdown did, before it could know: the shutdown has the
/// same files.
bool is_shutdown_of(const Repository& repository, const std::string& hash, const std::string& shutdown) {
  const auto files = repository.file_hashes(hash);
  const auto its = repository.file_hashes(shutdown);
  return files && its && *files == *its;
}

std::string oldest_wish(const Repository& repository, std::string hash) {
  while (is_shutdown(repository, hash)) {
    auto before = repository.parent(hash);
    if (!before.empty() && is_shutdown_of(repository, before, hash)) before = repository.parent(before);
    if (before.empty()) break;
    hash = before;
  }
  return hash;
}

/// The old ruleset of a guard that put it back and could not record it, where nothing was recorded since:
/// what HEAD says was taken back. Empty where there is none.
std::string put_back_unrecorded(const Repository& repository, const std::filesystem::path& state,
                                const std::string& head) {
  const auto ending = last_ending(state);
  if (!ending || ending->how == EndedBy::confirm || !ending->result.empty()) return {};
  const auto& before = ending->guard.before;
  bool found = false;
  std::string at = head;
  for (int i = 0; i < kLookedAt && !at.empty() && !found; ++i) {
    const auto snapshot = repository.snapshot(at);
    if (snapshot && (snapshot->time.seconds > ending->ended.seconds || snapshot->trailers.restores == before))
      return {};
    found = at == before;
    at = repository.parent(at);
  }
  return found && head != before ? before : std::string{};
}

/// The time at which a file was made, which writing into it does not change, where the disk keeps it; else
/// that of the last change.
std::int64_t made_at(const std::filesystem::path& path) {
  struct statx facts {};
  if (::statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW, STATX_BTIME | STATX_MTIME, &facts) != 0) return 0;
  const auto changed = facts.stx_mtime.tv_sec;
  return (facts.stx_mask & STATX_BTIME) != 0 ? std::min(changed, facts.stx_btime.tv_sec) : changed;
}

bool is_guarded(const Snapshot& snapshot) {
  return snapshot.trailers.trigger == "try" ||
         std::ranges::any_of(snapshot.trailers.commands, [](const std::string& command) {
           return command.find(" --for") != std::string::npos;
         });
}

/// The newest guarded change that nobody is known to have confirmed, and what was recorded since the guard's
/// file was made.
struct Suspect {
  std::string before{};  ///< the newest from before that change; empty where there is none
  std::string since{};   ///< the newest snapshot from before the file; empty where none is
};
Suspect find_suspect(const Repository& repository, const std::filesystem::path& state,
                     const std::string& head) {
  constexpr std::int64_t kLongest = 24 * 3600;  // of a guard of whose end nothing is known
  const auto made = made_at(StatePaths(state).guard());
  const auto known = endings(state);
  const auto confirmed = [&](const Snapshot& snapshot) {
    return std::ranges::any_of(known, [&](const GuardEnding& ending) {
      return snapshot.time.seconds < ending.ended.seconds || ending.tried == snapshot.hash;
    });
  };
  Suspect suspect;
  std::string at = head;
  for (int i = 0; i < kLookedAt && !at.empty(); ++i) {
    const auto parent = repository.parent(at);
    const auto snapshot = repository.snapshot(at);
    const auto time = snapshot ? snapshot->time.seconds : made;
    if (snapshot && suspect.since.empty() && time < made && !is_shutdown(repository, at)) suspect.since = at;
    if (time + kLongest < made) break;
    if (snapshot && is_guarded(*snapshot)) {
      if (!confirmed(*snapshot)) suspect.before = oldest_wish(repository, parent);
      break;
    }
    at = parent;
  }
  return suspect;
}

/// The snapshot in a line `before HASH` of a guard's file, which every version has.
std::string before_in(const std::string& text) {
  std::string hash;
  const auto key = hash_key(hash);
  for (const auto line : split_lines(text))
    if (line.starts_with("before ") && key.read(line.substr(7))) return hash;
  return {};
}

}  // namespace

BootCandidates::BootCandidates(Session& session, bool exact)
    : session_(session), exact_(exact), older_left_(kOlder) {
  auto guard = read_guard(session.state_path());
  if (guard && *guard)
    begin_with(**std::move(guard));
  else if (!guard)
    begin_with_damaged_guard(guard.error());
  else
    begin();
  last_ = {{.what = "the template lockdown",
            .read = [login = login_]() -> Result<Revision> { return lockdown(login); }},
           good()};
  for (auto* candidates : {&first_, &last_})
    for (auto& candidate : *candidates) candidate.exact = exact;
  if (guard_) first_.back().exact = guard_->exact;
}

void BootCandidates::begin_with(Guard guard) {
  login_ = guard.login;
  at_ = guard.before;
  first_.push_back(old_ruleset(session_, guard));
  guard_ = std::move(guard);
}

Candidate BootCandidates::of_snapshot(const std::string& hash, std::string what) {
  return {.what = std::move(what),
          .read = [this, hash]() -> Result<Revision> {
            auto revision = TRY(read_allowed(session_, hash));
            // What the kernel refuses it refuses of an older snapshot too.
            note_files(hash);
            return revision;
          },
          .exact = exact_};
}

Candidate BootCandidates::good() {
  return {.what = "the tag good",
          .read = [&session = session_]() -> Result<Revision> {
            auto repository = TRY(session.repository());
            auto hash = TRY(repository->resolve(std::string(kGood)));
            return read_allowed(session, hash);
          },
          .exact = exact_};
}

void BootCandidates::begin() {
  auto repository = session_.repository();
  auto head = repository ? (*repository)->head() : Result<std::string>(repository.error());
  if (!head || head->empty()) {
    auto why = head ? error_of<messages::nothing_recorded>("boot") : std::move(head).error();
    first_.push_back({.what = "HEAD", .read = [why]() -> Result<Revision> { return why; }});
    return;
  }
  at_ = oldest_wish(**repository, *head);
  auto what = at_ == *head ? format("HEAD ({})", name_of_snapshot(at_))
                           : format("{}, the newest before a shutdown", name_of_snapshot(at_));
  if (auto before = put_back_unrecorded(**repository, session_.state_path(), at_); !before.empty()) {
    at_ = std::move(before);
    what = format("{}, which a guard put back before", name_of_snapshot(at_));
  }
  first_.push_back(of_snapshot(at_, what));
}

// The change that nobody confirmed may be HEAD: what the file or its copy still tells, else a snapshot from
// before it was written, else what a person called good.
void BootCandidates::begin_with_damaged_guard(const Error& why) {
  guard_is_damaged_ = true;
  const auto state = session_.state_path();
  auto repository = session_.repository();
  const auto copy = read_second_copy(state);
  if (auto guard = copy ? parse_guard(*copy) : Result<Guard>(why)) {
    log_warning("{}; its second copy is read instead", escape(why.message));
    return begin_with(*std::move(guard));
  }
  for (const auto& text :
       {read_plain_file(StatePaths(state).guard()), copy ? Result<std::string>(*copy) : why}) {
    at_ = text ? before_in(*text) : "";
    if (!repository || at_.empty() || !(*repository)->snapshot(at_)) continue;
    first_.push_back(of_snapshot(at_, format("the old ruleset ({})", name_of_snapshot(at_))));
    return;
  }
  guard_matter_ = why.message;
  begin();
  if (repository && !at_.empty()) begin_before_unconfirmed();
}

void BootCandidates::begin_before_unconfirmed() {
  const Repository& repository = **session_.repository();
  const auto head = at_;
  const auto suspect = find_suspect(repository, session_.state_path(), head);
  const auto& before = suspect.before.empty() ? suspect.since : suspect.before;
  if (!before.empty()) at_ = before;
  // A guard with more time was written again after its change.
  if (at_ != head)
    first_ = {of_snapshot(at_, format("{}, from before the guard", name_of_snapshot(at_)))};
  else if (repository.resolve(std::string(kGood)))
    first_.push_back(good());
}

bool BootCandidates::note_files(const std::string& hash) {
  auto repository = session_.repository();
  const auto files = repository ? (*repository)->file_hashes(hash)
                                : Result<std::map<std::string, std::string>>(repository.error());
  return !files || tried_.insert(*files).second;
}

std::optional<Candidate> BootCandidates::older() {
  auto repository = session_.repository();
  if (!repository || at_.empty() || older_left_ == 0) return std::nullopt;
  while (looked_at_++ < kLookedAt) {
    at_ = (*repository)->parent(at_);
    if (at_.empty()) return std::nullopt;
    if (is_shutdown(**repository, at_)) continue;
    auto revision = read_allowed(session_, at_);
    if (!revision || !note_files(at_)) continue;
    --older_left_;
    return Candidate{.what = format("the older {}", name_of_snapshot(at_)),
                     .read = [revision = *std::move(revision)]() -> Result<Revision> { return revision; },
                     .exact = exact_};
  }
  return std::nullopt;
}

std::optional<Candidate> BootCandidates::next() {
  const auto take = [](std::vector<Candidate>& from) {
    auto candidate = std::move(from.back());
    from.pop_back();
    return candidate;
  };
  if (!first_.empty()) return take(first_);
  if (auto candidate = older()) return candidate;
  older_left_ = 0;
  if (last_.empty()) return std::nullopt;
  return take(last_);
}

}  // namespace rewall

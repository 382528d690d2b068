#include "ops/guard/boot_candidates.h"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "core/file.h"
#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"
#include "ops/context/settings.h"
#include "ops/context/state_file.h"
#include "ops/context/state_paths.h"
#include "ops/expiry/expiry.h"
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
  revision.ruleset = without_expired(session, std::move(revision.ruleset), hash);
  return revision;
}

bool is_shutdown(const Repository& repository, const std::string& hash) {
  const auto snapshot = repository.snapshot(hash);
  return snapshot && snapshot->trailers.trigger == kShutdown;
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
  if (guard && *guard) {
    guard_ = **std::move(guard);
    login_ = guard_->login;
    at_ = guard_->before;
    first_.push_back(old_ruleset(session, *guard_));
  } else if (!guard) {
    begin_with_damaged_guard(guard.error());
  } else {
    begin();
  }
  last_ = {{.what = "the template lockdown",
            .read = [login = login_]() -> Result<Revision> { return lockdown(login); }},
           good()};
  for (auto* candidates : {&first_, &last_})
    for (auto& candidate : *candidates) candidate.exact = exact;
  if (guard_) first_.back().exact = guard_->exact;
}

Candidate BootCandidates::of_snapshot(const std::string& hash, std::string what) {
  return {.what = std::move(what),
          .read = [&session = session_, hash] { return read_allowed(session, hash); },
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
  at_ = *head;
  while (is_shutdown(**repository, at_)) {
    is_new(at_);
    auto before = (*repository)->parent(at_);
    // Of a shutdown that `watch` could not know as one when it recorded it.
    if (!before.empty() && !is_new(before)) before = (*repository)->parent(before);
    if (before.empty()) break;
    at_ = before;
  }
  const bool newest = at_ == *head;
  first_.push_back(of_snapshot(at_, newest
                                        ? format("HEAD ({})", name_of_snapshot(at_))
                                        : format("{}, the newest before a shutdown", name_of_snapshot(at_))));
}

// The change that nobody confirmed may be HEAD: what the file still tells, else a snapshot from before it was
// written, else what a person called good.
void BootCandidates::begin_with_damaged_guard(const Error& why) {
  guard_matter_ = why.message;
  guard_is_damaged_ = true;
  const auto path = StatePaths(session_.state_path()).guard();
  auto repository = session_.repository();
  if (const auto text = read_plain_file(path)) {
    at_ = before_in(*text);
    if (repository && !at_.empty() && (*repository)->snapshot(at_)) {
      guard_matter_.clear();
      first_.push_back(of_snapshot(at_, format("the old ruleset ({})", name_of_snapshot(at_))));
      return;
    }
  }
  begin();
  struct stat facts {};
  if (!repository || at_.empty() || ::lstat(path.c_str(), &facts) != 0) return;
  const auto head = at_;
  while (!at_.empty()) {
    const auto snapshot = (*repository)->snapshot(at_);
    if (snapshot && snapshot->time.seconds < facts.st_mtim.tv_sec && !is_shutdown(**repository, at_)) break;
    at_ = (*repository)->parent(at_);
  }
  if (at_.empty()) at_ = head;
  // A guard with more time was written again after its change.
  if (at_ != head)
    first_ = {of_snapshot(at_, format("{}, from before the guard", name_of_snapshot(at_)))};
  else if ((*repository)->resolve(std::string(kGood)))
    first_.push_back(good());
}

bool BootCandidates::is_new(const std::string& hash) {
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
    if (!is_new(at_) || is_shutdown(**repository, at_)) continue;
    auto revision = read_allowed(session_, at_);
    if (!revision) continue;
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
  if (!first_.empty()) {
    if (!at_.empty()) is_new(at_);
    return take(first_);
  }
  if (auto candidate = older()) return candidate;
  older_left_ = 0;
  if (last_.empty()) return std::nullopt;
  return take(last_);
}

}  // namespace rewall

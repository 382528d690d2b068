#include "ops/guard/fallback.h"

#include <chrono>
#include <exception>
#include <thread>

#include "core/format.h"
#include "core/log.h"
#include "core/text.h"
#include "ops/context/ruleset_files.h"
#include "ops/context/settings.h"
#include "ops/guard/lockdown.h"
#include "rules/foreign.h"

namespace rewall {
namespace {

using Clock = std::chrono::steady_clock;

// For each of the two ways: somebody who goes on changing the firewall makes each try longer, too.
constexpr std::chrono::seconds kPatience{2};
constexpr int kNoes = 3;
constexpr int kLoads = 5;
constexpr std::chrono::milliseconds kPause{100};

// What is about to go, where it cannot go into the history.
void keep_aside(const Ruleset& live) {
  const auto folder = format("unrecorded-{}", now().seconds);
  if (keep_in_run(folder, files_of(live))) log_warning("what was in force is kept in /run/rewall/{}", folder);
}

/// `otherwise` is what reads back otherwise, of a load that was taken.
Status load_once(Session& session, const Revision& revision, bool exact, bool last, bool& kept,
                 std::string& otherwise) {
  otherwise.clear();
  auto live = TRY(session.capture());
  Ruleset wanted = overlay(live.ruleset, revision);
  if (!exact) wanted = keep_foreign(wanted, live.ruleset, owners_of(session)).ruleset;
  if (compare(wanted, live.ruleset).identical()) return {};
  if (!kept) keep_aside(live.ruleset);
  kept = true;
  auto staged = TRY(session.firewall().stage(wanted, nullptr, file_names(revision)));
  // At last whoever is faster is not asked: a transaction that names no generation is taken by all.
  auto loaded = TRY(session.firewall().load(staged, live.ruleset, last ? std::nullopt : live.generation));
  auto after = session.capture();
  if (!after) {
    otherwise = after.error().message;
    return Error{.kind = ErrorKind::refused, .message = otherwise};
  }
  const Diff left = compare(staged.ruleset, after->ruleset);
  if (left.equal()) return {};
  otherwise = subject(left);
  return Error{.kind = ErrorKind::refused, .message = format("it reads back otherwise ({})", otherwise)};
}

// Rules that nft put among those of iptables, and those that somebody changes faster than they are read: they
// go, whatever they are.
Status load_over_all(Session& session, const Revision& revision, const Error& why) {
  auto staged = TRY(session.firewall().stage(overlay({}, revision), nullptr, file_names(revision)));
  log_warning("what is in force is replaced whole: {}", escape(why.message));
  TRY(session.firewall().load_anew(staged));
  // The kernel has taken it: no other ruleset would fare better.
  auto after = session.capture();
  const Diff left = after ? compare(staged.ruleset, after->ruleset) : Diff{};
  if (!after) log_warning("it cannot be read back: {}", escape(after.error().message));
  if (!left.equal()) log_warning("it reads back otherwise: {}", subject(left));
  return {};
}

Status load_unrecorded(Session& session, const Revision& revision, bool exact, std::string& why_unrecorded) {
  Status done;
  bool kept = false;
  std::string otherwise;
  const auto end = Clock::now() + kPatience;
  bool last = false;
  int noes = 0;
  for (int attempt = 1; !last; ++attempt) {
    last = attempt == kLoads || Clock::now() > end;
    done = load_once(session, revision, exact, last, kept, otherwise);
    if (done) return done;
    const auto kind = done.error().kind;
    if (kind != ErrorKind::refused && kind != ErrorKind::capture && kind != ErrorKind::kernel) return done;
    if (kind == ErrorKind::kernel && ++noes == kNoes) break;
    std::this_thread::sleep_for(kPause);
  }
  // The kernel also says no to a change of rules that are gone meanwhile.
  if (done.error().kind != ErrorKind::refused) return load_over_all(session, revision, done.error());
  if (otherwise.empty()) return done;
  // The kernel has taken it: no other ruleset would fare better.
  why_unrecorded += format("; somebody goes on changing it: {}", otherwise);
  return {};
}

Result<Restored> restore_again_and_again(Session& session, const Lock& held, const Revision& revision,
                                         const RestoreOptions& options) {
  const auto end = Clock::now() + kPatience;
  for (int no = 0;;) {
    auto restored = restore(session, held, revision, options);
    if (restored || Clock::now() > end) return restored;
    // The kernel says no to what it cannot take, and to what somebody changed before it was read back.
    const bool again = restored.error().kind == ErrorKind::refused ||
                       (restored.error().kind == ErrorKind::kernel && ++no < kNoes);
    if (!again) return restored;
    std::this_thread::sleep_for(kPause);
  }
}

// What kept the restore from being recorded may be gone with what it replaced.
std::optional<Restored> record_landed(Session& session, const Revision& revision,
                                      const RestoreOptions& options) {
  auto repository = session.repository();
  if (!repository) return std::nullopt;
  auto read = read_live_and_head(session, **repository);
  if (!read || !compare(read->live.ruleset, revision.ruleset).equal()) return std::nullopt;
  auto recorded = record(session, **repository, read->head, read->live,
                         {.trigger = options.trigger,
                          .commands = {session.command_line},
                          .restores = revision.hash,
                          .actor = options.actor});
  if (!recorded) return std::nullopt;
  return Restored{.after = *std::move(recorded), .restored = revision.hash};
}

Status put(Session& session, const Lock* held, const Revision& revision, const RestoreOptions& options,
           FallbackResult& landed) {
  if (held != nullptr) {
    auto restored = restore_again_and_again(session, *held, revision, options);
    if (restored) {
      landed.restored = *std::move(restored);
      return {};
    }
    if (restored.error().kind == ErrorKind::permission) return std::move(restored).error();
    landed.why_unrecorded = restored.error().message;
  }
  auto loaded = load_unrecorded(session, revision, options.exact, landed.why_unrecorded);
  if (loaded && held != nullptr) landed.restored = record_landed(session, revision, options);
  return loaded;
}

Status put_safely(Session& session, const Lock* held, const Candidate& candidate, RestoreOptions options,
                  FallbackResult& landed) {
  try {
    auto revision = TRY(candidate.read());
    options.exact = candidate.exact;
    return put(session, held, revision, options, landed);
  } catch (const std::exception& thrown) {
    return Error{.kind = ErrorKind::damaged, .message = format("unexpected: {}", thrown.what())};
  }
}

}  // namespace

Result<FallbackResult> restore_or_fall_back(Session& session, const Lock* held,
                                            std::span<const Candidate> candidates,
                                            const RestoreOptions& options) {
  FallbackResult landed;
  if (held == nullptr) landed.why_unrecorded = "the repository cannot be used";
  std::string why;
  for (const auto& candidate : candidates) {
    auto done = put_safely(session, held, candidate, options, landed);
    if (done) {
      landed.what = candidate.what;
      landed.as_wanted = landed.refused.empty();
      return landed;
    }
    if (done.error().kind == ErrorKind::permission) return std::move(done).error();
    landed.refused.push_back(format("{}: {}", candidate.what, done.error().message));
    why += (why.empty() ? "" : "; ") + landed.refused.back();
  }
  return Error{.kind = ErrorKind::damaged, .message = "nothing could be put in force: " + why}.hinted(
      "the firewall is as it was left: look at 'iptables-save', and load rules by hand");
}

std::vector<Candidate> with_fallbacks(Session& session, Candidate wanted, const std::string& login) {
  return {
      std::move(wanted),
      {.what = "the tag good", .read = [&session] { return read_revision(session, "refs/tags/good"); }},
      {.what = "the template lockdown", .read = [login]() -> Result<Revision> { return lockdown(login); }}};
}

}  // namespace rewall

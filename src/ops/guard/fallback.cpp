#include "ops/guard/fallback.h"

#include <exception>

#include "core/format.h"
#include "core/log.h"
#include "core/messages.h"
#include "core/text.h"
#include "ops/context/ruleset_files.h"
#include "ops/context/settings.h"
#include "ops/guard/lockdown.h"
#include "ops/restore/apply.h"
#include "ops/restore/recovery.h"
#include "ops/restore/restore.h"
#include "rules/foreign.h"

namespace rewall {
namespace {

// What is about to go, where it cannot go into the history.
void keep_aside(const Ruleset& live) {
  const auto folder = format("unrecorded-{}", now().seconds);
  if (keep_in_run(folder, files_of(live))) log_warning("what was in force is kept in /run/rewall/{}", folder);
}

/// `otherwise` is what reads back otherwise, of a load that was taken.
Status load_once(Session& session, const Revision& revision, const RestoreOptions& options, bool last,
                 bool& kept, std::string& otherwise) {
  otherwise.clear();
  auto live = TRY(session.capture());
  Ruleset wanted = overlay(live.ruleset, revision);
  if (!options.exact)
    wanted = keep_foreign(wanted, live.ruleset, owners_of(session), options.lost_foreign).ruleset;
  if (compare(wanted, live.ruleset).identical()) return {};
  if (!kept) keep_aside(live.ruleset);
  kept = true;
  auto staged = TRY(session.firewall().stage(wanted, nullptr, file_names(revision)));
  // The last try gives way to nobody: a transaction that names no generation is always taken.
  auto applied = apply(session, staged, live, last ? std::nullopt : live.generation);
  if (!applied && applied.error().live != LiveState::unknown) return std::move(applied).error();
  if (!applied) {
    otherwise = applied.error().message;
    return Error{.kind = ErrorKind::refused, .message = otherwise};
  }
  const Diff left = compare(staged.ruleset, applied->ruleset);
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

Status load_unrecorded(Session& session, const Revision& revision, const RestoreOptions& options,
                       std::string& why_unrecorded) {
  Status done;
  bool kept = false;
  std::string otherwise;
  for (Tries tries(kStubbornTries); tries.next();) {
    done = load_once(session, revision, options, tries.last(), kept, otherwise);
    if (done) return done;
    const auto kind = done.error().kind;
    if (kind != ErrorKind::refused && kind != ErrorKind::capture && kind != ErrorKind::kernel) return done;
    if (kind == ErrorKind::kernel && tries.refused_too_often()) break;
  }
  // The kernel also says no to a change of rules that are gone meanwhile.
  if (done.error().kind != ErrorKind::refused) return load_over_all(session, revision, done.error());
  if (otherwise.empty()) return done;
  // The kernel has taken it: no other ruleset would fare better.
  why_unrecorded += format("; somebody goes on changing it: {}", otherwise);
  return {};
}

Result<Restored> restore_patiently(Session& session, const Lock& held, const Revision& revision,
                                   const RestoreOptions& options) {
  for (Tries tries(kPatientTries); tries.next();) {
    auto restored = restore(session, held, revision, options);
    if (restored || tries.last()) return restored;
    // The kernel refuses rules that it cannot take, and rules that somebody changed before they were read
    // back.
    const auto kind = restored.error().kind;
    if (kind == ErrorKind::kernel && tries.refused_too_often()) return restored;
    if (kind != ErrorKind::kernel && kind != ErrorKind::refused) return restored;
  }
  return error_of<messages::kept_changing>();
}

// What kept the restore from being recorded may be gone with what it replaced.
std::optional<Restored> record_fallback(Session& session, const Revision& revision,
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
           FallbackResult& fallback) {
  if (held != nullptr) {
    auto restored = restore_patiently(session, *held, revision, options);
    if (restored) {
      fallback.restored = *std::move(restored);
      return {};
    }
    if (restored.error().kind == ErrorKind::permission || options.dry_run) return std::move(restored).error();
    fallback.why_unrecorded = restored.error().message;
  }
  auto loaded = load_unrecorded(session, revision, options, fallback.why_unrecorded);
  if (loaded && held != nullptr) fallback.restored = record_fallback(session, revision, options);
  return loaded;
}

Status put_safely(Session& session, const Lock* held, const Candidate& candidate, RestoreOptions options,
                  FallbackResult& fallback) {
  try {
    auto revision = TRY(candidate.read());
    options.exact = candidate.exact;
    return put(session, held, revision, options, fallback);
  } catch (const std::exception& thrown) {
    return Error{.kind = ErrorKind::damaged, .message = format("unexpected: {}", thrown.what())};
  }
}

}  // namespace

Result<FallbackResult> restore_or_fall_back(Session& session, const Lock* held,
                                            std::span<const Candidate> candidates,
                                            const RestoreOptions& options) {
  FallbackResult fallback;
  if (held == nullptr) fallback.why_unrecorded = "the repository cannot be used";
  // What works without the repository changes LIVE.
  if (held == nullptr && options.dry_run)
    return error_of<messages::dry_run_of_fallback>(fallback.why_unrecorded);
  std::string why;
  for (const auto& candidate : candidates) {
    auto done = put_safely(session, held, candidate, options, fallback);
    if (done) {
      fallback.what = candidate.what;
      fallback.as_wanted = fallback.refused.empty();
      return fallback;
    }
    if (done.error().kind == ErrorKind::permission) return std::move(done).error();
    fallback.refused.push_back(format("{}: {}", candidate.what, done.error().message));
    why += (why.empty() ? "" : "; ") + fallback.refused.back();
  }
  return options.dry_run ? error_of<messages::dry_run_of_fallback>(why)
                         : error_of<messages::nothing_in_force>(why);
}

std::vector<Candidate> with_fallbacks(Session& session, Candidate wanted, const std::string& login) {
  return {
      std::move(wanted),
      {.what = "the tag good", .read = [&session] { return read_revision(session, "refs/tags/good"); }},
      {.what = "the template lockdown", .read = [login]() -> Result<Revision> { return lockdown(login); }}};
}

std::string to_text(const FallbackResult& fallback) {
  std::string text = fallback.what + " is in force";
  if (!fallback.restored) text += format(", but not recorded ({})", fallback.why_unrecorded);
  for (const auto& refused : fallback.refused) text += "; it could not be " + refused;
  return text;
}

}  // namespace rewall

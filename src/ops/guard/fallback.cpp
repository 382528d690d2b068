#include "ops/guard/fallback.h"

#include <chrono>
#include <exception>
#include <thread>

#include "core/format.h"
#include "core/log.h"
#include "core/messages.h"
#include "core/text.h"
#include "diff/pairs.h"
#include "kernel/trouble.h"
#include "ops/context/ruleset_files.h"
#include "ops/context/settings.h"
#include "ops/guard/lockdown.h"
#include "ops/restore/apply.h"
#include "ops/restore/live_foreign.h"
#include "ops/restore/owned_tables.h"
#include "ops/restore/recovery.h"
#include "ops/restore/restore.h"
#include "ops/restore/unrecorded.h"
#include "rules/foreign.h"
#include "rules/parse.h"
#include "rules/print.h"
#include "rules/table_forms.h"

namespace rewall {
namespace {

using std::chrono::milliseconds;

/// A load without the history.
struct Load {
  UnrecordedChange unrecorded;
  Capture now{};                  ///< LIVE after it
  std::string otherwise{};        ///< what reads back otherwise, where the load was taken
  bool changed = false;           ///< LIVE was another before it
  LeftToOwners left_to_owners{};  ///< as Restored::left_to_owners
};

// What is about to go.
void keep_aside(const Ruleset& live, const RestoreOptions& options, UnrecordedChange& unrecorded) {
  const bool nothing = holds_nothing(live);
  if (nothing && options.nothing_is_no_loss) return;
  const bool first = unrecorded.folder().empty();
  if (auto kept = unrecorded.keep(live); !kept)
    log_info("{}: what was in force is kept nowhere", kept.error().message);
  else if (first && !nothing)
    log_warning("what was in force is kept in {}", unrecorded.folder().string());
}

Capture staged_capture(const Ruleset& staged, std::string tools) {
  return {.ruleset = staged, .backends = backends_of(staged), .tools = std::move(tools)};
}

Status load_once(Session& session, const Revision& revision, const RestoreOptions& options, bool last,
                 Load& load) {
  load.otherwise.clear();
  auto live = TRY(session.capture());
  Ruleset wanted = overlay(live.ruleset, revision);
  if (!options.exact)
    wanted = TRY(keep_live_foreign(session, wanted, live.ruleset, owners_of(session), options.lost_foreign,
                                   UnsaidForeign::goes))
                 .ruleset;
  std::vector<std::string> said;
  load.left_to_owners = TRY(leave_to_owners(session, wanted, live.ruleset, said));
  if (compare(wanted, live.ruleset).identical()) {
    load.now = std::move(live);
    return {};
  }
  load.changed = true;
  keep_aside(live.ruleset, options, load.unrecorded);
  // Of a family that is not there nothing can be loaded, not even in a scratch namespace.
  const Ruleset* in_force = live.without_ipv6 ? &live.ruleset : nullptr;
  auto staged = TRY(session.firewall().stage(wanted, in_force, file_names(revision)));
  load.now = staged_capture(staged.ruleset, live.tools);
  // The last try gives way to nobody: a transaction that names no generation is always taken.
  auto applied = apply(session, staged, live, last ? std::nullopt : live.generation);
  if (!applied && applied.error().live != LiveState::unknown) return std::move(applied).error();
  if (!applied) {
    load.otherwise = applied.error().message;
    return Error{.kind = ErrorKind::refused, .message = load.otherwise};
  }
  const Diff otherwise = compare(staged.ruleset, applied->ruleset);
  if (otherwise.equal()) {
    load.now = static_cast<Capture&&>(*applied);
    return {};
  }
  // What others made of it is theirs.
  load.otherwise = subject(otherwise);
  return Error{.kind = ErrorKind::refused, .message = format("it reads back otherwise ({})", load.otherwise)};
}

// Rules that nft put among those of iptables, and those that somebody changes faster than they are read: they
// go, whatever they are.
Status load_over_all(Session& session, const Revision& revision, const Error& why, Load& load) {
  auto staged = TRY(session.firewall().stage(overlay({}, revision), nullptr, file_names(revision)));
  log_warning("what is in force is replaced whole: {}", escape(why.message));
  TRY(session.firewall().load_anew(staged));
  load.changed = true;
  // The kernel has taken it: no other ruleset would fare better.
  auto after = session.capture();
  Ruleset wanted = staged.ruleset;
  std::vector<std::string> said;
  load.left_to_owners = TRY(leave_to_owners(session, wanted, after ? after->ruleset : Ruleset{}, said));
  const Diff left = after ? compare(wanted, after->ruleset) : Diff{};
  if (!after) log_warning("it cannot be read back: {}", escape(after.error().message));
  if (!left.equal()) log_warning("it reads back otherwise: {}", subject(left));
  load.now = after ? *std::move(after) : staged_capture(staged.ruleset, load.now.tools);
  return {};
}

Status load_somehow(Session& session, const Revision& revision, const RestoreOptions& options,
                    std::string& why_unrecorded, Load& load) {
  Status done;
  for (Tries tries(kStubbornTries); tries.next();) {
    done = load_once(session, revision, options, tries.last(), load);
    if (done) return done;
    const auto kind = done.error().kind;
    if (kind != ErrorKind::refused && kind != ErrorKind::capture && kind != ErrorKind::kernel) return done;
    if (kind == ErrorKind::kernel && tries.refused_too_often()) break;
  }
  // The kernel also says no to a change of rules that are gone meanwhile.
  if (done.error().kind != ErrorKind::refused) return load_over_all(session, revision, done.error(), load);
  if (load.otherwise.empty()) return done;
  // The kernel has taken it: no other ruleset would fare better.
  why_unrecorded += format("; somebody goes on changing it: {}", load.otherwise);
  return {};
}

// It is recorded when it can be: by this process, or the next. `settled`: nobody goes on changing it.
Status load_unrecorded(Session& session, const Revision& revision, const RestoreOptions& options,
                       FallbackResult& fallback, bool& settled) {
  auto& why_unrecorded = fallback.why_unrecorded;
  Load load{.unrecorded = UnrecordedChange(session)};
  auto done = load_somehow(session, revision, options, why_unrecorded, load);
  if (done)
    load.unrecorded.note(load.now,
                         {.trigger = options.trigger,
                          .commands = {session.command_line},
                          .restores = revision.hash,
                          .exact = options.exact,
                          .actor = options.actor},
                         why_unrecorded);
  settled = load.otherwise.empty();
  fallback.changed = load.changed;
  fallback.left_to_owners = load.left_to_owners;
  return done;
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
std::optional<Restored> record_fallback(Session& session, const Revision& revision) {
  auto repository = session.repository();
  if (!repository) return std::nullopt;
  auto late = record_unrecorded(session, **repository);
  if (!late || !*late) return std::nullopt;
  return Restored{
      .before = std::move((*late)->before), .after = std::move((*late)->after), .restored = revision.hash};
}

/// How long a boot waits for what passes by itself; nothing is waited for without one.
class Patience {
 public:
  explicit Patience(milliseconds length) : end_(std::chrono::steady_clock::now() + length) {}

  /// Says each trouble once.
  void tell(const std::string& trouble) {
    if (trouble == told_) return;
    told_ = trouble;
    log_warning("{}: it is waited for", trouble);
  }
  bool over() const { return std::chrono::steady_clock::now() >= end_; }

 private:
  std::chrono::steady_clock::time_point end_;
  std::string told_{};
};

Status put(Session& session, const Lock* held, const Revision& revision, const RestoreOptions& options,
           bool patient, FallbackResult& fallback) {
  if (held != nullptr) {
    auto restored = restore_patiently(session, *held, revision, options);
    if (restored) {
      fallback.left_to_owners = restored->left_to_owners;
      fallback.restored = *std::move(restored);
      return {};
    }
    if (restored.error().kind == ErrorKind::permission || options.dry_run) return std::move(restored).error();
    if (patient && passing_trouble()) return std::move(restored).error();
    fallback.why_unrecorded = restored.error().message;
  }
  bool settled = false;
  auto loaded = load_unrecorded(session, revision, options, fallback, settled);
  if (loaded && held != nullptr && settled) fallback.restored = record_fallback(session, revision);
  return loaded;
}

/// What the xtables lock does not hinder: the tables of the nft backend, where the revision has any.
void load_meanwhile(Session& session, const Revision& revision) {
  if (revision.ruleset.backend != Backend::nft || !revision.ruleset.both_backends()) return;
  auto live = session.capture();
  if (!live) return;
  Ruleset wanted = overlay(live->ruleset, revision);
  for (const Slot slot : Ruleset::slots())
    if (slot.beside) wanted[slot] = live->ruleset[slot];
  std::vector<std::string> said;
  if (!leave_to_owners(session, wanted, live->ruleset, said) || compare(wanted, live->ruleset).identical())
    return;
  auto staged = session.firewall().stage(wanted, nullptr, file_names(revision));
  if (staged && apply(session, *staged, *live, std::nullopt))
    log_warning("the rules of the nft backend are in force meanwhile");
}

Status put_when_possible(Session& session, const Lock* held, const Revision& revision,
                         const RestoreOptions& options, Patience* patience, FallbackResult& fallback) {
  constexpr milliseconds kPause{500};
  for (;;) {
    auto trouble = patience == nullptr ? std::nullopt : passing_trouble();
    if (trouble) patience->tell(*trouble);
    auto done = put(session, held, revision, options, patience != nullptr && !patience->over(), fallback);
    if (done || patience == nullptr || patience->over()) return done;
    if (auto now = passing_trouble()) trouble = std::move(now);
    if (!trouble) return done;
    patience->tell(*trouble);
    load_meanwhile(session, revision);
    std::this_thread::sleep_for(kPause);
  }
}

/// Why not even an empty table of a family can be loaded here; absent where one can.
std::optional<std::string> missing_family(Session& session, Family family, Backend backend) {
  constexpr const char* kTable =
      "*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n";
  Ruleset ruleset{.backend = backend};
  (family == Family::ipv4 ? ruleset.v4 : ruleset.v6) = parse_saved(kTable, family, "").value();
  const auto staged = session.firewall().stage(ruleset, nullptr);
  return staged ? std::nullopt : std::optional(staged.error().message);
}

/// A revision without the family that cannot be loaded here; absent where that family is not the matter.
std::optional<Revision> without_missing_family(Session& session, Revision revision, std::string& left_out) {
  const auto v4 = missing_family(session, Family::ipv4, revision.ruleset.backend);
  const auto v6 = missing_family(session, Family::ipv6, revision.ruleset.backend);
  if (v4.has_value() == v6.has_value()) return std::nullopt;
  const Family family = v4 ? Family::ipv4 : Family::ipv6;
  (v4 ? revision.has_v4 : revision.has_v6) = false;
  for (const Slot slot : Ruleset::slots())
    if (slot.family == family) revision.ruleset[slot] = Tables{.family = family};
  left_out = format("{}, of which this system can load nothing ({})", v4 ? "IPv4" : "IPv6", v4 ? *v4 : *v6);
  return revision;
}

Status put_safely(Session& session, const Lock* held, const Candidate& candidate, RestoreOptions options,
                  Patience* patience, FallbackResult& fallback) {
  try {
    auto revision = TRY(candidate.read());
    options.exact = candidate.exact;
    fallback.what = with_left_out(candidate.what, revision);
    fallback.hash = revision.hash;
    auto done = put_when_possible(session, held, revision, options, patience, fallback);
    if (done && !kernel_has_ipv6() && !canonical_text(revision.ruleset.v6).empty())
      fallback.left_out = "IPv6, which this kernel does not have";
    if (done || done.error().kind == ErrorKind::permission || options.dry_run) return done;
    // The rules of iptables, rather than an older snapshot: a device that a native table names may not be
    // there yet.
    // Without a table of iptables' name it would be another firewall, and perhaps an open one.
    if (revision.ruleset.native && !revision.ruleset.native->empty() &&
        !first_in_nft_words(revision.ruleset)) {
      const auto why = done.error().message;
      revision.ruleset.native.reset();
      done = put_when_possible(session, held, revision, options, patience, fallback);
      if (done) fallback.left_out = format("the native nft tables ({})", why);
      if (done) return done;
    }
    if (patience == nullptr) return done;
    const auto part = without_missing_family(session, revision, fallback.left_out);
    if (!part) return done;
    done = put_when_possible(session, held, *part, options, patience, fallback);
    if (!done) fallback.left_out.clear();
    return done;
  } catch (const std::exception& thrown) {
    return Error{.kind = ErrorKind::damaged, .message = format("unexpected: {}", thrown.what())};
  }
}

Result<FallbackResult> try_all(Session& session, const Lock* held, const NextCandidate& next,
                               const RestoreOptions& options, Patience* patience) {
  FallbackResult fallback;
  if (held == nullptr) fallback.why_unrecorded = "the repository cannot be used";
  // What works without the repository changes LIVE.
  if (held == nullptr && options.dry_run)
    return error_of<messages::dry_run_of_fallback>(fallback.why_unrecorded);
  std::string why;
  while (const auto candidate = next()) {
    auto done = put_safely(session, held, *candidate, options, patience, fallback);
    if (done) {
      fallback.as_wanted = fallback.refused.empty() && !fallback.left_to_owners.of_iptables;
      fallback.what = but_for(fallback.what, fallback.left_to_owners);
      return fallback;
    }
    if (done.error().kind == ErrorKind::permission) return std::move(done).error();
    fallback.refused.push_back(format("{}: {}", candidate->what, done.error().message));
    why += (why.empty() ? "" : "; ") + fallback.refused.back();
  }
  return options.dry_run ? error_of<messages::dry_run_of_fallback>(why)
                         : error_of<messages::nothing_in_force>(why);
}

}  // namespace

Result<FallbackResult> restore_or_fall_back(Session& session, const Lock* held,
                                            std::span<const Candidate> candidates,
                                            const RestoreOptions& options) {
  std::size_t n = 0;
  const auto next = [&] { return n < candidates.size() ? std::optional(candidates[n++]) : std::nullopt; };
  return try_all(session, held, next, options, nullptr);
}

Result<FallbackResult> restore_or_fall_back(Session& session, const Lock* held, const NextCandidate& next,
                                            const RestoreOptions& options,
                                            std::chrono::milliseconds patience) {
  Patience waits(patience);
  return try_all(session, held, next, options, &waits);
}

std::vector<Candidate> with_fallbacks(Session& session, Candidate wanted, const std::string& login) {
  return {
      std::move(wanted),
      {.what = "the tag good", .read = [&session] { return read_revision(session, "refs/tags/good"); }},
      {.what = "the template lockdown", .read = [login]() -> Result<Revision> { return lockdown(login); }}};
}

std::string with_left_out(const std::string& what, const Revision& revision) {
  if (revision.left_out.empty()) return what;
  const auto words = format("without {} that had expired)", revision.left_out);
  return what.ends_with(')') ? format("{}, {}", what.substr(0, what.size() - 1), words)
                             : format("{} ({}", what, words);
}

std::string to_text(const FallbackResult& fallback) {
  std::string text = fallback.what + " is in force";
  if (!fallback.restored) text += format(", but not recorded ({})", fallback.why_unrecorded);
  if (!fallback.left_out.empty()) text += "; left out: " + fallback.left_out;
  for (const auto& refused : fallback.refused) text += "; it could not be " + refused;
  return text;
}

}  // namespace rewall

#include "ops/guard/boot.h"

#include "core/log.h"
#include "core/text.h"
#include "ops/guard/arm.h"
#include "ops/guard/rollback.h"
#include "ops/guard/wall.h"
#include "ops/guard/way_back.h"
#include "ops/restore/recovery.h"

namespace rewall {

Result<FallbackResult> boot(Session& session, RestoreOptions options) {
  auto repository = session.repository();
  std::error_code failed;
  // A host without a history boots as if there were no rewall.
  if (!repository && !std::filesystem::exists(session.path() / ".git", failed))
    return std::move(repository).error();
  options.trigger = "boot";
  options.way_back = true;
  options.nothing_is_no_loss = true;
  const auto guard = read_guard(session.state_path());
  const bool guarded = guard && *guard;
  auto candidates = with_fallbacks(
      session,
      guarded ? old_ruleset(session, **guard)
              : Candidate{.what = "HEAD", .read = [&session] { return read_revision(session, "HEAD"); }},
      guarded ? (*guard)->login : "");
  for (auto& candidate : candidates) candidate.exact = options.exact;
  auto held = lock(session);
  auto fallback = restore_or_fall_back(session, held ? &*held : nullptr, candidates, options);
  if (!fallback || options.dry_run) return fallback;
  const auto text = to_text(*fallback);
  if (!fallback->as_wanted || !fallback->restored)
    notify_terminals("at boot: " + text, guarded ? (*guard)->actor : Actor{}, true);
  if (guarded && held) disarm(session, *held, **guard, ending_of(session, EndedBy::boot, *fallback));
  // What is not as wanted is the caller's error.
  if (guarded && fallback->as_wanted)
    log_warning("{} was armed when the machine went down: {}", name_of(**guard), escape(text));
  else if (fallback->as_wanted && !fallback->restored)
    log_warning("{}", escape(text));
  return fallback;
}

}  // namespace rewall

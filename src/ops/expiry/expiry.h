#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/result.h"
#include "diff/diff.h"
#include "ops/context/session.h"
#include "ops/expiry/expiry_state.h"
#include "store/repository.h"

namespace rewall {

// Rules that expire: what a change added is taken out again when it is due, and nothing else. What the change
// removed, altered or moved, policies, and the parts of other programs stay as they are then.

/// The parts that a change added, without those of other programs and without temporary members. `diff` is
/// that from `from` to `to`. A rule that was altered, and a member with other options, is not added.
std::vector<ExpiringPart> added_parts(const Diff& diff, const Ruleset& from, const Ruleset& to,
                                      std::span<const Owner> owners);

/// The native tables that a change adds to or alters, which no expiry covers: "inet fw, ip nat"; empty for
/// none.
std::string native_parts_of(const Diff& diff);

/// An expiry of this session's command, `length` from now on, with no file yet.
Expiry make_expiry(Session& session, std::chrono::milliseconds length, std::vector<ExpiringPart> parts);

/// Writes the file of an expiry, and sees that a process or a systemd timer waits for it. After an error
/// there is no file. Kind refused: nothing waits for it. Kind repository: the file cannot be written.
Status begin_expiry(Session& session, const Lock& held, Expiry& expiry);

/// Sees that a process or a systemd timer waits for each expiry, as after a boot or where the process died.
/// Failures are logged: the next rewall after the time does the work.
void wait_for_expiries(Session& session);

/// Takes out what is due: each expiry makes a snapshot of its own with the trigger `expire`, whose author is
/// who asked for it. Of what is not there as the change added it nothing is taken out: somebody removed or
/// altered it, or put it in anew. Where nothing is left, no snapshot is made, and that is said. Takes the
/// repository's lock. Does nothing where a process that waits is about to do it. The first error of a
/// restore; what failed stays pending.
enum class Waiter { may_be_another, is_this_process };
Status take_out_expired(Session& session, Waiter waiter = Waiter::may_be_another);

/// A ruleset of the past that is about to be put in force, of the snapshot `hash` (empty: not known),
/// without what is expired by now. Says what was left out, and adds it to `left_out`: "1 rule".
Ruleset without_expired(Session& session, Ruleset ruleset, const std::string& hash, std::string& left_out);

/// Ends what is due with a word that it was left out, and sees that somebody waits for the rest: after a
/// boot.
void settle_after_boot(Session& session, const Lock& held);

/// What a change brings back of an expiry that is over.
struct BroughtBack {
  Expiry expiry{};
  std::vector<ExpiringPart> parts{};
};
/// Of a change between two rulesets, what had expired, by the expiry that was over last. It is in force for
/// good.
std::vector<BroughtBack> brought_back(const Session& session, const Diff& diff);

/// The pending expiry whose id begins with `id`. Kind usage: none, or several.
Result<Expiry> find_expiry(Session& session, const std::string& id);
/// The parts of an expiry that a ruleset has as the change added them; `hash` is its snapshot (empty: not
/// known).
std::vector<ExpiringPart> parts_in_force(Session& session, const Ruleset& live, const std::string& hash,
                                         const Expiry& expiry);
/// Keeps for good what would expire, or, with `extend`, keeps it longer. The parts of the result are those
/// that are in force. Takes the repository's lock. Kind refused: it was taken out, and waits for the end of a
/// guard, or nothing of it is in force. The errors of find_expiry().
Result<Expiry> keep_expiring(Session& session, const std::string& id,
                             std::optional<std::chrono::milliseconds> extend);

}  // namespace rewall

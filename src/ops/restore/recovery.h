#pragma once

#include <string>

#include "core/result.h"
#include "ops/context/session.h"

namespace rewall {

/// Completes or undoes a restore that was killed, by its journal (ops/restore/README.md); LIVE is then the
/// old or the wanted ruleset, and the history records it. Does nothing without a journal, and without reading
/// LIVE. Call once, before a command begins. Sets Session::interrupted where another process is restoring
/// now, and after a failure.
///
/// After an error the journal stays. Kind permission and capture: LIVE cannot be read. Kind repository:
/// another process does not release the lock, the journal belongs to another network namespace, or the
/// journal cannot be used and LIVE differs from HEAD. Kind damaged: LIVE is neither ruleset, and the old
/// ruleset could not be put back.
Status recover_interrupted_restore(Session& session);

/// Takes the repository's lock, after a wait of at most `lock.wait`, and recovers a restore that the last
/// holder did not end. The lock is held as long as the result lives. The errors of Repository::lock() and of
/// recover_interrupted_restore(), and of check_network(): whoever takes this lock records or changes LIVE.
Result<Lock> lock(Session& session);
/// The same, after a wait of at most `patience` where `lock.wait` is longer.
Result<Lock> lock(Session& session, std::chrono::milliseconds patience);
/// The same for a command that has nothing to do with LIVE: any network namespace will do.
Result<Lock> lock_history(Session& session);
/// True where the error of lock() is that the repository's disk is read-only.
bool is_read_only_disk(const Error& why);

/// The same for a boot, which puts a whole ruleset in force whatever the restore left. A journal that cannot
/// be used is renamed to `.git/rewall/journal.unusable`, with a warning.
void recover_for_boot(Session& session, const Lock& held);

}  // namespace rewall

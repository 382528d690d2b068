#pragma once

#include <string>

#include "ops/context/session.h"
#include "store/repository.h"

namespace rewall {

/// Where the setting export.path names a folder, makes its rules.v4, rules.v6 and ipsets (the names of
/// netfilter-persistent's plugins) what `files`, those of the snapshot `hash`, say: aside, synced, renamed.
/// A file there that says something else than what was exported last is kept beside it first. The caller
/// holds the lock. What fails is a warning.
void export_files(const Repository& repository, const std::string& hash, const Files& files);

/// The same for the snapshot that record() made or found: an observer of the session.
void export_snapshot(Session& session, const RecordEvent& event);

}  // namespace rewall

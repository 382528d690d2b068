#pragma once

#include <string>

#include "ops/context/session.h"
#include "store/repository.h"

namespace rewall {

/// Writes the files of the snapshot `hash` to the folder of the setting `export.path`, as rules.v4, rules.v6
/// and ipsets (the names of the plugins of netfilter-persistent). Does nothing where the setting is empty.
/// Each file is written aside, synced and renamed. A file with other rules than those of the last export is
/// kept as FILE.old-N. The caller holds the repository's lock. Failures are logged as warnings.
void export_files(const Repository& repository, const std::string& hash, const Files& files);

/// Writes the native tables of the snapshot to the file of the setting `export.nft`, without foreign ones,
/// for `nft -f` (nftables.service): each table is made anew, other tables stay. A snapshot that says nothing
/// of native tables leaves the file as it is; one that is not of rewall is kept as FILE.old-N. The rest as
/// above.
void export_native(const Repository& repository, const std::string& hash, const Files& files);

/// Exports the snapshot that record() made or found. An observer of the session (Session::record_observers).
void export_snapshot(Session& session, const RecordEvent& event);

}  // namespace rewall

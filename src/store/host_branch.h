#pragma once

#include <filesystem>
#include <string>

#include "core/result.h"
#include "store/git.h"

namespace rewall {

// This host's branch refs/heads/hosts/NAME and the place where it stands, whatever `.git/HEAD` says: people
// check out other branches and commits, and a power failure leaves empty files.

/// Finds NAME: the name in `.git/rewall/host` while its branch is there, else the one that `.git/HEAD` names,
/// else that of the only branch below hosts/, else the host's own name where a branch of that name is here or
/// was fetched. `path` is the repository's folder. Kind repository: none of these.
Result<std::string> find_host(git_repository* repo, const std::filesystem::path& path);

/// Writes `.git/rewall/host` where it says another name. Nothing depends on it while `.git/HEAD` names the
/// branch, so a failure is no matter.
void note_host(const std::filesystem::path& path, const std::string& host);

/// The hash at which the branch of `host` stands; empty before the first snapshot. Where the file of the
/// branch is empty, damaged or gone: the newest snapshot that the logs of git know, else the one that was
/// fetched last, else the newest commit of this host among the objects. Its object need not be there.
std::string find_tip(git_repository* repo, const std::string& host);

/// True when the branch of `host` can be read.
bool has_branch(git_repository* repo, const std::string& host);

/// True when `.git/HEAD` names the branch of `host` and that branch can be read.
bool is_at_branch(git_repository* repo, const std::string& host);

/// The first parent of a commit; of one that cannot be read, the snapshot that the branch's log has before
/// it. Empty where there is none.
std::string find_parent(git_repository* repo, const std::string& host, const std::string& hash);

/// Puts a branch that was lost back where find_tip() finds it, and writes a `.git/HEAD` that can be read
/// where it cannot; says both in a warning. The caller holds the repository's lock.
void mend_branch(git_repository* repo, const std::filesystem::path& path, const std::string& host);

/// Writes a `.git/HEAD` that is missing; without one it is no repository to libgit2.
void put_back_head(const std::filesystem::path& path);

}  // namespace rewall

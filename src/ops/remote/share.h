#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/result.h"
#include "ops/remote/network.h"
#include "store/repository.h"

namespace rewall {

struct Pushed {
  Remote remote{};
  std::size_t snapshots = 0;         ///< that the remote did not have
  std::vector<std::string> notes{};  ///< worth saying: a tag that was not taken
};
/// Sends the branch of this host (`all`: every branch hosts/NAME that is here), and its tags as NAME/TAG.
/// Never forced: kind remote when the branch there is not where this one comes from.
Result<Pushed> push(const Repository& repository, const std::string& remote, bool all, Progress progress);

/// What a fetch did to a branch.
struct FetchedBranch {
  std::string host{};
  std::size_t snapshots = 0;  ///< new ones
  bool rewritten = false;     ///< what was there before is no part of it
  std::string trouble{};      ///< it holds what is no snapshot
};
/// What was not taken, for an object that git's check refuses.
struct Refused {
  std::string name{};  ///< "hosts/web1", "tags/web1"
  std::string why{};
};
struct Fetched {
  Remote remote{};
  std::vector<FetchedBranch> branches{};  ///< those that moved, by name
  std::vector<Refused> refused{};
};
/// Brings the branches of all hosts, as REMOTE/hosts/NAME. Objects are checked as they come (git-config(1),
/// fetch.fsckObjects): a branch that has a bad one is refused, the others are taken. What the remote has no
/// more is kept.
Result<Fetched> fetch(const Repository& repository, const std::string& remote, Progress progress);

struct Cloned {
  std::string host{};
  std::string hash{};                ///< of its newest snapshot; empty where the remote has none of it
  std::vector<std::string> hosts{};  ///< that the remote has
  std::vector<Refused> refused{};
};
/// Makes the repository at `path` from a remote, with the branch of `host` (empty: of this
/// machine's name, where the remote has it) and its tags. Nothing is left of it after an error; after a kill
/// as Staging says. Kind usage: no such host there. Kind remote: its branch
/// is refused.
Result<Cloned> clone(const std::filesystem::path& path, const std::string& url, const std::string& host,
                     Progress progress);

}  // namespace rewall

#pragma once

#include <functional>
#include <string>
#include <vector>

#include "remote_maker.h"

namespace rewall {

/// The host that meets a hostile remote.
struct Victim {
  std::string host{};   ///< its name, as its branch has it
  std::string first{};  ///< hash of its first snapshot, which the remote has
  std::string head{};   ///< hash of its newest, which the remote has
};

/// A kind of object, name or history that a remote can send and that no rewall makes.
struct Kind {
  std::string name{};
  /// Adds it to a repository that holds the victim's history.
  std::function<void(RemoteMaker&, const Victim&)> make{};
  std::string branch = "evil";  ///< the host whose branch has it
  int fetch = -1;               ///< how `fetch` ends; -1: as it likes
  int clone = -1;               ///< how `clone --host BRANCH` ends
  int diff = -1;                ///< how `diff HEAD origin/hosts/BRANCH` ends
  std::string memory{};         ///< fetch.memory of the host that fetches; empty: the default
  std::string says{};           ///< a part of what one of the commands prints
  bool is_whole = false;        ///< as large as `fetch` takes it, whatever scale() is
};

std::vector<Kind> kinds_of_objects();
std::vector<Kind> kinds_of_names();
std::vector<Kind> kinds_of_histories();
std::vector<Kind> kinds_of_rules();
std::vector<Kind> kinds_of_sizes();

/// The share of the largest sizes that kinds_of_sizes() takes: a tenth, so that a test takes seconds; where
/// the variable HOSTILE_FULL is set all of it, 1.
int scale();

}  // namespace rewall

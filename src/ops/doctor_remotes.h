#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ops/doctor.h"
#include "store/repository.h"

namespace rewall {

/// What the address of a remote says (git-fetch(1), "GIT URLS").
struct Address {
  enum class Way { folder, ssh, https, plain };  ///< plain: everybody on the way reads along
  Way way = Way::folder;
  std::string host{};
  bool has_password = false;
};
Address parse_address(std::string_view url);

/// Where anybody may make a repository that everybody can read.
bool is_public_forge(std::string_view host);

/// Each remote: whether it answers, what it lacks, and who can read along.
std::vector<Check> examine_remotes(const Repository& repository);

}  // namespace rewall

#include "ops/context/trust.h"

#include <sys/stat.h>
#include <unistd.h>

#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"

namespace rewall {
namespace {

namespace fs = std::filesystem;

// Root is who owns `/`: in a user namespace that need not be number 0 (user_namespaces(7), overflowuid).
bool ours_alone(const fs::path& path, bool sticky_will_do) {
  struct stat root {};
  struct stat facts {};
  if (::stat("/", &root) != 0 || ::lstat(path.c_str(), &facts) != 0) return false;
  if (facts.st_uid != root.st_uid && facts.st_uid != ::geteuid()) return false;
  if (sticky_will_do && (facts.st_mode & S_ISVTX) != 0) return true;
  return (facts.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

}  // namespace

// Who can write a folder on the way can put another file into the place. In a sticky one (/tmp) nobody can
// move what is ours.
Status check_trust(const fs::path& real) {
  bool above = false;
  for (fs::path path = real;; path = path.parent_path(), above = true) {
    if (!ours_alone(path, above)) {
      return error_of<messages::others_can_write>(path.string(), shell_quote(path.string()));
    }
    if (path == path.root_path()) return {};
  }
}

}  // namespace rewall

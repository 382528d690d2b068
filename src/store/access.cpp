#include "store/access.h"

#include <pwd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <system_error>

#include "core/file.h"
#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"
#include "core/trust.h"

namespace rewall {
namespace {

constexpr std::string_view kDefaultPath = "/var/lib/rewall";

std::string user_name(uid_t uid) {
  const passwd* user = ::getpwuid(uid);
  return user != nullptr ? user->pw_name : format("user {}", uid);
}

Status check_facts(const struct stat& facts, mode_t type, const std::filesystem::path& path,
                   const std::filesystem::path& top) {
  const auto refuse = [&](std::string matter, std::string hint) {
    return Error{.kind = ErrorKind::repository, .message = format("{}: {}", path.string(), matter)}.hinted(
        std::move(hint));
  };
  const std::string quoted = shell_quote(top.string());
  if ((facts.st_mode & S_IFMT) != type)
    return refuse(type == S_IFDIR ? "not a folder" : "not a plain file",
                  "put the original back in its place");
  if (facts.st_uid != ::geteuid() && facts.st_uid != 0) {
    return refuse(format("belongs to {}", user_name(facts.st_uid)),
                  format("chown -R {}: {}", user_name(::geteuid()), quoted));
  }
  if ((facts.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return refuse(format("others can write to it (mode {:04o})", facts.st_mode & 07777U),
                  format("look at what they wrote, then: chmod -R go-w {}", quoted));
  }
  return {};
}

Error path_error(const std::filesystem::path& path, int error) {
  return error_of<messages::repository_failed>(path.string(), errno_text(error));
}

/// Of check_trust() and check_way_to(), which know nothing of repositories.
Status of_repository(Status looked) {
  if (looked) return looked;
  auto error = std::move(looked).error();
  error.kind = ErrorKind::repository;
  return error;
}

bool others_enter(const struct stat& facts) {
  return (facts.st_mode & (S_IXGRP | S_IXOTH)) != 0;
}

// An object has to match its hash, and a hook may be a link: what stands in these folders is not looked at.
bool is_left_alone(const std::filesystem::path& folder) {
  return folder.filename() == "hooks" ||
         (folder.parent_path().filename() == "objects" && folder.filename().native().size() == 2);
}

// Other processes work here at the same time: what is gone meanwhile is no matter.
Status check_inside(const std::filesystem::path& folder, const std::filesystem::path& top) {
  std::error_code failed;
  for (auto entry = std::filesystem::directory_iterator(folder, failed);
       !failed && entry != std::filesystem::directory_iterator{}; entry.increment(failed)) {
    const auto& path = entry->path();
    struct stat facts {};
    if (::lstat(path.c_str(), &facts) != 0) {
      if (errno == ENOENT) continue;
      return path_error(path, errno);
    }
    const bool is_folder = S_ISDIR(facts.st_mode);
    TRY(check_facts(facts, is_folder ? S_IFDIR : S_IFREG, path, top));
    if (!is_folder || is_left_alone(path)) continue;
    TRY(check_inside(path, top));
  }
  if (failed && failed.value() != ENOENT) return path_error(folder, failed.value());
  return {};
}

}  // namespace

bool lost_git(const std::filesystem::path& path) {
  std::error_code failed;
  if (std::filesystem::exists(path / ".git", failed) || failed) return false;
  // /etc/iptables of iptables-persistent has rules files, and no "ipset".
  for (const char* name : {"rules.v4", "rules.v6", "ipset"})
    if (!std::filesystem::is_regular_file(path / name, failed)) return false;
  return true;
}

Error no_repository(const std::filesystem::path& path, int error) {
  if (error == EACCES || error == EPERM)
    return Error{.kind = ErrorKind::permission, .message = format("{}: {}", path.string(), errno_text(error))}
        .hinted("run it as root");
  const std::string where = path == kDefaultPath ? "" : format("-C {} ", shell_quote(path.string()));
  auto missing = error_of<messages::no_repository>(path.string(), where);
  if (lost_git(path))
    missing.hint =
        format("its .git is gone and the files of the last snapshot are left: mv {0} {0}.old; rewall {1}init",
               shell_quote(path.string()), where);
  return missing;
}

Status check_access(const std::filesystem::path& path, mode_t type, const std::filesystem::path& top) {
  struct stat facts {};
  if (::lstat(path.c_str(), &facts) != 0) return no_repository(top, errno);
  return check_facts(facts, type, path, top);
}

Status check_whole_way(const std::filesystem::path& path, mode_t type) {
  TRY(of_repository(check_way_to(absolute_path(path))));
  std::error_code failed;
  const auto real = std::filesystem::canonical(path, failed);
  if (failed) return path_error(path, failed.value());
  TRY(of_repository(check_way_to(real)));
  return check_access(real, type, real);
}

Status check_repository_access(const std::filesystem::path& path) {
  // The repository's own path may be a link: whoever typed it meant where it leads.
  struct stat facts {};
  if (::stat(path.c_str(), &facts) != 0 || !S_ISDIR(facts.st_mode)) return no_repository(path, errno);
  struct Entry {
    const char* name;
    mode_t type;
  };
  static constexpr std::array<Entry, 5> kEntries{{{".git", S_IFDIR},
                                                  {".git/HEAD", S_IFREG},
                                                  {".git/config", S_IFREG},
                                                  {".git/objects", S_IFDIR},
                                                  {".git/refs", S_IFDIR}}};
  TRY(check_whole_way(path, S_IFDIR));
  for (const auto& [name, type] : kEntries) {
    std::error_code failed;
    // A power failure may take them; Repository::open() makes them again.
    const bool gone =
        (std::string_view(name) == ".git/HEAD" || std::string_view(name) == ".git/refs") &&
        std::filesystem::symlink_status(path / name, failed).type() == std::filesystem::file_type::not_found;
    if (!gone) TRY(check_access(path / name, type, path));
  }
  struct stat git {};
  if (::lstat((path / ".git").c_str(), &git) != 0) return no_repository(path, errno);
  return others_enter(facts) && others_enter(git) ? check_inside(path / ".git", path) : Status{};
}

}  // namespace rewall

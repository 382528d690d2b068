#include "core/trust.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <deque>
#include <system_error>

#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"

namespace rewall {
namespace {

namespace fs = std::filesystem;

constexpr int kMostLinks = 40;  // as the kernel, path_resolution(7)

enum class Part { above, link, itself };

// Root is who owns `/`: in a user namespace that need not be number 0 (user_namespaces(7), overflowuid).
bool belongs_to_us(const struct stat& facts) {
  struct stat root {};
  return ::stat("/", &root) == 0 && (facts.st_uid == root.st_uid || facts.st_uid == ::geteuid());
}

bool ours_alone(const struct stat& facts, Part part) {
  if (!belongs_to_us(facts)) return false;
  if (part == Part::link || (part == Part::above && (facts.st_mode & S_ISVTX) != 0)) return true;
  return (facts.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

Error unreachable(const fs::path& path, int error) {
  return {.kind = ErrorKind::refused, .message = format("{}: {}", path.string(), errno_text(error))};
}

Error others_can_write(const fs::path& path) {
  return error_of<messages::others_can_write>(path.string(), shell_quote(path.string()));
}

/// Goes the way to a file as the kernel does, one folder and one link after the other.
class Way {
 public:
  explicit Way(const fs::path& path) { append(path); }

  /// Looks at the next part of the way; false at the end of it.
  template <class Look>
  Result<bool> step(const Look& look) {
    if (rest_.empty()) return false;
    const fs::path name = rest_.front();
    rest_.pop_front();
    if (name == "..") {
      at_ = at_.parent_path();
      return true;
    }
    const fs::path next = at_ / name;
    struct stat facts {};
    if (::lstat(next.c_str(), &facts) != 0) return unreachable(next, errno);
    if (!S_ISLNK(facts.st_mode)) {
      TRY(look(next, facts, rest_.empty() ? Part::itself : Part::above));
      at_ = next;
      return true;
    }
    TRY(look(next, facts, Part::link));
    std::error_code failed;
    const auto target = fs::read_symlink(next, failed);
    if (failed || ++links_ > kMostLinks) return unreachable(next, ELOOP);
    prepend(target);
    return true;
  }
  const fs::path& at() const { return at_; }

 private:
  void append(const fs::path& path) {
    for (const auto& part : path.relative_path())
      if (!part.empty() && part != ".") rest_.push_back(part);
  }
  void prepend(const fs::path& target) {
    const auto after = std::move(rest_);
    rest_ = {};
    if (target.is_absolute()) at_ = "/";
    append(target);
    rest_.insert(rest_.end(), after.begin(), after.end());
  }

  fs::path at_{"/"};
  std::deque<fs::path> rest_{};
  int links_ = 0;
};

/// `last` is what the end of the way counts as.
Status go(const fs::path& path, Part last) {
  const auto look = [&](const fs::path& at, const struct stat& facts, Part part) -> Status {
    return ours_alone(facts, part == Part::itself ? last : part) ? Status{} : Status(others_can_write(at));
  };
  struct stat root {};
  if (::stat("/", &root) != 0) return unreachable("/", errno);
  TRY(look("/", root, path.has_relative_path() ? Part::above : Part::itself));
  Way way(path);
  while (TRY(way.step(look))) {
  }
  return {};
}

}  // namespace

Status check_trust(const fs::path& path) {
  return go(path, Part::itself);
}

Status check_way_to(const fs::path& path) {
  return go(path.lexically_normal().parent_path(), Part::above);
}

Result<Fd> open_own_folder(const fs::path& path) {
  Way way(path);
  const auto look = [](const fs::path& at, const struct stat& facts, Part part) -> Status {
    return part == Part::above || ours_alone(facts, part) ? Status{} : Status(others_can_write(at));
  };
  while (TRY(way.step(look))) {
  }
  Fd folder(::open(way.at().c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat facts {};
  if (!folder || ::fstat(folder.get(), &facts) != 0) return unreachable(way.at(), errno);
  // Whoever may write above may have put a link there meanwhile.
  std::error_code failed;
  if (!ours_alone(facts, Part::itself) || fs::read_symlink(path_in(folder, {}), failed) != way.at())
    return others_can_write(way.at());
  return folder;
}

fs::path path_in(const Fd& folder, const fs::path& name) {
  const fs::path open(format("/proc/self/fd/{}", folder.get()));
  return name.empty() ? open : open / name;
}

}  // namespace rewall

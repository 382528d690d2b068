#include "store/git.h"

#include <array>
#include <cerrno>
#include <optional>

#include "core/file.h"
#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"

namespace rewall::git {
namespace {

class Library {
 public:
  Library() : ready_(git_libgit2_init() > 0) {
    if (!ready_) return;
    git_libgit2_opts(GIT_OPT_ENABLE_FSYNC_GITDIR, 1);
    for (const int level : {GIT_CONFIG_LEVEL_SYSTEM, GIT_CONFIG_LEVEL_XDG, GIT_CONFIG_LEVEL_GLOBAL,
                            GIT_CONFIG_LEVEL_PROGRAMDATA})
      git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, level, "");
    // Repository::open looks at owners and modes itself, and more strictly: libgit2 would let
    // `safe.directory` pass.
    git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
  }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;
  ~Library() {
    if (ready_) git_libgit2_shutdown();
  }
  bool ready() const { return ready_; }

 private:
  bool ready_;
};

std::string last_reason() {
  const git_error* error = git_error_last();
  return error != nullptr && error->message != nullptr ? error->message : "unknown failure";
}

/// "failed to parse config file: REASON (in PATH:LINE)", as libgit2 says it (config_parse.c).
std::optional<Error> config_error(std::string_view said) {
  constexpr std::string_view kStart = "failed to parse config file: ";
  const auto in = said.rfind(" (in ");
  const auto colon = said.rfind(':');
  if (!said.starts_with(kStart) || !said.ends_with(')') || in == std::string_view::npos || colon < in)
    return std::nullopt;
  const auto why = said.substr(kStart.size(), in - kStart.size());
  const auto path = said.substr(in + 5, colon - in - 5);
  const auto line = said.substr(colon + 1, said.size() - colon - 2);
  return error_of<messages::config_unreadable>(path, line, why, shell_quote(path));
}

}  // namespace

Status start() {
  static const Library library;
  if (!library.ready()) return last_error("libgit2");
  return {};
}

Error last_error(const std::string& object) {
  const std::string reason = last_reason();
  if (auto error = config_error(reason)) return *std::move(error);
  Error error{.kind = ErrorKind::repository, .message = format("{}: {}", object, reason)};
  for (const int full : {ENOSPC, EDQUOT}) {
    if (reason.find(errno_text(full)) != std::string::npos) error.hint = messages::kFreeSpace;
  }
  return error;
}

Error lost_object(const std::string& object) {
  return lost_object(object, last_reason());
}

Error lost_object(const std::string& object, const std::string& reason) {
  return Error{.kind = ErrorKind::repository, .message = format("{}: missing or damaged: {}", object, reason)}
      .hinted("earlier snapshots: rewall log");
}

std::string hex(const git_oid& id) {
  std::array<char, GIT_OID_HEXSZ> text{};
  git_oid_fmt(text.data(), &id);
  return {text.begin(), text.end()};
}

Result<git_oid> parse_hash(const std::string& hash) {
  git_oid id{};
  if (hash.size() != GIT_OID_HEXSZ || git_oid_fromstrp(&id, hash.c_str()) != 0)
    return error_of<messages::not_a_hash>(hash);
  return id;
}

}  // namespace rewall::git

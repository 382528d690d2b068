#include "ops/context/over_note.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <system_error>

#include "core/file.h"
#include "core/log.h"
#include "ops/context/state_paths.h"

namespace rewall {
namespace {

namespace fs = std::filesystem;

fs::path note_path(const std::string& id) {
  return fs::path(kRunFolder) / ("over-" + id);
}

}  // namespace

bool move_what_is_over(const fs::path& file, const fs::path& to, const fs::path& state) {
  if (::rename(file.c_str(), to.c_str()) == 0) return true;
  if (errno != ENOENT) log_warning("{}: cannot be kept: {}", to.string(), errno_text(errno));
  if (::unlink(file.c_str()) == 0) return true;
  std::error_code failed;
  if (errno == ENOENT) return fs::exists(state, failed);
  log_warning("{}: cannot be removed: {}", file.string(), errno_text(errno));
  return false;
}

bool note_over(const std::string& id, std::string_view text) {
  ::mkdir(kRunFolder, 0700);
  auto written = write_file(note_path(id), std::string(text), 0600, Sync::no);
  if (!written) log_warning("{}", written.error().message);
  return written.has_value();
}

std::optional<std::string> read_over(const std::string& id) {
  if (::access(note_path(id).c_str(), F_OK) != 0) return std::nullopt;
  auto text = read_plain_file(note_path(id));
  return text ? std::optional(*std::move(text)) : std::nullopt;
}

void forget_over(const std::string& id) {
  ::unlink(note_path(id).c_str());
}

}  // namespace rewall

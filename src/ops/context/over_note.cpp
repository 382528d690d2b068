#include "ops/context/over_note.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "core/file.h"
#include "core/log.h"

namespace rewall {
namespace {

constexpr const char* kRun = "/run/rewall";

std::filesystem::path note_path(const std::string& id) {
  return std::filesystem::path(kRun) / ("over-" + id);
}

}  // namespace

bool note_over(const std::string& id, std::string_view text) {
  ::mkdir(kRun, 0700);
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

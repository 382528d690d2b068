#include "ops/context/rewall_command.h"

#include <system_error>

#include "core/format.h"
#include "core/text.h"

namespace rewall {

namespace {

std::string whole_path(const std::filesystem::path& repository) {
  std::error_code failed;
  const auto absolute = std::filesystem::absolute(repository, failed);
  return (failed ? repository : absolute).lexically_normal().string();
}

}  // namespace

bool is_default_repository(const std::filesystem::path& repository) {
  return whole_path(repository) == kDefaultRepository;
}

std::string rewall_command(const std::filesystem::path& repository) {
  return is_default_repository(repository) ? "rewall"
                                           : format("rewall -C {}", shell_quote(whole_path(repository)));
}

}  // namespace rewall

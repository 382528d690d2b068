#include "ops/context/rewall_command.h"

#include <system_error>

#include "core/format.h"
#include "core/text.h"

namespace rewall {

std::string rewall_command(const std::filesystem::path& repository) {
  std::error_code failed;
  const auto absolute = std::filesystem::absolute(repository, failed);
  const auto path = (failed ? repository : absolute).lexically_normal().string();
  return path == "/var/lib/rewall" ? "rewall" : format("rewall -C {}", shell_quote(path));
}

}  // namespace rewall

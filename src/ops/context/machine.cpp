#include "ops/context/machine.h"

#include "core/digest.h"
#include "core/file.h"
#include "core/log.h"
#include "core/text.h"
#include "ops/context/state_paths.h"

namespace rewall {
namespace {

constexpr std::size_t kBytes = 16;

}  // namespace

std::string machine_here() {
  const auto id = read_plain_file("/etc/machine-id");
  if (!id || trim(*id).size() < kBytes) return {};  // "uninitialized" in an image
  Digest digest;
  digest.add("rewall machine");
  digest.add(trim(*id));
  return digest.take_hex().substr(0, 2 * kBytes);
}

std::string noted_machine(const std::filesystem::path& state) {
  const auto noted = read_plain_file(StatePaths(state).machine());
  return noted ? std::string(trim(*noted)) : std::string{};
}

void note_machine(const std::filesystem::path& state) {
  const auto here = machine_here();
  if (here.empty() || here == noted_machine(state)) return;
  const auto path = StatePaths(state).machine();
  make_way(path);
  if (auto written = write_file(path, here + "\n", 0600); !written) log_debug("{}", written.error().message);
}

}  // namespace rewall

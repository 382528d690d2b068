#include "ops/context/stopping.h"

#include <chrono>
#include <filesystem>

#include "core/text.h"
#include "kernel/process.h"

namespace rewall {
namespace {

constexpr std::chrono::seconds kAsking{5};

/// The first line that a program says, whatever its exit status; absent where it cannot be asked.
std::optional<std::string> ask(const char* name, std::vector<std::string> words) {
  const auto program = find_program(name);
  if (program.empty()) return std::nullopt;
  words.insert(words.begin(), program);
  const auto outcome = run({.words = std::move(words), .deadline = kAsking}, ErrorKind::usage);
  if (!outcome || outcome->timed_out || outcome->signal != 0) return std::nullopt;
  const auto lines = split_lines(outcome->out);
  return lines.empty() ? std::nullopt : std::optional(std::string(trim(lines.front())));
}

}  // namespace

std::optional<bool> system_is_stopping() {
  std::error_code failed;
  if (std::filesystem::exists("/run/systemd/system", failed)) {
    const auto state = ask("systemctl", {"is-system-running"});
    // It cannot say when it is not reached.
    if (state && *state != "unknown" && *state != "offline") return *state == "stopping";
  }
  // "N 2": the last one and this one; "unknown" where there is none.
  const auto levels = ask("runlevel", {});
  if (!levels || levels->size() != 3 || (*levels)[1] != ' ') return std::nullopt;
  return levels->back() == '0' || levels->back() == '6';
}

}  // namespace rewall

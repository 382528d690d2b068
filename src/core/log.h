#pragma once

#include <spdlog/spdlog.h>

#include <utility>

namespace rewall {

/// Sends what is said about the work to standard error: plain lines for people, `<6>`-prefixed lines where
/// standard error is the systemd journal (sd-daemon(3), JOURNAL_STREAM). `verbosity`: -1 quiet, 0, 1, 2.
void start_log(int verbosity);

template <class... Args>
void log_debug(spdlog::format_string_t<Args...> text, Args&&... args) {
  spdlog::debug(text, std::forward<Args>(args)...);
}
template <class... Args>
void log_info(spdlog::format_string_t<Args...> text, Args&&... args) {
  spdlog::info(text, std::forward<Args>(args)...);
}
template <class... Args>
void log_warning(spdlog::format_string_t<Args...> text, Args&&... args) {
  spdlog::warn(text, std::forward<Args>(args)...);
}

}  // namespace rewall

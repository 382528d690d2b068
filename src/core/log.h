#pragma once

#include "core/format.h"

namespace rewall {

/// Sends log messages to standard error: plain lines, or lines with a `<6>` prefix where standard error is
/// the systemd journal (sd-daemon(3), JOURNAL_STREAM). `verbosity` is -1 (quiet), 0, 1 or 2.
void start_log(int verbosity);

enum class LogLevel { debug, info, warning };

/// Writes a line to the log; formats the line only where `level` is logged. The functions below check the
/// format.
void write_log(LogLevel level, fmt::string_view text, fmt::format_args values);

template <class... Values>
void log_debug(fmt::format_string<Values...> text, Values&&... values) {
  write_log(LogLevel::debug, text, fmt::make_format_args(values...));
}
template <class... Values>
void log_info(fmt::format_string<Values...> text, Values&&... values) {
  write_log(LogLevel::info, text, fmt::make_format_args(values...));
}
template <class... Values>
void log_warning(fmt::format_string<Values...> text, Values&&... values) {
  write_log(LogLevel::warning, text, fmt::make_format_args(values...));
}

}  // namespace rewall

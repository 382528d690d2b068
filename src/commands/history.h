#pragma once

#include <optional>
#include <string>

#include "commands/command.h"
#include "ops/history/log.h"
#include "ui/paint.h"

namespace rewall {

/// What of a history is wanted, as people say it.
struct HistoryOptions {
  LogFilter filter{};
  std::string since{};
  std::string until{};
  std::optional<std::size_t> limit{};
};

/// `-n`, `--since`, `--until`, `--chain`, `--grep`, `--author`.
void add_history(Syntax& syntax, HistoryOptions& options);

/// Reads the times. Kind usage: one that is none.
Status read_times(HistoryOptions& options);

/// `HASH  AGE  PERSON  TRIGGER  SUBJECT`, escaped.
std::string snapshot_line(const Snapshot& snapshot, Paint paint);

}  // namespace rewall

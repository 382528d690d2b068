#pragma once

#include <optional>
#include <span>
#include <string>

#include "commands/command.h"
#include "ops/history/log.h"
#include "ui/json.h"
#include "ui/paint.h"

namespace rewall {

/// The options of `log` and `fleet log` that choose snapshots. `since` and `until` are as the user typed
/// them, until read_times() has parsed them into the filter.
struct HistoryOptions {
  LogFilter filter{};
  std::string since{};
  std::string until{};
  std::optional<std::size_t> limit{};
};

/// Adds `-n`, `--since`, `--until`, `--chain`, `--grep`, `--author`.
void add_history_options(Syntax& syntax, HistoryOptions& options);

/// Parses the times into the filter. Kind usage: a time cannot be parsed.
Status read_times(HistoryOptions& options);

/// One line of a log: `HASH  AGE  PERSON  TRIGGER  SUBJECT`, escaped, and where the snapshot put something
/// back, a word on that: `(back to HASH)`.
std::string snapshot_line(const Snapshot& snapshot, Paint paint);

/// Whether a snapshot is signed, and by whom: "no", "by alice@example.org (SHA256:...)", for `show`. Not
/// escaped.
std::string signed_text(const Repository& repository, const std::string& hash);

/// Adds the field "signature" to snapshots as JSON: null where one is not signed. Where the signatures cannot
/// be checked, its "trust" is null and its "matter" says why.
void add_signatures(const Repository& repository, std::span<Json> entries);

}  // namespace rewall

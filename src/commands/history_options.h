#pragma once

#include <optional>
#include <span>
#include <string>

#include "commands/command.h"
#include "ops/history/log.h"
#include "ui/json.h"
#include "ui/paint.h"

namespace rewall {

/// The options of `log` and `fleet log`.
struct HistoryOptions {
  LogFilter filter{};
  std::optional<std::size_t> limit{};
  DateFormat date = DateFormat::relative;
};

/// Adds `-n` (and -5 for it), `--since`, `--until`, `--chain`, `--grep`, `--author`, `--date`.
void add_history_options(Syntax& syntax, HistoryOptions& options);

/// One line of a log: `HASH  TIME  PERSON  TRIGGER  SUBJECT`, escaped, and where the snapshot put something
/// back, a word on that: `(back to HASH)`. `width`: the columns of a terminal, in which the subject is
/// wrapped; 0 for one line.
std::string snapshot_line(const Snapshot& snapshot, DateFormat date, Paint paint, std::size_t width = 0,
                          const std::string& before = "");

/// The time in a column as wide as all times of this format are.
std::string date_column(Time time, DateFormat date);

/// Whether a snapshot is signed, and by whom: "no", "by alice@example.org (SHA256:...)", for `show`. Not
/// escaped.
std::string signed_text(const Repository& repository, const std::string& hash);

/// Adds the field "signature" to snapshots as JSON: null where one is not signed. Where the signatures cannot
/// be checked, its "trust" is null and its "matter" says why.
void add_signatures(const Repository& repository, std::span<Json> entries);

}  // namespace rewall

#include "ops/history/log.h"

#include <set>
#include <utility>

#include "commands/command_output.h"
#include "commands/define.h"
#include "commands/history.h"
#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"
#include "ops/history/change_stack.h"
#include "ops/history/revision.h"
#include "ui/diff_view.h"
#include "ui/json.h"

namespace rewall {
namespace {

struct LogOptions {
  std::string revision = "HEAD";
  HistoryOptions history{};
  bool oneline = false;
  bool all = false;
};

std::string line(const Snapshot& snapshot, bool oneline, Paint paint) {
  if (!oneline) return snapshot_line(snapshot, paint) + "\n";
  return format("{} {}\n", paint.changed(short_hash(snapshot.hash)), escape(snapshot.subject));
}

// Consecutive snapshots that changed foreign rules only.
struct Run {
  std::size_t number = 0;
  Snapshot newest{};
  Time oldest{};
  std::set<std::string> owners{};

  void add(const Snapshot& snapshot) {
    if (number++ == 0) newest = snapshot;
    oldest = snapshot.time;
    owners.insert(snapshot.trailers.foreign.begin(), snapshot.trailers.foreign.end());
  }
};

std::string line(const Run& run, bool oneline, Paint paint) {
  if (run.number == 1) return line(run.newest, oneline, paint);
  const std::vector<std::string> owners(run.owners.begin(), run.owners.end());
  const auto text = format("{} snapshots by {} only (oldest {})", run.number, escape(join(owners, ", ")),
                           ago(run.oldest, now()));
  if (oneline) return paint.quiet(text) + "\n";
  return paint.quiet(format("{:<10}  {:<14}  {}", "", ago(run.newest.time, now()), text)) + "\n";
}

// Prints the snapshots as they are read: consecutive foreign ones in one line.
class Listing {
 public:
  Listing(Terminal& terminal, const LogOptions& options) : terminal_(terminal), options_(options) {}

  bool add(const Snapshot& snapshot) {
    if (!options_.all && is_background(snapshot)) {
      run_.add(snapshot);
      return true;
    }
    return end_run() && print(line(snapshot, options_.oneline, terminal_.paint()));
  }

  // False when no more lines are wanted.
  bool end_run() {
    const Run run = std::exchange(run_, {});
    return run.number == 0 || print(line(run, options_.oneline, terminal_.paint()));
  }

 private:
  bool print(const std::string& text) { return terminal_.out(text) && ++printed_ != options_.history.limit; }

  Terminal& terminal_;
  const LogOptions& options_;
  Run run_{};
  std::size_t printed_ = 0;
};

Status finish(LogOptions& options) {
  TRY(check_recorded_table(options.history.filter.table));
  TRY(read_times(options.history));
  if (options.revision == "LIVE") options.revision = "HEAD";
  if (is_unrecorded(options.revision)) {
    return error_of<messages::no_history>(options.revision);
  }
  return {};
}

}  // namespace

Action define_log(Syntax& syntax) {
  auto options = std::make_shared<LogOptions>();
  syntax.positional("REV", &options->revision,
                    "Start at this revision (default HEAD; LIVE means HEAD here), or A..B");
  add_history_options(syntax, options->history);
  syntax.option("--table", "TABLE", &options->history.filter.table,
                "Show only snapshots that changed this table; a native one is 'inet NAME'");
  syntax.flag("--oneline", options->oneline, "Show only hash and subject");
  syntax.flag("--all", options->all, "Also list snapshots that changed only other programs' rules");
  return [options](Context& context) -> Result<Answer> {
    TRY(finish(*options));
    start_pager(context);
    std::vector<Json> entries;
    Listing listing(context.terminal, *options);
    Status walked;
    const auto limit = options->history.limit;
    if (limit != 0U) {
      walked = walk_log(context.session, options->revision, options->history.filter, context.json,
                        [&](const LogEntry& entry) {
                          if (!context.json) return listing.add(entry.snapshot);
                          entries.push_back(to_json(entry.snapshot, entry.diff));
                          return entries.size() != limit;
                        });
    }
    listing.end_run();
    if (!walked) return std::move(walked).error();
    if (context.json) {
      auto repository = TRY(context.session.repository());
      add_signatures(*repository, entries);
      context.terminal.out(print(entries));
    }
    return Answer::same;
  };
}

}  // namespace rewall

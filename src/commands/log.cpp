#include "ops/history/log.h"

#include <unistd.h>

#include <algorithm>
#include <set>
#include <utility>

#include "commands/command_output.h"
#include "commands/define.h"
#include "commands/history_options.h"
#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"
#include "ops/context/settings.h"
#include "ops/history/change_stack.h"
#include "ops/history/revision.h"
#include "ui/diff_view.h"
#include "ui/json.h"
#include "ui/width.h"

namespace rewall {
namespace {

struct LogOptions {
  std::string revision = "HEAD";
  HistoryOptions history{};
  bool oneline = false;
  bool all = false;
  bool patch = false;
  bool stat = false;
  bool reverse = false;
};

std::string line(const Snapshot& snapshot, const LogOptions& options, Paint paint) {
  if (!options.oneline)
    return snapshot_line(snapshot, options.history.date, paint, terminal_width(STDOUT_FILENO)) + "\n";
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

std::string line(const Run& run, const LogOptions& options, Paint paint) {
  const std::vector<std::string> owners(run.owners.begin(), run.owners.end());
  const auto date = options.history.date;
  const auto text = format("{} snapshots by {} only (oldest {})", run.number, escape(join(owners, ", ")),
                           written(run.oldest, date, now()));
  if (options.oneline) return paint.quiet(text) + "\n";
  return paint.quiet(format("{:<10}  {}  {}", "", date_column(run.newest.time, date), text)) + "\n";
}

// Prints the snapshots as they are read: consecutive foreign ones in one line.
class Listing {
 public:
  Listing(Context& context, const LogOptions& options, std::vector<Owner> owners)
      : context_(context), options_(options), owners_(std::move(owners)) {}

  // False when no more snapshots are wanted.
  bool add(const Snapshot& snapshot) {
    if (!options_.all && is_background(snapshot)) {
      run_.add(snapshot);
      return true;
    }
    return end_run() && print(of(snapshot));
  }

  // Prints what is left; all of it with --reverse.
  Status end() {
    end_run();
    for (auto text = texts_.rbegin(); text != texts_.rend(); ++text)
      if (!context_.terminal.out(*text)) break;
    return std::move(failed_);
  }

 private:
  bool end_run() {
    const Run run = std::exchange(run_, {});
    if (run.number == 0) return true;
    return print(run.number == 1 ? of(run.newest) : line(run, options_, context_.terminal.paint()));
  }

  // The line, and behind it the changes where they are wanted.
  std::string of(const Snapshot& snapshot) {
    const Paint paint = context_.terminal.paint();
    auto text = line(snapshot, options_, paint);
    if (!options_.patch && !options_.stat) return text;
    auto repository = context_.session.repository();
    auto diff = repository ? diff_of(**repository, snapshot, owners_) : Result<Diff>(repository.error());
    if (!diff) {
      if (failed_) failed_ = std::move(diff).error();
      return text;
    }
    std::string changes;
    if (options_.stat && !diff->changes.empty()) changes += render_stat(*diff, paint, Terminal::width());
    if (options_.patch) changes += (changes.empty() ? "" : "\n") + render(*diff, paint, Terminal::width());
    return changes.empty() ? text + "\n" : text + "\n" + changes + "\n";
  }

  bool print(std::string text) {
    const bool last = ++printed_ == options_.history.limit;
    if (options_.reverse) {
      texts_.push_back(std::move(text));
      return !last;
    }
    return context_.terminal.out(text) && !last;
  }

  Context& context_;
  const LogOptions& options_;
  std::vector<Owner> owners_;
  Run run_{};
  std::vector<std::string> texts_{};
  std::size_t printed_ = 0;
  Status failed_{};
};

Status finish(LogOptions& options) {
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
  add_recorded_table(syntax, options->history.filter.table,
                     "Show only snapshots that changed this table; a native one is 'inet NAME'");
  syntax.flag("-p,--patch", options->patch, "Show the changes of each snapshot too");
  syntax.flag("--stat", options->stat, "Show the number of changes in each chain too");
  syntax.flag("--reverse", options->reverse, "List the oldest snapshot first");
  syntax.flag("--oneline", options->oneline, "Show only hash and subject");
  syntax.flag("--all", options->all, "Also list snapshots that changed only other programs' rules");
  return [options](Context& context) -> Result<Answer> {
    TRY(finish(*options));
    start_pager(context);
    std::vector<Json> entries;
    const bool with_changes = options->patch || options->stat;
    Listing listing(context, *options, with_changes ? owners_of(context.session) : std::vector<Owner>{});
    Status walked;
    const auto limit = options->history.limit;
    if (limit != 0U) {
      walked = walk_log(context.session, options->revision, options->history.filter, context.json,
                        [&](const LogEntry& entry) {
                          if (!context.json) return listing.add(entry.snapshot);
                          auto json = to_json(entry.snapshot, entry.diff);
                          if (options->patch && entry.diff) json["changes"] = changes_json(*entry.diff);
                          entries.push_back(std::move(json));
                          return entries.size() != limit;
                        });
    }
    const auto listed = listing.end();
    if (!walked) return std::move(walked).error();
    if (!listed) return listed.error();
    if (options->reverse) std::reverse(entries.begin(), entries.end());
    if (context.json) {
      auto repository = TRY(context.session.repository());
      add_signatures(*repository, entries);
      context.terminal.out(print(entries));
    }
    return Answer::same;
  };
}

}  // namespace rewall

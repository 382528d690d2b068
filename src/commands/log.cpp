#include <charconv>
#include <set>
#include <utility>

#include "commands/define.h"
#include "commands/parts.h"
#include "core/format.h"
#include "core/text.h"
#include "ops/history.h"
#include "ops/revision.h"
#include "ui/diff_view.h"
#include "ui/json.h"

namespace rewall {
namespace {

struct LogOptions {
  std::string revision = "HEAD";
  LogFilter filter{};
  std::string since{};
  std::string until{};
  std::optional<std::size_t> limit{};
  bool oneline = false;
  bool all = false;
};

std::string line(const Snapshot& snapshot, bool oneline, Paint paint) {
  const auto hash = paint.changed(short_hash(snapshot.hash));
  if (oneline) return format("{} {}\n", hash, escape(snapshot.subject));
  return format("{}  {}  {}  {}  {}\n", hash, paint.quiet(format("{:<14}", ago(snapshot.time, now()))),
                fitted(escape(snapshot.author.name), 12), fitted(escape(snapshot.trailers.trigger), 8),
                escape(snapshot.subject));
}

// Snapshots, one after the other, that changed foreign parts alone.
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
  const auto text = format("{} snapshots back to {}: {} alone", run.number, ago(run.oldest, now()),
                           escape(join(owners, ", ")));
  if (oneline) return paint.quiet(text) + "\n";
  return paint.quiet(format("{:<10}  {:<14}  {}", "", ago(run.newest.time, now()), text)) + "\n";
}

// What is printed of the snapshots, as they come.
class Listing {
 public:
  Listing(Terminal& terminal, const LogOptions& options) : terminal_(terminal), options_(options) {}

  bool add(const Snapshot& snapshot) {
    if (!options_.all && !snapshot.trailers.foreign.empty()) {
      run_.add(snapshot);
      return true;
    }
    return end_run() && print(line(snapshot, options_.oneline, terminal_.paint()));
  }

  // False: nobody wants more.
  bool end_run() {
    const Run run = std::exchange(run_, {});
    return run.number == 0 || print(line(run, options_.oneline, terminal_.paint()));
  }

 private:
  bool print(const std::string& text) { return terminal_.out(text) && ++printed_ != options_.limit; }

  Terminal& terminal_;
  const LogOptions& options_;
  Run run_{};
  std::size_t printed_ = 0;
};

std::size_t number_of_snapshots(const std::string& word) {
  std::size_t number = 0;
  const char* end = word.data() + word.size();
  const auto [stop, failed] = std::from_chars(word.data(), end, number);
  if (failed == std::errc{} && stop == end) return number;
  throw CLI::ValidationError("--max-count", format("'{}' is not a number of snapshots", word));
}

Status finish(LogOptions& options) {
  if (auto good = check_table(options.filter.table); !good) return good;
  for (auto [text, time] :
       {std::pair{&options.since, &options.filter.since}, std::pair{&options.until, &options.filter.until}}) {
    if (text->empty()) continue;
    auto parsed = parse_time(*text, now());
    if (!parsed) return std::move(parsed).error();
    *time = *parsed;
  }
  if (options.revision == "LIVE") options.revision = "HEAD";
  if (is_unrecorded(options.revision)) {
    return Error{.kind = ErrorKind::usage, .message = format("'{}' has no history", options.revision)}.hinted(
        "log takes a snapshot: HEAD~2, a tag, a hash");
  }
  return {};
}

}  // namespace

Action define_log(CLI::App& app) {
  auto options = std::make_shared<LogOptions>();
  app.add_option("REV", options->revision, "Where to begin (HEAD, which LIVE means here too)")->type_name("");
  app.add_option_function<std::string>(
         "-n,--max-count", [options](const std::string& word) { options->limit = number_of_snapshots(word); },
         "At most N snapshots, folded ones as one")
      ->type_name("N");
  app.add_option("--since", options->since, "Not older than: '2 hours ago', 2026-11-22")->type_name("TIME");
  app.add_option("--until", options->until, "Not newer than")->type_name("TIME");
  app.add_option("--table", options->filter.table, "Snapshots that changed this table")->type_name("TABLE");
  app.add_option("--chain", options->filter.chain, "Snapshots that changed this chain")->type_name("CHAIN");
  app.add_option("--grep", options->filter.grep, "Subject, text or command matches")->type_name("RE");
  app.add_option("--author", options->filter.author, "Author or actor matches")->type_name("RE");
  app.add_flag("--oneline", options->oneline, "Hash and subject only");
  app.add_flag("--all", options->all,
               "Unfold snapshots that changed what other programs own, and nothing else");
  return [options](Context& context) -> Result<Answer> {
    if (auto good = finish(*options); !good) return std::move(good).error();
    page(context);
    Json entries = Json::array();
    Listing listing(context.terminal, *options);
    Status walked;
    if (options->limit != 0U) {
      walked = walk_log(context.session, options->revision, options->filter, context.json,
                        [&](const LogEntry& entry) {
                          if (!context.json) return listing.add(entry.snapshot);
                          entries.push_back(to_json(entry.snapshot, entry.diff));
                          return entries.size() != options->limit;
                        });
    }
    listing.end_run();
    if (!walked) return std::move(walked).error();
    if (context.json) context.terminal.out(print(entries));
    return Answer::same;
  };
}

}  // namespace rewall

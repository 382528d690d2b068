#include "commands/history.h"

#include <charconv>
#include <utility>

#include "commands/command_output.h"
#include "core/format.h"
#include "core/text.h"

namespace rewall {
namespace {

std::size_t number_of_snapshots(const std::string& word) {
  std::size_t number = 0;
  const char* end = word.data() + word.size();
  const auto [stop, failed] = std::from_chars(word.data(), end, number);
  if (failed == std::errc{} && stop == end) return number;
  throw CLI::ValidationError("--max-count", format("'{}' is not a number of snapshots", word));
}

}  // namespace

void add_history(CLI::App& app, HistoryOptions& options) {
  app.add_option_function<std::string>(
         "-n,--max-count", [&options](const std::string& word) { options.limit = number_of_snapshots(word); },
         "At most N snapshots")
      ->type_name("N");
  app.add_option("--since", options.since, "Not older than: '2 hours ago', 2026-11-22")->type_name("TIME");
  app.add_option("--until", options.until, "Not newer than")->type_name("TIME");
  app.add_option("--chain", options.filter.chain, "Snapshots that changed this chain")->type_name("CHAIN");
  app.add_option("--grep", options.filter.grep, "Subject, text or command matches")->type_name("RE");
  app.add_option("--author", options.filter.author, "Author or actor matches")->type_name("RE");
}

Status read_times(HistoryOptions& options) {
  for (auto [text, time] :
       {std::pair{&options.since, &options.filter.since}, std::pair{&options.until, &options.filter.until}}) {
    if (text->empty()) continue;
    auto parsed = TRY(parse_time(*text, now()));
    *time = parsed;
  }
  return {};
}

std::string snapshot_line(const Snapshot& snapshot, Paint paint) {
  return format("{}  {}  {}  {}  {}", paint.changed(short_hash(snapshot.hash)),
                paint.quiet(format("{:<14}", ago(snapshot.time, now()))),
                fitted(escape(snapshot.author.name), 12), fitted(escape(snapshot.trailers.trigger), 8),
                escape(snapshot.subject));
}

}  // namespace rewall

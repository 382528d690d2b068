#include "commands/history.h"

#include <charconv>
#include <utility>

#include "commands/command_output.h"
#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"

namespace rewall {
namespace {

Result<std::size_t> number_of_snapshots(const std::string& word) {
  std::size_t number = 0;
  const char* end = word.data() + word.size();
  const auto [stop, failed] = std::from_chars(word.data(), end, number);
  if (failed == std::errc{} && stop == end) return number;
  return error_of<messages::bad_number>(word);
}

}  // namespace

void add_history_options(Syntax& syntax, HistoryOptions& options) {
  syntax.option(
      "-n,--max-count", "N",
      [&options](const std::string& word) -> Status {
        options.limit = TRY(number_of_snapshots(word));
        return {};
      },
      "Show at most N snapshots");
  syntax.option("--since", "TIME", &options.since,
                "Show only snapshots since TIME: '2 hours ago', 2026-11-22");
  syntax.option("--until", "TIME", &options.until, "Show only snapshots until TIME");
  syntax.option("--chain", "CHAIN", &options.filter.chain, "Show only snapshots that changed this chain");
  syntax.option("--grep", "RE", &options.filter.grep,
                "Show only snapshots whose subject, body or command matches RE");
  syntax.option("--author", "RE", &options.filter.author,
                "Show only snapshots whose author or actor matches RE");
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

namespace {

// What a snapshot went back to: "  (takes back 1a2b3c4d5e)".
std::string way_of(const Trailers& trailers) {
  if (!trailers.undoes.empty()) return "  (takes back " + escape(short_hash(trailers.undoes)) + ")";
  if (trailers.restores.empty()) return "";
  const bool again = trailers.trigger == "redo";
  return format("  ({} {})", again ? "puts back" : "back to", escape(short_hash(trailers.restores)));
}

}  // namespace

std::string snapshot_line(const Snapshot& snapshot, Paint paint) {
  return format("{}  {}  {}  {}  {}{}", paint.changed(short_hash(snapshot.hash)),
                paint.quiet(format("{:<14}", ago(snapshot.time, now()))),
                fitted(escape(snapshot.author.name), 12), fitted(escape(snapshot.trailers.trigger), 8),
                escape(snapshot.subject), paint.quiet(way_of(snapshot.trailers)));
}

}  // namespace rewall

#include "commands/history_options.h"

#include <array>
#include <charconv>
#include <utility>

#include "commands/command_output.h"
#include "core/expression.h"
#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"
#include "ops/history/signature.h"
#include "ui/width.h"

namespace rewall {
namespace {

Result<std::size_t> number_of_snapshots(const std::string& word) {
  std::size_t number = 0;
  const char* end = word.data() + word.size();
  const auto [stop, failed] = std::from_chars(word.data(), end, number);
  if (failed == std::errc{} && stop == end) return number;
  return error_of<messages::bad_number>(word);
}

Argument::Reader reader_of(std::optional<Time>& time) {
  return [&time](const std::string& word) -> Status {
    time = TRY(parse_time(word, now()));
    return {};
  };
}

Argument::Reader reader_of(std::string& expression) {
  return [&expression](const std::string& word) -> Status {
    if (!word.empty()) TRY(Expression::make(word, Expression::Case::ignored));
    expression = word;
    return {};
  };
}

}  // namespace

void add_history_options(Syntax& syntax, HistoryOptions& options) {
  syntax
      .option(
          "-n,--max-count", "N",
          [&options](const std::string& word) -> Status {
            options.limit = TRY(number_of_snapshots(word));
            return {};
          },
          "Show at most N snapshots; -N alone is the same")
      .dashed = true;
  syntax.option("--after,--since", "TIME", reader_of(options.filter.since),
                "Show only snapshots since TIME: '2 weeks ago', yesterday, 2026-11-22");
  syntax.option("--before,--until", "TIME", reader_of(options.filter.until),
                "Show only snapshots until TIME");
  syntax.option("--chain", "CHAIN", &options.filter.chain, "Show only snapshots that changed this chain");
  syntax.option("--grep", "RE", reader_of(options.filter.grep),
                "Show only snapshots whose subject, body or command matches RE");
  syntax.option("--author", "RE", reader_of(options.filter.author),
                "Show only snapshots whose author or actor matches RE");
  syntax.option(
      "--date", "FORMAT",
      [&options](const std::string& word) -> Status {
        options.date = TRY(parse_date_format(word));
        return {};
      },
      "Write times as git does: relative (default), iso, iso-strict, rfc, short, local, unix");
}

std::string date_column(Time time, DateFormat date) {
  const auto text = written(time, date, now());
  return date == DateFormat::relative ? format("{:<14}", text) : text;
}

namespace {

std::string_view name_of(Trust trust) {
  switch (trust) {
    case Trust::allowed:
      return "allowed";
    case Trust::unknown:
      return "unknown";
    case Trust::absent:
      return "absent";
    case Trust::unchecked:
      return "unchecked";
    case Trust::bad:
      break;
  }
  return "bad";
}

Json signature_json(const Signature& signature) {
  if (signature.trust == Trust::absent) return nullptr;
  return {{"trust", name_of(signature.trust)},
          {"signer", or_null(signature.signer)},
          {"key", or_null(signature.key)},
          {"host", or_null(signature.host)},
          {"matter", or_null(signature.matter)}};
}

// What a snapshot went back to: "  (takes back 1a2b3c4d5e)".
std::string way_of(const Trailers& trailers) {
  if (!trailers.undoes.empty()) return "  (takes back " + escape(short_hash(trailers.undoes)) + ")";
  if (trailers.restores.empty()) return "";
  const bool again = trailers.trigger == "redo";
  return format("  ({} {})", again ? "puts back" : "back to", escape(short_hash(trailers.restores)));
}

}  // namespace

std::string signed_text(const Repository& repository, const std::string& hash) {
  const auto read = read_signatures(repository, std::array{hash});
  if (!read) return "cannot be checked: " + read.error().message;
  const Signature& signature = read->front();
  if (signature.trust == Trust::absent) return "no";
  const auto text = to_text(signature, repository.host());
  constexpr std::string_view kSigned = "signed ";
  return text.starts_with(kSigned) ? text.substr(kSigned.size()) : text;
}

void add_signatures(const Repository& repository, std::span<Json> entries) {
  if (entries.empty()) return;
  std::vector<std::string> hashes;
  for (const Json& entry : entries) hashes.push_back(entry.at("hash"));
  const auto read = read_signatures(repository, hashes);
  for (std::size_t i = 0; i < entries.size(); ++i)
    entries[i]["signature"] =
        read ? signature_json((*read)[i]) : Json{{"trust", nullptr}, {"matter", read.error().message}};
}

std::string snapshot_line(const Snapshot& snapshot, DateFormat date, Paint paint, std::size_t width,
                          const std::string& before) {
  constexpr std::size_t kLeastForSubject = 20;
  const auto hash = paint.changed(short_hash(snapshot.hash));
  const auto author = escape(snapshot.author.name);
  const auto trigger = escape(snapshot.trailers.trigger);
  const auto what = escape(snapshot.subject);
  const auto way = way_of(snapshot.trailers);
  const auto start =
      format("  {}  {}  {}  ", date_column(snapshot.time, date), fitted(author, 12), fitted(trigger, 8));
  const auto used = display_width(before) + short_hash(snapshot.hash).size() + display_width(start);
  if (width != 0 && used + kLeastForSubject > width && used + display_width(what + way) > width)
    return wrapped(format("{}{}  {}  {}  {}", before, hash, paint.quiet(written(snapshot.time, date, now())),
                          author, trigger),
                   0, 2, width) +
           "\n  " + wrapped(what + way, 2, 2, width);
  const auto line = format("{}{}  {}  {}  {}  ", before, hash, paint.quiet(date_column(snapshot.time, date)),
                           fitted(author, 12), fitted(trigger, 8));
  if (width != 0 && used + display_width(what + way) > width)
    return line + wrapped(what + way, used, used, width);
  return line + what + paint.quiet(way);
}

}  // namespace rewall

#include "commands/history.h"

#include <array>
#include <charconv>
#include <utility>

#include "commands/command_output.h"
#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"
#include "ops/history/signature.h"

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

std::string_view name_of(Trust trust) {
  switch (trust) {
    case Trust::allowed:
      return "allowed";
    case Trust::unknown:
      return "unknown";
    case Trust::absent:
      return "absent";
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

std::string snapshot_line(const Snapshot& snapshot, Paint paint) {
  return format("{}  {}  {}  {}  {}{}", paint.changed(short_hash(snapshot.hash)),
                paint.quiet(format("{:<14}", ago(snapshot.time, now()))),
                fitted(escape(snapshot.author.name), 12), fitted(escape(snapshot.trailers.trigger), 8),
                escape(snapshot.subject), paint.quiet(way_of(snapshot.trailers)));
}

}  // namespace rewall

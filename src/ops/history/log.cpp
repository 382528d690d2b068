#include "ops/history/log.h"

#include <algorithm>

#include "core/text.h"
#include "ops/context/ruleset_files.h"
#include "ops/history/revision.h"

namespace rewall {
namespace {

Result<std::optional<Expression>> expression(const std::string& text) {
  if (text.empty()) return std::optional<Expression>{};
  auto made = Expression::make(text, Expression::Case::ignored);
  if (!made) return std::move(made).error();
  return std::optional(*std::move(made));
}

Result<Ruleset> ruleset_at(const Repository& repository, const std::string& hash) {
  if (hash.empty()) return Ruleset{};
  auto snapshot = repository.snapshot(hash);
  if (!snapshot) return std::move(snapshot).error();
  auto files = repository.files(hash);
  if (!files) return std::move(files).error();
  auto ruleset = ruleset_of(*std::move(files), hash.substr(0, 10) + ":", snapshot->trailers.backend);
  if (!ruleset) return unreadable_snapshot(hash, ruleset.error());
  return ruleset;
}

bool touches(const Diff& diff, const LogFilter& filter) {
  return std::ranges::any_of(diff.changes, [&](const Change& change) {
    const bool table = filter.table.empty() || change.table == filter.table;
    const bool chain = filter.chain.empty() || change.chain == filter.chain ||
                       (change.kind == ChangeKind::chain_renamed && change.from == filter.chain);
    return table && chain && change.set.empty();
  });
}

}  // namespace

Result<Diff> diff_of(const Repository& repository, const Snapshot& snapshot, std::span<const Owner> owners) {
  auto from = ruleset_at(repository, snapshot.parent);
  if (!from) return std::move(from).error();
  auto to = ruleset_at(repository, snapshot.hash);
  if (!to) return std::move(to).error();
  Diff diff = compare(*from, *to);
  mark_foreign(diff, *from, *to, owners);
  return diff;
}

Result<LogMatcher> LogMatcher::make(const LogFilter& filter) {
  auto grep = expression(filter.grep);
  if (!grep) return std::move(grep).error();
  auto author = expression(filter.author);
  if (!author) return std::move(author).error();
  return LogMatcher(filter, *std::move(grep), *std::move(author));
}

bool LogMatcher::matches(const Snapshot& s) const {
  if (filter_.since && s.time.seconds < filter_.since->seconds) return false;
  if (filter_.until && s.time.seconds > filter_.until->seconds) return false;
  if (grep_ && !grep_->matches(s.subject + "\n" + s.body + "\n" + join(s.trailers.commands, "\n"))) {
    return false;
  }
  return !author_ || author_->matches(s.author.name + " <" + s.author.email + "> " + s.trailers.actor);
}

Result<std::optional<LogEntry>> LogMatcher::entry(const Repository& repository, const Snapshot& snapshot,
                                                  bool with_diff) const {
  const bool asks_diff = !filter_.table.empty() || !filter_.chain.empty();
  if (!matches(snapshot)) return std::optional<LogEntry>{};
  LogEntry entry{.snapshot = snapshot};
  if (with_diff || asks_diff) {
    auto diff = diff_of(repository, snapshot);
    if (!diff) return std::move(diff).error();
    if (asks_diff && !touches(*diff, filter_)) return std::optional<LogEntry>{};
    entry.diff = *std::move(diff);
  }
  return std::optional(std::move(entry));
}

Status walk_log(Session& session, const std::string& revision, const LogFilter& filter, bool with_diff,
                const std::function<bool(const LogEntry&)>& visit) {
  auto matcher = LogMatcher::make(filter);
  if (!matcher) return std::move(matcher).error();
  auto opened = session.repository();
  if (!opened) return std::move(opened).error();
  const Repository& repository = **opened;
  auto hash = repository.resolve(revision);
  if (!hash) return std::move(hash).error();
  return repository.walk(*hash, [&](const Snapshot& snapshot) -> Result<bool> {
    auto entry = matcher->entry(repository, snapshot, with_diff);
    if (!entry) return std::move(entry).error();
    return !*entry || visit(**entry);
  });
}

}  // namespace rewall

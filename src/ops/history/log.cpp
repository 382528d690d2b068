#include "ops/history/log.h"

#include <algorithm>

#include "core/text.h"
#include "ops/context/ruleset_files.h"
#include "ops/history/revision.h"

namespace rewall {
namespace {

Result<std::optional<Expression>> expression(const std::string& text) {
  if (text.empty()) return std::optional<Expression>{};
  auto made = TRY(Expression::make(text, Expression::Case::ignored));
  return std::optional(std::move(made));
}

Result<Ruleset> ruleset_at(const Repository& repository, const std::string& hash) {
  if (hash.empty()) return Ruleset{};
  auto snapshot = TRY(repository.snapshot(hash));
  auto files = TRY(repository.files(hash));
  auto ruleset = ruleset_of(std::move(files), hash.substr(0, 10) + ":", snapshot.trailers.backend);
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
  auto from = TRY(ruleset_at(repository, snapshot.parent));
  auto to = TRY(ruleset_at(repository, snapshot.hash));
  Diff diff = compare(from, to);
  mark_foreign(diff, from, to, owners);
  return diff;
}

Result<LogMatcher> LogMatcher::make(const LogFilter& filter) {
  auto grep = TRY(expression(filter.grep));
  auto author = TRY(expression(filter.author));
  return LogMatcher(filter, std::move(grep), std::move(author));
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
    auto diff = TRY(diff_of(repository, snapshot));
    if (asks_diff && !touches(diff, filter_)) return std::optional<LogEntry>{};
    entry.diff = std::move(diff);
  }
  return std::optional(std::move(entry));
}

Status walk_log(Session& session, const std::string& revision, const LogFilter& filter, bool with_diff,
                const std::function<bool(const LogEntry&)>& visit) {
  auto matcher = TRY(LogMatcher::make(filter));
  auto opened = TRY(session.repository());
  const Repository& repository = *opened;
  auto hash = TRY(repository.resolve(revision));
  return repository.walk(hash, [&](const Snapshot& snapshot) -> Result<bool> {
    auto entry = TRY(matcher.entry(repository, snapshot, with_diff));
    return !entry || visit(*entry);
  });
}

}  // namespace rewall

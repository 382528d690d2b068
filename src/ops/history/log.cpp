#include "ops/history/log.h"

#include <algorithm>
#include <set>

#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"
#include "ops/context/ruleset_files.h"
#include "ops/history/revision.h"
#include "rules/table_forms.h"

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
  // A table of iptables goes by its name, and with its family as nft calls it.
  const auto of_table = [&](const Change& change) {
    if (change.native) return means_table(filter.table, format("{} {}", name(*change.native), change.table));
    return filter.table == change.table ||
           (change.family && filter.table == format("{} {}", short_name(*change.family), change.table));
  };
  return std::ranges::any_of(diff.changes, [&](const Change& change) {
    const bool table = filter.table.empty() || of_table(change);
    const bool chain = filter.chain.empty() || change.chain == filter.chain ||
                       (change.kind == ChangeKind::chain_renamed && change.from == filter.chain);
    // An ipset is in no table; a native set is in its own, but in no chain.
    return table && chain && (change.set.empty() || change.native);
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
  const auto is_by = [&](const Person& person, const std::string& actor) {
    return author_->matches(format("{} <{}> {}", person.name, person.email, actor));
  };
  return !author_ || is_by(s.author, s.trailers.actor) ||
         std::ranges::any_of(s.trailers.parts,
                             [&](const PartAuthor& part) { return is_by(part.person, part.actor); });
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

namespace {

// The newest snapshot before `hash` that can be read, by git's log of HEAD, which outlives the objects;
// without `hash`, the newest of all. Empty where there is none.
std::string readable_before(const Repository& repository, const std::string& hash) {
  constexpr int kMostUnreadable = 100;
  bool behind = hash.empty();
  int unreadable = 0;
  for (int i = 0; unreadable < kMostUnreadable; ++i) {
    const auto at = repository.resolve(format("HEAD@{{{}}}", i));
    if (!at && at.error().kind == ErrorKind::usage) break;
    if (!at) ++unreadable;
    if (at && behind) return *at;
    if (at && *at == hash) behind = true;
  }
  return "";
}

// What of the history cannot be read, while a log goes on behind it.
class Damage {
 public:
  void note(Error error, bool newest) {
    if (!first_) first_ = std::move(error);
    newest_ = newest_ || newest;
  }
  void go_on_from(const std::string& hash) {
    if (readable_.empty()) readable_ = hash;
  }

  Status status(const Repository& repository) const {
    if (!first_) return {};
    if (!newest_ || readable_.empty()) return error_of<messages::damaged_snapshots>(first_->message);
    return error_of<messages::damaged_tip>(first_->message, readable_.substr(0, kShownDigits),
                                           shell_quote(repository.path().string()), repository.host());
  }

 private:
  static constexpr std::size_t kShownDigits = 10;
  std::optional<Error> first_{};
  bool newest_ = false;
  std::string readable_{};
};

}  // namespace

namespace {

/// The snapshot that a revision names, and those before it.
Result<std::set<std::string>> ancestors_of(const Repository& repository, const std::string& revision) {
  std::set<std::string> all;
  auto at = TRY(repository.resolve(revision));
  while (!at.empty() && all.insert(at).second) at = repository.parent(at);
  return all;
}

}  // namespace

Status walk_log(Session& session, const std::string& revision, const LogFilter& filter, bool with_diff,
                const std::function<bool(const LogEntry&)>& visit) {
  auto matcher = TRY(LogMatcher::make(filter));
  auto opened = TRY(session.repository());
  const Repository& repository = *opened;
  Damage damage;
  const auto range = TRY(read_range(revision));
  auto start = repository.resolve(range ? range->second : revision);
  const auto left_out = range ? TRY(ancestors_of(repository, range->first)) : std::set<std::string>{};
  if (!start && (start.error().kind != ErrorKind::repository || revision != "HEAD"))
    return std::move(start).error();
  if (!start) damage.note(start.error(), true);
  std::string at = start ? *start : readable_before(repository, "");
  if (!start) damage.go_on_from(at);
  bool wanted = true;
  std::set<std::string> begun;
  while (wanted && !at.empty() && begun.insert(at).second) {
    std::string last;
    auto walked = repository.walk(at, [&](const Snapshot& snapshot) -> Result<bool> {
      last = snapshot.hash;
      at = snapshot.parent;
      if (left_out.contains(last)) return wanted = false;
      auto entry = TRY(matcher.entry(repository, snapshot, with_diff));
      wanted = !entry || visit(*entry);
      return wanted;
    });
    if (walked) break;
    if (walked.error().kind != ErrorKind::repository || last.empty()) return walked;
    damage.note(std::move(walked).error(), false);
    // A snapshot whose files are damaged has a parent; one that is gone has a place in git's log.
    const bool stuck = !repository.snapshot(at);
    if (stuck) at = readable_before(repository, last);
  }
  return damage.status(repository);
}

}  // namespace rewall

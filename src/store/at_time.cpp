#include "store/at_time.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <string_view>

#include "core/format.h"
#include "core/log.h"
#include "core/messages.h"
#include "core/text.h"
#include "core/time.h"
#include "store/repository_impl.h"

namespace rewall {
namespace {

constexpr std::array<std::string_view, 3> kBranchWords{"u", "upstream", "push"};

std::optional<std::string> logged_at(git_repository* repo, const std::string& reference,
                                     std::int64_t seconds) {
  git::Reflog log;
  if (git::fill(log, git_reflog_read, repo, reference.c_str()) != 0) return std::nullopt;
  for (std::size_t i = 0; i < git_reflog_entrycount(log.get()); ++i) {
    const git_reflog_entry* entry = git_reflog_entry_byindex(log.get(), i);
    if (git_reflog_entry_committer(entry)->when.time <= seconds)
      return git::hex(*git_reflog_entry_id_new(entry));
  }
  return std::nullopt;
}

struct Dated {
  std::string hash{};
  Time time{};
  std::string subject{};
};

Dated dated(const git_commit* commit) {
  const git_signature* author = git_commit_author(commit);
  const std::string message = git::or_empty(git_commit_message(commit));
  return {.hash = git::hex(*git_commit_id(commit)),
          .time = {.seconds = author->when.time, .offset = author->when.offset},
          .subject = message.substr(0, message.find('\n'))};
}

}  // namespace

std::optional<AtTime> asks_for_time(const std::string& expression) {
  const auto begin = expression.find("@{");
  const auto end = expression.find('}', begin == std::string::npos ? begin : begin + 2);
  if (end == std::string::npos || expression.find_first_of("^~:") < begin) return std::nullopt;
  AtTime asked{.base = expression.substr(0, begin),
               .when = expression.substr(begin + 2, end - begin - 2),
               .rest = expression.substr(end + 1)};
  const auto number = std::string_view(asked.when).substr(asked.when.starts_with('-') ? 1 : 0);
  const bool counts =
      std::ranges::all_of(number, [](unsigned char c) { return std::isdigit(c) != 0; });  // also nothing
  if (counts || std::ranges::find(kBranchWords, asked.when) != kBranchWords.end()) return std::nullopt;
  if (asked.base.empty() || asked.base == "@") asked.base = "HEAD";
  return asked;
}

Result<std::string> find_at_time(git_repository* repo, const AtTime& asked) {
  const auto time = TRY(parse_time(asked.when, now()));
  git::Reference reference;
  git::Object tip;
  git::Object commit;
  if (git::fill(reference, git_reference_dwim, repo, asked.base.c_str()) != 0 ||
      git::fill(tip, git_revparse_single, repo, asked.base.c_str()) != 0 ||
      git::fill(commit, git_object_peel, tip.get(), GIT_OBJECT_COMMIT) != 0)
    return error_of<messages::no_reference>(asked.base);
  if (auto logged = logged_at(repo, git_reference_name(reference.get()), time.seconds))
    return *std::move(logged);
  std::optional<Dated> newest;
  std::optional<Dated> oldest;
  for (auto at = git::hex(*git_object_id(commit.get())); !at.empty();) {
    // What cannot be read ends what is known of the history.
    const auto read = read_commit(repo, at);
    if (!read) break;
    auto snapshot = dated(read->get());
    at = first_parent(read->get());
    if (!oldest || snapshot.time.seconds <= oldest->time.seconds) oldest = snapshot;
    if (snapshot.time.seconds <= time.seconds && (!newest || snapshot.time.seconds > newest->time.seconds))
      newest = std::move(snapshot);
  }
  constexpr std::size_t kDigitsShown = 10;
  if (!newest)
    return error_of<messages::before_history>(format("{}@{{{}}}", asked.base, asked.when), rfc3339(time),
                                              oldest ? rfc3339(oldest->time) : "now");
  log_warning(
      "git's log of {} does not go back to {}: the newest snapshot of that time is taken, {} '{}' of {}",
      asked.base, rfc3339(time), newest->hash.substr(0, kDigitsShown), escape(newest->subject),
      rfc3339(newest->time));
  return newest->hash;
}

}  // namespace rewall

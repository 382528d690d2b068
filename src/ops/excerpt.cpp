#include "ops/excerpt.h"

#include <algorithm>
#include <array>
#include <future>
#include <tuple>
#include <utility>

#include "ops/files.h"
#include "ops/seen.h"
#include "ops/settings.h"
#include "rules/foreign.h"
#include "rules/print.h"
#include "rules/unlike.h"

namespace rewall {
namespace {

constexpr std::array<const char*, 2> kRules{"rules.v4", "rules.v6"};

// What LIVE's rules are.
std::optional<Seen> live_by_generation(Session& session, const Repository& repository) {
  auto seen = read_seen(repository);
  if (!seen || session.backend() == BackendChoice::legacy || session.firewall().legacy_tables() ||
      session.firewall().generation() != seen->generation)
    return std::nullopt;
  return seen;
}

// Texts that are cut can be put together again only where nobody has changed them by hand.
bool as_recorded(const Recording& recording) {
  const Files& files = recording.files;
  return recording.backends == name(Backend::nft) && files.contains("ipset") &&
         !files.contains("rules.v4.legacy") && !files.contains("rules.v6.legacy") &&
         std::ranges::all_of(
             kRules, [&](const char* file) { return files.contains(file) && is_canonical(files.at(file)); });
}

struct Read {
  Recording recording{};
  bool as_recorded = false;
};

Result<Read> read(const Repository& repository, const std::string& name) {
  auto recording = read_recording(repository, name, Proof::hash);
  if (!recording) return std::move(recording).error();
  const bool good = as_recorded(*recording);
  return Read{*std::move(recording), good};
}

std::size_t size_of(const Files& files) {
  std::size_t size = 0;
  for (const char* file : kRules) size += files.at(file).size();
  return size;
}

// Both as rulesets; false where taking them apart whole is no more work, or gives another result.
Result<bool> take_apart(Excerpt& excerpt, const std::vector<Owner>& owners) {
  Files from{{"ipset", excerpt.head.files.at("ipset")}};
  Files to{{"ipset", excerpt.wanted.files.at("ipset")}};
  for (const char* file : kRules)
    std::tie(from[file], to[file]) =
        unlike_chains(excerpt.head.files.at(file), excerpt.wanted.files.at(file));
  if (size_of(to) > size_of(excerpt.wanted.files) / 2) return false;
  for (const auto& [recording, files, ruleset] :
       {std::tuple{&excerpt.head, &from, &excerpt.from}, std::tuple{&excerpt.wanted, &to, &excerpt.to}}) {
    auto read = ruleset_of(std::move(*files), recording->hash.substr(0, 10) + ":", recording->backends);
    if (!read) return std::move(read).error();
    *ruleset = *std::move(read);
  }
  return keeps_foreign_alone(excerpt.to, excerpt.from, owners);
}

}  // namespace

Result<std::optional<Excerpt>> read_excerpt(Session& session, const std::string& name, bool exact) {
  auto repository = session.repository();
  if (!repository) return std::move(repository).error();
  const auto live = live_by_generation(session, **repository);
  if (!live) return std::optional<Excerpt>{};
  auto asking = std::async(std::launch::async, [&] { return session.firewall().sets(); });
  auto reading = std::async(std::launch::async, [&]() -> Result<Read> {
    auto again = open_again(session);
    if (!again) return std::move(again).error();
    return read(*again, live->head);
  });
  auto owners = exact ? std::vector<Owner>{} : read_owners(**repository);
  auto wanted = read(**repository, name);
  auto head = reading.get();
  const auto sets = asking.get();
  if (!owners) return std::move(owners).error();
  if (!wanted) return std::move(wanted).error();
  if (!head) return std::move(head).error();
  if (!sets) return sets.error();
  if (!wanted->as_recorded || !head->as_recorded) return std::optional<Excerpt>{};
  Excerpt excerpt{.head = std::move(head->recording), .wanted = std::move(wanted->recording)};
  excerpt.wanted.name = name;
  if (canonical_text(*sets) != excerpt.head.files.at("ipset")) return std::optional<Excerpt>{};
  auto apart = take_apart(excerpt, *owners);
  if (!apart) return std::move(apart).error();
  if (!*apart) return std::optional<Excerpt>{};
  return std::optional(std::move(excerpt));
}

std::optional<Generation> still_live(Session& session, const Repository& repository,
                                     const std::string& head) {
  const auto now = repository.head();
  auto seen = live_by_generation(session, repository);
  if (!now || *now != head || !seen || seen->head != head) return std::nullopt;
  return std::move(seen->generation);
}

}  // namespace rewall

#include "ops/restore/partial_read.h"

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>

#include "core/parallel.h"
#include "ops/context/ruleset_files.h"
#include "ops/context/settings.h"
#include "ops/history/generation_cache.h"
#include "ops/history/live_sets.h"
#include "rules/foreign.h"
#include "rules/set_delta.h"
#include "rules/text_delta.h"

namespace rewall {
namespace {

constexpr std::array<const char*, 2> kRules{"rules.v4", "rules.v6"};

// What has files to be cut.
bool can_be_cut(const SnapshotFiles& recording) {
  const Files& files = recording.files;
  return recording.backends == name(Backend::nft) && files.contains("ipset") &&
         !files.contains("rules.v4.legacy") && !files.contains("rules.v6.legacy") &&
         (!files.contains("rules.nft") || files.at("rules.nft").empty()) &&
         std::ranges::all_of(kRules, [&](const char* file) { return files.contains(file); });
}

std::size_t size_of(const Files& files) {
  std::size_t size = 0;
  for (const char* file : kRules) size += files.at(file).size();
  return size;
}

// Both as rulesets; false where taking them apart whole is no more work, or gives another result or words for
// what is wrong.
bool take_apart(PartialRead& partial, const std::vector<Owner>& owners, const SetsDigest& digest) {
  Files from;
  Files to;
  for (const char* file : kRules)
    std::tie(from[file], to[file]) =
        differing_chains(partial.head.files.at(file), partial.wanted.files.at(file));
  if (size_of(to) > size_of(partial.wanted.files) / 2) return false;
  for (const auto& [recording, files, ruleset] :
       {std::tuple{&partial.head, &from, &partial.from}, std::tuple{&partial.wanted, &to, &partial.to}}) {
    auto read = ruleset_of(std::move(*files), recording->hash.substr(0, 10) + ":", recording->backends);
    if (!read) return false;
    *ruleset = *std::move(read);
  }
  auto sets = differing_sets(partial.head.files.at("ipset"), partial.wanted.files.at("ipset"), digest);
  if (!sets) return false;
  std::tie(partial.from.sets, partial.to.sets) = *std::move(sets);
  return keeps_foreign_alone(partial.to, partial.from, owners);
}

}  // namespace

Result<std::optional<PartialRead>> read_partially(Session& session, const std::string& name, bool exact) {
  auto repository = TRY(session.repository());
  const auto live = unchanged_since_cached(session, *repository);
  if (!live) return std::optional<PartialRead>{};
  session.firewall().expect_stage();
  auto asking = beside("sets", ErrorKind::capture, [&]() -> Result<std::optional<SetsDigest>> {
    return session.firewall().sets_digest();
  });
  auto reading = beside("read HEAD", ErrorKind::repository, [&]() -> Result<SnapshotFiles> {
    auto again = TRY(open_again(session));
    return read_snapshot_files(again, live->head, Proof::checksum);
  });
  auto owners = exact ? std::vector<Owner>{} : read_owners(*repository);
  auto wanted = read_snapshot_files(*repository, name, Proof::checksum);
  auto head = reading.get();
  const auto digest = asking.get();
  if (!owners) return std::move(owners).error();
  if (!wanted) return std::move(wanted).error();
  if (!head) return std::move(head).error();
  if (!digest) return digest.error();
  if (!can_be_cut(*wanted) || !can_be_cut(*head)) return std::optional<PartialRead>{};
  PartialRead partial{.head = *std::move(head), .wanted = *std::move(wanted)};
  partial.wanted.name = name;
  const std::string& text = partial.head.files.at("ipset");
  auto same = TRY(sets_are(session, text, *digest));
  if (!same) return std::optional<PartialRead>{};
  // Without the kernel's digest nobody could say later whether the members that are left out are still there.
  if (!take_apart(partial, *owners, digest->value_or(SetsDigest{}))) return std::optional<PartialRead>{};
  return std::optional(std::move(partial));
}

bool can_be_relied_on(const Repository& repository, const std::string& hash, const Files& files) {
  return repository.proves(hash, files) &&
         std::ranges::all_of(kRules, [&](const char* file) { return is_canonical(files.at(file)); });
}

std::optional<Generation> still_live(Session& session, const Repository& repository,
                                     const std::string& head) {
  const auto now = repository.head();
  auto cached = unchanged_since_cached(session, repository);
  if (!now || *now != head || !cached || cached->head != head) return std::nullopt;
  return std::move(cached->generation);
}

}  // namespace rewall

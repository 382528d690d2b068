#include "ops/history/record.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "core/file.h"
#include "core/format.h"
#include "core/log.h"
#include "core/messages.h"
#include "core/parallel.h"
#include "core/text.h"
#include "diff/pairs.h"
#include "ops/context/machine.h"
#include "ops/context/network_place.h"
#include "ops/context/ruleset_files.h"
#include "ops/context/settings.h"
#include "ops/context/stopping.h"
#include "ops/history/generation_cache.h"
#include "ops/history/revision.h"
#include "rules/print.h"
#include "rules/set_digest.h"
#include "rules/sets.h"
#include "rules/table_forms.h"

namespace rewall {
namespace {

std::size_t count_rules(const Ruleset& ruleset, std::size_t& tables) {
  std::size_t rules = 0;
  tables = 0;
  for (const Slot slot : Ruleset::slots()) {
    for (const auto& table : ruleset[slot].tables) {
      if (is_empty(table)) continue;
      ++tables;
      for (const auto& chain : table.chains) rules += chain.rules.size();
    }
  }
  return rules;
}

std::string first_subject(const Ruleset& ruleset) {
  std::size_t tables = 0;
  const std::size_t rules = count_rules(ruleset, tables);
  std::string text = format("first snapshot: {} in {}", counted(rules, "rule"), counted(tables, "table"));
  if (!ruleset.sets.sets.empty()) text += ", " + counted(ruleset.sets.sets.size(), "set");
  return text;
}

std::set<std::string> tables_in(std::string_view text) {
  std::set<std::string> names;
  for (auto at = text.starts_with('*') ? 0 : text.find("\n*"); at != std::string_view::npos;
       at = text.find("\n*", at + 1)) {
    const auto name = text.substr(text.find('*', at) + 1);
    names.emplace(name.substr(0, name.find('\n')));
  }
  return names;
}

// A table that holds nothing stands in no snapshot, whether it is there or not.
std::vector<std::string> lost_tables(const Files& before, const Files& after, const Ruleset& live) {
  std::vector<std::string> lost;
  for (const Slot slot : Ruleset::slots()) {
    const auto old = before.find(std::string(file_name(slot)));
    if (old == before.end()) continue;
    const auto now = after.find(old->first);
    const auto left = now == after.end() ? std::set<std::string>{} : tables_in(now->second);
    for (const auto& table : tables_in(old->second))
      if (!left.contains(table) &&
          (live.backend_of(slot) != Backend::nft || find_in_nft_words(live, slot.family, table) == nullptr))
        lost.push_back(live[slot].find(table) == nullptr
                           ? format("table {} {} is gone: it had rules in the snapshot before",
                                    short_name(slot.family), escape(table))
                           : format("table {} {} is now empty; the previous snapshot had rules in it",
                                    short_name(slot.family), escape(table)));
  }
  return lost;
}

// A commit made by hand has no trailer, and is no reason for another.
bool same_backends(const std::string& recorded, const std::string& live) {
  return recorded.empty() || recorded == live;
}

/// LIVE, as it is read then, lacks the rules of the other backend, and a snapshot of it would say that they
/// are gone.
Status check_backends(BackendChoice choice, const Head& head) {
  if (choice == BackendChoice::automatic || head.hash.empty()) return {};
  const bool nft = choice == BackendChoice::nft;
  const Backend other = nft ? Backend::legacy : Backend::nft;
  if (!holds(head.ruleset, other)) return {};
  return error_of<messages::backend_left_out>(name(other), name(nft ? Backend::nft : Backend::legacy));
}

std::string make_subject(const Head& head, const Capture& capture, const Diff& diff,
                         const RecordOptions& options) {
  if (!options.message.empty()) return options.message.substr(0, options.message.find('\n'));
  if (head.hash.empty()) return first_subject(capture.ruleset);
  if (!diff.equal()) return subject(diff);
  if (!same_backends(head.backends, capture.backends))
    return format("the same rules, now on {} instead of {}", capture.backends, escape(head.backends));
  if (diff.respelled) return "respelled: other words, the same meaning";
  if (head.ruleset.native && !capture.ruleset.native)
    return "the same rules; native nft tables are not recorded from here on";
  return "no change";
}

// What the end of the system did to the firewall is nobody's wish. Who restores wishes it all the same.
std::string trigger_of(const RecordOptions& options, const Ruleset& live, const Diff& diff) {
  const bool takes = std::ranges::any_of(diff.changes, [](const Change& change) {
    return change.kind != ChangeKind::added && change.kind != ChangeKind::chain_added &&
           change.kind != ChangeKind::set_added && change.kind != ChangeKind::comment;
  });
  const bool may_be = options.trigger == "manual" || options.trigger == "watch" ||
                      options.trigger == "hook" || options.trigger == "apply";
  if (!takes || !may_be || !options.restores.empty()) return options.trigger;
  const bool stopping = system_is_stopping().value_or(options.last && holds_nothing(live));
  return stopping ? std::string(kShutdown) : options.trigger;
}

// Sets that differ in what packets alone change, or in temporary members that an older version recorded, are
// the same.
bool same_rules(const Head& head, const Files& live, const Sets& sets) {
  const auto count = [](const Files& files) {
    return std::ranges::count_if(files, [](const auto& file) {
      return file.first != "expect" && !is_in_no_tree(file.first, file.second);
    });
  };
  return count(head.files) == count(live) && std::ranges::all_of(live, [&](const auto& file) {
           if (is_in_no_tree(file.first, file.second)) return true;
           const auto found = head.files.find(file.first);
           if (found == head.files.end()) return false;
           return found->second == file.second ||
                  (file.first == "ipset" && same_but_for_traffic(head.ruleset.sets, sets));
         });
}

}  // namespace

RecordOptions found_change(std::string message) {
  return {.message = std::move(message), .actor = nobody()};
}

Result<Head> read_head(const Repository& repository) {
  auto hash = TRY(repository.head());
  Head head{.hash = std::move(hash)};
  if (head.hash.empty()) return head;
  auto snapshot = TRY(repository.snapshot(head.hash));
  head.files = TRY(repository.files(head.hash));
  head.backends = snapshot.trailers.backend;
  auto ruleset = ruleset_of(head.files, "HEAD:", snapshot.trailers.backend);
  if (!ruleset) return unreadable_snapshot(head.hash, ruleset.error());
  head.ruleset = *std::move(ruleset);
  return head;
}

Result<Recorded> record(Session& session, Repository& repository, const Head& head, const Capture& capture,
                        const RecordOptions& options, const PreparedFiles* prepared) {
  const Files made = prepared == nullptr ? files_of(capture.ruleset) : Files{};
  const Files& files = prepared == nullptr ? made : *prepared->files;
  const auto recorded_expect = head.files.find("expect");
  const auto expect = repository.expectations();
  const bool same_expect = expect == (recorded_expect == head.files.end() ? "" : recorded_expect->second);
  const bool same = !head.hash.empty() && same_rules(head, files, capture.ruleset.sets) &&
                    same_backends(head.backends, capture.backends);
  if (same && same_expect && !options.allow_empty) {
    auto snapshot = TRY(repository.snapshot(head.hash));
    remember_generation(repository, capture, head.hash);
    session.notify(
        {.repository = repository,
         .files = files,
         .diff = Diff{},
         .from = head.hash,
         .hash = head.hash,
         .subject = snapshot.subject,
         .trigger = snapshot.trailers.trigger == kShutdown ? std::string(kShutdown) : options.trigger});
    return Recorded{.hash = head.hash, .subject = snapshot.subject};
  }

  TRY(check_backends(session.backend(), head));
  const bool compared = prepared != nullptr && prepared->diff != nullptr;
  const Diff found = compared ? Diff{} : compare(head.ruleset, capture.ruleset);
  const Diff& diff = compared ? *prepared->diff : found;
  const auto trigger = trigger_of(options, capture.ruleset, diff);
  const Actor actor = options.actor ? *options.actor : current_actor();
  Recorded recorded{.subject = make_subject(head, capture, diff, options), .changed = true};
  // Of a restore nobody is surprised: it is what was asked for.
  if (options.restores.empty()) recorded.notes = lost_tables(head.files, files, capture.ruleset);
  if (same && !same_expect && options.message.empty()) recorded.subject = "expect: other expectations";
  // The first snapshot says what stood, not what changed.
  std::vector<std::string> foreign;
  if (!head.hash.empty() && same_expect && same_backends(head.backends, capture.backends)) {
    const auto owners = read_owners(repository);
    if (owners) foreign = foreign_only(diff, head.ruleset, capture.ruleset, *owners);
  }
  std::string body = options.message.substr(std::min(options.message.size(), recorded.subject.size()));
  for (const auto& note : options.notes) body += (body.empty() ? "" : "\n") + note;
  for (const auto& note : recorded.notes) body += (body.empty() ? "" : "\n") + note;
  if (!options.hook.empty()) recorded.subject = options.hook + ": " + recorded.subject;
  const Repository::Message message{.subject = recorded.subject,
                                    .body = std::string(trim(body)),
                                    .trailers = {.trigger = trigger,
                                                 .backend = capture.backends,
                                                 .tools = capture.tools,
                                                 .actor = actor.text(),
                                                 .commands = options.commands,
                                                 .parts = options.parts,
                                                 .foreign = std::move(foreign),
                                                 .restores = options.restores,
                                                 .undoes = options.undoes,
                                                 .exact = options.exact ? "yes" : ""}};
  recorded.hash = TRY(repository.commit(head.hash, files, message, actor.person, now(),
                                        prepared == nullptr ? "" : prepared->tree));
  remember_generation(repository, capture, recorded.hash);
  // Of an older version.
  if (noted_machine(repository.state_path()).empty()) note_machine(repository.state_path());
  session.notify({.repository = repository,
                  .files = files,
                  .diff = diff,
                  .from = head.hash,
                  .hash = recorded.hash,
                  .subject = recorded.subject,
                  .trigger = trigger,
                  .restores = options.restores,
                  .changed = true});
  return recorded;
}

Result<LiveAndHead> read_live_and_head(Session& session, const Repository& repository) {
  auto reading = beside("read HEAD", ErrorKind::repository, [&] { return read_head(repository); });
  std::optional<Result<Head>> head;
  const auto read = [&]() -> const Result<Head>& {
    if (!head) head = reading.get();
    return *head;
  };
  session.firewall().expect_sets([&](const SetsDigest& digest) -> std::optional<Sets> {
    if (!read() || digest != digest_of_text((*head)->files["ipset"])) return std::nullopt;
    return (*head)->ruleset.sets;
  });
  auto live = session.capture();
  if (!read()) return head->error();
  if (!live) return std::move(live).error();
  for (const auto& note : live->notes) log_warning("{}", note);
  // What the last snapshot says already nobody is told again.
  const auto& recorded = (*head)->ruleset.native;
  for (const auto& [title, warning] : live->in_nft_words)
    if (!recorded || recorded->find(title) == nullptr) log_warning("{}", warning);
  return LiveAndHead{*std::move(live), **std::move(head)};
}

Result<Recorded> record_live(Session& session, const Lock&, const RecordOptions& options) {
  auto repository = TRY(session.repository());
  auto read = TRY(read_live_and_head(session, *repository));
  return record(session, *repository, read.head, read.live, options);
}

Result<Recorded> make_repository(Session& session, const std::string& remote_url,
                                 const std::vector<Assignment>& assignments) {
  auto capture = TRY(session.capture());
  for (const auto& note : capture.notes) log_warning("{}", note);
  for (const auto& [title, warning] : capture.in_nft_words) log_warning("{}", warning);
  const bool existed = path_exists(session.path());
  auto repository = TRY(Repository::init(session.path(), host_name()));
  note_network(repository.state_path());
  note_machine(repository.state_path());
  if (session.signer) repository.sign_with(session.signer);
  auto recorded = [&]() -> Result<Recorded> {
    TRY(assign(repository, assignments));
    if (!remote_url.empty()) {
      TRY(repository.add_remote("origin", remote_url));
    }
    return record(session, repository, Head{}, capture, {});
  }();
  if (!recorded) {
    std::error_code ignored;
    std::filesystem::remove_all(session.path() / ".git", ignored);
    if (!existed) std::filesystem::remove_all(session.path(), ignored);
  }
  return recorded;
}

}  // namespace rewall

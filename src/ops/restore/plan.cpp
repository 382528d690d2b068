#include "ops/restore/plan.h"

#include <algorithm>
#include <functional>
#include <set>
#include <string>
#include <utility>

#include "core/format.h"
#include "core/log.h"
#include "core/messages.h"
#include "core/parallel.h"
#include "diff/pairs.h"
#include "ops/context/rewall_command.h"
#include "ops/context/ruleset_files.h"
#include "ops/context/settings.h"
#include "ops/history/generation_cache.h"
#include "ops/history/live_sets.h"
#include "ops/restore/live_foreign.h"
#include "ops/restore/owned_tables.h"
#include "rules/foreign.h"
#include "rules/meaning.h"
#include "rules/print.h"
#include "rules/set_delta.h"
#include "rules/set_digest.h"
#include "rules/sets.h"
#include "rules/table_forms.h"
#include "rules/text_delta.h"

namespace rewall {
namespace {

void take_tables(Tables& base, const Tables& wanted, const std::string& table) {
  if (table.empty()) {
    base = wanted;
    return;
  }
  std::erase_if(base.tables, [&](const Table& t) { return t.name == table; });
  if (const Table* found = wanted.find(table)) {
    base.tables.push_back(*found);
    base.texts.insert(base.texts.end(), wanted.texts.begin(), wanted.texts.end());
  }
}

/// "inet filter": a table of iptables is named without its family.
bool is_native_title(std::string_view table) {
  return table.find(' ') != std::string_view::npos;
}

void take_native(Ruleset& base, const Ruleset& wanted, const std::string& title) {
  if (!base.native || !wanted.native) return;
  std::erase_if(base.native->tables, [&](const NativeTable& table) { return table.title() == title; });
  if (const NativeTable* found = wanted.native->find(title)) {
    base.native->tables.push_back(*found);
    base.native->texts.insert(base.native->texts.end(), wanted.native->texts.begin(),
                              wanted.native->texts.end());
    base.native->sort();
  }
}

/// The family of "ip filter", a table of iptables; absent for any other title.
std::optional<Family> family_of_title(std::string_view title) {
  const auto blank = title.find(' ');
  const auto family = native_family(title.substr(0, blank));
  return family ? iptables_family(*family, title.substr(blank + 1)) : std::nullopt;
}

/// The tables of iptables' names in the words of nft, or `table` alone, as `wanted` has them.
void take_in_nft_words(Ruleset& base, const Ruleset& wanted, Family family, const std::string& table) {
  if (!base.native) return;
  std::erase_if(base.native->tables, [&](const NativeTable& one) {
    return iptables_family(one) == family && (table.empty() || one.name == table);
  });
  if (!wanted.native) return;
  for (const NativeTable& one : wanted.native->tables)
    if (iptables_family(one) == family && (table.empty() || one.name == table))
      base.native->tables.push_back(one);
  base.native->texts.insert(base.native->texts.end(), wanted.native->texts.begin(),
                            wanted.native->texts.end());
  base.native->sort();
}

/// A file of iptables' words can hold none of these.
void keep_nft_words(Ruleset& whole, const Ruleset& live, const Revision& revision, const std::string& program,
                    std::vector<std::string>& notes) {
  if (!live.native) return;
  for (const NativeTable& table : live.native->tables) {
    const auto family = iptables_family(table);
    if (!family || find_in_nft_words(whole, *family, table.name) != nullptr) continue;
    if (revision.ruleset[{*family}].find(table.name) != nullptr) continue;
    take_table(whole, live, *family, table.name);
    notes.push_back(
        format("table {0} is in the words of nft and stays as it is; to edit it: {1} edit --table '{0}'",
               table.title(), program));
  }
}

// The sets that the rules of a part name, and those that these list.
std::set<std::string, std::less<>> sets_of_part(const Ruleset& ruleset, const RestoreOptions& options) {
  std::set<std::string, std::less<>> names;
  const auto take = [&](std::string_view name) {
    names.emplace(name);
    return false;
  };
  for (const Slot slot : Ruleset::slots()) {
    if (options.family && slot.family != *options.family) continue;
    for (const auto& table : ruleset[slot].tables) {
      if (!options.table.empty() && table.name != options.table) continue;
      for (const auto& chain : table.chains)
        for (const auto& rule : chain.rules) names_set(rule.words, take);
    }
  }
  for (const auto& set : ruleset.sets.sets)
    if (is_list(set) && names.contains(set.name))
      for (const auto& member : set.members) take(element_of(member));
  return names;
}

// Its rules match otherwise than they did where a set is another one by now.
void note_other_sets(const Sets& live, const Revision& revision,
                     const std::set<std::string, std::less<>>& named, std::vector<std::string>& notes) {
  for (const auto& change : compare(Ruleset{.sets = live}, Ruleset{.sets = revision.ruleset.sets}).changes)
    if ((change.kind == ChangeKind::set_changed || change.kind == ChangeKind::members) &&
        named.contains(change.set))
      notes.push_back(format("the rules name set {}, which is otherwise in {}: that of LIVE stays as it is",
                             change.set, revision.name));
}

// A part of a revision leaves the sets that LIVE has, and brings those that its rules name and LIVE lacks.
Sets with_missing_sets(Sets live, const Sets& wanted, const std::set<std::string, std::less<>>& named) {
  for (const auto& set : wanted.sets) {
    if (live.find(set.name) == nullptr && named.contains(set.name)) live.sets.push_back(set);
  }
  live.texts.insert(live.texts.end(), wanted.texts.begin(), wanted.texts.end());
  return live;
}

Ruleset choose(const Ruleset& live, const Revision& revision, const RestoreOptions& options,
               const std::string& program, std::vector<std::string>& notes) {
  Ruleset whole = overlay(live, revision);
  if (options.keeps_nft_words) keep_nft_words(whole, live, revision, program, notes);
  if (options.parts != nullptr) return with_parts(live, whole, *options.parts);
  if (!options.family && options.table.empty()) return whole;
  Ruleset wanted = live;
  if (is_native_title(options.table) && !family_of_title(options.table)) {
    take_native(wanted, whole, options.table);
    return wanted;
  }
  const auto family = is_native_title(options.table) ? family_of_title(options.table) : options.family;
  const auto table = options.table.substr(options.table.find(' ') + 1);
  if (live.backend != whole.backend) wanted.backend = whole.backend;
  for (const Slot slot : Ruleset::slots()) {
    if (family && slot.family != *family) continue;
    take_tables(wanted[slot], whole[slot], table);
    if (wanted.backend_of(slot) == Backend::nft) take_in_nft_words(wanted, whole, slot.family, table);
  }
  const auto named = sets_of_part(whole, options);
  if (revision.has_sets) note_other_sets(live.sets, revision, named, notes);
  wanted.sets = with_missing_sets(live.sets, whole.sets, named);
  return wanted;
}

// A part goes where the rest is: rules of one revision do not end up in two kernels.
Status part_within_backend(const Ruleset& live, const Revision& revision, const RestoreOptions& options) {
  const bool part = options.family || !options.table.empty();
  if (!part || revision.by_hand || revision.ruleset.backend == live.backend || !holds(live, live.backend))
    return {};
  return error_of<messages::part_of_other_backend>(revision.name, name(revision.ruleset.backend),
                                                   name(live.backend));
}

// The tables of iptables-nft would filter beside those of the iptables in use.
Status nft_beside_legacy(const Ruleset& live, const Revision& revision) {
  const bool of_nft = revision.by_hand && !revision.has_v4 && !revision.has_v6 && revision.ruleset.native;
  if (!of_nft || live.backend != Backend::legacy) return {};
  const bool any = !revision.ruleset.v4.tables.empty() || !revision.ruleset.v6.tables.empty() ||
                   first_in_nft_words(revision.ruleset);
  return any ? Status(error_of<messages::nft_table_beside_legacy>(revision.name)) : Status{};
}

// What a snapshot holds was once printed by iptables-save, so staging must give it back; a file written by
// hand may be respelled by the kernel, and what reads back in the scratch namespace is what LIVE will be held
// against.
Status staged_as_wanted(const Ruleset& wanted, const Ruleset& staged, const Revision& revision) {
  const Diff diff = compare(wanted, staged);
  if (diff.equal()) return {};
  auto error = error_of<messages::stages_differently>(revision.name, subject(diff));
  if (!revision.by_hand) return error;
  log_warning("{}; the kernel's reading is taken", error.message);
  return {};
}

// What is foreign stays as it is in LIVE.
Status keep_foreign_parts(Session& session, Ruleset& wanted, const RestoreOptions& options,
                          RestorePlan& plan) {
  auto repository = TRY(session.repository());
  auto owners = TRY(read_owners(*repository));
  auto kept = TRY(keep_live_foreign(session, wanted, plan.live.ruleset, owners, options.lost_foreign,
                                    options.way_back ? UnsaidForeign::goes : UnsaidForeign::is_refused));
  wanted = std::move(kept.ruleset);
  plan.notes.insert(plan.notes.end(), kept.notes.begin(), kept.notes.end());
  if (!kept.kept.empty()) plan.notes.push_back("kept as they are: " + to_text(kept.kept));
  if (!kept.brought.empty())
    plan.notes.push_back("put back, as they were gone or empty: " + to_text(kept.brought));
  if (!kept.left_out.empty()) {
    plan.notes.push_back("left out, as they are not there now: " + to_text(kept.left_out));
  }
  return {};
}

// Of a file a person says how a set is, seldom how the kernel keeps it: what was chosen in the scratch
// namespace is no reason to make the set of LIVE anew.
void keep_choices(Sets& staged, const Sets& live, const Sets& wanted) {
  for (Set& set : staged.sets) {
    const Set* old = live.find(set.name);
    const Set* by_hand = wanted.find(set.name);
    if (old != nullptr && by_hand != nullptr && !chooses_for_kernel(*by_hand) &&
        meaning_of_options(*old) == meaning_of_options(set))
      set.options = old->options;
  }
}

bool same_words(const Tables& a, const Tables& b) {
  const auto same_chain = [](const Chain& one, const Chain& two) { return same_text(ChainPair{&one, &two}); };
  return std::ranges::equal(a.tables, b.tables, [&](const Table& one, const Table& two) {
    return one.name == two.name && std::ranges::equal(one.chains, two.chains, same_chain);
  });
}

bool same_words(const Ruleset& a, const Ruleset& b) {
  const auto native = [](const Ruleset& ruleset) {
    return ruleset.native ? print_native(*ruleset.native) : "";
  };
  return a.backend == b.backend && same_text(a.sets, b.sets) && native(a) == native(b) &&
         std::ranges::all_of(Ruleset::slots(), [&](Slot slot) { return same_words(a[slot], b[slot]); });
}

// Of what was read with less proof than a restore needs.
Status prove(const Session& session, const KnownState& known) {
  auto repository = TRY(open_again(session));
  if (can_be_relied_on(repository, known.head.hash, known.head.files) &&
      can_be_relied_on(repository, known.whole->hash, known.whole->files))
    return {};
  return error_of<messages::snapshot_changed>();
}

// What is in a set that the plan leaves as it is may come and go at any time.
bool sets_unmoved(const RestorePlan& plan, const Sets& now) {
  const Sets& live = plan.live.ruleset.sets;
  const Sets& wanted = plan.staged.ruleset.sets;
  return live.sets.size() == now.sets.size() && std::ranges::all_of(live.sets, [&](const Set& before) {
           const Set* after = now.find(before.name);
           if (after == nullptr) return false;
           const Set* stays = wanted.find(before.name);
           return same_but_for_traffic(before, *after) || (stays != nullptr && same_text(*stays, before));
         });
}

// Sets without the members that both have hold less than LIVE has.
Result<bool> sets_unmoved(Session& session, const RestorePlan& plan) {
  const Sets& live = plan.live.ruleset.sets;
  if (const auto now = session.firewall().sets_digest(); now && *now == digest_of(live)) return true;
  if (std::ranges::any_of(live.sets, [](const Set& set) { return set.left_out.count > 0; })) return false;
  const auto now = TRY(session.firewall().sets());
  return sets_unmoved(plan, now);
}

bool rules_unmoved(Ruleset live, Ruleset now) {
  live.sets = {};
  now.sets = {};
  return files_of(live) == files_of(now);
}

// LIVE as HEAD says it, where the generation proves that it is so.
Result<std::optional<KnownState>> know_live_by_head(Session& session, const Repository& repository) {
  const auto cached = unchanged_since_cached(session, repository);
  if (!cached) return std::optional<KnownState>{};
  auto asking = beside("sets", ErrorKind::capture, [&]() -> Result<std::optional<SetsDigest>> {
    return session.firewall().sets_digest();
  });
  auto head = read_head(repository);
  auto digest = TRY(asking.get());
  if (!head) return std::move(head).error();
  auto same = TRY(sets_are(session, head->files["ipset"], digest));
  if (head->hash != cached->head || !same) return std::optional<KnownState>{};
  // A snapshot of an older version says nothing of native tables: LIVE is as it says where there are none.
  if (!head->ruleset.native) {
    head->ruleset.native = TRY(session.firewall().native());
    if (head->ruleset.native && !head->ruleset.native->empty()) return std::optional<KnownState>{};
  }
  auto snapshot = TRY(repository.snapshot(head->hash));
  Capture live{.ruleset = head->ruleset,
               .backends = head->backends,
               .tools = snapshot.trailers.tools,
               .generation = cached->generation};
  return std::optional(KnownState{{std::move(live), *std::move(head)}, true});
}

}  // namespace

Status check_backend(BackendChoice choice, const Revision& revision) {
  if (choice == BackendChoice::automatic || revision.by_hand) return {};
  const Ruleset& ruleset = revision.ruleset;
  const Backend chosen = choice == BackendChoice::nft ? Backend::nft : Backend::legacy;
  if (ruleset.backend == chosen && !ruleset.both_backends()) return {};
  return error_of<messages::other_backend>(revision.name, backends_of(ruleset), name(chosen));
}

Result<KnownState> know_live_and_head(Session& session, const Repository& repository) {
  auto known = TRY(know_live_by_head(session, repository));
  if (known) return *std::move(known);
  auto read = TRY(read_live_and_head(session, repository));
  return KnownState{std::move(read)};
}

Result<KnownState> known_by_partial_read(const Repository& repository, PartialRead partial,
                                         Generation generation) {
  auto snapshot = TRY(repository.snapshot(partial.head.hash));
  Capture live{.ruleset = partial.from,
               .backends = partial.head.backends,
               .tools = snapshot.trailers.tools,
               .generation = std::move(generation)};
  Head head{.hash = std::move(partial.head.hash),
            .backends = std::move(partial.head.backends),
            .files = std::move(partial.head.files),
            .ruleset = std::move(partial.from)};
  return KnownState{{std::move(live), std::move(head)}, true, std::move(partial.wanted)};
}

Status read_whole(Session& session, KnownState& known, Revision& revision) {
  auto repository = TRY(session.repository());
  known.head.files = TRY(repository->files(known.head.hash));
  auto head = ruleset_of(known.head.files, "HEAD:", known.head.backends);
  if (!head) return unreadable_snapshot(known.head.hash, head.error());
  known.head.ruleset = *std::move(head);
  known.live.ruleset = known.head.ruleset;
  known.whole.reset();
  auto wanted = TRY(read_revision(session, revision.hash));
  revision.ruleset = std::move(wanted.ruleset);
  return {};
}

Result<RestorePlan> make_plan(Session& session, const Revision& revision, const RestoreOptions& options,
                              KnownState& known) {
  RestorePlan plan{.live = known.whole ? known.live : std::move(known.live),
                   .rest = known.whole ? &known.head : nullptr};
  TRY(part_within_backend(plan.live.ruleset, revision, options));
  TRY(nft_beside_legacy(plan.live.ruleset, revision));
  Ruleset wanted = choose(plan.live.ruleset, revision, options, rewall_command(session.path()), plan.notes);
  plan.left_to_owners = TRY(leave_to_owners(session, wanted, plan.live.ruleset, plan.notes, options));
  if (!options.exact) {
    TRY(keep_foreign_parts(session, wanted, options, plan));
  } else if (options.parts != nullptr && !options.parts->with_later) {
    Ruleset kept = wanted;
    auto notes = plan.notes;
    TRY(keep_foreign_parts(session, kept, options, plan));
    const auto others = left_otherwise(*options.parts, plan.live.ruleset);
    wanted = with_parts(wanted, kept, others);
    if (others.chains.empty() && others.sets.empty() && others.native.empty()) plan.notes = std::move(notes);
  }
  // What the kernel once printed and holds already need not be tried again.
  const Ruleset* in_force = revision.by_hand ? nullptr : &plan.live.ruleset;
  // Beside the programs: the kernel mostly says a snapshot's rules as they were recorded.
  auto comparing = beside("compare", ErrorKind::kernel, [&]() -> std::optional<Diff> {
    if (revision.by_hand) return std::nullopt;
    return compare(plan.live.ruleset, wanted);
  });
  auto proving =
      beside("prove", ErrorKind::repository, [&] { return known.whole ? prove(session, known) : Status{}; });
  auto staged = session.firewall().stage(wanted, in_force, file_names(revision));
  auto diff = TRY(comparing.get());
  TRY(proving.get());
  if (!staged) return std::move(staged).error().with_live(LiveState::untouched);
  // Where no rule is left that iptables cannot say, a capture has the table in its words.
  for (const auto& [family, table] : tables_in_different_forms(wanted, staged->ruleset))
    take_table(wanted, staged->ruleset, family, table);
  const bool as_wanted = same_words(wanted, staged->ruleset);
  if (!as_wanted) {
    TRY(staged_as_wanted(wanted, staged->ruleset, revision));
  }
  plan.staged = *std::move(staged);
  if (revision.by_hand) keep_choices(plan.staged.ruleset.sets, plan.live.ruleset.sets, revision.ruleset.sets);
  plan.diff = as_wanted && diff ? *std::move(diff) : compare(plan.live.ruleset, plan.staged.ruleset);
  return plan;
}

Result<Transition> transition_of(const RestorePlan& plan) {
  const Ruleset& live = plan.live.ruleset;
  const Ruleset& wanted = plan.staged.ruleset;
  if (plan.rest == nullptr) return Transition(live, wanted);
  auto whole = TRY(ruleset_of(plan.rest->files, "HEAD:", plan.rest->backends));
  Ruleset all = with_differing_chains(whole, live, wanted);
  all.sets = with_left_out(whole.sets, live.sets, wanted.sets);
  return Transition(std::move(whole), std::move(all));
}

Result<bool> still_as_planned(Session& session, const RestorePlan& plan) {
  const Capture& live = plan.live;
  if (!live.generation || session.firewall().legacy_tables()) {
    auto now = TRY(session.capture());
    return rules_unmoved(live.ruleset, now.ruleset) && sets_unmoved(plan, now.ruleset.sets);
  }
  if (session.firewall().generation() != live.generation) return false;
  return sets_unmoved(session, plan);
}

}  // namespace rewall

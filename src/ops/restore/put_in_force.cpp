#include "ops/restore/put_in_force.h"

#include <algorithm>
#include <deque>
#include <exception>
#include <string>
#include <utility>

#include "core/format.h"
#include "core/log.h"
#include "core/messages.h"
#include "ops/context/signal_block.h"
#include "ops/restore/apply.h"
#include "ops/restore/record_result.h"
#include "rules/sets.h"

namespace rewall {
namespace {

// Nothing that stood in the kernel for a moment is lost: what is replaced goes into the history, and what
// replaces it.
void keep(const PlannedChange& change, const Capture& capture, const RecordOptions& options) {
  auto head = read_head(change.repository);
  if (!head) return;
  auto kept = record(change.session, change.repository, *head, capture, options);
  if (kept && kept->changed)
    log_warning("{}: kept as snapshot {}", options.message, kept->hash.substr(0, 10));
}

// What is not as before in the places of the change; members come and go with the traffic.
std::string left_behind(const Transition& transition, const Ruleset& live) {
  if (transition.before.backend != transition.wanted.backend && live.backend != transition.before.backend)
    return format("the {} backend", name(live.backend));
  Diff left = compare(transition.before, live);
  std::erase_if(left.changes, [&](const Change& change) {
    return change.kind == ChangeKind::members || !transition.change.words.contains(place_of(change));
  });
  return left.equal() ? "" : subject(left);
}

// A load that had begun leaves the sets that it fills aside.
bool had_begun(const PlannedChange& change) {
  const auto sets = change.session.firewall().sets();
  if (!sets) return false;
  const Transition transition(change.plan.live.ruleset, change.plan.staged.ruleset);
  return without_helpers({.sets = *sets}, transition).sets.sets.size() != sets->sets.size();
}

// They change no packet, but the next snapshot would record them.
void warn_of_helpers(const Transition& transition, const Sets& sets) {
  const Ruleset ours = without_helpers({.sets = sets}, transition);
  for (const Set& set : sets.sets)
    if (ours.sets.find(set.name) == nullptr)
      log_warning("the temporary set {0} could not be removed; remove it: ipset destroy {0}", set.name);
}

// True when LIVE was asked and is the ruleset that the plan was made for, also where no program can read it.
bool is_as_planned(const PlannedChange& change) {
  const auto still = still_as_planned(change.session, change.plan);
  return still && *still && !had_begun(change);
}

// Puts the old tables and sets back after a load that went wrong, and says what is in force. What others
// changed elsewhere stays; what stands in their places and is in neither ruleset goes into the history.
Error put_back(const PlannedChange& change, Error why) {
  if (is_as_planned(change)) {
    if (why.kind == ErrorKind::refused) why.kind = ErrorKind::kernel;
    why.live = LiveState::put_back;
    return why;
  }
  const auto planned = transition_of(change.plan);
  if (!planned) return error_of<messages::lost_sight>(why.message, planned.error().message);
  const Transition& transition = *planned;
  // That kind is for what never touched LIVE, and is planned again.
  if (why.kind == ErrorKind::refused) why.kind = ErrorKind::kernel;
  std::string then;
  bool kept = false;
  // LIVE before the restore. Undo is not to take what failed for a change.
  const auto head = change.repository.head();
  const std::string before = head ? *head : std::string{};
  for (Tries tries(kFewTries); tries.next();) {
    auto now = change.session.capture();
    if (!now) return error_of<messages::lost_sight>(why.message, now.error().message);
    if (!kept && holds_more(transition, now->ruleset)) {
      keep(change, *now, {.message = "what a restore that failed left"});
      kept = true;
    }
    auto after = apply_again(change.session, undone(transition, now->ruleset), *now);
    if (!after) {
      then = after.error().message;
      if (after.error().live == LiveState::unknown) return error_of<messages::lost_sight>(why.message, then);
      if (after.error().kind == ErrorKind::refused) continue;
      break;
    }
    if (const auto left = left_behind(transition, after->ruleset); !left.empty()) {
      then = left + " is left";
      continue;
    }
    if (kept)
      keep(change, *after,
           {.message = "what a restore that failed put back", .trigger = "rollback", .restores = before});
    why.live = LiveState::put_back;
    return why;
  }
  const auto now = change.session.capture();
  if (!now) return error_of<messages::lost_sight>(why.message, now.error().message);
  if (!left_behind(transition, now->ruleset).empty()) return error_of<messages::mixed>(why.message, then);
  warn_of_helpers(transition, now->ruleset.sets);
  // The load that was refused last had nothing left to put back.
  why.live = LiveState::put_back;
  return why;
}

bool any_rule(const Ruleset& ruleset, const std::string& words) {
  for (const Slot slot : Ruleset::slots())
    for (const Table& table : ruleset[slot].tables)
      for (const Chain& chain : table.chains)
        if (std::ranges::any_of(chain.rules, [&](const Rule& rule) {
              return (std::string(rule.words) + ' ').find(words) != std::string::npos;
            }))
          return true;
  return false;
}

bool has_member(const Sets& sets, const std::string& name, const std::string& member) {
  const Set* set = sets.find(name);
  std::deque<std::string> kept;
  return set != nullptr && std::ranges::any_of(set->members, [&](std::string_view words) {
           return meaning_of_member(words, kept) == member;
         });
}

// True where a set that the restore changes lacks a member that it shall have, or has one that it shall not:
// somebody swapped it between the last look and the load. What packets do by a rule, and a member that came
// since, is another matter.
bool is_no_more_ours(const Change& change, const Transition& transition) {
  return std::ranges::any_of(change.parts, [&](const PartChange& part) {
    if (!part.to) return !any_rule(transition.wanted, format("--del-set {} ", change.set));
    return has_member(transition.before.sets, change.set, *part.to) &&
           !any_rule(transition.wanted, format("--add-set {} ", change.set));
  });
}

// True when all that reads back otherwise than expected is in tables and sets that this restore did not
// touch, or members, which packets may add and time takes away.
bool is_of_others(const Diff& unexpected, const Transition& transition) {
  return std::ranges::all_of(unexpected.changes, [&](const Change& change) {
    if (!transition.change.words.contains(place_of(change))) return true;
    return change.kind == ChangeKind::members && !is_no_more_ours(change, transition);
  });
}

// Kind refused: somebody was faster, and LIVE is untouched.
Status load_and_read_back(const PlannedChange& change, ReadBack& after) {
  auto applied = apply(change.session, change.plan.staged, change.plan.live, change.plan.live.generation);
  if (!applied && applied.error().live == LiveState::unknown)
    return put_back(change, error_of<messages::cannot_read_back>(applied.error().message));
  if (!applied && applied.error().kind == ErrorKind::refused && !had_begun(change))
    return std::move(applied).error();
  if (!applied) return put_back(change, std::move(applied).error());
  after = *std::move(applied);
  if (after.as_staged) return {};
  const auto transition = transition_of(change.plan);
  if (!transition) return put_back(change, transition.error());
  const Diff unexpected = compare(transition->wanted, after.ruleset);
  if (unexpected.equal()) return {};
  if (is_of_others(unexpected, *transition)) {
    log_warning("somebody changed the firewall meanwhile ({}): it is kept and recorded", subject(unexpected));
    return {};
  }
  auto error = put_back(change, error_of<messages::reads_back_differently>(subject(unexpected)));
  const bool somebody = std::ranges::all_of(unexpected.changes, [&](const Change& found) {
    return found.kind == ChangeKind::members || (after.others_came && found.backend == Backend::nft);
  });
  // Sets have no generation, and that of the tables tells only now who came right behind the load: the
  // restore plans again.
  if (somebody && error.live == LiveState::put_back) error.kind = ErrorKind::refused;
  return error;
}

Result<Recorded> load_and_record(const PlannedChange& change, const RecordOptions& options) {
  const bool needed = change.changes_live();
  // Where nothing changes they say the same; of some chains alone only what is written says all.
  ReadBack after{change.plan.live, !needed && change.plan.rest != nullptr};
  if (needed) {
    change.repository.write_aside();
    TRY(load_and_read_back(change, after));
  }
  auto recorded = record_result(change, after, options);
  if (recorded || !needed) return recorded;
  return put_back(change, std::move(recorded).error().within("the result could not be recorded"));
}

Result<Recorded> load_and_record_or_put_back(const PlannedChange& change, const RecordOptions& options) {
  try {
    return load_and_record(change, options);
  } catch (const std::exception& error) {
    return put_back(change,
                    Error{.kind = ErrorKind::kernel, .message = format("unexpected: {}", error.what())});
  }
}

}  // namespace

Result<Capture> put_in_force_unrecorded(const PlannedChange& change) {
  const SignalBlock held;
  const SocketsKept kept;
  ReadBack after;
  try {
    TRY(load_and_read_back(change, after));
    return Capture(std::move(after));
  } catch (const std::exception& error) {
    return put_back(change,
                    Error{.kind = ErrorKind::kernel, .message = format("unexpected: {}", error.what())});
  }
}

Result<Recorded> put_in_force(const PlannedChange& change, const JournalEntry& entry) {
  if (!change.changes_live()) return load_and_record(change, entry.record);
  const SignalBlock held;
  const SocketsKept kept;
  auto journal = TRY(Journal::begin(change.repository, entry));
  auto recorded = load_and_record_or_put_back(change, entry.record);
  // Where nothing could be put back, the next process tries it again.
  if (recorded || recorded.error().kind != ErrorKind::damaged) journal.clear();
  return recorded;
}

}  // namespace rewall

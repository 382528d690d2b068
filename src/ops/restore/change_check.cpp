#include "ops/restore/change_check.h"

#include <utility>

#include "analysis/expectations.h"
#include "core/format.h"
#include "core/log.h"
#include "core/messages.h"
#include "ops/context/host_facts.h"
#include "ops/context/ruleset_files.h"
#include "ops/history/revision.h"
#include "ops/restore/lockout.h"
#include "rules/set_delta.h"
#include "rules/text_delta.h"

namespace rewall {
namespace {

constexpr std::string_view kExpectFile = "expect";

/// The rulesets of a plan, whole: a partial read has the changed chains alone.
class WholeRulesets {
 public:
  explicit WholeRulesets(const RestorePlan& plan) : plan_(plan) {}

  Status read() {
    if (plan_.rest == nullptr) return {};
    auto transition = TRY(transition_of(plan_));
    live_ = std::move(transition.before);
    wanted_ = std::move(transition.wanted);
    return {};
  }
  const Ruleset& live() const { return live_ ? *live_ : plan_.live.ruleset; }
  const Ruleset& wanted() const { return wanted_ ? *wanted_ : plan_.staged.ruleset; }

 private:
  const RestorePlan& plan_;
  std::optional<Ruleset> live_{};
  std::optional<Ruleset> wanted_{};
};

std::string and_others(std::size_t count) {
  return count == 0 ? "" : format(", and {} other{}", count, count == 1 ? "" : "s");
}

// Those that fail, empty for none; those that nobody can prove as notes.
std::string failed_expectations(const std::vector<Expectation>& expectations, const Ruleset& wanted,
                                const HostFacts& facts, std::vector<std::string>& notes) {
  std::string first;
  std::size_t others = 0;
  for (const auto& checked : check_expectations(expectations, wanted, facts)) {
    if (checked.answered == Answered::unproved)
      notes.push_back(format("an expectation cannot be proved: {}", checked.text()));
    if (checked.answered != Answered::fails) continue;
    if (first.empty())
      first = checked.text();
    else
      ++others;
  }
  return first.empty() ? first : first + and_others(others);
}

// Of a lockout what is to be done about it.
void judge(Lockout lockout, ChangeCheck& check, bool dry_run, CheckOutcome& outcome) {
  std::ranges::move(lockout.notes, std::back_inserter(outcome.notes));
  if (lockout.passage == Passage::open) return;
  const bool closed = lockout.passage == Passage::closed;
  auto error =
      closed ? error_of<messages::locks_out>(lockout.text) : error_of<messages::may_lock_out>(lockout.text);
  if (check.mode == ChangeCheck::Mode::warn || check.guarded) {
    outcome.notes.push_back(std::move(error.message));
    return;
  }
  if (!closed) {
    const bool yes = dry_run || check.answered == lockout.text || (check.ask && check.ask(error.message));
    if (yes) {
      if (!dry_run) check.answered = lockout.text;
      outcome.notes.push_back(std::move(error.message));
      return;
    }
  }
  outcome.refusal = std::move(error);
}

}  // namespace

Result<CheckOutcome> check_change(Session& /*session*/, const Repository& repository, const RestorePlan& plan,
                                  ChangeCheck& check, bool dry_run) {
  CheckOutcome outcome;
  auto caller = check.lockout ? caller_session() : CallerSession{};
  if (!caller.note.empty()) outcome.notes.push_back(caller.note);
  const auto text = repository.expectations();
  if (text.empty() && caller.ways.empty()) return outcome;
  auto expectations = read_expectations(text, kExpectFile);
  WholeRulesets rulesets(plan);
  TRY(rulesets.read());
  const auto facts = live_host_facts();
  std::optional<Error> failed;
  if (!expectations) {
    failed = expectations.error();
  } else if (auto text_of = failed_expectations(*expectations, rulesets.wanted(), facts, outcome.notes);
             !text_of.empty()) {
    failed = error_of<messages::expectation_fails>(text_of);
  }
  if (failed) {
    failed->kind = ErrorKind::refused;
    failed->live = LiveState::untouched;
    if (check.mode == ChangeCheck::Mode::warn)
      outcome.notes.push_back(failed->message);
    else
      outcome.refusal = std::move(failed);
  }
  if (outcome.refusal || caller.ways.empty()) return outcome;
  judge(find_lockout(caller, rulesets.wanted(), facts, [&] { return &rulesets.live(); }), check, dry_run,
        outcome);
  return outcome;
}

Result<InForceCheck> check_in_force(Session& session, const std::string& before, const std::string& now) {
  InForceCheck out;
  const auto repository = TRY(session.repository());
  const auto caller = caller_session();
  const auto text = repository->expectations();
  if (before == now || (text.empty() && caller.ways.empty())) return out;
  const auto in_force = TRY(read_revision(session, now));
  const auto old = TRY(read_revision(session, before));
  const auto facts = live_host_facts();
  if (auto read = read_expectations(text, kExpectFile)) {
    if (auto failed = failed_expectations(*read, in_force.ruleset, facts, out.notes); !failed.empty()) {
      out.fails = true;
      out.notes.push_back("the rules in force fail an expectation: " + failed);
    }
  } else {
    out.notes.push_back(read.error().message);
  }
  auto lockout = find_lockout(caller, in_force.ruleset, facts, [&] { return &old.ruleset; });
  if (lockout.passage == Passage::closed) {
    out.fails = true;
    out.notes.push_back("the rules in force lock you out: " + lockout.text);
  } else if (lockout.passage == Passage::doubtful) {
    out.notes.push_back(error_of<messages::may_lock_out>(lockout.text).message);
  }
  return out;
}

}  // namespace rewall

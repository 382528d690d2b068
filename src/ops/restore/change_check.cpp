#include "ops/restore/change_check.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "analysis/expectations.h"
#include "analysis/ports.h"
#include "analysis/walk.h"
#include "core/format.h"
#include "core/log.h"
#include "core/messages.h"
#include "ops/context/host_facts.h"
#include "ops/context/packet_on_host.h"
#include "ops/context/ruleset_files.h"
#include "ops/history/revision.h"
#include "ops/restore/lockout.h"
#include "rules/set_delta.h"
#include "rules/sets.h"
#include "rules/text_delta.h"

namespace rewall {
namespace {

constexpr std::string_view kExpectFile = "expect";

using Families = std::set<Family>;

bool names_sets(const Tables& tables) {
  return std::ranges::any_of(tables.tables, [](const Table& table) {
    return std::ranges::any_of(table.chains, [](const Chain& chain) {
      return std::ranges::any_of(chain.rules, [](const Rule& rule) { return names_set(rule.words); });
    });
  });
}

/// HEAD, complete in some families. What nobody asks for is not parsed: of 50,000 rules it is most.
Result<Ruleset> parse_head(const Head& head, const Families& families, bool with_sets) {
  Files files{{"rules.v4", ""}, {"rules.v6", ""}, {"ipset", ""}};
  for (const Family family : families) {
    const std::string file(file_name(Slot{family}));
    const auto found = head.files.find(file);
    if (found == head.files.end()) continue;
    files[file] = found->second;
    with_sets = with_sets || found->second.find("-set ") != std::string::npos;
  }
  if (with_sets && head.files.contains("ipset")) files["ipset"] = head.files.at("ipset");
  return ruleset_of(std::move(files), "HEAD:", head.backends);
}

/// LIVE and the wanted ruleset of a plan, complete in some families: a partial read has the changed chains
/// alone.
class WholeRulesets {
 public:
  WholeRulesets(const RestorePlan& plan, Families families, std::optional<Ruleset> head)
      : plan_(plan), families_(std::move(families)), head_(std::move(head)) {}

  Result<const Ruleset*> wanted() {
    if (plan_.rest == nullptr) return &plan_.staged.ruleset;
    const bool names_new_sets = std::ranges::any_of(
        families_, [&](Family family) { return names_sets(plan_.staged.ruleset[Slot{family}]); });
    if (!head_ || (names_new_sets && head_->sets.sets.empty()))
      head_ = TRY(parse_head(*plan_.rest, families_, names_new_sets));
    const Sets sets = std::move(head_->sets);
    wanted_ = with_differing_chains(*std::exchange(head_, {}), plan_.live.ruleset, plan_.staged.ruleset);
    if (!sets.sets.empty()) wanted_->sets = with_left_out(sets, plan_.live.ruleset.sets, wanted_->sets);
    return &*wanted_;
  }
  Result<const Ruleset*> live() {
    if (plan_.rest == nullptr) return &plan_.live.ruleset;
    live_ = TRY(parse_head(*plan_.rest, families_, false));
    return &*live_;
  }

 private:
  const RestorePlan& plan_;
  Families families_;
  std::optional<Ruleset> head_{};
  std::optional<Ruleset> live_{};
  std::optional<Ruleset> wanted_{};
};

std::string and_others(std::size_t count) {
  return count == 0 ? "" : format(", and {} other{}", count, count == 1 ? "" : "s");
}

// Those that fail, empty for none; those that nobody can prove as notes.
std::string failed_expectations(std::vector<Expectation>& expectations, const Ruleset& wanted,
                                const HostFacts& facts, std::vector<std::string>& notes) {
  for (auto& expectation : expectations) complete_on_host(expectation.packet, expectation.words, facts);
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

// Those of a template that the rules and what stays beside them do not meet.
void hold_template(const ChangeCheck& check, const Ruleset& wanted, const HostFacts& facts,
                   std::vector<std::string>& notes) {
  auto expectations = read_expectations(check.template_expectations, check.template_name);
  if (!expectations) {
    notes.push_back(expectations.error().message);
    return;
  }
  for (const auto family : {Family::ipv4, Family::ipv6}) {
    const bool sends_on = std::ranges::any_of(*expectations, [&](const Expectation& one) {
      return one.packet.family == family && one.packet.hook == Hook::forward &&
             one.verdict == Verdict::accept;
    });
    if (auto note = sends_on ? forwarding_note(facts, family) : std::string(); !note.empty())
      notes.push_back(std::move(note));
  }
  std::vector<std::string> unproved;
  if (const auto failed = failed_expectations(*expectations, wanted, facts, unproved); !failed.empty())
    notes.push_back(format("{} expects otherwise: {}", check.template_name, failed));
}

// The ports that rules of NAT send on for the world, though the template closes them.
void hold_published(const ChangeCheck& check, const Ruleset& wanted, const HostFacts& facts,
                    std::vector<std::string>& notes) {
  if (!check.published) return;
  for (const auto family : {Family::ipv4, Family::ipv6}) {
    const auto rows = ports(Model(wanted, family, facts));
    if (!rows) continue;
    for (auto row : *rows) {
      const bool tcp = row.protocol == "tcp";
      if (!row.world || !row.is_sent_on() || (!tcp && row.protocol != "udp")) continue;
      row.numbers = without(row.numbers, tcp ? check.published->first : check.published->second);
      if (row.numbers.empty()) continue;
      notes.push_back(format("{} expects otherwise: {} {} to {} stays open to {}", check.template_name,
                             row.protocol, ports_text(row), row.to, row.from));
    }
  }
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

Task<CheckBasis> begin_check(const Repository& repository, const ChangeCheck& check, const Head* rest) {
  return beside("check", ErrorKind::repository,
                [&check, rest, expectations = repository.expectations()]() -> Result<CheckBasis> {
                  CheckBasis basis{.expectations = expectations};
                  if (check.lockout) basis.caller = caller_session();
                  if (!check.template_expectations.empty()) basis.families = {Family::ipv4, Family::ipv6};
                  for (const auto& way : basis.caller.ways) basis.families.insert(way.ends.family);
                  if (const auto read = read_expectations(expectations, kExpectFile))
                    for (const auto& one : *read) basis.families.insert(one.packet.family);
                  if (basis.families.empty()) return basis;
                  basis.facts = host_facts_if_known();
                  if (rest != nullptr) basis.head = TRY(parse_head(*rest, basis.families, false));
                  return basis;
                });
}

Result<CheckOutcome> check_change(const RestorePlan& plan, ChangeCheck& check, CheckBasis basis,
                                  bool dry_run) {
  CheckOutcome outcome;
  const auto& caller = basis.caller;
  if (!caller.note.empty()) outcome.notes.push_back(caller.note);
  if (basis.expectations.empty() && caller.ways.empty() && check.template_expectations.empty())
    return outcome;
  auto expectations = read_expectations(basis.expectations, kExpectFile);
  WholeRulesets rulesets(plan, basis.families, std::move(basis.head));
  const Ruleset* wanted = TRY(rulesets.wanted());
  const auto& facts = basis.facts;
  if (!check.template_expectations.empty()) hold_template(check, *wanted, facts, outcome.notes);
  hold_published(check, *wanted, facts, outcome.notes);
  std::optional<Error> failed;
  if (!expectations) {
    failed = expectations.error();
  } else if (auto text_of = failed_expectations(*expectations, *wanted, facts, outcome.notes);
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
  Status read;
  auto lockout = find_lockout(caller, *wanted, facts, [&]() -> const Ruleset* {
    auto live = rulesets.live();
    if (!live) read = live.error();
    return live ? *live : nullptr;
  });
  if (!read) return std::move(read).error();
  judge(std::move(lockout), check, dry_run, outcome);
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
  const auto facts = host_facts_if_known();
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

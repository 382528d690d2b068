#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "analysis/model.h"
#include "analysis/number_set.h"
#include "core/parallel.h"
#include "core/result.h"
#include "ops/context/caller_session.h"
#include "ops/context/session.h"
#include "ops/history/record.h"
#include "ops/restore/plan.h"
#include "rules/ruleset.h"

namespace rewall {

/// What is held against the wanted ruleset before a change of LIVE: the expectations of the repository (the
/// file `expect`), and the session of whoever asked for the change (lockout.h). Lives as long as the command;
/// a restore that plans again checks again, and asks no question twice.
struct ChangeCheck {
  enum class Mode {
    refuse,  ///< what fails is an error
    warn     ///< what fails is said: --force, and a boot
  };
  Mode mode = Mode::refuse;
  bool guarded = false;  ///< a guard is armed for the change: a lockout is said, not refused
  bool lockout = true;   ///< false: the expectations alone
  /// What a template says of its rules, in the words of `expect`, and the name of the template. What fails is
  /// said: parts of other programs that stay may let more in.
  std::string template_expectations{};
  std::string template_name{};
  /// The ports of containers that the template lets in from outside: TCP, UDP. Absent where it closes none.
  std::optional<std::pair<NumberSet, NumberSet>> published{};
  /// Asks the person whether to go on in spite of a doubt. Absent where nobody can be asked: that is a no.
  std::function<bool(const std::string& doubt)> ask{};
  std::string answered{};  ///< the doubt that was answered with yes
};

/// What a check found. A value.
struct CheckOutcome {
  std::vector<std::string> notes{};  ///< for people
  std::optional<Error> refusal{};    ///< why the change is not to be made, of kind refused
};

/// What a check needs beside the plan. A value.
struct CheckBasis {
  CallerSession caller{};
  std::string expectations{};  ///< the text of the file `expect`
  HostFacts facts{};
  /// The families that are asked for; after a partial read, HEAD in these, whole.
  std::set<Family> families{};
  std::optional<Ruleset> head{};
};

/// Reads it on another thread, beside whoever makes the plan: to parse HEAD takes longer than the check.
/// `rest`, as RestorePlan::rest, and `check` must outlive the Task. Kind repository: HEAD cannot be parsed.
Task<CheckBasis> begin_check(const Repository& repository, const ChangeCheck& check, const Head* rest);

/// Checks a plan that changes something. `dry_run`: nobody is asked, a doubt is a note. Fails where the
/// rulesets cannot be read: kinds usage and repository.
Result<CheckOutcome> check_change(const RestorePlan& plan, ChangeCheck& check, CheckBasis basis,
                                  bool dry_run);

/// What is wrong with rules that are in force already.
struct InForceCheck {
  std::vector<std::string> notes{};  ///< for people
  bool fails = false;                ///< an expectation fails, or the person is locked out: that is proved
};
/// Checks what a command did by itself (`try`): `before` was in force before it. The errors of
/// read_revision().
Result<InForceCheck> check_in_force(Session& session, const std::string& before, const std::string& now);

}  // namespace rewall

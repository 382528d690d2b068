#pragma once

#include <array>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

// What must be in force, by the manual alone: rewall as a machine whose commands take effect one after the
// other, in any order that the programs of several processes allow. Nothing of src/ is used here.

namespace stress {

constexpr std::size_t kParts = 4;
/// A ruleset: a number for each of some chains and a set.
using Value = std::array<int, kParts>;

enum class Kind { change, back, undo, redo };

/// A snapshot with its two stacks (rewall-undo(8)), as indices into the history.
struct Snapshot {
  Value value{};
  std::vector<int> done{};
  std::vector<int> undone{};
  bool by_watch = false;
};

struct Guard {
  int number = 0;  ///< of this guard among all
  int before = 0;  ///< the snapshot that it restores
  bool due = false;
  auto operator<=>(const Guard&) const = default;
};

/// How a guard ended, for the `try` that armed it.
struct Ending {
  bool confirmed = false;
  int result = 0;  ///< the snapshot of what was in force then
};

struct State {
  Value live{};
  std::vector<Snapshot> history{};
  std::optional<Guard> guard{};
  int guards = 0;
  std::vector<std::pair<int, Ending>> endings{};
  std::vector<int> own{};  ///< by process: the number of the guard that its `try` armed; 0 for none

  const Value& head() const { return history.back().value; }

  void commit(Kind kind, int about, bool by_watch = false) {
    Snapshot made{.value = live, .by_watch = by_watch};
    const Snapshot& last = history.back();
    const int self = static_cast<int>(history.size());
    made.done = last.done;
    made.undone = last.undone;
    switch (kind) {
      case Kind::change:
        made.done.push_back(self);
        made.undone.clear();
        break;
      case Kind::back:
        made.done = history[about].done;
        made.undone = history[about].undone;
        break;
      case Kind::undo:
        std::erase(made.done, about);
        made.undone.push_back(about);
        break;
      case Kind::redo:
        std::erase(made.undone, about);
        made.done.push_back(about);
        break;
    }
    history.push_back(std::move(made));
  }
  void record(bool by_watch = false) {
    if (live != head()) commit(Kind::change, 0, by_watch);
  }
  void change(const Value& wanted) {
    record();
    live = wanted;
    record();
  }
  /// A way back to the snapshot `before`.
  void go_back(int before) {
    const Value old = history[before].value;
    if (live != old) record();
    live = old;
    if (live != head()) commit(Kind::back, before);
  }
  void end_guard(bool confirmed) {
    endings.push_back(
        {guard->number, {.confirmed = confirmed, .result = static_cast<int>(history.size()) - 1}});
    guard.reset();
  }
  void arm() {
    record();
    guard = Guard{.number = ++guards, .before = static_cast<int>(history.size()) - 1};
  }

  /// All that decides what may come.
  std::string key() const {
    std::string text;
    const auto say = [&](int number) { text += std::to_string(number) + ' '; };
    for (const int part : live) say(part);
    for (const auto& snapshot : history) {
      for (const int part : snapshot.value) say(part);
      for (const int one : snapshot.done) say(one);
      text += '/';
      for (const int one : snapshot.undone) say(one);
      text += snapshot.by_watch ? 'w' : ';';
    }
    if (guard) {
      say(guard->number);
      say(guard->before);
      text += guard->due ? '!' : '?';
    }
    for (const auto& [number, ending] : endings) {
      say(number);
      say(ending.confirmed ? -1 : ending.result);
    }
    text += '|';
    for (const int number : own) say(number);
    return text;
  }
};

enum class Does {
  restore,      ///< what `value` says in `parts`
  restore_for,  ///< the same, guarded
  try_arm,      ///< `try` is three steps, and others may come between them
  try_run,
  try_end,
  confirm,
  rollback,
  undo,
  redo,
  snapshot,
  by_hand,    ///< another program changes the parts
  time_is_up  ///< of the guard that is armed
};

struct Step {
  Does does = Does::snapshot;
  std::set<std::size_t> parts{};
  Value value{};
  int status = 0;         ///< with which the command ended; of its last step
  bool killed = false;    ///< none, some or all of its steps took effect
  bool may_fail = false;  ///< what it did may have been taken back by a recovery
  bool gave_up = false;   ///< it said that the firewall kept changing
};

inline Value with(Value base, const Step& step) {
  for (const std::size_t part : step.parts) base[part] = step.value[part];
  return base;
}

/// The state after a step, and its exit status.
inline std::pair<State, int> after(State state, const Step& step, std::size_t process) {
  switch (step.does) {
    case Does::restore:
      state.change(with(state.live, step));
      return {std::move(state), 0};
    case Does::restore_for: {
      if (state.guard) return {std::move(state), 3};
      const Value wanted = with(state.live, step);
      if (wanted == state.live) {
        state.record();
        return {std::move(state), 0};
      }
      state.arm();
      state.change(wanted);
      return {std::move(state), 0};
    }
    case Does::try_arm:  // the status is that of the last step
      state.own[process] = 0;
      if (state.guard) return {std::move(state), step.status};
      state.arm();
      state.own[process] = state.guard->number;
      return {std::move(state), step.status};
    case Does::try_run:
      if (state.own[process] != 0) state.live = with(state.live, step);
      return {std::move(state), step.status};
    case Does::try_end: {
      const int own = state.own[process];
      if (own == 0) return {std::move(state), 3};
      state.own[process] = 0;
      if (state.guard && state.guard->number == own) {
        state.record();
        return {std::move(state), 0};
      }
      for (const auto& [number, ending] : state.endings) {
        if (number != own) continue;
        if (ending.confirmed) {
          state.record();
          return {std::move(state), 0};
        }
        bool others = state.guard.has_value();
        for (std::size_t i = ending.result + 1; i < state.history.size(); ++i)
          others = others || !state.history[i].by_watch;
        if (!others) state.go_back(ending.result);
        return {std::move(state), 3};
      }
      return {std::move(state), 3};
    }
    case Does::confirm:
      if (!state.guard) return {std::move(state), 3};
      state.end_guard(true);
      state.record();
      return {std::move(state), 0};
    case Does::rollback:
      if (!state.guard) return {std::move(state), 3};
      state.go_back(state.guard->before);
      state.end_guard(false);
      return {std::move(state), 0};
    case Does::undo: {
      if (state.guard) return {std::move(state), 3};
      state.record();
      const auto& done = state.history.back().done;
      if (done.empty() || done.back() == 0) return {std::move(state), 3};
      const int change = done.back();
      const Value before = state.history[change - 1].value;
      Value wanted = state.live;
      for (std::size_t part = 0; part < kParts; ++part)
        if (before[part] != state.history[change].value[part]) wanted[part] = before[part];
      if (wanted != state.live) {
        state.live = wanted;
        state.commit(Kind::undo, change);
      }
      return {std::move(state), 0};
    }
    case Does::redo: {
      if (state.guard || state.live != state.head()) return {std::move(state), 3};
      const auto& undone = state.history.back().undone;
      if (undone.empty()) return {std::move(state), 3};
      const int change = undone.back();
      const Value before = state.history[change - 1].value;
      Value wanted = state.live;
      for (std::size_t part = 0; part < kParts; ++part)
        if (before[part] != state.history[change].value[part])
          wanted[part] = state.history[change].value[part];
      if (wanted != state.live) {
        state.live = wanted;
        state.commit(Kind::redo, change);
      }
      return {std::move(state), 0};
    }
    case Does::snapshot:
      state.record();
      return {std::move(state), 0};
    case Does::by_hand:
      state.live = with(state.live, step);
      return {std::move(state), 0};
    case Does::time_is_up:
      if (state.guard) state.guard->due = true;
      return {std::move(state), 0};
  }
  return {std::move(state), 0};
}

using Program = std::vector<Step>;

/// All states in which the programs of some processes can end that run side by side, with the exit statuses
/// that were seen.
class Outcomes {
 public:
  Outcomes(std::vector<Program> programs, bool watched)
      : programs_(std::move(programs)), at_(programs_.size()), watched_(watched) {}

  std::vector<State> from(State state) {
    state.own.assign(programs_.size(), 0);
    walk(state);
    return std::move(ends_);
  }

 private:
  void walk(const State& state) {
    std::string key = state.key();
    for (const std::size_t place : at_) key += ':' + std::to_string(place);
    if (!seen_.insert(std::move(key)).second) return;
    bool ended = true;
    for (std::size_t process = 0; process < programs_.size(); ++process) {
      if (at_[process] == programs_[process].size()) continue;
      ended = false;
      const Step& step = programs_[process][at_[process]];
      ++at_[process];
      take(state, step, process);
      --at_[process];
    }
    if (state.guard && state.guard->due) {
      ended = false;
      State next = state;
      next.go_back(next.guard->before);
      next.end_guard(false);
      walk(next);
    }
    if (watched_ && state.live != state.head()) {
      State next = state;
      next.record(true);
      walk(next);
    }
    if (ended) ends_.push_back(state);
  }

  void take(const State& state, const Step& step, std::size_t process) {
    if (step.killed) walk(state);
    if (step.killed) armed_or_back_alone(state, step);
    if (step.gave_up) {
      walk(state);
      State recorded = state;
      recorded.record();
      walk(recorded);
      return;
    }
    if (step.may_fail) walk(state);
    auto [next, status] = after(state, step, process);
    if (step.killed || status == step.status) walk(next);
  }

  /// What a kill in the middle leaves: LIVE recorded, a guard whose change never came, or one that is armed
  /// still although its old ruleset is back.
  void armed_or_back_alone(const State& state, const Step& step) {
    State next = state;
    next.record();
    walk(next);
    next = state;
    if (step.does == Does::restore_for && !next.guard) next.arm();
    if (step.does == Does::rollback && next.guard) next.go_back(next.guard->before);
    walk(next);
    if (step.does != Does::confirm || !next.guard) return;
    next.end_guard(true);
    walk(next);
  }

  std::vector<Program> programs_;
  std::vector<std::size_t> at_;
  bool watched_;
  std::set<std::string> seen_{};
  std::vector<State> ends_{};
};

}  // namespace stress

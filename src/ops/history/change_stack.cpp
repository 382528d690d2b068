#include "ops/history/change_stack.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace rewall {
namespace {

/// What a snapshot does to the two stacks of its parent.
enum class StackStep {
  none,      ///< leaves them
  way_back,  ///< takes those of the snapshot that it restores
  undo,      ///< moves the newest done change to the undone ones
  redo,      ///< moves it back
  change,    ///< adds itself to the done ones, and forgets the undone ones
  barrier    ///< forgets both: it goes back to nothing that is recorded
};

bool one_of(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::ranges::find(words, word) != words.end();
}

// Nothing was in force that such a snapshot holds: an import reads files, and a shutdown flushes.
bool never_in_force(const Snapshot& snapshot) {
  return one_of(snapshot.trailers.trigger, {"import", "shutdown"});
}

bool same_files(const Repository& repository, const Snapshot& a, const Snapshot& b, Status& read) {
  const auto one = repository.file_hashes(a.hash);
  const auto other = repository.file_hashes(b.hash);
  if (!one) read = one.error();
  if (!other) read = other.error();
  const auto& backend = a.trailers.backend;
  return one && other && *one == *other &&
         (backend.empty() || b.trailers.backend.empty() || backend == b.trailers.backend);
}

// A snapshot that changes nothing is none: `snapshot --allow-empty`, other expectations, or what a shutdown
// took away and a boot brought again.
Result<bool> changes_something(const Repository& repository, const Snapshot& snapshot) {
  auto before = TRY(in_force_before(repository, snapshot));
  if (!before) return false;
  Status read;
  const bool same = same_files(repository, *before, snapshot, read);
  if (!read) return std::move(read).error();
  return !same;
}

StackStep step_by_trigger(const Trailers& trailers) {
  if (one_of(trailers.trigger, {"rollback", "boot"}))
    return trailers.restores.empty() ? StackStep::barrier : StackStep::way_back;
  if (trailers.trigger == "redo" && !trailers.restores.empty()) return StackStep::redo;
  if (trailers.trigger == "undo" && !(trailers.restores.empty() && trailers.undoes.empty()))
    return StackStep::undo;
  return StackStep::change;
}

Result<StackStep> step_of(const Repository& repository, const Snapshot& snapshot) {
  if (snapshot.parent.empty()) return StackStep::barrier;
  if (never_in_force(snapshot) || is_background(snapshot)) return StackStep::none;
  const StackStep step = step_by_trigger(snapshot.trailers);
  if (step != StackStep::change && missing_reference(repository, snapshot).empty()) return step;
  const bool change = TRY(changes_something(repository, snapshot));
  return change ? StackStep::change : StackStep::none;
}

// The snapshot that an undo took back. An undo of an older version does not name it: it restored what was
// before the newest change, and a second one restored what was before the first. Absent for such a second
// one, which is a way back.
Result<std::optional<std::string>> undone_by(const Repository& repository, const Snapshot& undo) {
  if (!undo.trailers.undoes.empty()) return std::optional(undo.trailers.undoes);
  auto change = TRY(newest_done(repository, undo.parent));
  if (!change) return std::optional<std::string>{};
  auto before = TRY(in_force_before(repository, *change));
  if (change->parent != undo.trailers.restores && (!before || before->hash != undo.trailers.restores))
    return std::optional<std::string>{};
  return std::optional(std::move(change->hash));
}

// How far back the snapshot is looked for that a redo could have undone, to say what came since.
constexpr int kFarBack = 1000;

// The changes that were made since the last undo, if there was one: the oldest of them.
Result<std::optional<Snapshot>> change_since_undo(const Repository& repository, const Snapshot& newest) {
  std::optional<Snapshot> oldest = newest;
  std::string at = newest.parent;
  for (int i = 0; i < kFarBack && !at.empty(); ++i) {
    auto snapshot = TRY(repository.snapshot(at));
    const auto step = TRY(step_of(repository, snapshot));
    if (step == StackStep::undo) return oldest;
    if (step == StackStep::redo || step == StackStep::barrier || step == StackStep::way_back) break;
    at = snapshot.parent;
    if (step == StackStep::change) oldest = std::move(snapshot);
  }
  return std::optional<Snapshot>{};
}

}  // namespace

bool is_background(const Snapshot& snapshot) {
  return !snapshot.trailers.foreign.empty() &&
         one_of(snapshot.trailers.trigger, {"", "manual", "watch", "hook"});
}

std::string missing_reference(const Repository& repository, const Snapshot& snapshot) {
  const Trailers& trailers = snapshot.trailers;
  if (never_in_force(snapshot) || step_by_trigger(trailers) == StackStep::change) return {};
  // An undo without it is of an older version; else only the change that it took back is looked at.
  const std::string& hash =
      trailers.trigger == "undo" && !trailers.undoes.empty() ? trailers.undoes : trailers.restores;
  return hash.empty() || repository.has_object(hash) ? std::string{} : hash;
}

Result<std::optional<Snapshot>> newest_rollback(const Repository& repository, const std::string& hash) {
  for (std::string at = hash; !at.empty();) {
    auto snapshot = TRY(repository.snapshot(at));
    if (snapshot.trailers.trigger == "rollback" && !snapshot.parent.empty())
      return std::optional(std::move(snapshot));
    if (!is_background(snapshot)) break;
    at = snapshot.parent;
  }
  return std::optional<Snapshot>{};
}

Result<std::optional<Snapshot>> in_force_at(const Repository& repository, Snapshot snapshot) {
  while (never_in_force(snapshot)) {
    // The last snapshot of an import goes back to the one that is in force.
    const auto& restores = snapshot.trailers.restores;
    const auto before = repository.has_object(restores) ? restores : snapshot.parent;
    if (before.empty()) return std::optional<Snapshot>{};
    snapshot = TRY(repository.snapshot(before));
  }
  return std::optional(std::move(snapshot));
}

Result<std::optional<Snapshot>> in_force_before(const Repository& repository, const Snapshot& change) {
  if (change.parent.empty()) return std::optional<Snapshot>{};
  auto parent = TRY(repository.snapshot(change.parent));
  return in_force_at(repository, std::move(parent));
}

Result<std::optional<Snapshot>> newest_done(const Repository& repository, const std::string& hash) {
  for (std::string at = hash; !at.empty();) {
    auto snapshot = TRY(repository.snapshot(at));
    const auto step = TRY(step_of(repository, snapshot));
    switch (step) {
      case StackStep::none:
        at = snapshot.parent;
        break;
      case StackStep::way_back:
        at = snapshot.trailers.restores;
        break;
      case StackStep::undo:
        // What was done before the change that it took back; of an older version, what it restored.
        at = snapshot.trailers.restores;
        if (!snapshot.trailers.undoes.empty()) {
          auto undone = TRY(repository.snapshot(snapshot.trailers.undoes));
          at = undone.parent;
        }
        break;
      case StackStep::redo: {
        auto change = TRY(repository.snapshot(snapshot.trailers.restores));
        return std::optional(std::move(change));
      }
      case StackStep::change:
        return std::optional(std::move(snapshot));
      case StackStep::barrier:
        return std::optional<Snapshot>{};
    }
  }
  return std::optional<Snapshot>{};
}

Result<NewestUndone> newest_undone(const Repository& repository, const std::string& hash) {
  std::size_t redone = 0;
  for (std::string at = hash; !at.empty();) {
    auto snapshot = TRY(repository.snapshot(at));
    const auto step = TRY(step_of(repository, snapshot));
    at = step == StackStep::way_back ? snapshot.trailers.restores : snapshot.parent;
    if (step == StackStep::barrier) break;
    if (step == StackStep::redo) ++redone;
    if (step == StackStep::change) {
      auto since = TRY(change_since_undo(repository, snapshot));
      return NewestUndone{.since = std::move(since)};
    }
    if (step != StackStep::undo) continue;
    auto undone = TRY(undone_by(repository, snapshot));
    if (!undone) {
      at = snapshot.trailers.restores;
    } else if (redone > 0) {
      --redone;
    } else {
      auto change = TRY(repository.snapshot(*undone));
      return NewestUndone{.change = std::move(change)};
    }
  }
  return NewestUndone{};
}

}  // namespace rewall

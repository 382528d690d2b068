#include "ops/restore/apply.h"

#include <algorithm>
#include <thread>

#include "ops/context/ruleset_files.h"
#include "rules/set_digest.h"
#include "rules/sets.h"

namespace rewall {
namespace {

// The sets have no generation: they are asked for.
bool sets_are_staged(Firewall& firewall, const Sets& staged) {
  if (const auto now = firewall.sets_digest(); now && *now == digest_of(staged)) return true;
  if (std::ranges::any_of(staged.sets, [](const Set& set) { return set.left_out.count > 0; })) return false;
  const auto sets = firewall.sets();
  return sets && same_but_for_traffic(*sets, staged);
}

// Absent where the kernel's list does not prove all of LIVE.
std::optional<Capture> proven_by_kernel(Session& session, const Staged& staged, const Capture& live,
                                        const std::optional<Generation>& proven) {
  Firewall& firewall = session.firewall();
  if (!proven || firewall.legacy_tables()) return std::nullopt;
  if (!sets_are_staged(firewall, staged.ruleset.sets)) return std::nullopt;
  if (firewall.generation() != proven) return std::nullopt;
  return Capture{.ruleset = staged.ruleset,
                 .backends = backends_of(staged.ruleset),
                 .tools = live.tools,
                 .generation = proven,
                 .has_owned = live.has_owned};
}

}  // namespace

bool Tries::next() {
  if (last_) return false;
  if (begun_ > 0) std::this_thread::sleep_for(policy_.pause);
  ++begun_;
  const bool out_of_patience =
      policy_.patience.count() > 0 && std::chrono::steady_clock::now() > begin_ + policy_.patience;
  last_ = begun_ >= policy_.tries || out_of_patience;
  return true;
}

Result<ReadBack> apply(Session& session, const Staged& staged, const Capture& live,
                       const std::optional<Generation>& generation) {
  const auto loaded = TRY(session.firewall().load(staged, live.ruleset, generation));
  const auto proven = loaded.reads_back ? loaded.generation : std::nullopt;
  if (auto capture = proven_by_kernel(session, staged, live, proven))
    return ReadBack{*std::move(capture), true};
  auto read = session.capture();
  if (!read) return std::move(read).error().with_live(LiveState::unknown);
  const bool others_came = loaded.generation && read->generation && loaded.generation != read->generation;
  return ReadBack{*std::move(read), false, others_came};
}

Result<ReadBack> apply_again(Session& session, const Ruleset& wanted, const Capture& live) {
  auto staged = session.firewall().stage(wanted, &live.ruleset);
  return apply(session, staged ? *staged : Staged{.ruleset = wanted}, live, live.generation);
}

}  // namespace rewall

#include "ops/context/session.h"

#include <chrono>
#include <utility>

#include "core/log.h"
#include "core/text.h"
#include "diff/pairs.h"
#include "ops/context/ruleset_files.h"
#include "rules/print.h"

namespace rewall {
namespace {

// A session reads HEAD on another thread meanwhile.
Result<Ruleset> read_head_anew(const std::filesystem::path& path) {
  auto repository = TRY(Repository::open(path));
  auto head = TRY(repository.head());
  if (head.empty()) return Ruleset{};
  auto snapshot = TRY(repository.snapshot(head));
  auto files = TRY(repository.files(head));
  return ruleset_of(std::move(files), "HEAD:", snapshot.trailers.backend);
}

void take_ipv6_of_head(Capture& capture, Ruleset head, BackendChoice choice) {
  const Slot v6{Family::ipv6};
  if (canonical_text(head[v6]).empty()) return;
  Ruleset& live = capture.ruleset;
  const bool empty = !holds(live, Backend::nft) && !holds(live, Backend::legacy);
  if (empty && choice == BackendChoice::automatic) live.backend = head.backend;
  if (live.backend != head.backend) return;
  live[v6] = std::move(head[v6]);
  capture.backends = backends_of(live);
  capture.notes.emplace_back(
      "this kernel has no IPv6: its rules are not in force, and stay in the history as HEAD has them");
}

std::size_t rules_of(const Ruleset& ruleset) {
  std::size_t rules = 0;
  for (const Slot slot : Ruleset::slots())
    for (const auto& table : ruleset[slot].tables)
      for (const auto& chain : table.chains) rules += chain.rules.size();
  return rules;
}

}  // namespace

Result<Capture> Session::capture() {
  const auto begun = std::chrono::steady_clock::now();
  auto capture = TRY(firewall_->capture(backend_));
  const auto spent =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begun);
  log_info("read the live rules in {} ms: {}, {}, {}", spent.count(), name(capture.ruleset.backend),
           counted(rules_of(capture.ruleset), "rule"), counted(capture.ruleset.sets.sets.size(), "set"));
  if (!capture.without_ipv6) return capture;
  if (auto head = read_head_anew(path_)) take_ipv6_of_head(capture, *std::move(head), backend_);
  return capture;
}

Result<Repository*> Session::repository() {
  if (withheld_) return *withheld_;
  if (!repository_) {
    repository_ = TRY(uses_what_it_can ? Repository::open_readable(path_) : Repository::open(path_));
    if (signer) repository_->sign_with(signer);
    if (does_without_settings) repository_->do_without_settings();
  }
  return &*repository_;
}

}  // namespace rewall

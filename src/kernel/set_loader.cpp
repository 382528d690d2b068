#include "kernel/set_loader.h"

#include <chrono>
#include <memory>
#include <string_view>
#include <thread>
#include <utility>

#include "core/format.h"
#include "core/log.h"
#include "core/messages.h"
#include "core/text.h"
#include "kernel/refusal.h"
#include "rules/parse.h"
#include "rules/print.h"
#include "rules/sets.h"

namespace rewall {

namespace {

constexpr int kDestroyAttempts = 40;
constexpr std::chrono::milliseconds kDestroyPause{50};

const std::string& renamed(const std::string& name, const SetNames& names) {
  const auto found = names.find(name);
  return found == names.end() ? name : found->second;
}

Status status_of(Result<std::string> result) {
  return result ? Status{} : Status(std::move(result).error());
}

/// One set's canonical text under another name; the members of a list of sets follow `names`.
std::string text_of(const Set& set, const std::string& name, const SetNames& names) {
  Set copy = set;
  copy.name = name;
  std::vector<std::string> members;
  if (is_list(set) && !names.empty()) {
    members.reserve(set.members.size());
    copy.members.clear();
    for (const std::string_view member : set.members) {
      const auto end = std::min(member.find(' '), member.size());
      members.push_back(renamed(std::string(member.substr(0, end)), names) + std::string(member.substr(end)));
      copy.members.push_back(members.back());
    }
  }
  return canonical_text(Sets{.sets = {std::move(copy)}});
}

}  // namespace

SetLoader::SetLoader(Programs& programs, const Sets& live, const Sets& wanted, std::string file)
    : programs_(programs), live_(live), wanted_(wanted), file_(std::move(file)) {
  for (const Set& set : live.sets) present_.emplace(set.name, text_of(set, set.name, {}));
  for (const Set& set : wanted.sets) {
    const Set* old = live.find(set.name);
    if (old != nullptr && !can_swap(*old, set)) aliases_.emplace(set.name, fresh_name());
  }
}

std::string SetLoader::fresh_name() {
  std::string name;
  do {
    name = format("rewall-{}", ++fresh_);
  } while (live_.find(name) != nullptr || wanted_.find(name) != nullptr);
  return name;
}

Status SetLoader::fill(const SetNames& names) {
  return fill(wanted_, names);
}

void SetLoader::undo() {
  aside_.clear();
  if (swapped_ && fill(live_, {})) {
    if (auto done = exchange(aside_); !done)
      log_warning("{}: that change is lost, as what was there is put back", done.error().message);
  }
  drop_fresh();
  for (const bool lists : {true, false}) {
    for (const Set& set : wanted_.sets) {
      if (is_list(set) == lists && live_.find(set.name) == nullptr && present_.contains(set.name))
        (void)destroy(set.name);
    }
  }
}

Status SetLoader::fill(const Sets& sets, const SetNames& names) {
  std::string input;
  for (const bool lists : {false, true}) {  // a list of sets names the others
    for (const Set& set : sets.sets) {
      if (is_list(set) != lists) continue;
      const std::string& name = renamed(set.name, names);
      std::string text = text_of(set, name, names);
      const auto present = present_.find(name);
      if (present == present_.end()) {
        input += text;
      } else if (present->second != text) {
        const std::string aside = fresh_name();
        input += text_of(set, aside, names);
        aside_.emplace(name, Aside{.name = aside, .known = std::move(present->second)});
      }
      present_.insert_or_assign(name, std::move(text));
    }
  }
  return status_of(restore(input));
}

Status SetLoader::swap() {
  if (aside_.empty()) return {};
  Asides asides = std::exchange(aside_, {});
  const bool swapped_before = swapped_;
  auto known = exchange(asides);
  if (!known && known.error().kind != ErrorKind::refused) return known;
  if (!known) {
    for (auto& [name, aside] : asides) std::swap(aside.known, present_[name]);
    if (auto ours = exchange(asides); !ours) {
      if (ours.error().kind != ErrorKind::refused) return ours;
      log_warning("{} again, while it was put back: that change is lost", ours.error().message);
    }
    swapped_ = swapped_before;
  }
  std::string destroys;
  for (const auto& [name, aside] : asides) destroys += format("destroy {}\n", aside.name);
  TRY(restore(destroys));
  return known;
}

Status SetLoader::exchange(const Asides& asides) {
  std::string swaps;
  std::string saves;
  for (const auto& [name, aside] : asides) {
    swaps += format("swap {} {}\n", aside.name, name);
    // Nobody knows it by this name: what is in it now stays in it.
    saves += format("save {}\n", aside.name);
  }
  swapped_ = true;
  auto saved = TRY(restore(swaps + saves));
  auto sets = parse_sets(std::move(saved), "ipset save");
  if (!sets) return Error{.kind = ErrorKind::kernel, .message = std::move(sets).error().message};
  for (const auto& [name, aside] : asides) {
    Set now = sets->find(aside.name) != nullptr ? *sets->find(aside.name) : Set{};
    now.name = name;
    const Set* before = live_.find(name);
    if (text_of(now, name, {}) != aside.known && (before == nullptr || !only_expired(*before, now)))
      return error_of<messages::set_changed>(name);
  }
  return {};
}

Result<std::string> SetLoader::restore(const std::string& input) {
  if (input.empty()) return std::string{};
  const std::string program = programs_.ipset();
  if (program.empty()) return error_of<messages::ipset_missing>();
  Command command = programs_.command({program, "restore"}, input);
  // It asks libc for each address, which looks each time whether /etc/resolv.conf has changed
  // (resolv.conf(5)): for longer than it takes to add the member.
  command.environment.emplace_back("RES_OPTIONS=no-reload");
  auto outcome = TRY(run(std::move(command), ErrorKind::kernel));
  if (outcome.ok()) return std::move(outcome.out);
  drop_fresh();  // what was filled aside
  return set_refusal(file_, input, outcome);
}

void SetLoader::drop_fresh() {
  const std::string program = programs_.ipset();
  for ([[maybe_unused]] const int pass : {1, 2}) {  // a list may come after its members
    for (int i = 1; i <= fresh_; ++i) {
      const std::string name = format("rewall-{}", i);
      if (live_.find(name) == nullptr && wanted_.find(name) == nullptr)  // one that is not there is no matter
        (void)run(programs_.command({program, "destroy", name}), ErrorKind::kernel);
    }
  }
}

Status SetLoader::destroy(const std::string& name) {
  Outcome last;
  // Right after its last rule is gone a set may still be in use for a moment.
  for (int attempt = 0; attempt < kDestroyAttempts; ++attempt) {
    if (attempt != 0) std::this_thread::sleep_for(kDestroyPause);
    auto outcome = TRY(run(programs_.command({programs_.ipset(), "destroy", name}), ErrorKind::kernel));
    if (outcome.ok()) {
      present_.erase(name);
      return {};
    }
    last = std::move(outcome);
    if (last.err.find("in use") == std::string::npos) break;
  }
  return set_refusal(file_, {}, last).within(format("set {}", name));
}

Status SetLoader::drop_old() {
  for (const bool lists : {true, false}) {
    for (const Set& set : live_.sets) {
      if (is_list(set) != lists) continue;
      if (wanted_.find(set.name) != nullptr && !aliases_.contains(set.name)) continue;
      TRY(destroy(set.name));
    }
  }
  return {};
}

Status SetLoader::drop_aliases() {
  for (const auto& [name, alias] : aliases_) TRY(destroy(alias));
  return {};
}

}  // namespace rewall

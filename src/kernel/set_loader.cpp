#include "kernel/set_loader.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <thread>
#include <unordered_set>
#include <utility>
#include <vector>

#include "core/format.h"
#include "core/log.h"
#include "core/messages.h"
#include "core/text.h"
#include "kernel/refusal.h"
#include "kernel/set_dump.h"
#include "rules/parse.h"
#include "rules/print.h"
#include "rules/sets.h"
#include "rules/tokenizer.h"

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

std::string text_of(Set set, const std::string& name) {
  set.name = name;
  std::string text = canonical_text(Sets{.sets = {set}});
  for (const std::string_view member : set.temporary) text += format("add {} {}\n", name, member);
  return text;
}

/// `add` lines work also where the member is there, `del` lines where it is not: a temporary one may be or
/// not.
std::string add_line(const std::string& name, std::string_view member) {
  return format("add {} {} -exist\n", name, member);
}

std::string del_line(const std::string& name, std::string_view member) {
  return format("del {} {} -exist\n", name, element_of(member));
}

std::string edits_of(const FewMembers& few, const Set& to) {
  std::string lines;
  for (const std::string& member : few.added) lines += add_line(to.name, member);
  for (const std::string& member : few.removed) lines += del_line(to.name, member);
  for (const std::string_view member : to.temporary) lines += add_line(to.name, member);
  return lines;
}

/// The time that a temporary member has left, in seconds.
std::uint64_t time_left(std::string_view member) {
  Tokenizer words(member);
  std::uint64_t seconds = 0;
  while (const auto word = words.next()) {
    if (!word->is("timeout")) continue;
    const auto value = words.next().value_or(Tokenizer::Word{});
    std::from_chars(value.raw.data(), value.raw.data() + value.raw.size(), seconds);
    return seconds;
  }
  return seconds;
}

/// How many members a set can have; absent where its type has no limit.
std::optional<std::size_t> capacity_of(const Set& set) {
  const auto value = option_of(set.options, "maxelem");
  std::size_t most = 0;
  if (std::from_chars(value.data(), value.data() + value.size(), most).ec != std::errc{}) return std::nullopt;
  return most;
}

/// False where one of the sets may know a member by the element of another: each stands for its network then.
bool same_elements(const Set& a, const Set& b) {
  return option_of(a.options, "netmask") == option_of(b.options, "netmask") &&
         option_of(a.options, "bitmask") == option_of(b.options, "bitmask");
}

/// The permanent members that a set has after a change; the new ones are those of `few`.
Set with_change(Set set, const FewMembers& few) {
  std::unordered_set<std::string_view> changed;
  for (const auto* members : {&few.removed, &few.added})
    for (const std::string& member : *members) changed.insert(element_of(member));
  std::erase_if(set.members, [&](std::string_view member) { return changed.contains(element_of(member)); });
  set.members.insert(set.members.end(), few.added.begin(), few.added.end());
  set.temporary.clear();
  return set;
}

/// The words of a member that a set with these options has a place for.
std::string fitting(std::string_view member, const Set& set) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kNeeds = {
      {{"comment", "comment"},
       {"packets", "counters"},
       {"bytes", "counters"},
       {"skbmark", "skbinfo"},
       {"skbprio", "skbinfo"},
       {"skbqueue", "skbinfo"}}};
  std::unordered_set<std::string_view> options;
  Tokenizer given(set.options, Quoting::ipset);
  while (const auto option = given.next()) options.insert(option->raw);
  std::string out;
  Tokenizer words(member, Quoting::ipset);
  while (const auto word = words.next()) {
    const auto* need = std::ranges::find(kNeeds, word->raw, [](const auto& one) { return one.first; });
    const bool fits = need == kNeeds.end() || options.contains(need->second);
    if (fits) out.append(out.empty() ? "" : " ").append(word->raw);
    if (need == kNeeds.end()) continue;
    const auto value = words.next().value_or(Tokenizer::Word{}).raw;
    if (fits) out.append(" ").append(value);
  }
  return out;
}

bool says_full(std::string_view err) {
  return err.find("is full") != std::string_view::npos;
}

}  // namespace

SetLoader::SetLoader(Programs& programs, const Sets& live, const Sets& wanted, std::string file)
    : programs_(programs), live_(live), wanted_(wanted), file_(std::move(file)) {
  for (const Set& set : live.sets) present_.emplace(set.name, set);
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
  // Known before anything changes, also where sets would only be removed.
  if (programs_.ipset().empty() && !same_but_for_traffic(live_, wanted_))
    return error_of<messages::ipset_missing>();
  return fill(wanted_, names);
}

void SetLoader::undo() {
  aside_.clear();
  edits_.clear();
  if (changed_ && fill(live_, {})) {
    auto done = exchange(aside_);
    if (!done) log_warning("{}: that change is lost, as what was there is put back", done.error().message);
    done = edit();
    if (!done) log_warning("{}", done.error().message);
  }
  // A new list may name aliases, and an alias that is a list may name new sets.
  drop_new(/*lists=*/true);
  drop_fresh();
  drop_new(/*lists=*/false);
}

void SetLoader::drop_new(bool lists) {
  for (const Set& set : wanted_.sets) {
    if (is_list(set) == lists && live_.find(set.name) == nullptr && present_.contains(set.name))
      (void)destroy(set.name);
  }
}

/// A set under another name; the members of a list of sets follow `names`.
Set SetLoader::named(const Set& set, const std::string& name, const SetNames& names) {
  Set copy = set;
  copy.name = name;
  if (!is_list(set) || names.empty()) return copy;
  for (std::string_view& member : copy.members) {
    const auto element = element_of(member);
    renamed_.push_back(renamed(std::string(element), names) + std::string(member.substr(element.size())));
    member = renamed_.back();
  }
  return copy;
}

Status SetLoader::fill(const Sets& sets, const SetNames& names) {
  std::string input;
  for (const bool lists : {false, true}) {  // a list of sets names the others
    for (const Set& set : sets.sets) {
      if (is_list(set) != lists) continue;
      const std::string& name = renamed(set.name, names);
      Set wanted = named(set, name, names);
      const auto present = present_.find(name);
      auto few = present == present_.end() ? std::nullopt : few_members(present->second, wanted);
      if (present == present_.end()) {
        input += text_of(wanted, name);
      } else if (few) {
        edits_.insert_or_assign(name, Edit{.few = *std::move(few), .wanted = wanted});
      } else if (!same_but_for_traffic(present->second, wanted) || !wanted.temporary.empty()) {
        const std::string aside = fresh_name();
        input += text_of(wanted, aside);
        aside_.emplace(name, Aside{.name = aside, .known = std::move(present->second), .wanted = wanted});
      }
      present_.insert_or_assign(name, std::move(wanted));
    }
  }
  return status_of(restore(input));
}

Status SetLoader::swap() {
  if (aside_.empty()) return edit();
  Asides asides = std::exchange(aside_, {});
  auto done = exchange_or_go_back(asides);
  if (done) return edit();
  if (done.error().kind == ErrorKind::refused)
    for (auto& [name, aside] : asides) present_[name] = std::move(aside.wanted);
  return done;
}

Status SetLoader::exchange_or_go_back(Asides& asides) {
  const bool changed_before = changed_;
  auto done = exchange(asides);
  if (!done && done.error().kind != ErrorKind::refused) return done;
  if (!done) {
    for (auto& [name, aside] : asides) std::swap(aside.known, aside.wanted);
    if (auto ours = exchange(asides); !ours) {
      if (ours.error().kind != ErrorKind::refused) return ours;
      log_warning("{} again, while it was put back: that change is lost", ours.error().message);
    }
    changed_ = changed_before;
  }
  std::string destroys;
  for (const auto& [name, aside] : asides) destroys += format("destroy {}\n", aside.name);
  if (auto destroyed = restore(destroys); !destroyed && done) return std::move(destroyed).error();
  return done;
}

Status SetLoader::edit() {
  Edits edits = std::exchange(edits_, {});
  std::string lines;
  bool fills_with_traffic = false;
  for (const auto& [name, change] : edits) {
    lines += edits_of(change.few, change.wanted);
    fills_with_traffic |= has_timeout(change.wanted);
  }
  if (lines.empty()) return {};
  changed_ = true;
  const auto outcome = TRY(run_lines(lines));
  if (outcome.ok()) return {};
  if (fills_with_traffic && says_full(outcome.err)) return swap_full(std::move(edits));
  drop_fresh();
  return set_refusal(file_, lines, outcome);
}

/// Room that is made in place may be taken at once, by rules that add members: nobody adds to a set that is
/// filled aside. Those of the changes that are made already are found as they should be.
Status SetLoader::swap_full(Edits edits) {
  std::vector<std::string> names;
  for (const auto& [name, change] : edits)
    if (has_timeout(change.wanted)) names.push_back(name);
  const Sets now = TRY(saved("", names));
  Asides asides;
  std::string input;
  for (auto& [name, change] : edits) {
    const Set* known = now.find(name);
    if (known == nullptr) {
      edits_.emplace(name, std::move(change));
      continue;
    }
    Aside aside{.name = fresh_name(), .known = *known, .wanted = with_change(*known, change.few)};
    aside.wanted.temporary = change.wanted.temporary;
    input += text_of(aside.wanted, aside.name);
    asides.emplace(name, std::move(aside));
  }
  TRY(restore(input));
  TRY(exchange_or_go_back(asides));
  return edit();
}

/// Carries out lines, and returns the sets with temporary members.
Result<Sets> SetLoader::saved(const std::string& input, const std::vector<std::string>& names) {
  if (names.empty()) return Sets{};
  std::string saves;
  for (const std::string& name : names) saves += format("save {}\n", name);
  auto text = TRY(restore(input + saves));
  std::string note;
  auto sets = agreed_sets(
      std::move(text),
      [&](const std::string& only) { return restore(only.empty() ? saves : format("save {}\n", only)); },
      SetsText::listed, names, note);
  if (!sets) return Error{.kind = ErrorKind::kernel, .message = std::move(sets).error().message};
  return sets;
}

Status SetLoader::exchange(const Asides& asides) {
  std::vector<std::string> before;
  std::string swaps;
  std::vector<std::string> after;
  for (const auto& [name, aside] : asides) {
    if (has_timeout(aside.known) && has_timeout(aside.wanted)) before.push_back(name);
    swaps += format("swap {} {}\n", aside.name, name);
    // Nobody knows it by this name: what is in it now stays in it.
    after.push_back(aside.name);
  }
  const Sets earlier = TRY(saved("", before));
  for (const auto& [name, aside] : asides)
    if (const Set* set = earlier.find(name)) bring_temporary(*set, {}, aside.wanted, aside.name);
  changed_ = true;
  const Sets sets = TRY(saved(swaps, after));
  std::string other;
  for (const auto& [name, aside] : asides) {
    Set now = sets.find(aside.name) != nullptr ? *sets.find(aside.name) : Set{};
    now.name = name;
    if (earlier.find(name) != nullptr) bring_temporary(now, earlier, aside.wanted, name);
    if (!same_but_for_traffic(aside.known, now)) other = name;
  }
  if (!other.empty()) return error_of<messages::set_changed>(other);
  return {};
}

/// Makes the temporary members of the set `to` those of `from`, which came to be since `earlier`.
void SetLoader::bring_temporary(const Set& from, const Sets& earlier, const Set& wanted,
                                const std::string& to) {
  std::map<std::string_view, std::string_view> gone;
  if (const Set* set = earlier.find(from.name))
    for (const std::string_view member : set->temporary) gone.emplace(element_of(member), member);
  if (from.temporary.empty() && gone.empty()) return;
  std::unordered_set<std::string_view> permanent;
  for (const std::string_view member : wanted.members) permanent.insert(element_of(member));
  std::vector<std::string_view> news;
  for (const std::string_view member : from.temporary) {
    const auto known = gone.find(element_of(member));
    const bool brought = known != gone.end() && time_left(known->second) >= time_left(member);
    if (known != gone.end()) gone.erase(known);
    if (!brought && !permanent.contains(element_of(member))) news.push_back(member);
  }
  std::ranges::stable_sort(news, std::ranges::greater{}, time_left);
  std::size_t left_out = 0;
  const bool same = same_elements(from, wanted);
  if (const auto most = capacity_of(wanted); most && same && earlier.sets.empty()) {
    const std::size_t taken = wanted.members.size() + wanted.temporary.size();
    const std::size_t room = *most - std::min(taken, *most);
    left_out = news.size() - std::min(news.size(), room);
    news.resize(news.size() - left_out);
  }
  // Where a member may stand for a permanent one, `add -exist` and `del` would change that.
  std::vector<std::string> lines;
  for (const std::string_view member : news) {
    const auto words = fitting(member, wanted);
    lines.push_back(same ? add_line(to, words) : format("add {} {}\n", to, words));
  }
  if (same)
    for (const auto& [element, member] : gone)
      if (!permanent.contains(element)) lines.push_back(del_line(to, member));
  left_out += carry_out_most(lines);
  if (left_out > 0)
    log_warning("set {} has no place now for {}: left out", from.name, counted(left_out, "temporary member"));
}

std::size_t SetLoader::carry_out_most(std::span<const std::string> lines) {
  // Of many errors not all are kept (kernel/process.h).
  constexpr std::size_t kAtOnce = 500;
  std::string all;
  for (const auto& line : lines) all += line;
  if (all.empty()) return 0;
  if (const auto outcome = run_lines(all); outcome && outcome->ok()) return 0;
  std::size_t refused = 0;
  for (; !lines.empty(); lines = lines.subspan(std::min(kAtOnce, lines.size()))) {
    all.clear();
    for (const auto& line : lines.first(std::min(kAtOnce, lines.size()))) all += line;
    const auto outcome = run_lines(all, "-");
    for (const std::string_view line : outcome ? split_lines(outcome->err) : std::vector<std::string_view>{})
      if (line.starts_with("ipset v") && line.find("already added") == std::string_view::npos) ++refused;
  }
  return refused;
}

Result<std::string> SetLoader::restore(const std::string& input) {
  if (input.empty()) return std::string{};
  auto outcome = TRY(run_lines(input));
  if (outcome.ok()) return std::move(outcome.out);
  drop_fresh();  // what was filled aside
  return set_refusal(file_, input, outcome);
}

Result<Outcome> SetLoader::run_lines(const std::string& input, const char* mode) {
  const std::string program = programs_.ipset();
  if (program.empty()) return error_of<messages::ipset_missing>();
  Command command = programs_.command({program, mode}, input);
  // It asks libc for each address, which looks each time whether /etc/resolv.conf has changed
  // (resolv.conf(5)): for longer than it takes to add the member.
  command.environment.emplace_back("RES_OPTIONS=no-reload");
  return run(std::move(command), ErrorKind::kernel);
}

void SetLoader::drop_fresh() {
  const std::string program = programs_.ipset();
  if (program.empty()) return;
  for ([[maybe_unused]] const int pass : {1, 2}) {  // a list may come after its members
    for (int i = 1; i <= fresh_; ++i) {
      const std::string name = format("rewall-{}", i);
      if (live_.find(name) == nullptr && wanted_.find(name) == nullptr)  // one that is not there is no matter
        (void)run(programs_.command({program, "destroy", name}), ErrorKind::kernel);
    }
  }
}

Status SetLoader::destroy(const std::string& name) {
  const std::string program = programs_.ipset();
  if (program.empty()) return error_of<messages::ipset_missing>();
  Outcome last;
  // Right after its last rule is gone a set may still be in use for a moment.
  for (int attempt = 0; attempt < kDestroyAttempts; ++attempt) {
    if (attempt != 0) std::this_thread::sleep_for(kDestroyPause);
    auto outcome = TRY(run(programs_.command({program, "destroy", name}), ErrorKind::kernel));
    if (outcome.ok()) {
      present_.erase(name);
      return {};
    }
    last = std::move(outcome);
    if (last.err.find("in use") == std::string::npos) break;
  }
  return set_refusal(file_, {}, last).within(format("set {}", name));
}

void SetLoader::leave_lists(const std::string& name) {
  for (const auto& [list, set] : present_) {
    if (!is_list(set) || !has_timeout(set) || list == name) continue;
    const auto left = run_lines(format("del {} {}\n", list, name));
    if (left && left->ok()) log_warning("set {} has no place now for 1 temporary member: left out", list);
  }
}

Status SetLoader::drop_old() {
  for (const bool lists : {true, false}) {
    for (const Set& set : live_.sets) {
      if (is_list(set) != lists) continue;
      if (wanted_.find(set.name) != nullptr && !aliases_.contains(set.name)) continue;
      leave_lists(set.name);
      TRY(destroy(set.name));
    }
  }
  return {};
}

Status SetLoader::drop_aliases() {
  for (const bool lists : {true, false}) {  // an alias that is a list may name another alias
    for (const Set& set : wanted_.sets) {
      const auto alias = aliases_.find(set.name);
      if (alias != aliases_.end() && is_list(set) == lists) TRY(destroy(alias->second));
    }
  }
  return {};
}

}  // namespace rewall

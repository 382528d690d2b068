#include "ops/watch/credit.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "core/format.h"
#include "core/text.h"
#include "ops/context/ruleset_files.h"
#include "rules/print.h"

namespace rewall {
namespace {

// Nobody reads a message with more lines.
constexpr std::size_t kMostProved = 200;
constexpr std::size_t kMostPerhaps = 20;
constexpr std::size_t kMostUndone = 40;
constexpr std::size_t kMostPartsInLine = 8;

std::string part_name(Backend backend, const ChainName& chain) {
  return format("{}{} {} {}", short_name(chain.family), backend == Backend::legacy ? " (legacy)" : "",
                chain.table, chain.chain);
}

/// A part of a snapshot that changed.
struct Part {
  std::string name{};
  std::vector<std::size_t> changes{};  ///< of AttributedChanges, which changed it; none where nobody knows
};

std::vector<std::size_t> changes_of(const AttributedChanges& all, Backend backend, const ChainName& chain) {
  std::vector<std::size_t> standing;
  std::vector<std::size_t> perhaps;
  std::optional<std::size_t> newest;
  for (std::size_t i = 0; i < all.changes.size(); ++i) {
    const auto& change = all.changes[i];
    if (backend == Backend::legacy) {
      if (change.table == LegacyTableName{chain.family, chain.table})
        (change.perhaps_actor ? perhaps : standing).push_back(i);
      continue;
    }
    if (change.chains.contains(chain)) standing.push_back(i);
    if (change.touched.contains(chain)) newest = i;
  }
  if (!standing.empty()) return standing;
  // A rule that moved, or that says the same in other words: whoever changed the chain last.
  if (perhaps.empty() && newest) perhaps.push_back(*newest);
  return perhaps;
}

/// "inet filter input", "inet filter set hosts"; the notifications name the table alone.
std::string native_part_name(const Change& change) {
  auto name = format("{} {}", rewall::name(*change.native), change.table);
  if (!change.set.empty()) return format("{} set {}", name, change.set);
  return change.chain.empty() ? name : format("{} {}", name, change.chain);
}

/// Of the table that nft calls `title`.
std::vector<std::size_t> changes_of_table(const AttributedChanges& all, const std::string& title) {
  const auto of_table = [&](const ChainName& chain) {
    return format("{} {}", short_name(chain.family), chain.table) == title;
  };
  std::vector<std::size_t> changes;
  for (std::size_t i = 0; i < all.changes.size(); ++i)
    if (all.changes[i].native.contains(title) || std::ranges::any_of(all.changes[i].touched, of_table))
      changes.push_back(i);
  return changes;
}

std::vector<Part> parts_of(const AttributedChanges& all, const Diff& diff) {
  std::vector<Part> parts;
  std::set<std::string> seen;
  for (const auto& change : diff.changes) {
    if (change.native) {
      auto name = native_part_name(change);
      if (seen.insert(name).second)
        parts.push_back(
            {.name = std::move(name),
             .changes = changes_of_table(all, format("{} {}", rewall::name(*change.native), change.table))});
      continue;
    }
    // A table that went from the words of nft to those of iptables.
    if (change.kind == ChangeKind::table_changed && change.family) {
      auto title = format("{} {}", short_name(*change.family), change.table);
      auto changes = changes_of_table(all, title);
      if (seen.insert(title).second)
        parts.push_back({.name = std::move(title), .changes = std::move(changes)});
      continue;
    }
    const ChainName chain{change.family.value_or(Family::ipv4), change.table, change.chain};
    const auto backend = change.backend.value_or(Backend::nft);
    const bool is_set = !change.set.empty();
    auto name = is_set ? format("set {}", change.set) : part_name(backend, chain);
    if (!seen.insert(name).second) continue;
    parts.push_back({.name = std::move(name),
                     .changes = is_set ? std::vector<std::size_t>{} : changes_of(all, backend, chain)});
  }
  return parts;
}

Actor actor_for(const AttributedChange& change) {
  return change.actor.user.empty() ? nobody() : change.actor;
}

PartAuthor author_for(const Actor& actor, bool perhaps) {
  return {.person = actor.person, .actor = actor.text(), .perhaps = perhaps && !actor.user.empty()};
}

/// The authors of parts, each once, in the order of their changes.
class Authors {
 public:
  void add(const PartAuthor& who, const std::string& part) {
    const auto same = [&](const PartAuthor& other) {
      return std::tie(other.person.name, other.person.email, other.actor, other.perhaps) ==
             std::tie(who.person.name, who.person.email, who.actor, who.perhaps);
    };
    auto found = std::ranges::find_if(authors_, same);
    if (found == authors_.end()) found = authors_.insert(authors_.end(), who);
    if (std::ranges::find(found->parts, part) == found->parts.end()) found->parts.push_back(part);
  }
  std::vector<PartAuthor> take() {
    return authors_.size() > 1 ? std::move(authors_) : std::vector<PartAuthor>{};
  }

 private:
  std::vector<PartAuthor> authors_{};
};

std::string list_of(const std::vector<std::string>& parts) {
  if (parts.size() <= kMostPartsInLine) return join(parts, ", ");
  const std::vector<std::string> first(parts.begin(), parts.begin() + kMostPartsInLine);
  return format("{} and {} more", join(first, ", "), parts.size() - kMostPartsInLine);
}

/// Which changes a message lists, and how many it leaves out.
struct Listed {
  std::vector<std::size_t> changes{};
  std::size_t left_out = 0;
};

Listed listed(const AttributedChanges& all, const std::set<std::size_t>& wanted) {
  Listed list{.left_out = all.left_out};
  std::size_t proved = 0;
  std::size_t perhaps = 0;
  for (const auto i : wanted) {
    const bool only_fits = all.changes[i].perhaps;
    if ((only_fits ? perhaps++ : proved++) < (only_fits ? kMostPerhaps : kMostProved))
      list.changes.push_back(i);
    else
      ++list.left_out;
  }
  return list;
}

void add_commands(Credit& credit, const AttributedChanges& all, const std::vector<std::size_t>& changes) {
  for (const auto i : changes) {
    auto command = command_of(all.changes[i]);
    if (credit.commands.empty() || credit.commands.back() != command)
      credit.commands.push_back(std::move(command));
  }
}

}  // namespace

Credit credit_of(const AttributedChanges& all, const Diff& diff) {
  Credit credit;
  const auto parts = parts_of(all, diff);
  std::map<std::size_t, std::vector<std::string>> by_change;
  std::set<std::size_t> wanted;
  for (const auto& part : parts)
    for (const auto i : part.changes) {
      by_change[i].push_back(part.name);
      wanted.insert(i);
    }
  // Other words for the same rules are no change of a part, but somebody's work.
  if (diff.changes.empty())
    for (std::size_t i = 0; i < all.changes.size(); ++i) wanted.insert(i);
  Authors authors;
  for (const auto i : wanted)
    for (const auto& part : by_change[i])
      authors.add(author_for(actor_for(all.changes[i]), all.changes[i].perhaps_actor), part);
  for (const auto& part : parts)
    if (part.changes.empty()) authors.add(author_for(nobody(), false), part.name);
  credit.parts = authors.take();
  for (const auto i : wanted)
    if (!all.changes[i].perhaps_actor) credit.author = actor_for(all.changes[i]);
  const auto list = listed(all, wanted);
  add_commands(credit, all, list.changes);
  for (const auto i : list.changes) {
    auto line = text_of(all.changes[i]);
    if (!credit.parts.empty() && !by_change[i].empty()) line += ": " + list_of(by_change[i]);
    credit.notes.push_back(std::move(line));
  }
  if (list.left_out > 0) credit.notes.push_back(format("and {} more", counted(list.left_out, "change")));
  return credit;
}

std::vector<std::size_t> undone_rules(const AttributedChanges& all, std::span<const Owner> owners) {
  std::vector<std::size_t> places;
  const Ownership ownership(owners, {});
  for (std::size_t i = 0; i < all.undone.size() && places.size() < kMostUndone; ++i) {
    const auto& step = all.undone[i].step;
    if (!step.rule.expressions.empty() && ownership.of_chain(step.chain.chain) == nullptr)
      places.push_back(i);
  }
  return places;
}

namespace {

using Kind = ChainStep::Kind;

bool adds(Kind kind) {
  return kind == Kind::rule_added || kind == Kind::chain_added;
}

std::string other_policy(const std::string& policy) {
  return policy == "DROP" ? "ACCEPT" : "DROP";
}

/// Two rulesets that differ as undone steps made LIVE differ.
class BeforeAndThen {
 public:
  void add(const ChainStep& step, const std::string& words) {
    auto& chain = chains_[step.chain];
    if (step.kind == Kind::policy) {
      chain.before = other_policy(step.policy);
      chain.then = step.policy;
    } else if (step.kind == Kind::chain_added || step.kind == Kind::chain_removed) {
      (adds(step.kind) ? chain.is_new : chain.is_gone) = true;
    } else if (!words.empty()) {
      (adds(step.kind) ? chain.rules_then : chain.rules_before).push_back(words);
    }
  }

  Diff diff() const {
    const auto before = ruleset_of(files(false), "", "nft");
    const auto then = ruleset_of(files(true), "", "nft");
    return before && then ? compare(*before, *then) : Diff{};
  }

 private:
  struct Side {
    std::string before{"ACCEPT"};
    std::string then{"ACCEPT"};
    bool is_new = false;
    bool is_gone = false;
    std::vector<std::string> rules_before{};
    std::vector<std::string> rules_then{};
  };

  Files files(bool then) const {
    Files files;
    for (const Family family : {Family::ipv4, Family::ipv6}) {
      std::map<std::string, std::pair<std::string, std::string>> tables;
      for (const auto& [name, chain] : chains_) {
        if (name.family != family) continue;
        auto& [heads, rules] = tables[name.table];
        const bool is_own = !is_built_in(name.table, name.chain);
        if (then ? chain.is_gone : chain.is_new) continue;
        heads += format(":{} {} [0:0]\n", name.chain, is_own ? "-" : then ? chain.then : chain.before);
        for (const auto& rule : then ? chain.rules_then : chain.rules_before)
          rules += format("-A {} {}\n", name.chain, rule);
      }
      auto& text = files[std::string(file_name({family}))];
      for (const auto& [table, lines] : tables)
        text += format("*{}\n{}{}COMMIT\n", table, lines.first, lines.second);
    }
    return files;
  }

  std::map<ChainName, Side> chains_{};
};

const Owner* owner_of(const Ownership& ownership, const ChainStep& step, const std::string& words) {
  if (const auto* owner = ownership.of_chain(step.chain.chain)) return owner;
  return words.empty() ? nullptr : ownership.of_rule(step.chain.chain, words);
}

std::string title_of(const ChainStep& step, const std::string& words) {
  const auto chain = part_name(Backend::nft, step.chain);
  switch (step.kind) {
    case Kind::rule_added:
      return format("came and went: {}: {}", chain, words.empty() ? "a rule" : words);
    case Kind::rule_removed:
      return format("was gone for a moment: {}: {}", chain, words.empty() ? "a rule" : words);
    case Kind::chain_added:
      return format("came and went: chain {}", chain);
    case Kind::chain_removed:
      return format("was gone for a moment: chain {}", chain);
    case Kind::policy:
      return format("was {} for a moment: the policy of {}", step.policy, chain);
  }
  return {};
}

std::string who_of(const AttributedChange& change) {
  return change.who.words.empty() ? text_of(change) : format("{} ({})", command_of(change), text_of(change));
}

std::string subject_of(const Diff& diff, const ChainStep& first) {
  if (!diff.equal()) return subject(diff) + " (undone)";
  const bool six = first.chain.family == Family::ipv6;
  return format("{}{}/{}: a rule {} (undone)", six ? "ip6 " : "", first.chain.table, first.chain.chain,
                adds(first.kind) ? "added" : "removed");
}

}  // namespace

UndoneChanges describe_undone(const AttributedChanges& all, std::span<const std::string> words,
                              std::span<const Owner> owners) {
  UndoneChanges undone;
  const Ownership ownership(owners, {});
  BeforeAndThen states;
  const ChainStep* first = nullptr;
  std::set<std::size_t> makers;
  std::set<std::size_t> all_of_them;
  std::pair<std::size_t, std::size_t> last{};
  std::size_t shown = 0;
  std::size_t hidden = 0;
  const auto end_group = [&] {
    if (shown == 0) return;
    undone.notes.push_back("  done by: " + who_of(all.changes[last.first]));
    undone.notes.push_back("  undone by: " + who_of(all.changes[last.second]));
  };
  for (std::size_t i = 0; i < all.undone.size(); ++i) {
    const auto& [step, by, back_by] = all.undone[i];
    const std::string said = i < words.size() ? words[i] : "";
    if (const auto* owner = owner_of(ownership, step, said)) {
      ++undone.foreign[owner->name];
      continue;
    }
    if (first == nullptr) first = &step;
    makers.insert(by);
    all_of_them.insert(by);
    all_of_them.insert(back_by);
    if (shown >= kMostUndone) {
      ++hidden;
      continue;
    }
    if (std::pair{by, back_by} != last) end_group();
    last = {by, back_by};
    ++shown;
    states.add(step, said);
    undone.notes.push_back(title_of(step, said));
  }
  end_group();
  if (hidden > 0) undone.notes.push_back(format("and {} more, undone too", counted(hidden, "change")));
  if (first != nullptr) undone.subject = subject_of(states.diff(), *first);
  undone.by.assign(makers.begin(), makers.end());
  undone.commands.assign(all_of_them.begin(), all_of_them.end());
  return undone;
}

Credit credit_of_undone(const AttributedChanges& all, const UndoneChanges& undone) {
  Credit credit;
  Authors authors;
  for (const auto i : undone.by) {
    const auto actor = actor_for(all.changes[i]);
    credit.author = actor;
    for (const auto& step : all.undone)
      if (step.by == i) authors.add(author_for(actor, false), part_name(Backend::nft, step.step.chain));
  }
  credit.parts = authors.take();
  const std::set<std::size_t> wanted(undone.commands.begin(), undone.commands.end());
  add_commands(credit, all, listed(all, wanted).changes);
  credit.notes = undone.notes;
  return credit;
}

}  // namespace rewall

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "core/format.h"
#include "core/text.h"
#include "diff/diff.h"
#include "diff/interner.h"
#include "diff/pairs.h"
#include "diff/sequence.h"
#include "diff/sets_diff.h"
#include "rules/meaning.h"
#include "rules/rule.h"
#include "rules/sets.h"

namespace rewall {
namespace {

using Lines = std::vector<std::string>;
using SetNames = std::set<std::string_view>;

// Words of `ipset save`, each quoted for a shell: a quoted word ends at the next quote, nothing is
// escaped (ipset(8)).
std::string ipset_words(std::string_view words) {
  std::vector<std::string> out;
  while (!(words = trim(words)).empty()) {
    const bool quoted = words.starts_with('"');
    if (quoted) words.remove_prefix(1);
    const auto end = std::min(words.find(quoted ? '"' : ' '), words.size());
    out.push_back(shell_quote(words.substr(0, end)));
    words.remove_prefix(std::min(end + 1, words.size()));
  }
  return join(out, " ");
}

// Words of iptables-save, each quoted for a shell.
std::string shell_words(std::string_view words) {
  const auto split = split_words(words);
  if (!split) return shell_quote(words);
  std::vector<std::string> out;
  for (const auto& word : *split) out.push_back(shell_quote(word));
  return join(out, " ");
}

// --- rules ---

// A jump from a chain to a chain, by the newer names.
using Edge = std::pair<std::string, std::string>;
using Edges = std::set<Edge>;

// Writes the commands that make one table of `from` that of `to`, word for word.
class TableScript {
 public:
  TableScript(const BackendPair& tables, std::string program, const TablePair& pair, Lines& out)
      : tables_(tables), pair_(pair), out_(out), prefix_(std::move(program)) {
    if (pair.name != "filter") prefix_ += " -t " + shell_quote(pair.name);
  }

  void run() {
    for (const auto& [from, to] : pair_.renames) {
      say("-E " + shell_quote(from) + ' ' + shell_quote(to));
    }
    for (const auto& pair : pair_.chains) {
      if (pair.from == nullptr) say("-N " + shell_quote(pair.name()));
    }
    set_policies("ACCEPT");
    remove_looping_jumps();
    for (const auto& pair : pair_.chains) {
      if (pair.to != nullptr) edit(pair);
    }
    remove_chains();
    // Last, so that nobody is locked out while rules are still missing.
    set_policies("DROP");
  }

 private:
  void say(const std::string& words) { out_.push_back(prefix_ + ' ' + words); }

  void set_policies(std::string_view policy) {
    for (const auto& pair : pair_.chains) {
      if (pair.from == nullptr || pair.to == nullptr || pair.from->policy == pair.to->policy) continue;
      if (pair.to->policy == policy) say(format("-P {} {}", shell_quote(pair.name()), policy));
    }
  }

  void remove_chains() {
    for (const auto& pair : pair_.chains) {
      if (pair.to == nullptr && !old_rules(pair).empty()) say("-F " + shell_quote(pair.name()));
    }
    for (const auto& pair : pair_.chains) {
      if (pair.to == nullptr) say("-X " + shell_quote(pair.name()));
    }
  }

  // The words of the rules that are in the chain now, with the names that -E gave.
  std::vector<std::string>& old_rules(const ChainPair& pair) {
    const auto [place, fresh] = old_.try_emplace(pair.name());
    if (fresh && pair.from != nullptr) {
      for (const auto& rule : pair.from->rules) {
        place->second.push_back(names_renamed(rule.words, pair_.renames)
                                    ? renamed_words(rule.words, pair_.renames)
                                    : std::string(rule.words));
      }
    }
    return place->second;
  }

  // From the end to the start, so that positions before a change stay what they were.
  void edit(const ChainPair& pair) {
    if (same_text(pair)) return;
    const auto& before = old_rules(pair);
    const auto& after = pair.to->rules;
    if (after.empty()) {
      if (!before.empty()) say("-F " + shell_quote(pair.name()));
      return;
    }
    Interner number;
    std::vector<std::uint32_t> from;
    std::vector<std::uint32_t> to;
    for (const auto& words : before) from.push_back(number(words));
    for (const auto& rule : after) to.push_back(number(rule.words));
    const auto common = common_subsequence(from, to);
    auto from_end = before.size();
    auto to_end = after.size();
    for (auto kept = common.rbegin(); kept != common.rend(); ++kept) {
      edit_gap(pair, kept->first + 1, from_end, kept->second + 1, to_end);
      from_end = kept->first;
      to_end = kept->second;
    }
    edit_gap(pair, 0, from_end, 0, to_end);
  }

  // Makes rules [from, from_end) the rules [to, to_end) of the newer chain; all counted from 0.
  void edit_gap(const ChainPair& pair, std::size_t from, std::size_t from_end, std::size_t to,
                std::size_t to_end) {
    const auto chain = shell_quote(pair.name());
    const bool at_end = from_end == old_rules(pair).size();
    const auto words = [&](std::size_t j) { return shell_words(pair.to->rules[j].words); };
    for (; from < from_end && to < to_end; ++from, ++to) {
      say(format("-R {} {} {}", chain, from + 1, words(to)));
    }
    for (auto gone = from; gone < from_end; ++gone) say(format("-D {} {}", chain, from + 1));
    for (auto position = from + 1; to < to_end; ++position, ++to) {
      say(at_end ? format("-A {} {}", chain, words(to)) : format("-I {} {} {}", chain, position, words(to)));
    }
  }

  Edges edges_of(const ChainPair& pair, const std::vector<std::string>& rules) const {
    Edges out;
    for (const auto& words : rules) {
      const auto target = target_of(words, tables_.family);
      if (!target.empty()) out.emplace(pair.name(), target);
    }
    return out;
  }

  // A jump that goes and one that comes may close a loop while both are there, which the kernel refuses: then
  // those that go are removed first.
  void remove_looping_jumps() {
    Edges before;
    Edges after;
    for (const auto& pair : pair_.chains) {
      if (same_text(pair)) continue;
      before.merge(edges_of(pair, old_rules(pair)));
      after.merge(edges_of(pair, new_rules(pair)));
    }
    if (std::ranges::includes(before, after) || std::ranges::includes(after, before)) return;
    for (const auto& pair : pair_.chains) {
      if (!same_text(pair)) continue;
      after.merge(edges_of(pair, new_rules(pair)));
    }
    Edges all = after;
    all.insert(before.begin(), before.end());
    if (!has_loop(all)) return;
    for (const auto& pair : pair_.chains) {
      if (!same_text(pair)) remove_jumps(pair, after);
    }
  }

  static std::vector<std::string> new_rules(const ChainPair& pair) {
    std::vector<std::string> out;
    if (pair.to == nullptr) return out;
    for (const auto& rule : pair.to->rules) out.emplace_back(rule.words);
    return out;
  }

  void remove_jumps(const ChainPair& pair, const Edges& staying) {
    auto& rules = old_rules(pair);
    for (auto i = rules.size(); i-- > 0;) {
      const Edge edge{pair.name(), target_of(rules[i], tables_.family)};
      if (!is_chain(edge.second) || staying.contains(edge)) continue;
      say(format("-D {} {}", shell_quote(pair.name()), i + 1));
      rules.erase(rules.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }

  bool is_chain(std::string_view target) const {
    return std::ranges::find(pair_.chains, target, &ChainPair::name) != pair_.chains.end();
  }

  // Takes chains away that jump nowhere any more, until none is left or each left jumps to another one left.
  static bool has_loop(Edges edges) {
    for (;;) {
      std::set<std::string> callers;
      for (const auto& edge : edges) callers.insert(edge.first);
      const auto gone =
          std::erase_if(edges, [&](const Edge& edge) { return !callers.contains(edge.second); });
      if (gone == 0) return !edges.empty();
    }
  }

  const BackendPair& tables_;
  const TablePair& pair_;
  Lines& out_;
  std::string prefix_;
  std::map<std::string_view, std::vector<std::string>> old_{};
};

// "iptables" is what people type where only nft comes into question; legacy is never what it stands for by
// itself.
std::string program_of(const BackendPair& tables, bool one_backend) {
  const std::string program = tables.family == Family::ipv6 ? "ip6tables" : "iptables";
  return one_backend && tables.backend == Backend::nft ? program
                                                       : format("{}-{}", program, name(tables.backend));
}

bool on_one_backend(const Ruleset& from, const Ruleset& to) {
  return from.backend == to.backend && !from.both_backends() && !to.both_backends();
}

void write_rules(const Ruleset& from, const Ruleset& to, Lines& out) {
  auto backends = pair_backends(from, to);
  // What is only emptied comes last: a host that goes over to the other backend is never without rules.
  // Not the one of std::ranges: clang 14 cannot read it.
  std::stable_partition(backends.begin(), backends.end(),
                        [&](const BackendPair& tables) { return holds(to, tables.backend); });
  for (const auto& tables : backends) {
    const auto program = program_of(tables, on_one_backend(from, to));
    for (const auto& table : pair_tables(*tables.from, *tables.to))
      TableScript(tables, program, table, out).run();
  }
}

// --- sets ---

void remove_rules_naming(const SetNames& sets, Tables& tables) {
  for (auto& table : tables.tables) {
    for (auto& chain : table.chains) {
      std::erase_if(chain.rules, [&](const Rule& rule) {
        return names_set(rule.words, [&](std::string_view set) { return sets.contains(set); });
      });
    }
  }
}

Ruleset without_rules_naming(const SetNames& sets, const Ruleset& ruleset) {
  Ruleset out = ruleset;
  for (const Slot slot : Ruleset::slots()) remove_rules_naming(sets, out[slot]);
  return out;
}

std::string element_of(std::string_view member) {
  return shell_quote(member.substr(0, member.find(' ')));
}

class SetsScript {
 public:
  SetsScript(const Sets& from, const Sets& to, Lines& out) : from_(from), to_(to), out_(out) {
    for (const auto& set : to.sets) {
      const auto* old = from.find(set.name);
      if (old != nullptr && !same_options(*old, set) && !can_swap(*old, set)) replaced_.insert(set.name);
    }
  }

  /// Sets that cannot become what they shall be while a rule names them.
  const SetNames& replaced() const { return replaced_; }

  /// Lists of sets come last when sets are made, and first when members or sets are removed.
  void make() {
    shorten_lists();
    for (const bool lists : {true, false}) {
      for (const auto& set : from_.sets) {
        if (replaced_.contains(set.name) && is_list(set) == lists) destroy(set.name);
      }
    }
    for (const bool lists : {false, true}) {
      for (const auto& set : to_.sets) {
        if (is_list(set) == lists) make_set(set);
      }
    }
  }

  void remove() {
    for (const bool lists : {true, false}) {
      for (const auto& set : from_.sets) {
        if (to_.find(set.name) == nullptr && is_list(set) == lists) destroy(set.name);
      }
    }
  }

 private:
  void destroy(const std::string& name) { out_.push_back("ipset destroy " + shell_quote(name)); }

  void create(const Set& set, const std::string& name) {
    out_.push_back(format("ipset create {} {}{}", shell_quote(name), shell_quote(set.type),
                          set.options.empty() ? "" : ' ' + shell_words(set.options)));
    for (const auto member : set.members) add(name, member);
  }

  void add(const std::string& set, std::string_view member) {
    out_.push_back(format("ipset add {} {}", shell_quote(set), ipset_words(member)));
  }

  void remove(const std::string& set, std::string_view member) {
    out_.push_back(format("ipset del {} {}", shell_quote(set), element_of(member)));
  }

  // A list that stays loses its members from the first that differs or is replaced; make_set adds them again,
  // in order.
  void shorten_lists() {
    for (const auto& set : from_.sets) {
      const auto* newer = to_.find(set.name);
      if (!is_list(set) || replaced_.contains(set.name)) continue;
      if (newer == nullptr) {
        // It is destroyed last of all, when no rule names it.
        if (!replaced_.empty()) out_.push_back("ipset flush " + shell_quote(set.name));
        continue;
      }
      std::size_t kept = 0;
      while (kept < std::min(set.members.size(), newer->members.size()) &&
             set.members[kept] == newer->members[kept] && !replaced_.contains(set.members[kept])) {
        ++kept;
      }
      for (auto i = kept; i < set.members.size(); ++i) remove(set.name, set.members[i]);
      kept_of_list_[set.name] = kept;
    }
  }

  void make_set(const Set& set) {
    const auto* old = from_.find(set.name);
    if (old == nullptr || replaced_.contains(set.name)) return create(set, set.name);
    if (!same_options(*old, set)) return swap(set);
    if (is_list(set)) {
      for (auto i = kept_of_list_[set.name]; i < set.members.size(); ++i) add(set.name, set.members[i]);
      return;
    }
    const auto members = compare_members(*old, set);
    for (const auto member : members.removed) remove(set.name, member);
    for (const auto member : members.added) add(set.name, member);
  }

  void swap(const Set& set) {
    const auto aside = free_name();
    create(set, aside);
    out_.push_back(format("ipset swap {} {}", shell_quote(aside), shell_quote(set.name)));
    destroy(aside);
  }

  std::string free_name() const {
    std::string name = "rewall-aside";
    while (from_.find(name) != nullptr || to_.find(name) != nullptr) name += '+';
    return name;
  }

  const Sets& from_;
  const Sets& to_;
  Lines& out_;
  SetNames replaced_{};
  std::map<std::string_view, std::size_t> kept_of_list_{};
};

}  // namespace

std::vector<std::string> commands(const Ruleset& from, const Ruleset& to) {
  Lines out;
  SetsScript sets(from.sets, to.sets, out);
  if (sets.replaced().empty()) {
    sets.make();
    write_rules(from, to, out);
  } else {
    const auto between = without_rules_naming(sets.replaced(), from);
    write_rules(from, between, out);
    sets.make();
    write_rules(between, to, out);
  }
  sets.remove();
  return out;
}

}  // namespace rewall

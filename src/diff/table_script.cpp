#include "diff/table_script.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "core/format.h"
#include "core/text.h"
#include "diff/interner.h"
#include "diff/sequence.h"
#include "rules/extensions.h"
#include "rules/meaning.h"
#include "rules/rule.h"

namespace rewall {
namespace {

using Lines = std::vector<std::string>;

// iptables refuses to make a chain of these names, and takes a jump to the first kind for the target.
// iptables-restore does neither once the chain is declared in its input.
bool is_target_name(std::string_view name) {
  return find_target(name) != nullptr;
}
bool looks_like_option(std::string_view name) {
  return name.starts_with('-') || name.starts_with('!');
}
bool is_for_restore(std::string_view name) {
  return is_target_name(name) || looks_like_option(name);
}

// A word of a line of iptables-restore.
std::string restore_word(std::string_view word) {
  return word.find('"') == std::string_view::npos ? std::string(word) : quote_word(word);
}

// The name is part of the option's word where it would be read as an option itself: `-F -name` empties all
// chains.
std::string with_chain(std::string_view option, std::string_view chain) {
  return looks_like_option(chain) ? shell_quote(format("{}{}", option, chain))
                                  : format("{} {}", option, shell_quote(chain));
}

// Collects the commands of one table.
class TableCommands {
 public:
  TableCommands(const std::string& program, std::string_view table, Lines& out)
      : out_(out), program_(program), table_(table), prefix_(program) {
    if (table != "filter") prefix_ += " -t " + shell_quote(table);
  }

  // Words for the program.
  void run(const std::string& words) {
    end_block();
    out_.push_back(prefix_ + ' ' + words);
  }

  // A line that its restore takes and it does not.
  void restore(const std::string& line) { block_ += line + '\n'; }
  bool in_block() const { return !block_.empty(); }

  void end_block() {
    if (block_.empty()) return;
    out_.push_back(format("{}-restore --noflush <<'EOF'\n*{}\n{}COMMIT\nEOF", program_, table_, block_));
    block_.clear();
  }

 private:
  Lines& out_;
  std::string program_;
  std::string_view table_;
  std::string prefix_;
  std::string block_{};
};

// A jump from a chain to a chain, by the newer names.
using Edge = std::pair<std::string, std::string>;
using Edges = std::set<Edge>;

// Writes the commands that make one table of `from` that of `to`, word for word.
class TableScript {
 public:
  TableScript(const BackendPair& tables, const std::string& program, const TablePair& pair, Lines& out)
      : family_(tables.family), table_(pair.name), out_(program, pair.name, out) {
    for (const auto& chain : pair.chains) take_chain(chain);
  }

  void run() {
    for (const auto& [from, to] : renames_) out_.run(format("-E {} {}", shell_quote(from), shell_quote(to)));
    set_policies("ACCEPT");
    remove_rules_of_two_meanings();
    for (const auto& chain : chains_) {
      if (chain.from == nullptr) make_chain(chain.to->name);
    }
    remove_looping_jumps();
    for (const auto& chain : chains_) {
      if (chain.to != nullptr) edit(chain);
    }
    remove_chains();
    // Last, so that nobody is locked out while rules are still missing.
    set_policies("DROP");
    out_.end_block();
  }

 private:
  void take_chain(const ChainPair& chain) {
    const bool renamed = chain.from != nullptr && chain.to != nullptr && chain.from->name != chain.to->name;
    if (renamed && is_for_restore(chain.to->name)) {
      take_chain({chain.from, nullptr});
      take_chain({nullptr, chain.to});
      return;
    }
    if (renamed) renames_.emplace(chain.from->name, chain.to->name);
    if ((chain.from == nullptr || chain.to == nullptr) && is_target_name(chain.name()))
      two_meanings_.insert(chain.name());
    if (chain.to != nullptr && is_target_name(chain.to->name))
      like_targets_.emplace(chain.to->name, chain.to);
    chains_.push_back(chain);
    names_.insert(chain.name());
  }

  void set_policies(std::string_view policy) {
    for (const auto& chain : chains_) {
      if (chain.from == nullptr || chain.to == nullptr || chain.from->policy == chain.to->policy) continue;
      if (chain.to->policy != policy) continue;
      // iptables wants nobody to filter there.
      if (table_ == "nat" && policy == "DROP") {
        out_.restore(format(":{} {} [0:0]", chain.name(), policy));
      } else {
        out_.run(format("-P {} {}", shell_quote(chain.name()), policy));
      }
    }
  }

  void make_chain(const std::string& name) {
    if (is_for_restore(name)) {
      declare(name);
    } else {
      out_.run("-N " + shell_quote(name));
    }
  }

  // Makes the chain, or empties it; from here to the end of the block a jump to its name goes to it. False
  // when the block has declared it already.
  bool declare(const std::string& name) {
    if (!out_.in_block()) declared_.clear();
    if (!declared_.insert(name).second) return false;
    out_.restore(format(":{} - [0:0]", name));
    return true;
  }

  void remove_chains() {
    for (const auto& chain : chains_) {
      if (chain.to == nullptr && !old_rules(chain).empty()) out_.run(with_chain("-F", chain.name()));
    }
    for (const auto& chain : chains_) {
      if (chain.to == nullptr && !removed_.contains(chain.name())) out_.run(with_chain("-X", chain.name()));
    }
  }

  // The words of the rules that are in the chain now, with the names that -E gave.
  Lines& old_rules(const ChainPair& chain) {
    const auto [place, fresh] = old_.try_emplace(chain.name());
    if (fresh && chain.from != nullptr) {
      for (const auto& rule : chain.from->rules) {
        place->second.push_back(names_renamed(rule.words, renames_) ? renamed_words(rule.words, renames_)
                                                                    : std::string(rule.words));
      }
    }
    return place->second;
  }

  bool stays_as_it_is(const ChainPair& chain) const {
    return same_text(chain) && !shortened_.contains(chain.name());
  }

  // Removes the rules that `unwanted` is true of, from the end to the start.
  template <class Unwanted>
  void remove_old_rules(const ChainPair& chain, Unwanted unwanted) {
    auto& rules = old_rules(chain);
    std::vector<bool> gone(rules.size());
    for (auto i = rules.size(); i-- > 0;) {
      gone[i] = unwanted(rules[i]);
      if (!gone[i]) continue;
      out_.run(format("-D {} {}", shell_quote(chain.name()), i + 1));
      shortened_.insert(chain.name());
    }
    std::size_t place = 0;
    std::erase_if(rules, [&](const std::string&) { return gone[place++]; });
  }

  // `-j LOG` is the target on one side and a chain on the other: such rules differ, though their words do
  // not. A chain of legacy hides the target for as long as it is there.
  void remove_rules_of_two_meanings() {
    if (two_meanings_.empty()) return;
    for (const auto& chain : chains_) {
      remove_old_rules(chain, [this](const std::string& words) {
        return two_meanings_.contains(target_of(words, family_));
      });
    }
    for (const auto& chain : chains_) {
      if (chain.to != nullptr || !two_meanings_.contains(chain.name())) continue;
      if (!old_rules(chain).empty()) out_.run(with_chain("-F", chain.name()));
      old_rules(chain).clear();
      out_.run(with_chain("-X", chain.name()));
      removed_.insert(chain.name());
    }
  }

  // From the end to the start, so that positions before a change stay what they were.
  void edit(const ChainPair& chain) {
    if (stays_as_it_is(chain) || refilled_.contains(chain.name())) return;
    const auto& before = old_rules(chain);
    const auto& after = chain.to->rules;
    if (after.empty()) {
      if (!before.empty()) out_.run(with_chain("-F", chain.name()));
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
      edit_gap(chain, kept->first + 1, from_end, kept->second + 1, to_end);
      from_end = kept->first;
      to_end = kept->second;
    }
    edit_gap(chain, 0, from_end, 0, to_end);
  }

  // Makes rules [from, from_end) the rules [to, to_end) of the newer chain; all counted from 0.
  void edit_gap(const ChainPair& pair, std::size_t from, std::size_t from_end, std::size_t to,
                std::size_t to_end) {
    const auto& name = pair.to->name;
    const bool at_end = from_end == old_rules(pair).size();
    for (; from < from_end && to < to_end; ++from, ++to) put("-R", name, from + 1, pair.to->rules[to].words);
    for (auto gone = from; gone < from_end; ++gone) out_.run(format("-D {} {}", shell_quote(name), from + 1));
    for (auto position = from + 1; to < to_end; ++position, ++to)
      put(at_end ? "-A" : "-I", name, at_end ? 0 : position, pair.to->rules[to].words);
  }

  // `position`: 0 for none.
  void put(std::string_view option, const std::string& chain, std::size_t position, std::string_view words) {
    if (!jumps_to_name_of_target(words)) {
      const auto place = position == 0 ? std::string{} : format(" {}", position);
      out_.run(format("{} {}{} {}", option, shell_quote(chain), place, shell_words(words)));
    } else {
      restore_rule(option, chain, position, words);
    }
  }

  void restore_rule(std::string_view option, const std::string& chain, std::size_t position,
                    std::string_view words) {
    if (jumps_to_name_of_target(words)) declare_with_rules(target_of(words, family_));
    const auto place = position == 0 ? std::string{} : format(" {}", position);
    out_.restore(format("{} {}{} {}", option, restore_word(chain), place, words));
  }

  bool jumps_to_name_of_target(std::string_view words) const {
    if (like_targets_.empty()) return false;
    const auto rule = parse_rule(words, family_);
    return rule && rule->target && !rule->target->go_to && rule->target->options.empty() &&
           like_targets_.contains(rule->target->name);
  }

  // A declaration empties a chain that is there, so its rules come with it.
  void declare_with_rules(const std::string& name) {
    if (!declare(name)) return;
    refilled_.insert(name);
    for (const auto& rule : like_targets_.at(name)->rules) restore_rule("-A", name, 0, rule.words);
  }

  Edges edges_of(const ChainPair& chain, const Lines& rules) const {
    Edges out;
    for (const auto& words : rules) {
      const auto target = target_of(words, family_);
      if (!target.empty()) out.emplace(chain.name(), target);
    }
    return out;
  }

  // A jump that goes and one that comes may close a loop while both are there, which the kernel refuses: then
  // those that go are removed first.
  void remove_looping_jumps() {
    Edges before;
    Edges after;
    for (const auto& chain : chains_) {
      if (stays_as_it_is(chain)) continue;
      before.merge(edges_of(chain, old_rules(chain)));
      after.merge(edges_of(chain, new_rules(chain)));
    }
    if (std::ranges::includes(before, after) || std::ranges::includes(after, before)) return;
    for (const auto& chain : chains_) {
      if (stays_as_it_is(chain)) after.merge(edges_of(chain, new_rules(chain)));
    }
    Edges all = after;
    all.insert(before.begin(), before.end());
    if (!has_loop(all)) return;
    for (const auto& chain : chains_) {
      if (!stays_as_it_is(chain)) remove_jumps(chain, after);
    }
  }

  static Lines new_rules(const ChainPair& chain) {
    Lines out;
    if (chain.to == nullptr) return out;
    for (const auto& rule : chain.to->rules) out.emplace_back(rule.words);
    return out;
  }

  void remove_jumps(const ChainPair& chain, const Edges& staying) {
    remove_old_rules(chain, [&](const std::string& words) {
      const Edge edge{chain.name(), target_of(words, family_)};
      return names_.contains(edge.second) && !staying.contains(edge);
    });
  }

  // Takes chains away that jump nowhere any more, until none is left or each left jumps to another one left
  // (Kahn 1962).
  static bool has_loop(const Edges& edges) {
    std::map<std::string_view, std::size_t> jumps;  // of a chain, to chains that are left
    std::map<std::string_view, std::vector<std::string_view>> callers;
    for (const auto& [from, to] : edges) {
      ++jumps[from];
      jumps.try_emplace(to, 0);
      callers[to].push_back(from);
    }
    std::vector<std::string_view> ends;
    for (const auto& [chain, count] : jumps)
      if (count == 0) ends.push_back(chain);
    std::size_t gone = 0;
    while (!ends.empty()) {
      const auto chain = ends.back();
      ends.pop_back();
      ++gone;
      for (const auto caller : callers[chain])
        if (--jumps[caller] == 0) ends.push_back(caller);
    }
    return gone < jumps.size();
  }

  Family family_;
  std::string_view table_;
  TableCommands out_;
  std::vector<ChainPair> chains_{};
  std::set<std::string_view, std::less<>> names_{};  // of chains_
  Renames renames_{};
  std::map<std::string_view, Lines> old_{};
  std::set<std::string_view> shortened_{};  // chains that lost rules before they are edited
  std::set<std::string_view> removed_{};
  std::set<std::string_view, std::less<>> two_meanings_{};  // names of targets; chains on one side alone
  std::map<std::string_view, const Chain*, std::less<>> like_targets_{};  // the newer chains with such a name
  std::set<std::string> declared_{};               // in the block that is being written
  std::set<std::string, std::less<>> refilled_{};  // chains that have all their newer rules
};

}  // namespace

void write_table_commands(const BackendPair& tables, const std::string& program, const TablePair& pair,
                          std::vector<std::string>& out) {
  TableScript(tables, program, pair, out).run();
}

std::string shell_words(std::string_view words) {
  const auto split = split_words(words);
  if (!split) return shell_quote(words);
  Lines out;
  for (const auto& word : *split) out.push_back(shell_quote(word));
  return join(out, " ");
}

}  // namespace rewall

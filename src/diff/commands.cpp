#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

#include "core/format.h"
#include "core/text.h"
#include "diff/diff.h"
#include "diff/native_script.h"
#include "diff/pairs.h"
#include "diff/sets_diff.h"
#include "diff/table_script.h"
#include "rules/sets.h"
#include "rules/table_forms.h"

namespace rewall {
namespace {

using Lines = std::vector<std::string>;
using SetNames = std::set<std::string_view>;

// --- rules ---

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
      write_table_commands(tables, program, table, out);
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
    for (const auto& set : from.sets) old_sets_.emplace(set.name, &set);
    for (const auto& set : to.sets) new_sets_.emplace(set.name, &set);
    for (const auto& set : to.sets) {
      const auto* old = find(old_sets_, set.name);
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
        if (!new_sets_.contains(set.name) && is_list(set) == lists) destroy(set.name);
      }
    }
  }

 private:
  using ByName = std::unordered_map<std::string_view, const Set*>;

  static const Set* find(const ByName& sets, std::string_view name) {
    const auto found = sets.find(name);
    return found == sets.end() ? nullptr : found->second;
  }

  void destroy(const std::string& name) { out_.push_back("ipset destroy " + shell_quote(name)); }

  void create(const Set& set, const std::string& name) {
    out_.push_back(format("ipset create {} {}{}", shell_quote(name), shell_quote(set.type),
                          set.options.empty() ? "" : ' ' + shell_words(set.options)));
    for (const auto member : set.members) add(name, member);
  }

  // A comment is for `ipset restore` to read: ipset 7.22 crashes on one among its arguments.
  void add(const std::string& set, std::string_view member) {
    static constexpr std::string_view kBegin = "ipset restore <<'EOF'\n";
    static constexpr std::string_view kEnd = "EOF";
    if (member.find(" comment \"") == std::string_view::npos) {
      auto& line = out_.emplace_back("ipset add " + shell_quote(set));
      for (const auto word : split(member, ' ')) line += ' ' + shell_quote(word);
      return;
    }
    if (out_.empty() || !out_.back().starts_with(kBegin)) out_.push_back(format("{}{}", kBegin, kEnd));
    auto& lines = out_.back();
    lines.insert(lines.size() - kEnd.size(), format("add {} {}\n", set, member));
  }

  void remove(const std::string& set, std::string_view member) {
    out_.push_back(format("ipset del {} {}", shell_quote(set), element_of(member)));
  }

  // A list that stays loses its members from the first that differs or is replaced; make_set adds them again,
  // in order.
  void shorten_lists() {
    for (const auto& set : from_.sets) {
      const auto* newer = find(new_sets_, set.name);
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
    const auto* old = find(old_sets_, set.name);
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
    while (old_sets_.contains(name) || new_sets_.contains(name)) name += '+';
    return name;
  }

  const Sets& from_;
  const Sets& to_;
  Lines& out_;
  ByName old_sets_{};
  ByName new_sets_{};
  SetNames replaced_{};
  std::map<std::string_view, std::size_t> kept_of_list_{};
};

// Where nobody recorded what `to` has, nothing is taken away.
void write_native(const Ruleset& from, const Ruleset& to, Lines& out) {
  static const NativeTables kNone{};
  if (!to.native) return;
  const auto script = native_script(from.native ? *from.native : kNone, *to.native, from.native.has_value());
  if (!script.empty()) out.push_back("nft -f - <<'EOF'\n" + script + "EOF");
}

}  // namespace

namespace {

/// A table that has another form in `to` is made anew: `from` is as if there was none.
Ruleset without_other_forms(Ruleset from, const Ruleset& to, Lines& out) {
  for (const auto& [family, table] : tables_in_different_forms(from, to)) {
    // Where nft makes it, native_script() deletes it.
    if (find_in_nft_words(from, family, table) != nullptr)
      out.push_back(format("nft delete table {} {}", short_name(family), table));
    remove_table(from, family, table);
  }
  return from;
}

}  // namespace

std::vector<std::string> commands(const Ruleset& before, const Ruleset& to) {
  Lines out;
  const Ruleset from = without_other_forms(before, to, out);
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
  write_native(from, to, out);
  return out;
}

}  // namespace rewall

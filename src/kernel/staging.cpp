#include "kernel/staging.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <numeric>
#include <optional>
#include <unordered_set>
#include <utility>
#include <vector>

#include "core/format.h"
#include "core/log.h"
#include "core/messages.h"
#include "core/text.h"
#include "kernel/loader.h"
#include "kernel/native_batch.h"
#include "kernel/nft_staging.h"
#include "kernel/printed.h"
#include "kernel/reading.h"
#include "kernel/refusal.h"
#include "kernel/scratch.h"
#include "kernel/set_loader.h"
#include "kernel/transaction.h"
#include "rules/owners.h"
#include "rules/print.h"
#include "rules/sets.h"

namespace rewall {

namespace {

using Positions = std::vector<std::uint32_t>;

/// Tables as they go into the scratch namespace: all of them, or what live lacks.
struct Part {
  const BackendTables& of;
  Tables tables{};
  bool whole = true;
};

Positions all_of(std::size_t count) {
  Positions positions(count);
  std::iota(positions.begin(), positions.end(), 0U);
  return positions;
}

/// The wanted rules that have to be made.
Positions missing(const Chain* live, const Chain& wanted, const SetNames& aliases) {
  Positions positions;
  const auto stay = staying(live, wanted, aliases);
  auto next = stay.begin();
  for (std::uint32_t i = 0; i < wanted.rules.size(); ++i) {
    if (next != stay.end() && next->second == i)
      ++next;
    else
      positions.push_back(i);
  }
  return positions;
}

/// A part's rules in the chains that they need. No policy of a table that LIVE has: no rule asks for one, and
/// of a chain whose policy was set after it was made the kernel puts something away, which the program's last
/// system call waits for, some 15 ms (nf_tables_commit and nft_rcv_nl_event in
/// net/netfilter/nf_tables_api.c). Of other tables all built-in chains are made here, so that the kernel can
/// say where iptables puts them.
std::string text_of_part(const Tables& part, const Tables& live) {
  std::string text;
  for (const Table& table : part.tables) {
    const std::string all = canonical_text(table);
    const bool known = live.find(table.name) != nullptr;
    for (std::string_view rest = all; !rest.empty();) {
      const auto line = rest.substr(0, rest.find('\n') + 1);
      rest.remove_prefix(line.size());
      if (!known || !line.starts_with(':') || line.ends_with(" - [0:0]\n")) text += line;
    }
  }
  return text;
}

class Staging {
 public:
  /// `links` are the interfaces of LIVE.
  Staging(Programs& programs, const Ruleset& wanted, const Ruleset* live, const FileNames& names, Links links)
      : programs_(programs),
        wanted_(wanted),
        live_(live),
        names_(names),
        links_(std::move(links)),
        wanted_tables_(tables_by_backend(wanted, names)) {}

  /// On a thread inside. Nothing when the kernel spelled the rules of a part in another number of rules: all
  /// of them have to be seen then.
  Result<std::optional<Ruleset>> run(Scratch& scratch) {
    TRY(make_sets());
    for (const BackendTables& tables : wanted_tables_) parts_.push_back(part_of(tables, scratch));
    TRY(load());
    const auto native = take_new_native();
    if (!native.empty()) TRY(load_native(programs_, native, *wanted_.native, names_.native, links_));
    auto reading = read_once(
        programs_,
        {.nft = wanted_.backend == Backend::nft,
         .legacy = wanted_.backend == Backend::legacy || wanted_.both_backends(),
         .native = !native.empty()},
        raw_names_ ? std::function<void()>{} : [&] { scratch.list_rules(); });
    if (reading && reading->disagreement) reading = *std::move(reading->disagreement);
    if (!reading) {
      Error error = std::move(reading).error().within("scratch network namespace");
      error.kind = ErrorKind::kernel;
      return error;
    }
    if (live_ == nullptr) return std::optional(whole(*std::move(reading), scratch));
    return respelled(*std::move(reading), scratch);
  }

 private:
  /// Rules need their sets; what is in them nobody asks here, but of a file that a person wrote.
  Status make_sets() {
    const Sets none;
    Sets sets = wanted_.sets;
    if (live_ != nullptr) {
      // Sets that are only removed are not made here, and the kernel tells of LIVE's sets without ipset.
      if (programs_.ipset().empty() && !same_but_for_traffic(live_->sets, wanted_.sets))
        return error_of<messages::ipset_missing>();
      for (Set& set : sets.sets) {
        set.members.clear();
        set.temporary.clear();
      }
      aliases_ = SetLoader(programs_, live_->sets, wanted_.sets).aliases();
    }
    return SetLoader(programs_, none, sets, names_.sets).fill({});
  }

  Part part_of(const BackendTables& of, Scratch& scratch) {
    if (live_ == nullptr || of.backend != Backend::nft) return {of, *of.tables};
    const Tables& live = live_->tables(of.family, Backend::nft);
    Part part{of, {.family = of.family, .texts = of.tables->texts}, false};
    for (const Table& table : of.tables->tables) {
      auto some = part_of(table, live.find(table.name), of.family, scratch);
      if (some) part.tables.tables.push_back(*std::move(some));
    }
    return part;
  }

  /// The rules that have to be made, in their chains, and the chains that they lead to.
  std::optional<Table> part_of(const Table& wanted, const Table* live, Family family,
                               Scratch& scratch) const {
    Table part{.name = wanted.name};
    std::vector<std::string> targets;
    std::unordered_set<const Chain*> taken;
    const ChainIndex old(live);
    const ChainIndex all(&wanted);
    for (const Chain& chain : wanted.chains) {
      auto positions = missing(old.find(chain.name), chain, aliases_);
      Chain some{.name = chain.name, .policy = chain.policy};
      for (const std::uint32_t position : positions) {
        some.rules.push_back(chain.rules[position]);
        targets.push_back(jump_of(chain.rules[position].words));
      }
      if (!positions.empty() || chain.built_in()) {
        part.chains.push_back(std::move(some));
        taken.insert(&chain);
      }
      if (!positions.empty()) scratch.positions[{family, wanted.name, chain.name}] = std::move(positions);
    }
    if (targets.empty() && live != nullptr) return std::nullopt;
    std::ranges::sort(targets);
    targets.erase(std::unique(targets.begin(), targets.end()), targets.end());
    for (std::string& target : targets) {
      const Chain* chain = all.find(target);
      if (chain != nullptr && !taken.contains(chain))
        part.chains.push_back({.name = std::move(target), .policy = chain->policy});
    }
    return part;
  }

  Status load() {
    std::vector<const Part*> used;
    std::vector<std::string> texts;
    std::vector<Command> commands;
    for (const Part& part : parts_) {
      std::string text = part.whole ? canonical_text(part.tables)
                                    : text_of_part(part.tables, live_->tables(part.of.family, Backend::nft));
      if (text.empty()) continue;
      raw_names_ = raw_names_ || holds_quoted_names(text);
      auto command = TRY(restore_command(programs_, part.of, text));
      commands.push_back(std::move(command));
      used.push_back(&part);
      texts.push_back(std::move(text));
    }
    const auto outcomes = TRY(run_side_by_side(std::move(commands), ErrorKind::kernel));
    for (std::size_t i = 0; i < used.size(); ++i) {
      if (outcomes[i].ok()) continue;
      const BackendTables& of = used[i]->of;
      const auto accepts = [&](const std::string& text) {
        auto command = restore_command(programs_, of, text);
        if (!command) return false;
        const auto tried = rewall::run(*std::move(command), ErrorKind::kernel);
        return tried && tried->ok();
      };
      return refusal({.tables = *of.tables, .file = of.file, .text = std::move(texts[i])}, outcomes[i],
                     accepts);
    }
    return {};
  }

  /// The native tables that have to be loaded, as far as they have to be.
  std::vector<const NativeTable*> take_new_native() {
    std::vector<const NativeTable*> all;
    if (!wanted_.native) return all;
    const NativeTables none;
    const NativeTables& live = live_ != nullptr && live_->native ? *live_->native : none;
    for (const NativeTable* table : differing_tables(*wanted_.native, live))
      loaded_.tables.push_back(part_to_load(*table, live.find(table->family, table->name), loaded_.texts));
    for (const NativeTable& table : loaded_.tables) all.push_back(&table);
    return all;
  }

  /// The wanted native tables in nft's words, as far as they were loaded here. False where a part of a table
  /// reads otherwise: all of it has to be seen then.
  bool native_as_read(const std::optional<NativeTables>& read, std::optional<NativeTables>& out) const {
    out = wanted_.native;
    if (!out || !read) return true;
    out->texts.insert(out->texts.end(), read->texts.begin(), read->texts.end());
    for (NativeTable& table : out->tables) {
      const NativeTable* seen = read->find(table.family, table.name);
      const NativeTable* given = loaded_.find(table.family, table.name);
      if (seen == nullptr || given == nullptr) continue;
      const bool is_whole = same_text(*given, table);
      if (!is_whole && !same_text(*given, *seen)) return false;
      if (is_whole) table = *seen;
    }
    return true;
  }

  Ruleset whole(Reading reading, Scratch& scratch) const {
    Ruleset ruleset{.backend = wanted_.backend};
    for (const Slot slot : Ruleset::slots())
      if (wanted_.uses(slot))
        ruleset[slot] = std::move(reading.tables(wanted_.backend_of(slot), slot.family));
    ruleset.sets = with_temporary(std::move(reading.sets));
    native_as_read(reading.native, ruleset.native);  // whole tables
    if (ruleset.backend != Backend::nft) return ruleset;
    for (const Tables* tables : {&ruleset.v4, &ruleset.v6})
      for (const Table& table : tables->tables)
        for (const Chain& chain : table.chains)
          scratch.positions[{tables->family, table.name, chain.name}] = all_of(chain.rules.size());
    return ruleset;
  }

  /// What is read says nothing of the members that pass by themselves.
  Sets with_temporary(Sets sets) const {
    for (Set& set : sets.sets) {
      if (const Set* wanted = wanted_.sets.find(set.name)) set.temporary = wanted->temporary;
    }
    sets.texts.insert(sets.texts.end(), wanted_.sets.texts.begin(), wanted_.sets.texts.end());
    return sets;
  }

  /// `wanted` in the kernel's words.
  std::optional<Ruleset> respelled(Reading reading, const Scratch& scratch) const {
    Ruleset ruleset = wanted_;
    if (!native_as_read(reading.native, ruleset.native)) return std::nullopt;
    for (const Slot slot : Ruleset::slots())
      if (wanted_.uses(slot) && wanted_.backend_of(slot) == Backend::legacy)
        ruleset[slot] = std::move(reading.tables(Backend::legacy, slot.family));
    if (wanted_.backend == Backend::nft) {
      for (Tables* tables : {&ruleset.v4, &ruleset.v6}) {
        const Tables& read = reading.tables(Backend::nft, tables->family);
        tables->texts.insert(tables->texts.end(), read.texts.begin(), read.texts.end());
        for (Table& table : tables->tables)
          if (!respell(table, ChainIndex(read.find(table.name)), tables->family, scratch))
            return std::nullopt;
      }
    }
    return ruleset;
  }

  static bool respell(Table& table, const ChainIndex& read, Family family, const Scratch& scratch) {
    for (Chain& chain : table.chains) {
      const auto positions = scratch.positions.find({family, table.name, chain.name});
      if (positions == scratch.positions.end()) continue;
      const Chain* made = read.find(chain.name);
      if (made == nullptr || made->rules.size() != positions->second.size()) return false;
      for (std::size_t i = 0; i < made->rules.size(); ++i)
        chain.rules[positions->second[i]].words = made->rules[i].words;
    }
    return true;
  }

  Programs& programs_;
  const Ruleset& wanted_;
  const Ruleset* live_;
  const FileNames& names_;
  Links links_;
  NativeTables loaded_{};  ///< what of the native tables was loaded here
  std::vector<BackendTables> wanted_tables_;
  SetNames aliases_{};
  std::vector<Part> parts_{};
  bool raw_names_ = false;  ///< the kernel has to be asked which of the printed words are names
};

/// A rule whose set is not in the kernel yet cannot be tested there.
std::string testable(const std::string& text) {
  std::string out;
  for (const std::string_view line : split_lines(text)) (out += names_set(line) ? "#" : line) += '\n';
  return out;
}

Result<Staged> test_here(Programs& programs, const Ruleset& wanted, const FileNames& names) {
  log_warning(
      "no privilege for a scratch network namespace: each table was tested only, no set was, and the tables "
      "are "
      "loaded one after the other");
  for (const BackendTables& of : tables_by_backend(wanted, names)) {
    const std::string text = canonical_text(*of.tables);
    if (text.empty()) continue;
    auto command = TRY(restore_command(programs, of, testable(text), {"--test"}));
    const auto outcome = run(std::move(command), ErrorKind::kernel);
    if (!outcome) return outcome.error();
    if (!outcome->ok()) return refusal({.tables = *of.tables, .file = of.file, .text = text}, *outcome);
  }
  return Staged{.ruleset = wanted};
}

}  // namespace

Task<std::shared_ptr<Scratch>> make_scratch() {
  return beside("scratch network namespace", ErrorKind::kernel, [] { return Scratch::make(); });
}

Result<Staged> stage(Programs& programs, const Ruleset& wanted, const Ruleset* live, const FileNames& names,
                     Task<std::shared_ptr<Scratch>> ready) {
  // Sets that are only removed are not made here, and the kernel tells of LIVE's sets without ipset.
  if (live != nullptr && programs.ipset().empty() && !same_but_for_traffic(live->sets, wanted.sets))
    return error_of<messages::ipset_missing>();
  auto made = ready.get();
  if (!made) {
    if (made.error().kind == ErrorKind::permission) return test_here(programs, wanted, names);
    return std::move(made).error();
  }
  auto scratch = *std::move(made);
  Result<std::optional<Ruleset>> staged = std::optional<Ruleset>{};
  auto links = wanted.native ? list_links() : Links{};
  TRY(scratch->space.run(
      [&] { staged = Staging(programs, wanted, live, names, std::move(links)).run(*scratch); }));
  // A rule may need what another one makes that is in force already (RATEEST, say): all of them are tried
  // then.
  const bool partly = live != nullptr;
  if (partly && (!staged || !*staged)) return stage(programs, wanted, nullptr, names);
  if (!staged) return std::move(staged).error();
  return Staged{.ruleset = **std::move(staged), .scratch = std::move(scratch)};
}

}  // namespace rewall

#include "kernel/staging.h"

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <set>
#include <unordered_set>
#include <utility>
#include <vector>

#include "core/file.h"
#include "core/format.h"
#include "core/log.h"
#include "core/messages.h"
#include "core/text.h"
#include "kernel/batch.h"
#include "kernel/loader.h"
#include "kernel/native_batch.h"
#include "kernel/nft_listing.h"
#include "kernel/nft_staging.h"
#include "kernel/printed.h"
#include "kernel/reading.h"
#include "kernel/refusal.h"
#include "kernel/rule_list.h"
#include "kernel/scratch.h"
#include "kernel/set_loader.h"
#include "kernel/transaction.h"
#include "rules/owners.h"
#include "rules/print.h"
#include "rules/sets.h"
#include "rules/table_forms.h"

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
  Staging(Programs& programs, const Ruleset& wanted, const Ruleset* live, const FileNames& names, Links links,
          const SettleForms& settle)
      : programs_(programs),
        settle_(settle),
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
    TRY(make_noted_rules(native, scratch));
    if (!native.empty()) TRY(load_native(programs_, native, *wanted_.native, names_.native, links_));
    auto reading = read_once(
        programs_,
        {.nft = wanted_.backend == Backend::nft,
         .legacy = wanted_.backend == Backend::legacy || wanted_.both_backends(),
         .native = !native.empty(),
         .in_nft_words = titles_of(native)},
        raw_names_ ? std::function<void()>{} : [&] { scratch.list_rules(); });
    if (reading && reading->disagreement) reading = *std::move(reading->disagreement);
    if (!reading) {
      Error error = std::move(reading).error().within("scratch network namespace");
      error.kind = ErrorKind::kernel;
      return error;
    }
    TRY(put_noted_rules(scratch));
    TRY(find_sayable());
    auto ruleset = live_ == nullptr ? std::optional(whole(*std::move(reading), scratch))
                                    : respelled(*std::move(reading), scratch);
    if (ruleset) put_sayable(*ruleset, scratch);
    return ruleset;
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
      if (loads_apart(of, texts[i])) continue;
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

  /// Loads the tables each by itself, as they are put in force: with a chain LOG in an earlier table
  /// iptables-restore 1.8.9 does not know the options of the target LOG in a later one.
  bool loads_apart(const BackendTables& of, std::string_view text) {
    constexpr std::string_view kEnd = "\nCOMMIT\n";
    if (text.find(kEnd) + kEnd.size() >= text.size()) return false;
    while (!text.empty()) {
      const auto end = text.find(kEnd);
      if (end == std::string_view::npos) return false;
      auto command = restore_command(programs_, of, std::string(text.substr(0, end + kEnd.size())));
      if (!command) return false;
      const auto outcome = rewall::run(*std::move(command), ErrorKind::kernel);
      if (!outcome || !outcome->ok()) return false;
      text.remove_prefix(end + kEnd.size());
    }
    return true;
  }

  /// The native tables that have to be loaded, as far as they have to be.
  std::vector<const NativeTable*> take_new_native() {
    std::vector<const NativeTable*> all;
    if (!wanted_.native) return all;
    const NativeTables none;
    const NativeTables& live = live_ != nullptr && live_->native ? *live_->native : none;
    for (const NativeTable* table : differing_tables(*wanted_.native, live)) {
      // Of a table of iptables' name all has to be seen, to know in whose words it is.
      const NativeTable* same = iptables_family(*table) ? nullptr : live.find(table->family, table->name);
      loaded_.tables.push_back(part_to_load(*table, same, loaded_.texts));
    }
    for (const NativeTable& table : loaded_.tables) all.push_back(&table);
    return all;
  }

  /// Rules with a note are made by iptables, each table by itself, and kept for load().
  Status make_noted_rules(const std::vector<const NativeTable*>& tables, const Scratch& scratch) {
    for (const NativeTable* table : tables) {
      const auto family = iptables_family(*table);
      if (!family) continue;
      Table rules{.name = table->name};
      std::vector<std::string> chains;
      std::set<std::string> targets;
      for (const NativePart& part : table->parts) {
        if (!part.is_chain()) continue;
        Chain chain{.name = std::string(part.name),
                    .policy = is_built_in(table->name, part.name) ? "ACCEPT" : "-"};
        for (const auto rule : part.rules) {
          const auto words = split_note(rule).iptables;
          if (words.empty()) continue;
          chain.rules.push_back({.words = words});
          targets.insert(jump_of(words));
        }
        if (chain.rules.empty()) continue;
        chains.push_back(chain.name);
        rules.chains.push_back(std::move(chain));
      }
      if (chains.empty()) continue;
      for (const std::string& target : targets)
        if (table->find("chain", target) != nullptr && rules.find(target) == nullptr)
          rules.chains.push_back(
              {.name = target, .policy = is_built_in(table->name, target) ? "ACCEPT" : "-"});
      const Tables all{.family = *family, .tables = {std::move(rules)}};
      const BackendTables of{
          .backend = Backend::nft, .family = *family, .tables = &all, .file = names_.native};
      const std::string text = canonical_text(all);
      auto command = TRY(restore_command(programs_, of, text));
      const auto outcome = TRY(rewall::run(std::move(command), ErrorKind::kernel));
      if (!outcome.ok())
        return Error{.kind = ErrorKind::kernel,
                     .message = format("{}: table {}: {}", of.file, table->title(), outcome.text())};
      noted_.emplace(table->title(), TRY(scratch.take_table(*family, table->name, chains)));
    }
    return {};
  }

  /// What nft made of the rules with a note gives way to what iptables makes of them.
  Status put_noted_rules(const Scratch& scratch) const {
    for (const NativeTable& table : loaded_.tables) {
      const auto rules = noted_.find(table.title());
      if (rules == noted_.end()) continue;
      Batch batch(0);
      for (const NativePart& part : table.parts) {
        const auto of_chain = rules->second.find(std::string(part.name));
        if (!part.is_chain() || of_chain == rules->second.end()) continue;
        const auto made = TRY(read_raw_rules(*scratch.socket, table.family, table.name, of_chain->first));
        if (made.size() != part.rules.size()) return not_made(table, part);
        auto next = of_chain->second.begin();
        for (std::size_t i = 0; i < made.size(); ++i) {
          const auto words = split_note(part.rules[i]).iptables;
          if (words.empty()) continue;
          if (next == of_chain->second.end()) return not_made(table, part);
          Compat compat;
          if (has_extension(next->expressions)) compat = TRY(compat_of(words, *iptables_family(table)));
          batch.replace_rule({*iptables_family(table), table.name, of_chain->first}, *next++, compat,
                             made[i].handle);
        }
      }
      if (batch.empty()) continue;
      if (const auto refused = batch.send(*scratch.socket))
        return Error{.kind = ErrorKind::kernel,
                     .message = format("table {}: the kernel refuses a rule with a note: {}", table.title(),
                                       errno_text(refused->error))};
    }
    return {};
  }

  static Error not_made(const NativeTable& table, const NativePart& part) {
    return Error{.kind = ErrorKind::kernel,
                 .message = format("table {}: chain {}: a rule with a note was not staged", table.title(),
                                   escape(part.name))};
  }

  /// Tables in the words of nft that iptables can say as they are now here: a capture would have them in its
  /// words.
  Status find_sayable() {
    if (!settle_ || wanted_.backend != Backend::nft) return {};
    const bool any = std::ranges::any_of(
        loaded_.tables, [](const NativeTable& table) { return iptables_family(table).has_value(); });
    if (!any) return {};
    auto reading = TRY(read_once(programs_, {.nft = true}));
    if (reading.disagreement) return *std::move(reading.disagreement);
    TRY(settle_(reading));
    for (const NativeTable& table : loaded_.tables) {
      const auto family = iptables_family(table);
      if (!family) continue;
      const auto is_it = [&](const UnsayableTable& one) {
        return one.family == *family && one.name == table.name;
      };
      if (std::ranges::any_of(reading.unsayable, is_it)) continue;
      const Tables& read = reading.tables(Backend::nft, *family);
      if (const Table* said = read.find(table.name)) sayable_.push_back({*family, *said, read.texts});
    }
    return {};
  }

  /// `ruleset` with the tables of find_sayable() in the words of iptables.
  void put_sayable(Ruleset& ruleset, Scratch& scratch) const {
    for (const auto& [family, table, texts] : sayable_) {
      remove_table(ruleset, family, table.name);
      Tables& tables = ruleset[{family, false}];
      tables.tables.push_back(table);
      tables.texts.insert(tables.texts.end(), texts.begin(), texts.end());
      for (const Chain& chain : table.chains)
        scratch.positions[{family, table.name, chain.name}] = all_of(chain.rules.size());
    }
  }

  static std::set<std::string> titles_of(const std::vector<const NativeTable*>& tables) {
    std::set<std::string> titles;
    for (const NativeTable* table : tables) titles.insert(table->title());
    return titles;
  }

  /// The wanted native tables in nft's words, as far as they were loaded here. False where a part of a table
  /// reads otherwise: all of it has to be seen then.
  bool native_as_read(const std::optional<NativeTables>& read, std::optional<NativeTables>& out) const {
    out = wanted_.native;
    if (!out || !read) return true;
    out->texts.insert(out->texts.end(), read->texts.begin(), read->texts.end());
    for (NativeTable& table : out->tables) {
      const NativeTable* listed = read->find(table.family, table.name);
      const NativeTable* given = loaded_.find(table.family, table.name);
      if (listed == nullptr || given == nullptr) continue;
      const NativeTable seen = with_notes(*listed, *given, out->texts);
      const bool is_whole = same_text(*given, table);
      if (!is_whole && !same_text(*given, seen)) return false;
      if (is_whole) table = seen;
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
  const SettleForms& settle_;
  const Ruleset& wanted_;
  const Ruleset* live_;
  const FileNames& names_;
  Links links_;
  NativeTables loaded_{};  ///< what of the native tables was loaded here
  std::vector<BackendTables> wanted_tables_;
  SetNames aliases_{};
  std::vector<Part> parts_{};
  /// What iptables makes of rules with a note, by table and chain, in order.
  std::map<std::string, std::map<std::string, std::vector<RawRule>>> noted_{};
  struct Sayable {
    Family family = Family::ipv4;
    Table table{};
    std::vector<std::shared_ptr<const std::string>> texts{};
  };
  std::vector<Sayable> sayable_{};
  bool raw_names_ = false;  ///< the kernel has to be asked which of the printed words are names
};

/// A rule whose set is not in the kernel yet cannot be tested there.
std::string testable(const std::string& text) {
  std::string out;
  for (const std::string_view line : split_lines(text)) (out += names_set(line) ? "#" : line) += '\n';
  return out;
}

Result<Staged> test_here(Programs& programs, const Ruleset& wanted, const FileNames& names) {
  if (const auto title = first_in_nft_words(wanted))
    return error_of<messages::nft_words_without_scratch>(*title);
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
                     Task<std::shared_ptr<Scratch>> ready, const SettleForms& settle) {
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
      [&] { staged = Staging(programs, wanted, live, names, std::move(links), settle).run(*scratch); }));
  // A rule may need what another one makes that is in force already (RATEEST, say): all of them are tried
  // then.
  const bool partly = live != nullptr;
  if (partly && (!staged || !*staged)) return stage(programs, wanted, nullptr, names, make_scratch(), settle);
  if (!staged) return std::move(staged).error();
  return Staged{.ruleset = **std::move(staged), .scratch = std::move(scratch)};
}

Result<NativeTable> in_nft_words(Programs& programs, const Ruleset& ruleset, Family family,
                                 const std::string& table,
                                 std::vector<std::shared_ptr<const std::string>>& texts) {
  if (programs.nft().empty()) return error_of<messages::nft_missing>();
  Ruleset alone{.sets = ruleset.sets};
  take_table(alone, ruleset, family, table);
  const auto staged = TRY(stage(programs, alone, nullptr, {}));
  if (staged.scratch == nullptr)
    return error_of<messages::nft_words_without_scratch>(format("{} {}", short_name(family), table));
  const NftTable of{.family = number_of(family), .name = table};
  Result<NativeListing> listing = NativeListing{};
  TRY(staged.scratch->space.run([&] { listing = list_native(programs, {&of, 1}); }));
  if (!listing) return std::move(listing).error();
  if (listing->disagreement) return *std::move(listing->disagreement);
  if (listing->tables.tables.empty())
    return Error{.kind = ErrorKind::kernel, .message = join(listing->notes, "; ")};
  texts.insert(texts.end(), listing->tables.texts.begin(), listing->tables.texts.end());
  return listing->tables.tables.front();
}

}  // namespace rewall

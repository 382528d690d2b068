#include "kernel/loader.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "core/format.h"
#include "core/messages.h"
#include "kernel/chains.h"
#include "kernel/nft_staging.h"
#include "kernel/nftables.h"
#include "kernel/reading.h"
#include "kernel/set_loader.h"
#include "kernel/table_owner.h"
#include "kernel/transaction.h"
#include "rules/table_forms.h"

namespace rewall {

std::vector<BackendTables> tables_by_backend(const Ruleset& ruleset, const FileNames& names) {
  std::vector<BackendTables> all;
  for (const Slot slot : Ruleset::slots()) {
    if (!ruleset.uses(slot)) continue;
    all.push_back({.backend = ruleset.backend_of(slot),
                   .family = slot.family,
                   .tables = &ruleset[slot],
                   .file = names.of(slot)});
  }
  return all;
}

namespace {

/// Both families of both backends: tables that are not wanted become empty.
std::vector<BackendTables> tables_of_all_backends(const Ruleset& wanted) {
  static const Ruleset kNothing;
  auto all = tables_by_backend(wanted);
  for (const Backend backend : kBackends) {
    if (std::ranges::find(all, backend, &BackendTables::backend) != all.end()) continue;
    for (BackendTables none : tables_by_backend(kNothing)) {
      none.backend = backend;
      all.push_back(std::move(none));
    }
  }
  return all;
}

/// Where there is no scratch namespace: table by table, both backends.
Status load_by_tables(Programs& programs, const Ruleset& wanted, const Ruleset& live) {
  for (const Ruleset* ruleset : {&wanted, &live})
    if (const auto title = first_in_nft_words(*ruleset))
      return error_of<messages::nft_words_without_scratch>(*title);
  SetLoader sets(programs, live.sets, wanted.sets);
  TableLoader tables(programs, tables_by_backend(live));
  const auto all = tables_of_all_backends(wanted);
  const bool native = wanted.native && live.native;
  if (native) TRY(load_by_nft(programs, *live.native, *wanted.native));
  auto done = sets.fill(sets.aliases());
  if (done) done = sets.swap();
  if (done) done = tables.bring(all, sets.aliases());
  if (!done) {
    if (native)
      if (const auto back = load_by_nft(programs, *wanted.native, *live.native); !back)
        done.error().message += format("; the native tables could not be put back: {}", back.error().message);
    // Rules that name a set keep it from going.
    if (tables.whole()) sets.undo();
    return done;
  }
  TRY(sets.drop_old());
  if (sets.aliases().empty()) return {};
  TRY(sets.fill({}));
  TRY(sets.swap());
  TRY(tables.bring(all, {}));
  return sets.drop_aliases();
}

Ruleset legacy_part(const Ruleset& ruleset) {
  Ruleset part;
  part.backend = Backend::legacy;
  part.v4 = ruleset.tables(Family::ipv4, Backend::legacy);
  part.v6 = ruleset.tables(Family::ipv6, Backend::legacy);
  return part;
}

/// What the sets are called in the rules when all is done.
SetNames own_names(const SetNames& aliases) {
  SetNames names;
  for (const auto& [name, alias] : aliases) names.emplace(name, name);
  return names;
}

/// What iptables-save would print of a chain, but for its name.
ChainText text_of(const Tables& tables, const ChainName& name) {
  const Table* table = tables.find(name.table);
  const Chain* chain = table != nullptr ? table->find(name.chain) : nullptr;
  ChainText text{.chain = name.chain, .policy = chain != nullptr ? chain->policy : "ACCEPT"};
  if (chain == nullptr) return text;
  for (const Rule& rule : chain->rules)
    text.rules.append("-A ").append(name.chain).append(1, ' ').append(rule.words).append(1, '\n');
  return text;
}

/// True when the host's programs print the changed chains word for word as they are wanted. False also where
/// they are many, or in other words: LIVE is read whole then, and compared by meaning.
bool reads_back(Programs& programs, const Ruleset& wanted, const std::map<ChainName, bool>& changed) {
  constexpr std::size_t kMany = 256;
  if (changed.size() > kMany) return false;
  const auto read = read_chains(programs, changed);
  if (!read || !*read) return false;
  return std::ranges::all_of(**read, [&](const ChainsOfTable& table) {
    const Tables& tables = wanted.tables(table.family, Backend::nft);
    return std::ranges::all_of(table.chains, [&](const ChainText& chain) {
      if (chain.policy.empty()) return true;
      const ChainText expected = text_of(tables, {table.family, table.table, chain.chain});
      return chain.policy == expected.policy && chain.rules == expected.rules;
    });
  });
}

class Load {
 public:
  Load(Programs& programs, const Staged& staged, const Ruleset& live,
       LiveTables live_tables = LiveTables::known)
      : programs_(programs),
        staged_(staged),
        live_tables_(live_tables),
        live_(live),
        sets_(programs, live.sets, staged.ruleset.sets),
        live_legacy_(legacy_part(live)),
        wanted_legacy_(legacy_part(staged.ruleset)),
        tables_(programs, tables_by_backend(live_legacy_)) {}

  Result<Loaded> carry_out(const std::optional<Generation>& generation) {
    using Phase = TableLoader::Phase;
    const auto legacy = tables_by_backend(wanted_legacy_);
    Transaction transaction(programs_, live_, staged_.ruleset, *staged_.scratch, sets_.aliases(),
                            live_tables_);
    auto done = sets_.fill(sets_.aliases());
    if (done) done = transaction.prepare(generation ? generation->number : 0);
    if (done) done = sets_.swap();
    const bool both = !transaction.empty();
    if (done) done = tables_.bring(legacy, sets_.aliases(), both ? Phase::before_transaction : Phase::all);
    if (done && both) done = transaction.send();
    if (!done) {
      tables_.put_back(done.error());
      if (tables_.whole()) sets_.undo();
      return std::move(done).error();
    }
    const auto now = both ? next(generation) : generation;
    const bool nft_alone = live_legacy_.v4.tables.empty() && live_legacy_.v6.tables.empty() &&
                           wanted_legacy_.v4.tables.empty() && wanted_legacy_.v6.tables.empty();
    const bool proven = now && nft_alone && same_native() && read_generation() == now &&
                        reads_back(programs_, staged_.ruleset, transaction.changed()) &&
                        read_generation() == now;
    if (auto finished = finish(legacy); !finished) return in_force_already(std::move(finished).error());
    if (!sets_.aliases().empty()) return Loaded{};
    return Loaded{.generation = now, .reads_back = proven};
  }

 private:
  static std::optional<Generation> next(std::optional<Generation> generation) {
    if (generation && ++generation->number == 0) ++generation->number;  // nf_tables_commit
    return generation;
  }

  /// The transaction was carried out: it is not for whoever called to plan again as if nothing had happened.
  static Error in_force_already(Error error) {
    if (error.kind == ErrorKind::refused) error.kind = ErrorKind::kernel;
    return error;
  }

  /// Native tables are read back by a whole capture.
  bool same_native() const {
    const auto& wanted = staged_.ruleset.native;
    if (!wanted) return true;
    return live_.native && print_native(*wanted) == print_native(*live_.native);
  }

  Status finish(const std::vector<BackendTables>& legacy) {
    TRY(tables_.bring(legacy, sets_.aliases(), TableLoader::Phase::after_transaction));
    TRY(sets_.drop_old());
    return sets_.aliases().empty() ? Status{} : name_sets();
  }

  /// The rules name aliases, and the sets that they stand for are gone: they come back as they should be.
  Status name_sets() {
    TRY(sets_.fill({}));
    TRY(sets_.swap());
    const SetNames names = own_names(sets_.aliases());
    const auto generation = read_generation();
    Transaction transaction(programs_, staged_.ruleset, staged_.ruleset, *staged_.scratch, names);
    TRY(transaction.prepare(generation ? generation->number : 0));
    TRY(tables_.bring(tables_by_backend(wanted_legacy_), {}));
    if (!transaction.empty()) {
      TRY(transaction.send());
    }
    return sets_.drop_aliases();
  }

  Programs& programs_;
  const Staged& staged_;
  LiveTables live_tables_;
  const Ruleset& live_;
  SetLoader sets_;
  Ruleset live_legacy_;
  Ruleset wanted_legacy_;
  TableLoader tables_;
};

/// Where LIVE is not known, tables that a process owns are left alone.
Result<Staged> without_owned(Staged staged) {
  for (const OwnedTable& table : TRY(list_owned_tables())) remove_table(staged.ruleset, table);
  return staged;
}

}  // namespace

Result<Loaded> load(Programs& programs, const Staged& staged, const Ruleset& live,
                    const std::optional<Generation>& generation) {
  if (staged.scratch != nullptr) return Load(programs, staged, live).carry_out(generation);
  TRY(load_by_tables(programs, staged.ruleset, live));
  return Loaded{};
}

Status check(Programs& programs, const Staged& staged, const Ruleset* live,
             const std::optional<Generation>& generation) {
  static const Ruleset kNothing;
  if (staged.scratch == nullptr) return {};
  const SetNames aliases =
      live != nullptr ? SetLoader(programs, live->sets, staged.ruleset.sets).aliases() : SetNames{};
  std::optional<Staged> alone;
  if (live == nullptr) alone = TRY(without_owned(staged));
  Transaction transaction(programs, live != nullptr ? *live : kNothing,
                          alone ? alone->ruleset : staged.ruleset, *staged.scratch, aliases,
                          live != nullptr ? LiveTables::known : LiveTables::unknown);
  return transaction.check(generation ? generation->number : 0);
}

Status load_anew(Programs& programs, const Staged& staged) {
  if (staged.scratch == nullptr) return error_of<messages::not_replaceable>();
  auto reading = TRY(read_once(programs, {.legacy = true, .native = true, .as_far_as_can_be = true}));
  Ruleset live;
  live.sets = std::move(reading.sets);
  live.native = std::move(reading.native);
  for (const Slot slot : Ruleset::slots())
    if (slot.beside) live[slot] = std::move(reading.tables(Backend::legacy, slot.family));
  const Staged wanted = TRY(without_owned(staged));
  auto loaded = TRY(Load(programs, wanted, live, LiveTables::unknown).carry_out(std::nullopt));
  return {};
}

}  // namespace rewall

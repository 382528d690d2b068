#include "kernel/reading.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <utility>

#include "core/file.h"
#include "core/format.h"
#include "core/messages.h"
#include "core/parallel.h"
#include "core/text.h"
#include "kernel/nft_listing.h"
#include "kernel/nftables.h"
#include "kernel/set_dump.h"
#include "kernel/set_numbers.h"
#include "kernel/trouble.h"
#include "rules/parse.h"
#include "rules/print.h"
#include "rules/sets.h"

namespace rewall {

namespace {

/// A program at work, and the tables it has to speak of.
struct Save {
  Backend backend = Backend::nft;
  Family family = Family::ipv4;
  std::string program{};
  std::vector<std::string> tables{};
  bool alone = false;  ///< the program is asked for its one table

  std::vector<std::string> words() const {
    return alone ? std::vector<std::string>{program, "-t", tables.front()}
                 : std::vector<std::string>{program};
  }
};

std::string hint_for(Backend backend, Family family, const std::string& table) {
  if (backend == Backend::legacy)
    return format("`{}tables-legacy -t {} -S` shows what it says", family == Family::ipv4 ? "ip" : "ip6",
                  table);
  return format(
      "`nft list table {} {}` shows the rule that iptables cannot say; write it with iptables, or move it to "
      "a table of its own",
      short_name(family), table);
}

Error unreadable(Backend backend, Family family, const std::string& table, const std::string& what) {
  return Error{.kind = ErrorKind::capture,
               .message = format("table {} {}: {}", short_name(family), table, what),
               .hint = hint_for(backend, family, table)};
}

/// iptables-nft-save 1.8.9 says so in a comment on standard output, with exit status 0:
///   # Table `filter' is incompatible, use 'nft' tool.
///   # Table `filter' contains incompatible base-chains, use 'nft' tool to list them.
/// `only` names the table that is meant; any where it is empty.
std::optional<Error> find_incompatible(const Save& save, std::string_view text, std::string_view only = {}) {
  constexpr std::string_view kStart = "# Table `";
  for (auto at = text.find(kStart); at != std::string_view::npos; at = text.find(kStart, at + 1)) {
    if (at != 0 && text[at - 1] != '\n') continue;
    const std::string_view line = text.substr(at, text.find('\n', at) - at);
    if (line.find("incompatible") == std::string_view::npos) continue;
    const std::string_view rest = line.substr(kStart.size());
    const std::string table(rest.substr(0, rest.find('\'')));
    if (!only.empty() && only != table) continue;
    const bool chains = line.find("base-chains") != std::string_view::npos;
    return unreadable(save.backend, save.family, table,
                      chains ? "incompatible, it holds base chains that nft made"
                             : "incompatible, it holds a rule that nft made");
  }
  return std::nullopt;
}

/// True where a program printed a table to its COMMIT, as far as lines alone can tell.
bool prints_whole(std::string_view text, std::string_view table) {
  const auto begin = format("*{}\n", table);
  auto at = text.find(begin);
  while (at != std::string_view::npos && at != 0 && text[at - 1] != '\n') at = text.find(begin, at + 1);
  return at != std::string_view::npos && text.find("\nCOMMIT\n", at) < text.find("\n*", at);
}

/// The table that a program was at when it failed; empty when it had not begun.
std::string last_table(std::string_view text) {
  const auto at = text.rfind("\n*");
  const auto begin = text.starts_with('*') && at == std::string_view::npos ? 1
                     : at == std::string_view::npos                        ? text.size()
                                                                           : at + 2;
  return std::string(text.substr(begin, text.find('\n', begin) - begin));
}

Error failed(const Save& save, const Outcome& outcome) {
  if (says_not_permitted(outcome.err)) return not_permitted(base_name(save.program), outcome.text());
  if (outcome.err.find("Can't open socket to ipset") != std::string::npos)
    return error_of<messages::no_raw_socket>(base_name(save.program), outcome.text());
  const std::string what = format("{}: {}", base_name(save.program), outcome.text());
  const std::string table = last_table(outcome.out);
  if (!table.empty() && outcome.signal == 0 && !outcome.timed_out)
    return unreadable(save.backend, save.family, table, what);
  return error_of<messages::save_failed>(base_name(save.program), outcome.text(), save.program);
}

/// A table with its first rule of unknown shape: where a program gives up, it says of which table at best.
std::optional<UnsayableTable> first_unknown(const std::vector<KernelTable>& tables) {
  for (const KernelTable& table : tables)
    for (const KernelChain& chain : table.chains)
      for (const OddRule& rule : chain.odd)
        if (!rule.unknown.empty())
          return UnsayableTable{
              .family = table.family,
              .name = table.name,
              .part = format("chain {}, rule {}", escape(chain.name), rule.place + 1),
              .chain = chain.name,
              .place = rule.place,
              .why = error_of<messages::incompatible_rule>(
                  place_of(table, chain, rule.place), rule.unknown,
                  format("{} {} {}", short_name(table.family), table.name, shell_quote(chain.name)))};
  return std::nullopt;
}

/// The tables of a program that ended well. `told` is what the kernel says of them; null where nobody asked.
Result<Tables> believe(const Save& save, const Outcome& outcome, TablesStream& read,
                       const std::vector<KernelTable>* told, Reading& reading) {
  std::optional<Printed> printed;
  if (outcome.ok() && told != nullptr)
    printed = TRY(hold_against_kernel(outcome.out, *told, base_name(save.program)));
  if (!printed || printed->disagreement || printed->tables < told->size()) {
    if (told != nullptr)
      if (auto table = first_unknown(*told)) return std::move(table->why);
    if (auto incompatible = find_incompatible(save, outcome.out)) return *std::move(incompatible);
  }
  if (!outcome.ok()) return failed(save, outcome);
  const bool changed = printed && !printed->disagreement && printed->text;
  auto tables =
      changed ? parse_saved(*std::move(printed->text), save.family, base_name(save.program)) : read.finish();
  if (printed && printed->disagreement) {
    if (!reading.disagreement) reading.disagreement = std::move(printed->disagreement);
    return Tables{.family = save.family};
  }
  if (!tables) {
    Error error = std::move(tables).error();
    error.kind = ErrorKind::capture;
    return error;
  }
  for (const std::string& name : save.tables)
    if (tables->find(name) == nullptr)
      return unreadable(save.backend, save.family, name, base_name(save.program) + " left it out");
  if (!printed) return tables;
  std::ranges::move(printed->notes, std::back_inserter(reading.notes));
  std::ranges::move(printed->doubtful, std::back_inserter(reading.doubtful));
  return tables;
}

/// What keeps the words of iptables from saying a table whole, as far as the kernel's list and the program
/// show it. `text` is what the program printed, and `said` that as far as it speaks of what it cannot print.
std::optional<UnsayableTable> find_unsayable(const Save& save, const KernelTable& table,
                                             std::string_view text, std::string_view said) {
  if (!table.foreign_part.empty())
    return UnsayableTable{
        .family = table.family,
        .name = table.name,
        .part = escape(table.foreign_part),
        .why = error_of<messages::incompatible_part>(format("{} {}", short_name(table.family), table.name),
                                                     escape(table.foreign_part))};
  auto incompatible = find_incompatible(save, said, table.name);
  if (auto rule = first_unknown({table})) {
    // Where the program printed the table, its words have to be tried.
    if (incompatible || !prints_whole(text, table.name)) return rule;
    return std::nullopt;
  }
  if (!incompatible) return std::nullopt;
  const bool chains = incompatible->message.find("base chains") != std::string::npos;
  return UnsayableTable{.family = table.family,
                        .name = table.name,
                        .part = chains ? "base chains that nft made" : "a rule that nft made",
                        .why = *std::move(incompatible)};
}

/// What the program says of tables that it cannot print. Nothing where it is the line of a comment: a text
/// with line breaks that agrees with the kernel's list says all tables.
std::string_view says_of_incompatible(std::string_view text, const std::vector<KernelTable>& told,
                                      std::string_view program) {
  if (text.find("# Table `") == std::string_view::npos) return {};
  const auto printed = hold_against_kernel(text, told, program);
  const bool agrees = printed && !printed->disagreement && printed->tables == told.size();
  return agrees && printed->text ? std::string_view{} : text;
}

/// The tables of a family of the nft backend. Those that the program cannot say go to Reading::unsayable; the
/// others are printed one by one then, so that nothing of those can be taken for theirs.
Result<Tables> believe_sayable(Programs& programs, const Save& save, const Outcome& outcome,
                               TablesStream& read, const std::vector<KernelTable>& told, Reading& reading) {
  const auto said = says_of_incompatible(outcome.out, told, base_name(save.program));
  std::map<std::string, UnsayableTable> unsayable;
  for (const KernelTable& table : told)
    if (auto found = find_unsayable(save, table, outcome.out, said))
      unsayable.emplace(table.name, *std::move(found));
  if (outcome.signal != 0 || outcome.timed_out || unsayable.empty()) {
    auto tables = believe(save, outcome, read, &told, reading);
    // Of a rule that it does not know a program may also print a line too few.
    const auto unknown = tables ? std::nullopt : first_unknown(told);
    if (!unknown || tables.error().message != unknown->why.message) return tables;
    for (const KernelTable& table : told)
      if (auto rule = first_unknown({table})) unsayable.emplace(table.name, *std::move(rule));
  }
  Tables all{.family = save.family};
  for (const KernelTable& table : told) {
    if (const auto found = unsayable.find(table.name); found != unsayable.end()) {
      reading.unsayable.push_back(std::move(found->second));
      continue;
    }
    const Save alone{.backend = save.backend,
                     .family = save.family,
                     .program = save.program,
                     .tables = {table.name},
                     .alone = true};
    TablesStream stream(save.family, base_name(save.program));
    auto command = programs.command(alone.words());
    command.listener = [&stream](std::string_view piece) { stream.take(piece); };
    const auto printed = TRY(run(std::move(command), ErrorKind::capture));
    const std::vector<KernelTable> one{table};
    auto tables = TRY(believe(alone, printed, stream, &one, reading));
    std::ranges::move(tables.tables, std::back_inserter(all.tables));
    std::ranges::move(tables.texts, std::back_inserter(all.texts));
  }
  return all;
}

std::vector<std::string> names_of(const std::vector<NftTable>& tables, Family family,
                                  const std::set<std::string>& in_nft_words) {
  std::vector<std::string> names;
  for (const NftTable& table : tables)
    if (table.iptables_family() == family && !in_nft_words.contains(table.text()))
      names.push_back(table.name);
  return names;
}

/// iptables-save prints a dormant table like any other, and no packet meets its rules.
Status refuse_dormant(Backends backends, const std::vector<NftTable>& tables) {
  if (!backends.nft) return {};
  for (const NftTable& table : tables)
    if (table.dormant && table.iptables_family()) return error_of<messages::table_dormant>(table.text());
  return {};
}

Result<std::vector<Save>> plan(Programs& programs, Backends backends,
                               const std::vector<NftTable>& nft_tables) {
  std::vector<Save> saves;
  for (const Backend backend : kBackends) {
    if (backend == Backend::nft ? !backends.nft : !backends.legacy) continue;
    for (const Family family : kFamilies) {
      auto tables = backend == Backend::nft ? names_of(nft_tables, family, backends.in_nft_words)
                                            : legacy_table_names(family);
      if (tables.empty()) continue;
      auto found = programs.iptables(backend, family, "save", ErrorKind::capture);
      if (!found && backends.as_far_as_can_be) continue;
      auto program = TRY(std::move(found));
      Save save{.backend = backend, .family = family, .program = program, .tables = std::move(tables)};
      const bool all = backend == Backend::legacy || names_of(nft_tables, family, {}) == save.tables;
      if (all) saves.push_back(std::move(save));
      // The program would print the others too.
      else
        for (std::string& table : save.tables)
          saves.push_back({.backend = backend,
                           .family = family,
                           .program = program,
                           .tables = {std::move(table)},
                           .alone = true});
    }
  }
  return saves;
}

/// Beside the programs, on the other core: what the kernel says of each program's tables.
Result<std::vector<std::vector<KernelTable>>> ask_kernel(const std::vector<Save>& saves) {
  std::vector<std::vector<KernelTable>> told(saves.size());
  for (std::size_t i = 0; i < saves.size(); ++i)
    for (const std::string& table : saves[i].tables)
      told[i].push_back(TRY(saves[i].backend == Backend::nft ? ask_nft_table(saves[i].family, table)
                                                             : ask_legacy_table(saves[i].family, table)));
  return told;
}

/// Those of iptables, or all others.
std::vector<NftTable> tables_of(const std::vector<NftTable>& tables, bool iptables,
                                const std::set<std::string>& in_nft_words) {
  std::vector<NftTable> some;
  for (const NftTable& table : tables) {
    const bool of_iptables = table.iptables_family() && !in_nft_words.contains(table.text());
    if (of_iptables == iptables) some.push_back(table);
  }
  return some;
}

std::string note_of_others(const std::vector<NftTable>& tables, std::string_view why) {
  std::vector<std::string> names;
  for (const NftTable& table : tables) names.push_back(escape(table.text()));
  return format("nft tables that are not recorded{}: {}", why, join(names, ", "));
}

/// Native tables, as far as there is a program to read them.
Status read_native(Programs& programs, Backends backends, const std::vector<NftTable>& tables,
                   Reading& reading) {
  const auto unread = tables_of(tables, true, backends.in_nft_words);
  if (!backends.nft && !unread.empty()) reading.notes.push_back(note_of_others(unread, ""));
  for (const NftTable& table : tables) {
    if (!table.owned || !table.iptables_family()) continue;
    reading.has_owned = true;
    reading.notes.push_back(
        format("table {} goes with the process that owns it, and nobody else can change it", table.text()));
  }
  const auto others = tables_of(tables, false, backends.in_nft_words);
  if (!backends.native) {
    if (!others.empty()) reading.notes.push_back(note_of_others(others, ""));
    return {};
  }
  if (!others.empty() && programs.nft().empty()) {
    reading.notes.push_back(note_of_others(others, ", as nft is not installed"));
    return {};
  }
  auto listing = list_native(programs, others);
  if (!listing) {
    if (!backends.as_far_as_can_be) return std::move(listing).error();
    reading.notes.push_back(note_of_others(others, ""));
    return {};
  }
  if (listing->disagreement && !reading.disagreement) reading.disagreement = std::move(listing->disagreement);
  std::ranges::move(listing->notes, std::back_inserter(reading.notes));
  reading.native = std::move(listing->tables);
  return {};
}

/// A kernel without ip_set has no sets; any other failure means that we do not know. An ipset that opens no
/// session says so of a kernel without netfilter's netlink too, which is not one that we can open.
bool says_no_ip_set(const Outcome& outcome) {
  if (outcome.timed_out || outcome.signal != 0) return false;
  const auto says = [&](std::string_view words) { return outcome.err.find(words) != std::string::npos; };
  if (says("Cannot open session to kernel")) return netlink_opens();
  return says("Kernel error received: Invalid argument") ||
         says("Kernel error received: Operation not supp") || says("Kernel error received: No such file");
}

/// `note` says why there are no sets, `warning` what is otherwise in them.
Result<Sets> believe_sets(Programs& programs, Outcome outcome, bool as_far_as_can_be, std::string& note,
                          std::string& warning) {
  if (says_not_permitted(outcome.err)) return not_permitted("ipset save", outcome.text());
  if (!outcome.ok()) {
    if (!says_no_ip_set(outcome))
      return error_of<messages::save_failed>("ipset save", outcome.text(), "ipset save");
    note = format("no sets are recorded: ipset save: {}", outcome.text());
    return Sets{};
  }
  const auto again = [&programs](const std::string& only) -> Result<std::string> {
    std::vector<std::string> words{programs.ipset(), "save"};
    if (!only.empty()) words.push_back(only);
    auto once_more = TRY(run(programs.command(std::move(words)), ErrorKind::capture));
    if (once_more.ok()) return std::move(once_more.out);
    return error_of<messages::save_failed>("ipset save", once_more.text(), "ipset save");
  };
  if (as_far_as_can_be) return sayable_sets(again, SetsText::saved, warning);
  return agreed_sets(std::move(outcome.out), again, SetsText::saved, {}, warning);
}

const std::string kNoIpset = "no sets are recorded: ipset is not installed";

bool any_names_set(const Reading& reading) {
  for (const Backend backend : kBackends)
    for (const Family family : kFamilies)
      for (const Table& table : reading.tables(backend, family).tables)
        for (const Chain& chain : table.chains)
          for (const Rule& rule : chain.rules)
            if (names_set(rule.words)) return true;
  return false;
}

}  // namespace

Tables& Reading::tables(Backend backend, Family family) {
  return const_cast<Tables&>(std::as_const(*this).tables(backend, family));
}

const Tables& Reading::tables(Backend backend, Family family) const {
  if (backend == Backend::nft) return family == Family::ipv4 ? nft_v4 : nft_v6;
  return family == Family::ipv4 ? legacy_v4 : legacy_v6;
}

bool Reading::holds(Backend backend) const {
  return std::ranges::any_of(kFamilies, [&](Family family) {
    return !std::ranges::all_of(tables(backend, family).tables, is_empty);
  });
}

std::vector<std::string> legacy_table_names(Family family) {
  // Of tables from before the family was switched off nobody can tell, and no packet meets them.
  if (family == Family::ipv6 && !kernel_has_ipv6()) return {};
  const auto text = read_file(family == Family::ipv4 ? "/proc/thread-self/net/ip_tables_names"
                                                     : "/proc/thread-self/net/ip6_tables_names");
  std::vector<std::string> names;
  if (!text) return names;
  for (const std::string_view line : split_lines(*text))
    if (!line.empty()) names.emplace_back(line);
  return names;
}

Result<Sets> read_sets(Programs& programs, std::string& note) {
  const std::string program = programs.ipset();
  if (program.empty()) {
    note = kNoIpset;
    return Sets{};
  }
  if (no_sets()) return Sets{};
  auto outcome = TRY(run(programs.command({program, "save"}), ErrorKind::capture));
  std::string warning;
  return believe_sets(programs, std::move(outcome), false, note, warning);
}

Result<Reading> read_once(Programs& programs, Backends backends, const std::function<void()>& meanwhile,
                          const Firewall::KnownSets& known) {
  auto listed = TRY(list_nft_tables());
  const std::vector<NftTable> nft_tables = std::move(listed);

  TRY(refuse_dormant(backends, nft_tables));
  auto saves = TRY(plan(programs, backends, nft_tables));
  std::vector<Command> commands;
  std::vector<TablesStream> reads;
  reads.reserve(saves.size());
  for (const Save& save : saves) {
    auto& read = reads.emplace_back(save.family, base_name(save.program));
    auto& command = commands.emplace_back(programs.command(save.words()));
    command.listener = [&read](std::string_view piece) { read.take(piece); };
  }
  const std::string ipset = programs.ipset();
  const bool ask_ipset = !ipset.empty() && !no_sets();
  if (ask_ipset && !known) commands.push_back(programs.command({ipset, "save"}));
  auto looking = beside("sets", ErrorKind::capture, [&]() -> Result<std::optional<Sets>> {
    const auto digest = ask_ipset && known ? digest_of_kernel() : std::nullopt;
    return digest ? known(*digest) : std::nullopt;
  });

  using Told = std::vector<std::vector<KernelTable>>;
  auto asking = beside("nf_tables", ErrorKind::capture, [&]() -> Result<Told> {
    if (!meanwhile) return ask_kernel(saves);
    meanwhile();
    return Told{};
  });
  auto outcomes = run_side_by_side(std::move(commands), ErrorKind::capture);
  const auto told = asking.get();
  if (!outcomes) return std::move(outcomes).error();
  if (!told) return told.error();

  Reading reading;
  for (std::size_t i = 0; i < saves.size(); ++i) {
    const bool may_be_of_nft = !meanwhile && saves[i].backend == Backend::nft;
    auto tables =
        TRY(may_be_of_nft
                ? believe_sayable(programs, saves[i], (*outcomes)[i], reads[i], (*told)[i], reading)
                : believe(saves[i], (*outcomes)[i], reads[i], meanwhile ? nullptr : &(*told)[i], reading));
    Tables& all = reading.tables(saves[i].backend, saves[i].family);
    std::ranges::move(tables.tables, std::back_inserter(all.tables));
    std::ranges::move(tables.texts, std::back_inserter(all.texts));
  }

  std::string note = kNoIpset;
  if (!ipset.empty()) {
    note.clear();
  }
  auto as_known = TRY(looking.get());
  if (as_known) {
    reading.sets = *std::move(as_known);
  } else if (ask_ipset) {
    if (known) {
      auto outcome = TRY(run(programs.command({ipset, "save"}), ErrorKind::capture));
      outcomes->push_back(std::move(outcome));
    }
    std::string warning;
    auto sets =
        TRY(believe_sets(programs, std::move(outcomes->back()), backends.as_far_as_can_be, note, warning));
    reading.sets = std::move(sets);
    if (!warning.empty()) reading.notes.push_back(std::move(warning));
  }
  if (!note.empty()) {
    if (any_names_set(reading)) return error_of<messages::sets_unreadable>(note);
    reading.notes.push_back(std::move(note));
  }
  TRY(read_native(programs, backends, nft_tables, reading));
  return reading;
}

}  // namespace rewall

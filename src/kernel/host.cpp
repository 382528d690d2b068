#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <utility>

#include "core/format.h"
#include "core/log.h"
#include "core/messages.h"
#include "core/parallel.h"
#include "core/text.h"
#include "kernel/chains.h"
#include "kernel/firewall.h"
#include "kernel/loader.h"
#include "kernel/namespace.h"
#include "kernel/nft_listing.h"
#include "kernel/nft_staging.h"
#include "kernel/nftables.h"
#include "kernel/programs.h"
#include "kernel/proofs.h"
#include "kernel/reading.h"
#include "kernel/rule_list.h"
#include "kernel/set_dump.h"
#include "kernel/set_numbers.h"
#include "kernel/staging.h"
#include "kernel/table_owner.h"
#include "kernel/told_rules.h"
#include "kernel/trouble.h"
#include "rules/print.h"
#include "rules/table_forms.h"

namespace rewall {

namespace {

constexpr int kAttempts = 5;
constexpr int kRounds = 3;  ///< in which what is printed may differ from what the kernel has
constexpr std::chrono::milliseconds kFirstPause{10};

/// What two readings of things without a generation must agree in.
std::string unnumbered(const Reading& reading, bool nft_too) {
  std::string text = canonical_text(reading.sets);
  if (reading.native) text += print_native(*reading.native);
  for (const Backend backend : kBackends)
    if (backend == Backend::legacy || nft_too)
      for (const Family family : kFamilies) text += canonical_text(reading.tables(backend, family)) + '\n';
  return text;
}

/// Tables that hold nothing are no sign that a backend is in use.
Tables unless_empty(Tables tables) {
  return canonical_text(tables).empty() ? Tables{.family = tables.family} : std::move(tables);
}

/// The border of kernel/: `work` for a method of Firewall. Its exceptions end here, as errors.
template <class Work>
auto at_border(ErrorKind kind, Work work) {
  return without_exceptions("the firewall", kind, std::move(work));
}

/// The tables in a text that a person wrote in which a rule has a note: what nft makes of it is not the rule.
std::set<std::string> tables_with_notes(std::string_view text) {
  std::set<std::string> titles;
  std::string title;
  for (const auto line : split_lines(text)) {
    const auto words = split(trim(line), ' ');
    if (words.size() >= 3 && words[0] == "table") title = format("{} {}", words[1], words[2]);
    if (!split_note(line).iptables.empty()) titles.insert(title);
  }
  return titles;
}

/// Without the tables that have nothing in them and are in the words of nft too: nobody made them. Absent
/// where there are none.
std::optional<Ruleset> without_empty_forms(const Ruleset& ruleset) {
  if (ruleset.backend != Backend::nft || !first_in_nft_words(ruleset)) return std::nullopt;
  Ruleset out = ruleset;
  for (Tables* tables : {&out.v4, &out.v6})
    std::erase_if(tables->tables, [&](const Table& table) {
      return is_empty(table) && find_in_nft_words(ruleset, tables->family, table.name) != nullptr;
    });
  return out;
}

class HostFirewall : public Firewall {
 public:
  HostFirewall(std::chrono::milliseconds deadline, std::filesystem::path proofs)
      : programs_(deadline), proofs_(std::move(proofs)) {}

  Result<Capture> capture(BackendChoice choice) override {
    const KnownSets known = std::exchange(known_, {});
    if (!may_administer()) return not_permitted("the firewall");
    return at_border(ErrorKind::capture, [&] { return capture_here(choice, known); });
  }

  Result<std::optional<std::vector<ChainsOfTable>>> read_chains(
      const std::map<ChainName, bool>& chains) override {
    return at_border(ErrorKind::capture, [&] { return read_chains_here(chains); });
  }

  std::optional<Generation> generation() override {
    auto read = at_border(ErrorKind::capture, [] { return read_generation(); });
    return read ? *std::move(read) : std::nullopt;
  }

  bool legacy_tables() override {
    const auto any = at_border(ErrorKind::capture, [] {
      return !legacy_table_names(Family::ipv4).empty() || !legacy_table_names(Family::ipv6).empty();
    });
    return !any || *any;  // whoever asks reads the tables then
  }

  Result<Sets> sets() override {
    return at_border(ErrorKind::capture, [this] {
      std::string note;
      return read_sets(programs_, note);
    });
  }

  std::optional<SetsDigest> sets_digest() override {
    auto digest = at_border(ErrorKind::capture, []() -> Result<std::optional<SetsDigest>> {
      return no_sets() ? SetsDigest{} : digest_of_kernel();
    });
    return digest ? *std::move(digest) : std::nullopt;
  }

  Result<std::vector<std::string>> words_of(std::span<const ToldRule> rules) override {
    return at_border(ErrorKind::kernel, [&] { return rewall::words_of(programs_, rules); });
  }

  Result<Ruleset> read_written(const std::string& path, const std::string& text) override {
    return at_border(ErrorKind::kernel, [&]() -> Result<Ruleset> {
      const auto links = list_links();
      const auto space = TRY(ScratchNamespace::create());
      Result<Ruleset> read = Ruleset{};
      TRY(space.run([&] {
        const auto loaded = load_written(programs_, path, text, links);
        read = loaded ? read_what_was_written(path.empty() ? "standard input" : path, text)
                      : Result<Ruleset>(loaded.error());
      }));
      return read;
    });
  }

  Result<std::optional<NativeTables>> native() override {
    return at_border(ErrorKind::capture, [&]() -> Result<std::optional<NativeTables>> {
      auto listing = TRY(read_native_tables(programs_));
      if (!listing) return std::optional<NativeTables>{};
      if (listing->disagreement) return *std::move(listing->disagreement);
      for (const std::string& note : listing->notes) say_once(note);
      return std::optional(std::move(listing->tables));
    });
  }

  Result<NativeTable> in_nft_words(const Ruleset& ruleset, Family family, const std::string& table,
                                   std::vector<std::shared_ptr<const std::string>>& texts) override {
    return at_border(ErrorKind::kernel,
                     [&] { return rewall::in_nft_words(programs_, ruleset, family, table, texts); });
  }

  Result<std::vector<OwnedTable>> owned_tables() override {
    return at_border(ErrorKind::capture, [] { return list_owned_tables(); });
  }

  void expect_sets(KnownSets known) override { known_ = std::move(known); }

  void expect_stage() override {
    if (!may_administer() || scratch_.valid()) return;
    // stage() tries again, and reports the error.
    static_cast<void>(at_border(ErrorKind::kernel, [this] { scratch_ = make_scratch(); }));
  }

  Result<Staged> stage(const Ruleset& wanted, const Ruleset* live, const FileNames& names) override {
    if (!may_administer()) return not_permitted("the firewall");
    return at_border(ErrorKind::kernel, [&] {
      auto ready = scratch_.valid() ? std::move(scratch_) : make_scratch();
      const auto cleaned = without_empty_forms(wanted);
      return rewall::stage(programs_, cleaned ? *cleaned : wanted, live, names, std::move(ready),
                           [this](Reading& reading) { return find_unsayable(reading); });
    });
  }

  Status check(const Staged& staged, const Ruleset* live,
               const std::optional<Generation>& generation) override {
    if (!may_administer()) return not_permitted("the firewall");
    return at_border(ErrorKind::kernel, [&] { return rewall::check(programs_, staged, live, generation); });
  }

  Result<Loaded> load(const Staged& staged, const Ruleset& live,
                      const std::optional<Generation>& generation) override {
    if (!may_administer()) return not_permitted("the firewall");
    return at_border(ErrorKind::kernel, [&] { return rewall::load(programs_, staged, live, generation); });
  }

  Status load_anew(const Staged& staged) override {
    if (!may_administer()) return not_permitted("the firewall");
    return at_border(ErrorKind::kernel, [&] { return rewall::load_anew(programs_, staged); });
  }

 private:
  Result<Capture> capture_here(BackendChoice choice, const KnownSets& known) {
    auto backends = TRY(to_read(choice));
    Capture capture;
    // A program that only says its version takes as long to start as one that reads rules.
    auto asking = beside("iptables --version", ErrorKind::capture, [this] { programs_.default_backend(); });
    auto reading = read_of_one_piece(backends, capture.generation, known);
    TRY(asking.get());
    if (!reading) return std::move(reading).error();
    for (const UnsayableTable& table : reading->unsayable)
      capture.in_nft_words.emplace(native_title(table), warning_of(table, *reading->native));
    capture.has_owned = reading->has_owned;
    capture.notes = std::move(reading->notes);
    if (choice == BackendChoice::nft && legacy_tables())
      capture.notes.emplace_back("legacy tables are there and not recorded (--backend nft)");
    arrange(choice, *std::move(reading), capture);
    const Ruleset& ruleset = capture.ruleset;
    capture.without_ipv6 = canonical_text(ruleset.v6).empty() &&
                           canonical_text(ruleset[{Family::ipv6, true}]).empty() && !kernel_has_ipv6();
    capture.tools = programs_.version(capture.ruleset.backend);
    return capture;
  }

  Result<std::optional<std::vector<ChainsOfTable>>> read_chains_here(
      const std::map<ChainName, bool>& chains) {
    ChainDoubts doubts;
    auto read = TRY(rewall::read_chains(programs_, chains, &doubts));
    if (!read) return read;
    const auto sets = [this]() -> Result<Sets> {
      std::string note;
      return read_sets(programs_, note);
    };
    const DoubtfulRule* refused = nullptr;
    const auto proved = proofs_.prove(programs_, doubts.rules, sets, doubts.notes, &refused);
    // A table that the words of iptables do not say is read whole.
    if (!proved && refused != nullptr) return std::optional<std::vector<ChainsOfTable>>{};
    if (!proved) return proved.error();
    for (const std::string& note : doubts.notes) say_once(note);
    return read;
  }

  /// Of a chain that is read again and again.
  void say_once(const std::string& note) {
    if (said_.insert(note).second) log_warning("{}", note);
  }

  /// With nothing in the kernel no program runs; one that would be needed must be there all the same.
  Result<Backends> to_read(BackendChoice choice) {
    if (choice == BackendChoice::automatic && programs_.has(Backend::nft))
      return Backends{.nft = true, .legacy = true, .native = true};
    const Backend needed = choice == BackendChoice::automatic ? programs_.default_backend()
                           : choice == BackendChoice::nft     ? Backend::nft
                                                              : Backend::legacy;
    TRY(programs_.iptables(needed, Family::ipv4, "save", ErrorKind::capture));
    if (choice != BackendChoice::automatic)
      return Backends{.nft = needed == Backend::nft,
                      .legacy = needed == Backend::legacy,
                      .native = needed == Backend::nft};
    // Without a program for nft its tables are not those of iptables, whatever their names.
    return Backends{.nft = false, .legacy = true, .native = true};
  }

  /// By the generation where it speaks, else by two readings that agree.
  Result<Reading> read_of_one_piece(Backends backends, std::optional<Generation>& generation,
                                    const KnownSets& known) {
    std::optional<std::string> last;
    int disagreed = 0;
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      if (attempt > 1) std::this_thread::sleep_for(kFirstPause * (1 << attempt));
      generation = read_generation();
      auto reading = read_once(programs_, backends, {}, known);
      if (generation != read_generation()) {
        last.reset();
        continue;
      }
      if (!reading) return reading;
      if (reading->disagreement) {
        if (++disagreed == kRounds) return *std::move(reading->disagreement);
        last.reset();
        continue;
      }
      const bool numbered =
          generation && reading->legacy_v4.tables.empty() && reading->legacy_v6.tables.empty();
      const auto taken = take_in_nft_words(backends, *reading);
      if (!reading->unsayable.empty() && generation != read_generation()) {
        last.reset();
        continue;
      }
      TRY(taken);
      if (numbered) return reading;
      std::string now = unnumbered(*reading, !generation);
      if (last == now) return reading;
      last = std::move(now);
    }
    return error_of<messages::capture_kept_changing>(kAttempts);
  }

  /// In the scratch namespace that nobody else changes.
  Result<Ruleset> read_what_was_written(const std::string& name, const std::string& text) {
    const Backends backends{
        .nft = programs_.has(Backend::nft), .native = true, .in_nft_words = tables_with_notes(text)};
    auto reading = TRY(read_once(programs_, backends));
    if (reading.disagreement) return *std::move(reading.disagreement);
    TRY(take_in_nft_words(backends, reading));
    if (!backends.nft)
      for (const NftTable& table : TRY(list_nft_tables()))
        if (table.iptables_family()) return error_of<messages::nft_table_of_iptables>(name, table.text());
    Ruleset written{.v4 = std::move(reading.nft_v4), .v6 = std::move(reading.nft_v6)};
    written.native = reading.native ? *std::move(reading.native) : NativeTables{};
    if (const auto line = put_notes(text, *written.native)) return error_of<messages::lost_note>(name, *line);
    return written;
  }

  /// Adds the tables with a rule whose words make another rule to those that iptables cannot say.
  Status find_unsayable(Reading& reading) {
    std::vector<DoubtfulRule> doubtful = reading.doubtful;
    const auto sets = [&]() -> Result<Sets> { return reading.sets; };
    for (;;) {
      const DoubtfulRule* refused = nullptr;
      const auto notes = reading.notes;
      auto proved = proofs_.prove(programs_, doubtful, sets, reading.notes, &refused);
      if (proved) break;
      if (refused == nullptr || refused->backend != Backend::nft) return proved;
      reading.notes = notes;
      const DoubtfulRule rule = *refused;
      reading.unsayable.push_back({.family = rule.family,
                                   .name = rule.table,
                                   .part = format("chain {}, rule {}", escape(rule.chain), rule.place + 1),
                                   .chain = rule.chain,
                                   .place = rule.place,
                                   .why = std::move(proved).error()});
      std::erase_if(doubtful, [&](const DoubtfulRule& other) {
        return other.backend == Backend::nft && other.family == rule.family && other.table == rule.table;
      });
    }
    return {};
  }

  /// Tables that the words of iptables do not say whole go to the native ones, in the words of nft.
  Status take_in_nft_words(Backends backends, Reading& reading) {
    TRY(find_unsayable(reading));
    for (const UnsayableTable& table : reading.unsayable) TRY(take_in_nft_words(backends, table, reading));
    if (!reading.unsayable.empty()) reading.native->sort();
    return {};
  }

  Status take_in_nft_words(Backends backends, const UnsayableTable& table, Reading& reading) {
    const auto stays_unsaid = [&](std::string_view why) {
      Error error = table.why;
      error.message += format("; and nft cannot say the table: {}", why);
      return error;
    };
    if (!backends.native || programs_.nft().empty()) return stays_unsaid("it is not installed");
    const NftTable of{.family = number_of(table.family), .name = table.name};
    auto listing = list_native(programs_, {&of, 1});
    if (!listing) return stays_unsaid(listing.error().message);
    if (listing->disagreement) return *std::move(listing->disagreement);
    if (listing->tables.tables.empty()) {
      const auto begin = format("{}: ", native_title(table));
      std::string note = listing->notes.empty() ? "it is gone" : listing->notes.front();
      if (const auto at = note.find(begin); at != std::string::npos) note.erase(0, at + begin.size());
      return stays_unsaid(note);
    }
    const auto sets = [&]() -> Result<Sets> { return reading.sets; };
    if (const auto proved = proofs_.prove(programs_, listing->noted, sets, reading.notes); !proved)
      return stays_unsaid(proved.error().message);
    const NativeTable& read = listing->tables.tables.front();
    if (const auto proved = proofs_.prove(programs_, read, list_links()); !proved)
      return stays_unsaid(proved.error().message);
    if (!reading.native) reading.native.emplace();
    std::erase_if(reading.tables(Backend::nft, table.family).tables,
                  [&](const Table& one) { return one.name == table.name; });
    reading.native->tables.push_back(read);
    auto& texts = reading.native->texts;
    texts.insert(texts.end(), listing->tables.texts.begin(), listing->tables.texts.end());
    return {};
  }

  static std::string native_title(const UnsayableTable& table) {
    return format("{} {}", short_name(table.family), table.name);
  }

  static std::string warning_of(const UnsayableTable& table, const NativeTables& native) {
    const NativeTable* read = native.find(native_title(table));
    const NativePart* chain = read != nullptr ? read->find("chain", table.chain) : nullptr;
    const auto words = chain != nullptr && table.place < chain->rules.size()
                           ? format(": {}", escape(split_note(chain->rules[table.place]).words))
                           : std::string{};
    return format("table {} is recorded in the words of nft ({}), as iptables cannot say {}{}",
                  native_title(table), kNativeFile, table.part, words);
  }

  void arrange(BackendChoice choice, Reading reading, Capture& capture) {
    const bool nft = reading.holds(Backend::nft);
    const bool legacy = reading.holds(Backend::legacy);
    Ruleset& ruleset = capture.ruleset;
    if (choice != BackendChoice::automatic)
      ruleset.backend = choice == BackendChoice::nft ? Backend::nft : Backend::legacy;
    else
      ruleset.backend = nft ? Backend::nft : legacy ? Backend::legacy : programs_.default_backend();
    capture.backends = nft && legacy ? "nft+legacy" : name(ruleset.backend);
    ruleset.sets = std::move(reading.sets);
    ruleset.native = std::move(reading.native);
    for (const Slot slot : Ruleset::slots()) {
      if (slot.beside && !(nft && legacy)) continue;
      Tables& tables = reading.tables(ruleset.backend_of(slot), slot.family);
      ruleset[slot] = slot.beside ? unless_empty(std::move(tables)) : std::move(tables);
    }
  }

  Programs programs_;
  Proofs proofs_;
  std::set<std::string> said_{};
  KnownSets known_{};
  Task<std::shared_ptr<Scratch>> scratch_{};
};

}  // namespace

std::unique_ptr<Firewall> host_firewall(std::chrono::milliseconds deadline, std::filesystem::path proofs) {
  return std::make_unique<HostFirewall>(deadline, std::move(proofs));
}

}  // namespace rewall

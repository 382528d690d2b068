#include "kernel/proofs.h"

#include <sys/utsname.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "core/digest.h"
#include "core/file.h"
#include "core/format.h"
#include "core/log.h"
#include "core/messages.h"
#include "core/text.h"
#include "kernel/expressions.h"
#include "kernel/namespace.h"
#include "kernel/native_batch.h"
#include "kernel/nft_listing.h"
#include "kernel/staging.h"
#include "rules/extensions.h"
#include "rules/meaning.h"
#include "rules/print.h"
#include "rules/rule.h"
#include "rules/sets.h"

namespace rewall {

namespace {

constexpr std::string_view kFirstWords = "rewall proofs 1 ";
constexpr std::size_t kMostProofs = 100000;

std::string digest_of(const DoubtfulRule& rule) {
  Digest digest;
  for (const std::string_view part : {short_name(rule.family), std::string_view(rule.table),
                                      std::string_view(rule.words), std::string_view(rule.unsaid)})
    digest.add(part);
  if (rule.backend == Backend::legacy) digest.add(name(rule.backend));
  digest.add(comparable(rule.expressions, ExtensionData::left_out));
  return digest.take_hex();
}

/// The chain that a rule leads to, whatever its backend; empty where it leads to none.
std::string chain_named_by(const DoubtfulRule& rule) {
  if (rule.backend == Backend::nft) return chain_behind(rule.expressions);
  std::string target = target_of(rule.words, rule.family);
  const bool extension = find_target(target) != nullptr;
  return extension ? std::string() : target;
}

/// A rule on trial.
struct Trial {
  const DoubtfulRule* rule = nullptr;
  std::string digest{};
  std::optional<bool> same{};  ///< absent where it could not be tried
  std::string reason{};        ///< of the program, or of the kernel
};

Chain& chain_of(Ruleset& ruleset, const DoubtfulRule& rule, const std::string& chain) {
  Tables& tables = ruleset[Slot{rule.family, rule.backend != ruleset.backend}];
  auto table = std::ranges::find(tables.tables, rule.table, &Table::name);
  if (table == tables.tables.end()) {
    tables.tables.push_back({.name = rule.table});
    table = tables.tables.end() - 1;
  }
  auto found = std::ranges::find(table->chains, chain, &Chain::name);
  if (found != table->chains.end()) return *found;
  return table->chains.emplace_back(
      Chain{.name = chain, .policy = is_built_in(rule.table, chain) ? "ACCEPT" : "-"});
}

/// The rates that a rule compares have to be there before it: rules that measure them, in a table that is
/// loaded before others.
void add_estimators(Ruleset& ruleset, const DoubtfulRule& rule) {
  const auto parts = parse_rule(rule.words, rule.family);
  if (!parts) return;
  for (const Match& match : parts->matches) {
    if (match.name != "rateest") continue;
    for (const Option& option : match.options) {
      if ((option.name != "--rateest1" && option.name != "--rateest2") || option.values.empty()) continue;
      const auto words = std::make_shared<const std::string>(
          format("-j RATEEST --rateest-name {} --rateest-interval 250ms --rateest-ewmalog 500ms",
                 quote_word(option.values[0])));
      const DoubtfulRule measures{.backend = rule.backend, .family = rule.family, .table = "raw"};
      auto& rules = chain_of(ruleset, measures, "PREROUTING").rules;
      if (std::ranges::find(rules, *words, &Rule::words) != rules.end()) continue;
      rules.push_back({.words = *words});
      ruleset[Slot{rule.family, rule.backend != ruleset.backend}].texts.push_back(words);
    }
  }
}

/// The rules on trial in chains of their names, the chains that they lead to, and empty sets in place of
/// theirs.
Ruleset ruleset_of(std::span<const Trial> trials, const Sets& sets) {
  Ruleset ruleset;
  if (std::ranges::all_of(trials, [](const Trial& trial) { return trial.rule->backend == Backend::legacy; }))
    ruleset.backend = Backend::legacy;
  std::set<std::string, std::less<>> named;
  for (const Trial& trial : trials) {
    const DoubtfulRule& rule = *trial.rule;
    if (rule.table != "raw") add_estimators(ruleset, rule);
    chain_of(ruleset, rule, rule.chain).rules.push_back({.words = rule.words});
    if (const std::string behind = chain_named_by(rule); !behind.empty()) chain_of(ruleset, rule, behind);
    names_set(rule.words, [&](std::string_view set) {
      named.emplace(set);
      return false;
    });
  }
  for (const Set& set : sets.sets)
    if (named.contains(set.name))
      ruleset.sets.sets.push_back({.name = set.name, .type = set.type, .options = set.options});
  return ruleset;
}

/// What the kernel made of a rule, to be compared.
struct MadeRule {
  std::string expressions{};  ///< comparable(); none on the legacy backend
  std::string unsaid{};       ///< OddRule::unsaid
};

/// The rules of the chains in a scratch namespace, as they are asked for.
class ChainsMade {
 public:
  using Place = std::tuple<Backend, Family, std::string, std::string>;

  explicit ChainsMade(const Scratch& scratch) : scratch_(scratch) {}

  const std::vector<MadeRule>& rules_of(const Place& place) {
    const auto [found, fresh] = chains_.try_emplace(place);
    if (fresh) read(place, found->second);
    return found->second;
  }

 private:
  void read(const Place& place, std::vector<MadeRule>& rules) const {
    const auto& [backend, family, table, chain] = place;
    KernelChain kernel{.name = chain};
    if (backend == Backend::nft) {
      std::vector<RawRule> raw;
      static_cast<void>(scratch_.take_rules({family, table, chain}, raw));
      for (const RawRule& rule : raw) {
        rules.push_back({.expressions = comparable(rule.expressions, ExtensionData::left_out)});
        add_rule(kernel, family, rule.expressions, rule.userdata);
      }
    } else {
      Result<KernelTable> asked = KernelTable{};
      if (!scratch_.space.run(
              [&asked, family = family, &table = table] { asked = ask_legacy_table(family, table); }) ||
          !asked)
        return;
      if (const KernelChain* there = asked->find(chain)) kernel = *there;
      rules.resize(kernel.rules);
    }
    for (OddRule& odd : kernel.odd) rules[odd.place].unsaid = std::move(odd.unsaid);
  }

  const Scratch& scratch_;
  std::map<Place, std::vector<MadeRule>> chains_{};
};

/// Loads the rules and compares what the kernel has of them. Kind permission without a scratch namespace,
/// kind kernel where they are refused as a whole.
Status try_all(Programs& programs, std::span<Trial> trials, const Sets& sets) {
  auto scratch = TRY(make_scratch().get());
  const Ruleset ruleset = ruleset_of(trials, sets);
  const auto staged = TRY(stage(programs, ruleset, nullptr, {},
                                beside("scratch", ErrorKind::kernel, [scratch] { return scratch; })));
  ChainsMade made(*staged.scratch);
  std::map<ChainsMade::Place, std::size_t> next;
  for (Trial& trial : trials) {
    const DoubtfulRule& rule = *trial.rule;
    const ChainsMade::Place place{rule.backend, rule.family, rule.table, rule.chain};
    const auto& rules = made.rules_of(place);
    const std::size_t at = next[place]++;
    const Table* table = staged.ruleset.tables(rule.family, rule.backend).find(rule.table);
    const Chain* chain = table != nullptr ? table->find(rule.chain) : nullptr;
    trial.same = chain != nullptr && chain->rules.size() == rules.size() && at < rules.size() &&
                 chain->rules[at].words == rule.words && rules[at].unsaid == rule.unsaid &&
                 rules[at].expressions == comparable(rule.expressions, ExtensionData::left_out);
  }
  return {};
}

bool is_settled(const Trial& trial) {
  return trial.same == false && !trial.rule->unknown.empty();
}

/// Where one rule keeps all of them from being loaded, it is looked for. Ends at the first rule that is known
/// to be none of iptables.
Status narrow_down(Programs& programs, std::span<Trial> trials, const Sets& sets) {
  Status tried = try_all(programs, trials, sets);
  if (tried) return {};
  if (tried.error().kind == ErrorKind::permission) return {};  // they are not tried
  if (trials.size() == 1) {
    if (trials[0].rule->table == "raw" && trials[0].rule->unsaid.starts_with("rateest"))
      return {};  // it lacks the rule that measures
    trials[0].same = false;
    trials[0].reason = tried.error().message;
    return {};
  }
  const auto half = trials.first(trials.size() / 2);
  TRY(narrow_down(programs, half, sets));
  if (std::ranges::any_of(half, is_settled)) return {};
  return narrow_down(programs, trials.subspan(half.size()), sets);
}

std::string place_of(const DoubtfulRule& rule) {
  return rewall::place_of(rule.family, rule.table, rule.chain, rule.place);
}

Error unsayable(const Trial& trial) {
  const DoubtfulRule& rule = *trial.rule;
  const std::string words = escape(rule.words);
  const std::string chain = format("{} {} {}", short_name(rule.family), rule.table, shell_quote(rule.chain));
  if (!trial.same) return error_of<messages::untried_rule>(place_of(rule), rule.unknown, words, chain);
  if (trial.reason.empty())
    return error_of<messages::unsayable_rule>(place_of(rule), rule.unknown, words, chain);
  return error_of<messages::unloadable_rule>(place_of(rule), rule.unknown, words, trial.reason, chain);
}

std::string unloadable_note(const DoubtfulRule& rule, const std::string& reason = {}) {
  return format("{}: it cannot be restored: iptables-restore {} '{}'{}", place_of(rule),
                reason.empty() ? "makes another rule of" : "refuses", escape(rule.words),
                reason.empty() ? "" : ": " + reason);
}

/// Another version of a program is another file.
std::string stamp_of(const std::string& program) {
  std::error_code failed;
  const auto time = std::filesystem::last_write_time(program, failed);
  return format("{} {}", program, failed ? 0 : time.time_since_epoch().count());
}

std::string kernel_release() {
  utsname names{};
  return uname(&names) == 0 ? names.release : "?";
}

}  // namespace

void Proofs::read(const std::string& tools) {
  if (tools_ == tools) return;
  tools_ = tools;
  known_.clear();
  const auto text = file_.empty() ? Result<std::string>(std::string()) : read_file(file_);
  if (!text) return;
  const auto lines = split_lines(*text);
  if (lines.empty() || lines[0] != format("{}{}", kFirstWords, tools_)) return;
  for (const std::string_view line : lines)
    if (line.starts_with("= ") || line.starts_with("- "))
      known_.emplace(line.substr(2), line.starts_with('='));
}

void Proofs::write() const {
  if (file_.empty()) return;
  std::string text = format("{}{}\n", kFirstWords, tools_);
  for (const auto& [digest, same] : known_) text += format("{} {}\n", same ? '=' : '-', digest);
  // Without it they are proved again: slower, not wrong.
  if (auto kept = write_file(file_, text, 0600, Sync::no); !kept)
    log_info("the proofs were not kept: {}", kept.error().message);
}

Status Proofs::prove(Programs& programs, std::span<const DoubtfulRule> rules,
                     const std::function<Result<Sets>()>& sets, std::vector<std::string>& notes,
                     const DoubtfulRule** refused) {
  if (rules.empty()) return {};
  read(format("{}, kernel {}", programs.version(Backend::nft), kernel_release()));
  std::vector<Trial> trials;
  std::set<std::string> on_trial;
  for (const DoubtfulRule& rule : rules) {
    std::string digest = digest_of(rule);
    const auto known = known_.find(digest);
    if (known == known_.end()) {
      if (on_trial.insert(digest).second) trials.push_back({.rule = &rule, .digest = std::move(digest)});
    } else if (!known->second && !rule.unknown.empty()) {
      if (refused != nullptr) *refused = &rule;
      return unsayable({.rule = &rule, .digest = std::move(digest), .same = false});
    } else if (!known->second) {
      notes.push_back(unloadable_note(rule));
    }
  }
  if (trials.empty()) return {};
  Sets named;
  if (std::ranges::any_of(trials, [](const Trial& trial) { return names_set(trial.rule->words); }))
    named = TRY(sets());
  for (const Trial& trial : trials)
    TRY(programs.iptables(trial.rule->backend, trial.rule->family, "restore", ErrorKind::capture));
  TRY(narrow_down(programs, trials, named));
  if (known_.size() > kMostProofs) known_.clear();
  const Trial* none_of_iptables = nullptr;
  for (const Trial& trial : trials) {
    const bool names_alone = trial.rule->unknown.empty();
    // What a program refused today it may take tomorrow.
    if (trial.same == true || (trial.same && trial.reason.empty())) known_.emplace(trial.digest, *trial.same);
    if (trial.same == true) continue;
    if (names_alone && trial.same) notes.push_back(unloadable_note(*trial.rule, trial.reason));
    if (!names_alone &&
        (none_of_iptables == nullptr || (is_settled(trial) && !is_settled(*none_of_iptables))))
      none_of_iptables = &trial;
  }
  write();
  if (none_of_iptables == nullptr) return {};
  if (refused != nullptr) *refused = none_of_iptables->rule;
  return unsayable(*none_of_iptables);
}

Status Proofs::prove(Programs& programs, const NativeTable& table, const Links& links) {
  read(format("{}, kernel {}", programs.version(Backend::nft), kernel_release()));
  Digest digest;
  digest.add("nft");
  digest.add(stamp_of(programs.nft()));
  digest.add(print_native(table));
  auto known = digest.take_hex();
  if (known_.contains(known)) return {};
  const auto space = TRY(ScratchNamespace::create());
  Result<NativeListing> listed = NativeListing{};
  Status loaded;
  TRY(space.run([&] {
    const NativeTables whole{.tables = {table}};
    loaded = load_native(programs, {&table}, whole, std::string(kNativeFile), links);
    if (!loaded) return;
    auto tables = list_nft_tables();
    if (!tables)
      listed = std::move(tables).error();
    else
      listed = list_native(programs, *tables);
  }));
  if (!loaded) {
    loaded.error().kind = ErrorKind::capture;
    return loaded;
  }
  if (!listed) return std::move(listed).error();
  const NativeTable* read = listed->tables.find(table.family, table.name);
  std::vector<std::shared_ptr<const std::string>> texts;
  if (read == nullptr || !same_text(with_notes(*read, table, texts), table))
    return Error{
        .kind = ErrorKind::capture,
        .message = format("table {}: nft lists it otherwise once it is loaded again", escape(table.title()))};
  known_.emplace(std::move(known), true);
  write();
  return {};
}

}  // namespace rewall

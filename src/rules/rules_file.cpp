#include "rules/rules_file.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"
#include "rules/command_line.h"
#include "rules/meaning.h"
#include "rules/open_table.h"
#include "rules/rule_order.h"

namespace rewall {
namespace {

// The buffers of iptables-restore (xtables-restore.c): what is longer becomes another line there.
constexpr std::size_t kLongestLine = 10238;
constexpr std::size_t kLongestChainName = 28;

class RulesFileReader {
 public:
  RulesFileReader(std::string text, Family family, std::string_view name)
      : name_(name), lines_({}, name), file_{.tables = {.family = family}} {
    constexpr std::string_view kMark = "\xef\xbb\xbf";
    if (text.starts_with(kMark)) {
      text.erase(0, kMark.size());
      note("its byte order mark is left out");
    }
    text_ = std::make_shared<const std::string>(std::move(text));
    file_.tables.texts.push_back(text_);
    lines_.more(*text_);
  }

  Result<RulesFile> read() {
    TRY(lines_.refuse_nul());
    while (const auto line = lines_.next()) {
      auto done = take(*line);
      if (!done && open_ && !lines_.whole())
        return lines_.at(error_of<messages::no_commit_in_line>(open_->name()));
      if (!done) return std::move(done).error();
    }
    if (open_) return lines_.at(error_of<messages::no_commit>(open_->name()));
    texts_.move_to(file_.tables.texts);
    say_what_was_read();
    return std::move(file_);
  }

 private:
  Family family() const { return file_.tables.family; }

  Status take(std::string_view line) {
    if (line.empty()) return {};
    if (line.size() > kLongestLine) return lines_.at(error_of<messages::line_too_long>(kLongestLine));
    if (line[0] == '#') return check_remark(lines_, line);
    const auto bare = without_blanks(line);
    if (bare.empty()) {
      odd_blanks_ = true;
      return {};
    }
    if (!open_) return take_outside(line, bare);
    if (line[0] == ':') return take_chain(without_blanks(line.substr(1)));
    if (bare == "COMMIT") {
      odd_blanks_ = odd_blanks_ || bare != line;
      return commit();
    }
    if (line[0] == '*') return lines_.at(error_of<messages::no_commit_before_table>(open_->name()));
    return take_rule(line);
  }

  // `*NAME`; what stands behind is not read, as it is not by iptables-restore.
  Status take_outside(std::string_view line, std::string_view bare) {
    if (bare[0] != '*') return lines_.at(error_of<messages::not_iptables_save>(quoted(first_word(bare))));
    odd_blanks_ = odd_blanks_ || line[0] != '*';
    auto rest = without_blanks(bare.substr(1));
    open_ = TRY(open_table(lines_, first_word(rest)));
    targets_.clear();
    unlooked_.clear();
    uses_.reset();
    filled_.clear();
    return {};
  }

  // A table that comes twice: iptables-restore empties it before it loads it again. What iptables-legacy
  // keeps of the first is the policy.
  Status commit() {
    for (auto& [chain, order] : orders_) chain->rules = order.rules();
    orders_.clear();
    auto& tables = file_.tables.tables;
    const auto before = std::ranges::find(tables, open_->name(), &Table::name);
    if (before != tables.end()) {
      for (const auto& chain : before->chains) {
        if (chain.policy == "DROP" && open_->declared(chain.name) == nullptr)
          return lines_.at(error_of<messages::policy_left_open>(open_->name(), quoted(chain.name)));
      }
      tables.erase(before);
    }
    tables.push_back(open_->take());
    open_.reset();
    return {};
  }

  Error missing(std::string_view what, std::string_view before) const {
    return lines_.at(error_of<messages::missing_word>(what, before));
  }

  // NAME POLICY; the rest is not read, as it is not by iptables-restore without --counters.
  Status take_chain(std::string_view rest) {
    const auto name = first_word(rest);
    if (name.empty()) return missing("chain name", "':'");
    const auto policy = first_word(rest);
    if (policy.empty()) return lines_.at(error_of<messages::no_chain_policy>(quoted(name)));
    if (!open_->is_built_in(name)) return policy == "-" ? declare(name, rest) : policy_of_own_chain(name);
    auto* chain = open_->find(name);
    chain->line = lines_.number();
    if (const auto counters = counters_in(rest)) chain->counters = counters;
    return policy == "-" ? Status{} : set_policy(*chain, policy);
  }

  static std::optional<Counters> counters_in(std::string_view rest) {
    return rest.starts_with('[') ? take_counters(rest) : std::nullopt;
  }

  Status declare(std::string_view name, std::string_view rest) {
    TRY(check_declared_name(name));
    if (const auto* chain = open_->declared(name))
      return lines_.at(error_of<messages::chain_twice>(quoted(name), chain->line));
    TRY(check_made_before_use(name));
    open_->add(Chain{
        .name = std::string(name), .policy = "-", .line = lines_.number(), .counters = counters_in(rest)});
    return {};
  }

  // iptables-restore knows a chain from its declaration on.
  Status check_made_before_use(std::string_view name) {
    for (const auto& rule : unlooked_) targets_.try_emplace(target_of(rule.words, family()), rule.line);
    unlooked_.clear();
    const auto used = targets_.find(std::string(name));
    if (used == targets_.end()) return {};
    return lines_.at(error_of<messages::chain_used_before>(quoted(name), used->second));
  }

  // iptables-legacy-restore makes `:-x - [0:0]`, and prints it so; commands (-N, -E) take no such name.
  Status check_chain_name(std::string_view name) const {
    if (name.starts_with('-') || name.starts_with('!'))
      return lines_.at(error_of<messages::chain_name_begins>(quoted(name)));
    return check_declared_name(name);
  }

  // Names that no iptables makes a chain of, as they say something else behind -j.
  Status check_declared_name(std::string_view name) const {
    static constexpr std::array<std::string_view, 4> kVerdicts = {"ACCEPT", "DROP", "QUEUE", "RETURN"};
    if (std::ranges::find(kVerdicts, name) != kVerdicts.end())
      return lines_.at(error_of<messages::chain_named_as_verdict>(quoted(name)));
    if (name.size() > kLongestChainName)
      return lines_.at(error_of<messages::chain_name_too_long>(quoted(name), kLongestChainName));
    return {};
  }

  Error policy_of_own_chain(std::string_view name) const {
    return lines_.at(error_of<messages::policy_of_own_chain>(
        quoted(name), open_->name(), did_you_mean(name, built_in_chains(open_->name()))));
  }

  Status set_policy(Chain& chain, std::string_view policy) {
    if (policy != "ACCEPT" && policy != "DROP") {
      return lines_.at(error_of<messages::unknown_policy>(quoted(chain.name), quoted(policy)));
    }
    chain.policy = policy;
    return {};
  }

  // [PACKETS:BYTES] -A CHAIN WORDS, and every other command.
  Status take_rule(std::string_view line) {
    std::optional<Counters> counters;
    if (line[0] == '[') {
      const auto end = line.find(']');
      const auto colon = line.find(':');
      // Where strtok(3), by which iptables-restore reads them, would end elsewhere too.
      const bool odd = colon == 1 || (colon + 1 == end && line.find(']', end + 1) != std::string_view::npos);
      if (end == std::string_view::npos || colon > end || odd)
        return lines_.at(error_of<messages::invalid_counters>(quoted(first_word(line))));
      counters = to_counters(line.substr(1, end - 1));
      line.remove_prefix(end + 1);
    }
    line = without_blanks(line);
    if (!line.starts_with("-A ") || !is_plain(line.substr(3))) return take_slowly(line, counters);
    auto rest = without_blanks(line.substr(3));
    const auto name = first_word(rest);
    if (name.empty() || name.find('"') != std::string_view::npos || name[0] == '-')
      return take_slowly(line, counters);
    auto* chain = open_->find(name);
    if (chain == nullptr) return unknown_chain(lines_, *open_, name);
    put(*chain, count(*chain), Rule{.words = rest, .line = lines_.number(), .counters = counters});
    return {};
  }

  std::size_t count(const Chain& chain) const {
    const auto order = orders_.empty() ? orders_.end() : orders_.find(const_cast<Chain*>(&chain));
    return order == orders_.end() ? chain.rules.size() : order->second.size();
  }

  // The rules of a chain, to put one between them or to take one out.
  RuleOrder& order_of(Chain& chain) {
    const auto known = orders_.find(&chain);
    if (known != orders_.end()) return known->second;
    auto& order = orders_
                      .try_emplace(&chain, chain.rules,
                                   [this](const Rule& rule) -> std::string_view { return key_of(rule); })
                      .first->second;
    chain.rules.clear();
    return order;
  }

  void put(Chain& chain, std::size_t place, const Rule& rule) {
    if (place == chain.rules.size() && (orders_.empty() || !orders_.contains(&chain)))
      chain.rules.push_back(rule);
    else
      order_of(chain).insert(place, rule);
    unlooked_.push_back({rule.words, rule.line});
    if (uses_) ++(*uses_)[target_of(rule.words, family())];
    if (last_filled_ != &chain) filled_.insert(&chain);
    last_filled_ = &chain;
  }

  void take_out(Chain& chain, std::size_t place) { forget_use(order_of(chain).remove(place)); }

  void forget_use(const Rule& rule) {
    if (uses_) --(*uses_)[target_of(rule.words, family())];
  }

  void empty(Chain& chain) {
    if (const auto order = orders_.find(&chain); order != orders_.end()) {
      chain.rules = order->second.rules();
      orders_.erase(order);
    }
    for (const Rule& rule : chain.rules) forget_use(rule);
    chain.rules.clear();
    filled_.erase(&chain);
    last_filled_ = nullptr;
  }

  Status take_slowly(std::string_view line, std::optional<Counters> counters) {
    auto command = take_apart(line, family());
    if (!command) return lines_.at(std::move(command).error());
    if (command->skipped) {
      ++skipped_;
      return {};
    }
    if (command->letter == '\0') return lines_.at(error_of<messages::unknown_line>(quoted(first_word(line))));
    if (!command->counters) command->counters = counters;
    turned_ += command->turned ? 1 : 0;
    return carry_out(*command);
  }

  // No words of a rule may stand with a command that is not about one.
  Status check_alone(const CommandLine& command) const {
    if (command.words.empty()) return {};
    return lines_.at(error_of<messages::unexpected_word>(quoted(command.words.front())));
  }

  Status carry_out(const CommandLine& command) {
    const bool of_rule = std::string_view("AIRC").find(command.letter) != std::string_view::npos ||
                         (command.letter == 'D' && !command.number);
    if (!of_rule) TRY(check_alone(command));
    switch (command.letter) {
      case 'N':
        TRY(check_chain_name(command.chain));
        if (open_->find(command.chain) != nullptr)
          return lines_.at(error_of<messages::chain_exists>(quoted(command.chain)));
        return declare(command.chain, {});
      case 'F':
      case 'X':
        if (command.chain.empty()) return command.letter == 'F' ? flush_all() : remove_all_chains();
        break;
      case 'L':
      case 'S':
        return lines_.at(error_of<messages::command_not_allowed>(command.letter));
      case 'Z':
        if (command.chain.empty()) return {};
        break;
      default:
        break;
    }
    auto* chain = open_->find(command.chain);
    if (chain == nullptr) return unknown_chain(lines_, *open_, command.chain);
    switch (command.letter) {
      case 'P':
        if (open_->name() == "nat" && command.name == "DROP")
          return lines_.at(error_of<messages::policy_in_nat>());
        return chain->built_in() ? set_policy(*chain, command.name)
                                 : Status(policy_of_own_chain(chain->name));
      case 'F':
        empty(*chain);
        return {};
      case 'X':
        return remove_chain(*chain);
      case 'E':
        return rename_chain(*chain, command.name);
      case 'Z':
        return {};
      default:
        return change_rules(*chain, command);
    }
  }

  Status flush_all() {
    std::erase_if(filled_, [&](const Chain* chain) { return count(*chain) == 0; });
    last_filled_ = nullptr;
    const auto first = std::ranges::min_element(filled_, {}, &Chain::name);
    if (first != filled_.end())
      return lines_.at(error_of<messages::flush_behind_rules>(quoted((*first)->name)));
    return {};
  }

  // Counted once; from then on each rule that comes or goes is counted.
  bool in_use(const std::string& wanted) {
    if (!uses_) {
      uses_.emplace();
      for (const Chain* chain : filled_) {
        const auto order = orders_.find(const_cast<Chain*>(chain));
        for (const Rule& rule : order == orders_.end() ? chain->rules : order->second.rules())
          ++(*uses_)[target_of(rule.words, family())];
      }
    }
    const auto found = uses_->find(wanted);
    return found != uses_->end() && found->second > 0;
  }

  Status removable(const Chain& chain) {
    if (chain.built_in())
      return lines_.at(error_of<messages::chain_is_built_in>("remove", quoted(chain.name)));
    if (count(chain) > 0) return lines_.at(error_of<messages::chain_has_rules>("remove", quoted(chain.name)));
    if (in_use(chain.name)) return lines_.at(error_of<messages::chain_is_used>("remove", quoted(chain.name)));
    return {};
  }

  Status remove_chain(Chain& chain) {
    TRY(removable(chain));
    forget(chain);
    return {};
  }

  void forget(Chain& chain) {
    empty(chain);
    open_->remove(chain.name);
  }

  Status remove_all_chains() {
    const auto own = open_->own_chains();
    for (const Chain* chain : own) TRY(removable(*chain));
    for (Chain* chain : own) forget(*chain);
    return {};
  }

  Status rename_chain(const Chain& chain, const std::string& to) {
    if (chain.built_in())
      return lines_.at(error_of<messages::chain_is_built_in>("rename", quoted(chain.name)));
    TRY(check_chain_name(to));
    if (open_->find(to) != nullptr) return lines_.at(error_of<messages::chain_exists>(quoted(to)));
    // Rules name their chains by words here, and by place in the kernel.
    if (in_use(chain.name)) return lines_.at(error_of<messages::chain_is_used>("rename", quoted(chain.name)));
    open_->rename(chain.name, to);
    return {};
  }

  Status change_rules(Chain& chain, const CommandLine& command) {
    auto rules = TRY(spell_out(command));
    const auto number = command.number.value_or(1);
    const auto last = count(chain) + (command.letter == 'I' ? 1 : 0);
    if (command.number && (number < 1 || number > last)) {
      return lines_.at(
          error_of<messages::no_position>(quoted(chain.name), number, counted(count(chain), "rule")));
    }
    switch (command.letter) {
      case 'A':
        for (const auto& rule : rules) put(chain, count(chain), rule);
        return {};
      case 'I':
        for (const auto& rule : rules) put(chain, number - 1, rule);
        return {};
      case 'R':
        if (rules.size() > 1) return lines_.at(error_of<messages::replace_by_list>());
        take_out(chain, number - 1);
        put(chain, number - 1, rules.front());
        return {};
      default:
        if (!command.number) return remove_by_meaning(chain, rules, command.letter == 'D');
        take_out(chain, number - 1);
        return {};
    }
  }

  // -D and -C with a rule's words.
  Status remove_by_meaning(Chain& chain, const std::vector<Rule>& rules, bool remove) {
    for (const auto& rule : rules) {
      const auto found = order_of(chain).find(key_of(rule));
      if (!found) return lines_.at(error_of<messages::no_such_rule>(quoted(chain.name), quoted(rule.words)));
      if (remove) take_out(chain, *found);
    }
    return {};
  }

  // What the rule and its like have: meaning and comment. Found out once: a file with many -D asks it of the
  // same rules again and again.
  const std::string& key_of(const Rule& rule) {
    const auto [place, fresh] = keys_.try_emplace(rule.words);
    if (!fresh) return place->second;
    auto [key, comment] = meaning(rule.words, family());
    return place->second = format("{}\n#{}", key, comment);
  }

  using Spellings = std::vector<std::vector<std::string>>;

  // The rules that the kernel gets: one, or as many as there are pairs of addresses.
  Result<std::vector<Rule>> spell_out(const CommandLine& command) {
    Spellings spellings = {{}};
    bool several = false;
    auto list = command.lists.begin();
    for (std::size_t i = 0; i < command.words.size(); ++i) {
      const bool here = list != command.lists.end() && list->word == i;
      if (!here || !can_be_parted(list->addresses)) {
        for (auto& spelling : spellings) spelling.emplace_back(command.words[i]);
        if (here) ++list;
        continue;
      }
      if (command.negated_address)
        return lines_.at(error_of<messages::negated_list>(quoted(list->addresses)));
      several = true;
      multiply(spellings, std::string(list->option), list->addresses);
      ++i;
      ++list;
    }
    std::vector<Rule> rules;
    for (const auto& spelling : spellings) {
      const auto words =
          several || !command.untouched ? texts_.keep(join(spelling, " ")) : slice(command.words);
      rules.push_back(Rule{.words = words, .line = lines_.number(), .counters = command.counters});
    }
    if (rules.size() > kMostRules)
      return lines_.at(error_of<messages::too_many_rules>(counted(kMostRules, "rule")));
    return rules;
  }

  // What iptables may read otherwise is left to iptables.
  static bool can_be_parted(std::string_view list) {
    const auto parts = split(list, ',');
    return std::ranges::all_of(parts, [](std::string_view part) {
      part = without_blanks(part);
      return !part.empty() && part.find_first_of(" \t\"\\!") == std::string_view::npos && part[0] != '-';
    });
  }

  static void multiply(Spellings& spellings, const std::string& option, std::string_view list) {
    Spellings longer;
    for (const auto& spelling : spellings) {
      for (const auto address : split(list, ',')) {
        if (longer.size() > kMostRules) break;
        longer.push_back(spelling);
        longer.back().push_back(option);
        longer.back().emplace_back(without_blanks(address));
      }
    }
    spellings = std::move(longer);
  }

  static std::string_view slice(const std::vector<std::string_view>& words) {
    if (words.empty()) return {};
    const auto* begin = words.front().data();
    const auto* end = words.back().data() + words.back().size();
    return {begin, static_cast<std::size_t>(end - begin)};
  }

  void note(std::string_view what) { file_.notes.push_back(format("{}: {}", name_, what)); }

  void say_what_was_read() {
    if (skipped_ > 0) {
      note(format("{} marked for {} left out, as iptables-restore leaves them out", counted(skipped_, "line"),
                  family() == Family::ipv4 ? "IPv6 (-6)" : "IPv4 (-4)"));
    }
    if (lines_.stripped())
      note("lines that end in CRLF are read as if they ended in LF; iptables-restore does not read them so");
    if (odd_blanks_)
      note("blanks around COMMIT, before '*' or alone in a line are read; iptables-restore refuses them");
    if (turned_ > 0) {
      note(
          format("in {}, '!' behind an option is read as '!' before it; iptables-restore refuses that since "
                 "1.4.3",
                 counted(turned_, "line")));
    }
  }

  static constexpr std::size_t kMostRules = 65536;

  std::string name_;
  std::shared_ptr<const std::string> text_{};
  Lines lines_;
  RulesFile file_;
  Texts texts_{};
  std::unordered_map<std::string_view, std::string> keys_{};
  std::optional<OpenTable> open_{};
  /// Of the table that is open: the targets of rules with a line of each, and the rules that are not among
  /// them yet; how many rules have each target, once somebody asked; chains that have rules, or had; the
  /// rules of chains in which a rule was put between others or taken out.
  struct Unlooked {
    std::string_view words{};
    std::uint32_t line = 0;
  };
  std::unordered_map<std::string, std::uint32_t> targets_{};
  std::vector<Unlooked> unlooked_{};
  std::optional<std::unordered_map<std::string, std::size_t>> uses_{};
  std::unordered_set<Chain*> filled_{};
  const Chain* last_filled_ = nullptr;
  std::unordered_map<Chain*, RuleOrder> orders_{};
  std::size_t skipped_ = 0;
  std::size_t turned_ = 0;
  bool odd_blanks_ = false;
};

}  // namespace

Result<RulesFile> read_rules_file(std::string text, Family family, std::string_view name) {
  return RulesFileReader(std::move(text), family, name).read();
}

Result<Tables> parse_tables(std::string text, Family family, std::string_view name) {
  auto file = TRY(read_rules_file(std::move(text), family, name));
  return std::move(file.tables);
}

}  // namespace rewall

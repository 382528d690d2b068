#include "rules/parse.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <unordered_map>

#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"
#include "rules/lines.h"
#include "rules/meaning.h"
#include "rules/print.h"
#include "rules/tokenizer.h"

namespace rewall {
namespace {

using Word = Tokenizer::Word;

template <class Number>
std::optional<Number> to_number(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// "12:3400", without the brackets.
std::optional<Counters> to_counters(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto packets = to_number<std::uint64_t>(text.substr(0, colon));
  const auto bytes = to_number<std::uint64_t>(text.substr(colon + 1));
  if (!packets || !bytes) return std::nullopt;
  return Counters{*packets, *bytes};
}

std::string_view first_word(std::string_view& rest) {
  const auto end = static_cast<std::size_t>(std::ranges::find_if(rest, is_blank) - rest.begin());
  const auto word = rest.substr(0, end);
  rest = trim(rest.substr(end));
  return word;
}

// A line that appends a rule can be kept as it is unless it may hold a list of addresses, counters, the
// table, a family or a second command. Runs over every byte of every rule, so it only looks, and sends doubts
// to the slow road.
bool needs_care(std::string_view line) {
  bool list = false;
  bool address = false;
  for (std::size_t i = 1; i + 2 < line.size(); ++i) {
    if (line[i] == ',') list = true;
    if (line[i] != '-' || !is_blank(line[i - 1])) continue;
    const char letter = line[i + 1];
    if (letter == '-') {
      const auto name = line.substr(i + 2);
      address = address || name.starts_with("s") || name.starts_with("ds") || name.starts_with("de");
      if (name.starts_with("set-c") || name.starts_with("ta") || name.starts_with("ip")) return true;
    } else if (letter == 's' || letter == 'd') {
      address = true;
    } else if (letter == 'c' || letter == 't' || letter == '4' || letter == '6' ||
               (letter >= 'A' && letter <= 'Z')) {
      return true;
    }
  }
  return list && address;
}

// The commands of iptables(8) that a restore file can hold; '\0' is none of them.
char command_letter(const Word& word) {
  static constexpr std::array<std::pair<std::string_view, char>, 14> kLong = {{{"--append", 'A'},
                                                                               {"--insert", 'I'},
                                                                               {"--delete", 'D'},
                                                                               {"--replace", 'R'},
                                                                               {"--check", 'C'},
                                                                               {"--new-chain", 'N'},
                                                                               {"--new", 'N'},
                                                                               {"--delete-chain", 'X'},
                                                                               {"--policy", 'P'},
                                                                               {"--flush", 'F'},
                                                                               {"--rename-chain", 'E'},
                                                                               {"--zero", 'Z'},
                                                                               {"--list", 'L'},
                                                                               {"--list-rules", 'S'}}};
  const auto raw = word.raw;
  if (raw.size() < 2 || raw[0] != '-') return '\0';
  if (raw[1] != '-')
    return std::string_view("AIDRCNXPFEZLS").find(raw[1]) == std::string_view::npos ? '\0' : raw[1];
  const auto found = std::ranges::find(kLong, raw, &std::pair<std::string_view, char>::first);
  return found == kLong.end() ? '\0' : found->second;
}

// The next word is a value, whatever it looks like.
bool takes_free_text(const Word& option) {
  static constexpr std::array<std::string_view, 6> kOptions = {"--comment", "--log-prefix", "--nflog-prefix",
                                                               "--string",  "--hex-string", "--name"};
  return std::ranges::find(kOptions, option.raw) != kOptions.end();
}

// "-s"/"-d" and their long names, with the value behind (`-s1.2.3.4`, `--src=1.2.3.4`) or without.
struct AddressOption {
  std::string_view name{};
  std::string_view value{};  // empty: the next word
};

std::optional<AddressOption> address_option(std::string_view word) {
  static constexpr std::array<std::string_view, 4> kLong = {"--source", "--src", "--destination", "--dst"};
  if (word.starts_with("-s") || word.starts_with("-d"))
    return AddressOption{word.substr(0, 2), word.substr(2)};
  const auto equals = std::min(word.find('='), word.size());
  if (std::ranges::find(kLong, word.substr(0, equals)) == kLong.end()) return std::nullopt;
  return AddressOption{word.substr(0, equals), word.substr(std::min(equals + 1, word.size()))};
}

// A line taken apart, on the slow road.
struct Command {
  char letter = '\0';
  std::string chain{};
  std::string name{};  // a policy, or a chain's new name
  std::optional<std::uint32_t> number{};
  std::optional<Counters> counters{};
  std::vector<Word> words{};  // the rule's own
  bool untouched = true;      // the rule's words follow each other in the text
  bool other_family = false;  // -4 among IPv6 rules, -6 among IPv4 rules: not for us
};

// Owns texts that were not in the file: each rule of an address list.
class Texts {
 public:
  std::string_view keep(const std::string& words) {
    static constexpr std::size_t kChunk = 65536;
    if (!chunk_ || chunk_->capacity() - chunk_->size() < words.size()) {
      chunk_ = std::make_shared<std::string>();
      chunk_->reserve(std::max(kChunk, words.size()));
      all_.push_back(chunk_);
    }
    const auto begin = chunk_->size();
    *chunk_ += words;
    return std::string_view(*chunk_).substr(begin);
  }
  void move_to(std::vector<std::shared_ptr<const std::string>>& texts) {
    texts.insert(texts.end(), all_.begin(), all_.end());
  }

 private:
  std::shared_ptr<std::string> chunk_{};
  std::vector<std::shared_ptr<const std::string>> all_{};
};

// The chains of the table that is being read, by name; a built-in chain need not be declared.
class OpenTable {
 public:
  explicit OpenTable(std::string_view name)
      : table_{.name = std::string(name)}, built_in_(built_in_chains(name)) {}

  const std::string& name() const { return table_.name; }
  Table take() { return std::move(table_); }
  std::vector<Chain>& chains() { return table_.chains; }
  const std::vector<Chain>& chains() const { return table_.chains; }
  bool is_built_in(std::string_view chain) const {
    return std::ranges::find(built_in_, chain) != built_in_.end();
  }

  Chain* find(std::string_view chain) {
    if (last_ < table_.chains.size() && table_.chains[last_].name == chain) return &table_.chains[last_];
    const auto place = places_.find(chain);
    if (place != places_.end()) {
      last_ = place->second;
    } else if (is_built_in(chain)) {
      add(Chain{.name = std::string(chain), .policy = "ACCEPT"});
    } else {
      return nullptr;
    }
    return &table_.chains[last_];
  }
  bool declared(std::string_view chain) const { return places_.find(chain) != places_.end(); }
  void add(Chain chain) {
    last_ = table_.chains.size();
    places_.emplace(chain.name, last_);
    table_.chains.push_back(std::move(chain));
  }
  void rename(const std::string& from, std::string to) {
    find(from)->name = std::move(to);
    index();
  }
  template <class Unwanted>
  void remove(Unwanted unwanted) {
    std::erase_if(table_.chains, unwanted);
    index();
  }
  std::vector<std::string> names() const {
    auto names = built_in_;
    for (const auto& chain : table_.chains) names.push_back(chain.name);
    return names;
  }

 private:
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };

  void index() {
    places_.clear();
    for (std::size_t i = 0; i < table_.chains.size(); ++i) places_.emplace(table_.chains[i].name, i);
    last_ = 0;
  }

  Table table_;
  std::vector<std::string> built_in_;
  std::unordered_map<std::string, std::size_t, Hash, std::equal_to<>> places_{};
  std::size_t last_ = 0;
};

class TablesReader {
 public:
  TablesReader(Family family, std::string_view name) : lines_({}, name), tables_{.family = family} {}

  /// Whole lines, but for the last of all. After an error: nothing more.
  Status read(std::string text) {
    const auto kept = std::make_shared<const std::string>(std::move(text));
    tables_.texts.push_back(kept);
    lines_.more(*kept);
    TRY(lines_.refuse_nul());
    while (const auto line = lines_.next()) {
      auto done = take(*line);
      if (!done && open_ && !lines_.whole())
        return lines_.at(error_of<messages::no_commit_in_line>(open_->name()));
      if (!done) return done;
    }
    return {};
  }

  Result<Tables> finish() {
    if (open_) return lines_.at(error_of<messages::no_commit>(open_->name()));
    texts_.move_to(tables_.texts);
    return std::move(tables_);
  }

 private:
  Status take(std::string_view line) {
    if (line.empty()) return {};
    if (line[0] == '#') return take_remark(line);
    if (!open_) return take_outside(trim(line));
    if (line[0] == ':') return take_chain(line.substr(1));
    line = trim(line);
    if (line.empty()) return {};
    if (line == "COMMIT") return commit();
    if (line[0] == '*') return lines_.at(error_of<messages::no_commit_before_table>(open_->name()));
    return take_rule(line);
  }

  Status take_remark(std::string_view line) const {
    if (line.find("is incompatible, use 'nft' tool") == std::string_view::npos) return {};
    return lines_.at(error_of<messages::incompatible_table>(escape(trim(line.substr(1)))));
  }

  Status take_outside(std::string_view line) {
    if (line.empty()) return {};
    if (line[0] != '*') return lines_.at(error_of<messages::not_iptables_save>(quoted(first_word(line))));
    auto rest = line.substr(1);
    const auto name = first_word(rest);
    if (built_in_chains(name).empty()) {
      static const std::vector<std::string> kNames = {"raw", "mangle", "nat", "filter", "security"};
      return lines_.at(error_of<messages::unknown_rules_table>(quoted(name), did_you_mean(name, kNames)));
    }
    if (!rest.empty()) return unexpected(rest);
    open_.emplace(name);
    return {};
  }

  // A table that comes twice: iptables-restore empties it before it loads it again.
  Status commit() {
    std::erase_if(tables_.tables, [this](const Table& table) { return table.name == open_->name(); });
    tables_.tables.push_back(open_->take());
    open_.reset();
    return {};
  }

  Error missing(std::string_view what, std::string_view before) const {
    return lines_.at(error_of<messages::missing_word>(what, before));
  }

  Error unexpected(std::string_view rest) const {
    return lines_.at(error_of<messages::unexpected_word>(quoted(first_word(rest))));
  }

  Error unknown_chain(std::string_view chain) const {
    return lines_.at(error_of<messages::unknown_chain>(quoted(chain), did_you_mean(chain, open_->names())));
  }

  // :NAME POLICY [PACKETS:BYTES]
  Status take_chain(std::string_view rest) {
    rest = trim(rest);
    const auto name = first_word(rest);
    if (name.empty()) return missing("chain name", "':'");
    const auto policy = first_word(rest);
    if (policy.empty()) return lines_.at(error_of<messages::no_chain_policy>(quoted(name)));
    const auto counters_word = first_word(rest);
    std::optional<Counters> counters;
    if (!counters_word.empty()) {
      if (counters_word.front() == '[' && counters_word.back() == ']' && counters_word.size() > 2) {
        counters = to_counters(counters_word.substr(1, counters_word.size() - 2));
      }
      if (!counters)
        return lines_.at(error_of<messages::invalid_chain_counters>(quoted(name), quoted(counters_word)));
    }
    if (!rest.empty()) return unexpected(rest);
    if (policy == "-" && !open_->is_built_in(name)) return declare(name, counters);
    auto* chain = open_->find(name);
    if (chain == nullptr || !chain->built_in()) return policy_of_own_chain(name);
    chain->line = lines_.number();
    if (counters) chain->counters = counters;
    return policy == "-" ? Status{} : set_policy(*chain, policy);
  }

  Status declare(std::string_view name, std::optional<Counters> counters) {
    if (open_->declared(name)) return {};
    open_->add(
        Chain{.name = std::string(name), .policy = "-", .line = lines_.number(), .counters = counters});
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
      const auto end = std::min(line.find(']'), line.size());
      counters = to_counters(line.substr(1, end - 1));
      if (!counters) return lines_.at(error_of<messages::invalid_counters>(quoted(first_word(line))));
      line = trim(line.substr(end + 1));
    }
    if (!line.starts_with("-A ") || needs_care(line.substr(2))) return take_slowly(line, counters);
    auto rest = trim(line.substr(3));
    const auto name = first_word(rest);
    auto* chain = open_->find(name);
    if (chain == nullptr) return unknown_chain(name);
    chain->rules.push_back(Rule{.words = rest, .line = lines_.number(), .counters = counters});
    return {};
  }

  Status take_slowly(std::string_view line, std::optional<Counters> counters) {
    auto command = take_apart(line);
    if (!command) return std::move(command).error();
    if (!command->counters) command->counters = counters;
    if (command->other_family) return {};
    return carry_out(*command);
  }

  Result<Command> take_apart(std::string_view line) const {
    std::vector<Word> words;
    Tokenizer reader(line);
    while (const auto word = reader.next()) words.push_back(*word);
    if (reader.unclosed()) return lines_.at(error_of<messages::unclosed_quote>(quoted(words.back().raw)));
    Command command;
    const auto begins =
        std::ranges::find_if(words, [](const Word& word) { return command_letter(word) != '\0'; });
    if (begins == words.end()) {
      auto rest = line;
      return lines_.at(error_of<messages::unknown_line>(quoted(first_word(rest))));
    }
    for (auto word = words.begin(); word != words.end(); ++word) {
      TRY(word == begins ? take_command(command, word, words.end()) : take_word(command, word, words.end()));
    }
    return command;
  }

  using Place = std::vector<Word>::const_iterator;

  // Moves `word` to the last word that belongs to the command.
  Status take_command(Command& command, std::vector<Word>::iterator& word, Place end) const {
    command.letter = command_letter(*word);
    const bool attached = word->raw[1] != '-' && word->raw.size() > 2;
    const auto value = [&word, end]() -> std::string {
      if (word + 1 == end || (word[1].raw.starts_with('-') && word[1].raw.size() > 1)) return {};
      return (++word)->text();
    };
    const auto shown = quoted(word->raw);
    command.chain = attached ? std::string(word->raw.substr(2)) : value();
    if (command.chain.empty() && std::string_view("FXZLS").find(command.letter) == std::string_view::npos) {
      return missing("chain name", shown);
    }
    if (command.letter == 'P' || command.letter == 'E') {
      command.name = value();
      if (command.name.empty())
        return missing(command.letter == 'P' ? "policy" : "new name", shown + ' ' + quoted(command.chain));
    }
    if (std::string_view("IDR").find(command.letter) != std::string_view::npos && word + 1 != end) {
      command.number = to_number<std::uint32_t>(word[1].raw);
      if (command.number) ++word;
    }
    return {};
  }

  Status take_word(Command& command, std::vector<Word>::iterator& word, Place end) const {
    const auto left = end - word;
    const bool free_text = !command.words.empty() && takes_free_text(command.words.back());
    if (word->quoted || free_text) {
      keep(command, *word);
    } else if (word->raw == "-t" || word->raw == "--table") {
      if (left < 2) return missing("table name", quoted(word->raw));
      if ((++word)->text() != open_->name()) {
        return lines_.at(error_of<messages::rule_of_other_table>(quoted(word->raw), open_->name()));
      }
    } else if (word->raw == "-c" || word->raw == "--set-counters") {
      const auto counters = left > 2 ? to_counters(format("{}:{}", word[1].raw, word[2].raw)) : std::nullopt;
      if (!counters) return lines_.at(error_of<messages::counters_need_numbers>(quoted(word->raw)));
      command.counters = counters;
      word += 2;
    } else if (word->raw == "-4" || word->raw == "--ipv4" || word->raw == "-6" || word->raw == "--ipv6") {
      command.other_family = word->raw.ends_with('4') != (tables_.family == Family::ipv4);
    } else {
      keep(command, *word);
    }
    return {};
  }

  static void keep(Command& command, const Word& word) {
    if (!command.words.empty()) {
      const auto last = command.words.back().raw;
      const std::string_view between(last.data() + last.size(),
                                     static_cast<std::size_t>(word.raw.data() - last.data()) - last.size());
      command.untouched = command.untouched && trim(between).empty();
    }
    command.words.push_back(word);
  }

  Status carry_out(const Command& command) {
    switch (command.letter) {
      case 'N':
        if (open_->find(command.chain) != nullptr)
          return lines_.at(error_of<messages::chain_exists>(quoted(command.chain)));
        return declare(command.chain, std::nullopt);
      case 'F':
      case 'X':
        if (command.chain.empty()) return command.letter == 'F' ? flush_all() : remove_all_chains();
        break;
      case 'Z':
        return {};
      case 'L':
      case 'S':
        return lines_.at(error_of<messages::command_not_allowed>(command.letter));
      default:
        break;
    }
    auto* chain = open_->find(command.chain);
    if (chain == nullptr) return unknown_chain(command.chain);
    switch (command.letter) {
      case 'P':
        return chain->built_in() ? set_policy(*chain, command.name)
                                 : Status(policy_of_own_chain(chain->name));
      case 'F':
        chain->rules.clear();
        return {};
      case 'X':
        return remove_chain(*chain);
      case 'E':
        return rename_chain(*chain, command.name);
      default:
        return change_rules(*chain, command);
    }
  }

  Status flush_all() {
    for (auto& chain : open_->chains()) chain.rules.clear();
    return {};
  }

  bool in_use(std::string_view wanted) const {
    const auto leads_there = [&](const Rule& rule) {
      return target_of(rule.words, tables_.family) == wanted;
    };
    return std::ranges::any_of(
        open_->chains(), [&](const Chain& chain) { return std::ranges::any_of(chain.rules, leads_there); });
  }

  Status removable(const Chain& chain) const {
    if (chain.built_in())
      return lines_.at(error_of<messages::chain_is_built_in>("remove", quoted(chain.name)));
    if (!chain.rules.empty())
      return lines_.at(error_of<messages::chain_has_rules>("remove", quoted(chain.name)));
    if (in_use(chain.name)) return lines_.at(error_of<messages::chain_is_used>("remove", quoted(chain.name)));
    return {};
  }

  Status remove_chain(const Chain& chain) {
    TRY(removable(chain));
    open_->remove([name = chain.name](const Chain& other) { return other.name == name; });
    return {};
  }

  Status remove_all_chains() {
    for (const auto& chain : open_->chains()) {
      if (chain.built_in()) continue;
      TRY(removable(chain));
    }
    open_->remove([](const Chain& chain) { return !chain.built_in(); });
    return {};
  }

  Status rename_chain(const Chain& chain, const std::string& to) {
    if (chain.built_in())
      return lines_.at(error_of<messages::chain_is_built_in>("rename", quoted(chain.name)));
    if (open_->find(to) != nullptr) return lines_.at(error_of<messages::chain_exists>(quoted(to)));
    // Rules name their chains by words here, and by place in the kernel.
    if (in_use(chain.name)) return lines_.at(error_of<messages::chain_is_used>("rename", quoted(chain.name)));
    open_->rename(chain.name, to);
    return {};
  }

  Status change_rules(Chain& chain, const Command& command) {
    auto rules = TRY(spell_out(command));
    const auto at = [&chain](std::size_t number) {
      return chain.rules.begin() + static_cast<std::ptrdiff_t>(number - 1);
    };
    const auto number = command.number.value_or(1);
    const auto last = chain.rules.size() + (command.letter == 'I' ? 1 : 0);
    const bool by_number = command.number || command.letter == 'R';
    if (by_number && (number < 1 || number > last)) {
      return lines_.at(
          error_of<messages::no_position>(quoted(chain.name), number, counted(chain.rules.size(), "rule")));
    }
    switch (command.letter) {
      case 'A':
        chain.rules.insert(chain.rules.end(), rules.begin(), rules.end());
        return {};
      case 'I':
        for (const auto& rule : rules) chain.rules.insert(at(number), rule);
        return {};
      case 'R':
        if (!command.number) return missing("position", "'-R'");
        if (rules.size() > 1) return lines_.at(error_of<messages::replace_by_list>());
        *at(number) = rules.front();
        return {};
      default:
        if (!command.number) return remove_by_meaning(chain, rules, command.letter == 'D');
        chain.rules.erase(at(number));
        return {};
    }
  }

  // -D and -C with a rule's words.
  Status remove_by_meaning(Chain& chain, const std::vector<Rule>& rules, bool remove) {
    for (const auto& rule : rules) {
      const auto& wanted = meaning_of(rule);
      const auto found =
          std::ranges::find_if(chain.rules, [&](const Rule& other) { return meaning_of(other) == wanted; });
      if (found == chain.rules.end())
        return lines_.at(error_of<messages::no_such_rule>(quoted(chain.name), quoted(rule.words)));
      if (remove) chain.rules.erase(found);
    }
    return {};
  }

  // Found out once: a file with many -D asks it of the same rules again and again.
  const Meaning& meaning_of(const Rule& rule) {
    const auto [place, fresh] = meanings_.try_emplace(rule.words);
    if (fresh) place->second = meaning(rule.words, tables_.family);
    return place->second;
  }

  // The rules that the kernel gets: one, or as many as there are pairs of addresses.
  Result<std::vector<Rule>> spell_out(const Command& command) {
    std::vector<std::vector<std::string>> spellings = {{}};
    bool lists = false;
    for (std::size_t i = 0; i < command.words.size(); ++i) {
      const auto word = command.words[i];
      const bool free_text = i > 0 && takes_free_text(command.words[i - 1]);
      const auto option = word.quoted || free_text ? std::nullopt : address_option(word.raw);
      const bool apart = option && option->value.empty() && i + 1 < command.words.size();
      const auto value = !option ? std::string{}
                         : apart ? command.words[i + 1].text()
                                 : std::string(option->value);
      if (value.find(',') == std::string::npos) {
        for (auto& spelling : spellings) spelling.emplace_back(word.raw);
        continue;
      }
      if (i > 0 && command.words[i - 1].is("!"))
        return lines_.at(error_of<messages::negated_list>(quoted(value)));
      lists = true;
      multiply(spellings, std::string(option->name), value);
      if (apart) ++i;
    }
    std::vector<Rule> rules;
    for (const auto& spelling : spellings) {
      const auto words =
          lists || !command.untouched ? texts_.keep(join(spelling, " ")) : slice(command.words);
      rules.push_back(Rule{.words = words, .line = lines_.number(), .counters = command.counters});
    }
    if (rules.size() > kMostRules)
      return lines_.at(error_of<messages::too_many_rules>(counted(kMostRules, "rule")));
    return rules;
  }

  static void multiply(std::vector<std::vector<std::string>>& spellings, const std::string& option,
                       std::string_view list) {
    std::vector<std::vector<std::string>> longer;
    for (const auto& spelling : spellings) {
      for (const auto address : split(list, ',')) {
        if (longer.size() > kMostRules) break;
        longer.push_back(spelling);
        longer.back().push_back(option);
        longer.back().emplace_back(trim(address));
      }
    }
    spellings = std::move(longer);
  }

  static std::string_view slice(const std::vector<Word>& words) {
    if (words.empty()) return {};
    const auto* begin = words.front().raw.data();
    const auto* end = words.back().raw.data() + words.back().raw.size();
    return {begin, static_cast<std::size_t>(end - begin)};
  }

  static constexpr std::size_t kMostRules = 65536;

  Lines lines_;
  Tables tables_;
  Texts texts_{};
  std::unordered_map<std::string_view, Meaning> meanings_{};
  std::optional<OpenTable> open_{};
};

// What one word says of the family, if anything.
std::optional<Family> family_by_word(std::string_view before, const std::string& word) {
  static constexpr std::array<std::string_view, 17> kSix = {
      "ipv6-icmp",  "icmpv6",    "icmp6",      "mobility-header",
      "ipv6-route", "ipv6-frag", "ipv6-nonxt", "ipv6-opts",
      "ipv6header", "hbh",       "dst",        "rt",
      "mh",         "hl",        "HL",         "SNPT",
      "DNPT"};
  const bool names = before == "-p" || before == "--protocol" || before == "-m" || before == "--match" ||
                     before == "-j" || before == "--jump";
  if (names) {
    if (std::ranges::find(kSix, word) != kSix.end()) return Family::ipv6;
    if (word == "icmp") return Family::ipv4;
    return std::nullopt;
  }
  if (!before.starts_with('-') && before != "!") return std::nullopt;
  const auto address = word.substr(0, word.find('/'));
  in6_addr six{};
  in_addr four{};
  if (inet_pton(AF_INET6, address.c_str(), &six) == 1) return Family::ipv6;
  if (inet_pton(AF_INET, address.c_str(), &four) == 1) return Family::ipv4;
  return std::nullopt;
}

std::optional<Family> family_by_line(std::string_view line) {
  if (line.starts_with("# Generated by ip6tables")) return Family::ipv6;
  if (line.starts_with("# Generated by iptables")) return Family::ipv4;
  if (line.starts_with('#') || line.starts_with(':')) return std::nullopt;
  Tokenizer words(line);
  std::string before;
  while (const auto word = words.next()) {
    auto text = word->text();
    if (before != "--comment") {
      if (const auto family = family_by_word(before, text)) return family;
    }
    before = std::move(text);
  }
  return std::nullopt;
}

}  // namespace

Result<Tables> parse_tables(std::string text, Family family, std::string_view name) {
  TablesReader reader(family, name);
  TRY(reader.read(std::move(text)));
  return reader.finish();
}

class TablesStream::Reader {
 public:
  Reader(Family family, std::string_view name) : tables_(family, name) {}

  void take(std::string_view piece) {
    constexpr std::size_t kEnough = 1 << 18;  // pieces are kept: few large ones, not many small ones
    pending_ += piece;
    const auto end = pending_.size() < kEnough ? std::string::npos : pending_.rfind('\n');
    if (end == std::string::npos) return;
    std::string rest = pending_.substr(end + 1);
    pending_.resize(end + 1);
    read_pending();
    pending_ = std::move(rest);
  }

  Result<Tables> finish() {
    read_pending();
    if (!so_far_) return std::move(so_far_).error();
    return tables_.finish();
  }

 private:
  void read_pending() {
    if (so_far_) so_far_ = tables_.read(std::exchange(pending_, {}));
  }

  TablesReader tables_;
  std::string pending_{};
  Status so_far_{};
};

TablesStream::TablesStream(Family family, std::string_view name)
    : reader_(std::make_unique<Reader>(family, name)) {}
TablesStream::TablesStream(TablesStream&&) noexcept = default;
TablesStream& TablesStream::operator=(TablesStream&&) noexcept = default;
TablesStream::~TablesStream() = default;

void TablesStream::take(std::string_view piece) {
  reader_->take(piece);
}

Result<Tables> TablesStream::finish() {
  return reader_->finish();
}

std::optional<Family> guess_family(std::string_view text) {
  Lines lines(text, "");
  while (const auto line = lines.next()) {
    if (const auto family = family_by_line(*line)) return family;
  }
  return std::nullopt;
}

}  // namespace rewall

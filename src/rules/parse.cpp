#include "rules/parse.h"

#include <algorithm>
#include <utility>

#include "core/messages.h"
#include "core/text.h"
#include "rules/open_table.h"
#include "rules/rule.h"

namespace rewall {
namespace {

// `-M PROGRAM` names the program that loads modules, and iptables-restore may run it.
bool is_modprobe(std::string_view word) {
  constexpr std::string_view kLong = "--modprobe";
  constexpr std::size_t kShortest = 4;  // "--mo": getopt_long(3) takes the beginning of a name
  const auto name = word.substr(0, word.find('='));
  return word.starts_with("-M") || (name.size() >= kShortest && kLong.starts_with(name));
}

// No iptables-save prints it. As a value, such as a comment, the word may stand.
bool names_program(std::string_view words, Family family) {
  const auto holds = [&](std::string_view part) { return words.find(part) != std::string_view::npos; };
  if (!holds("-M") && !holds("--mo") && !holds("\\")) return false;
  const auto rule = parse_rule(words, family);
  if (!rule) {
    std::string plain(words);
    std::erase(plain, '\\');
    return plain.find("-M") != std::string::npos || plain.find("--mo") != std::string::npos;
  }
  const auto of_options = [](const std::vector<Option>& options) {
    return std::ranges::any_of(options, is_modprobe, &Option::name);
  };
  return std::ranges::any_of(rule->unknown, is_modprobe) ||
         std::ranges::any_of(rule->matches,
                             [&](const Match& match) { return !match.known && of_options(match.options); }) ||
         (rule->target && !rule->target->known && of_options(rule->target->options));
}

class SavedReader {
 public:
  SavedReader(Family family, std::string_view name)
      : lines_({}, name, Lines::Ends::newline), tables_{.family = family} {}

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
    return std::move(tables_);
  }

 private:
  Status take(std::string_view line) {
    if (line.empty()) return {};
    if (line[0] == '#') return check_remark(lines_, line);
    if (!open_) return take_outside(line);
    if (line[0] == '-') return take_rule(line, std::nullopt);
    if (line[0] == '[') return take_counted(line);
    if (line[0] == ':') return take_chain(line.substr(1));
    if (without_blanks(line) == "COMMIT") return commit();
    if (line[0] == '*') return lines_.at(error_of<messages::no_commit_before_table>(open_->name()));
    return unknown_line(line);
  }

  Error unknown_line(std::string_view line) const {
    return lines_.at(error_of<messages::unknown_line>(quoted(first_word(line))));
  }

  Status take_outside(std::string_view line) {
    if (line[0] != '*') return lines_.at(error_of<messages::not_iptables_save>(quoted(first_word(line))));
    open_ = TRY(open_table(lines_, without_blanks(line.substr(1))));
    return {};
  }

  // Of a table that comes twice, the last one.
  Status commit() {
    std::erase_if(tables_.tables, [this](const Table& table) { return table.name == open_->name(); });
    tables_.tables.push_back(open_->take());
    open_.reset();
    return {};
  }

  // NAME POLICY [PACKETS:BYTES]
  Status take_chain(std::string_view rest) {
    const auto name = first_word(rest);
    if (name.empty()) return lines_.at(error_of<messages::missing_word>("chain name", "':'"));
    const auto policy = first_word(rest);
    if (policy.empty()) return lines_.at(error_of<messages::no_chain_policy>(quoted(name)));
    std::optional<Counters> counters;
    if (!rest.empty()) {
      auto word = rest;
      if (word[0] == '[') counters = take_counters(word);
      if (!counters || !word.empty())
        return lines_.at(error_of<messages::invalid_chain_counters>(quoted(name), quoted(rest)));
    }
    const bool built_in = open_->is_built_in(name);
    if (policy != "-" && !built_in) {
      return lines_.at(error_of<messages::policy_of_own_chain>(
          quoted(name), open_->name(), did_you_mean(name, built_in_chains(open_->name()))));
    }
    if (policy != "-" && policy != "ACCEPT" && policy != "DROP")
      return lines_.at(error_of<messages::unknown_policy>(quoted(name), quoted(policy)));
    if (!built_in) {
      if (open_->declared(name) != nullptr) return lines_.at(error_of<messages::chain_exists>(quoted(name)));
      open_->add(
          Chain{.name = std::string(name), .policy = "-", .line = lines_.number(), .counters = counters});
      return {};
    }
    auto& chain = *open_->find(name);
    chain.line = lines_.number();
    if (counters) chain.counters = counters;
    if (policy != "-") chain.policy = policy;
    return {};
  }

  Status take_counted(std::string_view line) {
    const auto whole = line;
    const auto counters = take_counters(line);
    if (!counters) return lines_.at(error_of<messages::invalid_counters>(quoted(first_word(line))));
    if (!line.starts_with('-')) return unknown_line(whole);
    return take_rule(line, counters);
  }

  // -A CHAIN WORDS
  Status take_rule(std::string_view line, std::optional<Counters> counters) {
    if (!line.starts_with("-A ")) return unknown_line(line);
    auto rest = line.substr(3);
    const auto name = first_word(rest);
    auto* chain = open_->find(name);
    if (chain == nullptr) return unknown_chain(lines_, *open_, name);
    if (names_program(rest, tables_.family)) return lines_.at(error_of<messages::command_not_allowed>('M'));
    chain->rules.push_back(Rule{.words = rest, .line = lines_.number(), .counters = counters});
    return {};
  }

  Lines lines_;
  Tables tables_;
  std::optional<OpenTable> open_{};
};

}  // namespace

Result<Tables> parse_saved(std::string text, Family family, std::string_view name) {
  SavedReader reader(family, name);
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

  SavedReader tables_;
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

}  // namespace rewall

#include "kernel/refusal.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"
#include "kernel/programs.h"
#include "rules/owners.h"

namespace rewall {

namespace {

constexpr std::size_t kLongestQuote = 200;
constexpr std::string_view kRefused = "refused by the kernel";

std::size_t number_after(std::string_view text, std::string_view words) {
  const auto at = text.find(words);
  if (at == std::string_view::npos) return 0;
  std::size_t line = 0;
  std::from_chars(text.data() + at + words.size(), text.data() + text.size(), line);
  return line;
}

/// iptables-restore names the line in one of these ways; 0 when in none.
std::size_t line_in(std::string_view err) {
  for (const std::string_view words : {"Error occurred at line: ", "Error in line ", "\nline ", ": line "})
    if (const auto line = number_after(err, words); line != 0) return line;
  return 0;
}

std::string_view without_start(std::string_view line) {
  if (const auto at = line.find("): "); line.starts_with("ip") && at != std::string_view::npos)
    line.remove_prefix(at + 3);
  if (line.starts_with("ip"))
    if (const auto at = line.find(": line "); at != std::string_view::npos) line.remove_prefix(at + 2);
  if (line.starts_with("ipset v"))
    if (const auto at = line.find(": "); at != std::string_view::npos) line.remove_prefix(at + 2);
  for (const std::string_view start : {"line ", "Error in line "}) {
    if (!line.starts_with(start)) continue;
    const auto end = line.find_first_not_of("0123456789", start.size());
    if (end == std::string_view::npos) return {};
    line.remove_prefix(end);
    if (line.starts_with(" failed")) line.remove_prefix(7);
    if (line.starts_with(":")) line.remove_prefix(1);
  }
  return trim(line);
}

bool is_vague(std::string_view words) {
  return words.empty() || words.find("failed (") != std::string_view::npos;
}

/// The first words that say something; a warning of a missing module where the rest is vague.
std::string_view words_of(const Outcome& outcome) {
  constexpr std::string_view kWarning = "Warning: ";
  std::string_view warning;
  std::string_view words;
  for (const std::string_view line : split_lines(outcome.err)) {
    if (line.starts_with('#') || line.starts_with("Error occurred at") || line.starts_with("Try `")) continue;
    if (line.starts_with(kWarning))
      warning = line.substr(kWarning.size());
    else if (words.empty())
      words = without_start(line);  // a version alone ends in "): "
  }
  if (is_vague(words) && !warning.empty()) return warning;
  return words.empty() ? kRefused : words;
}

std::string hint_for(std::string_view words) {
  if (words.find("Set ") == 0 && words.find("doesn't exist") != std::string_view::npos)
    return "the revision has no such set: create it, or take the rule out";
  if (words.find("Can't open socket to ipset") == 0) return std::string(messages::no_raw_socket.hint);
  if (words.find("Couldn't load") == 0)
    return "no such extension is installed; `iptables -m NAME --help` shows those that are";
  if (is_vague(words) || words == kRefused || words.find("missing kernel module") != std::string_view::npos)
    return "the kernel has no such match or target, or not in this table and chain";
  return {};
}

/// The table of the text that a line is in, its lines, and the rules' places.
struct Section {
  std::vector<std::string_view> head{};   ///< *table and :chains
  std::vector<std::string_view> rules{};  ///< -A lines
  std::size_t first = 0;                  ///< the line of *table
  std::string table() const { return std::string(head.empty() ? "" : head[0].substr(1)); }
};

Section section_at(std::string_view text, std::size_t line) {
  const auto lines = split_lines(text);
  Section section;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].starts_with('*')) {
      if (i + 1 > line && !section.head.empty()) break;
      section = Section{};
      section.first = i + 1;
    }
    (lines[i].starts_with("-A ") ? section.rules : section.head).push_back(lines[i]);
    if (lines[i] == "COMMIT" && i + 1 >= line) break;
  }
  if (!section.head.empty() && section.head.back() == "COMMIT") section.head.pop_back();
  return section;
}

std::string text_of(const Section& section, std::size_t rules) {
  std::string text;
  for (const auto line : section.head) text.append(line) += '\n';
  for (std::size_t i = 0; i < rules; ++i) text.append(section.rules[i]) += '\n';
  return text + "COMMIT\n";
}

/// The first rule that the kernel does not take, by halving; absent when it takes all or none of the head.
std::optional<std::size_t> find_refused(const Section& section,
                                        const std::function<bool(const std::string&)>& accepts) {
  if (!accepts(text_of(section, 0))) return std::nullopt;
  std::size_t taken = 0;
  std::size_t refused = section.rules.size() + 1;
  while (refused - taken > 1) {
    const std::size_t middle = taken + (refused - taken) / 2;
    (accepts(text_of(section, middle)) ? taken : refused) = middle;
  }
  if (refused > section.rules.size()) return std::nullopt;
  return refused - 1;
}

std::string_view chain_of(std::string_view rule_line) {
  const auto rest = rule_line.substr(3);
  return rest.substr(0, rest.find(' '));
}

/// The rule's line in the text it was read from; 0 when it was not read.
std::size_t line_of(const Tables& tables, const Section& section, std::size_t rule) {
  const std::string_view name = chain_of(section.rules[rule]);
  const auto before =
      std::count_if(section.rules.begin(), section.rules.begin() + static_cast<std::ptrdiff_t>(rule),
                    [&](std::string_view line) { return chain_of(line) == name; });
  const Table* table = tables.find(section.table());
  const Chain* chain = table != nullptr ? table->find(name) : nullptr;
  if (chain == nullptr || static_cast<std::size_t>(before) >= chain->rules.size()) return 0;
  return chain->rules[static_cast<std::size_t>(before)].line;
}

/// A loop that the first rules of the section close, "A -> B -> A"; empty where there is none.
std::string find_loop(const Section& section, std::size_t rules) {
  std::map<std::string_view, std::vector<std::string>> jumps;
  for (const auto line : section.head)
    if (line.starts_with(':')) jumps[line.substr(1, line.find(' ') - 1)];
  for (std::size_t i = 0; i < rules; ++i) {
    const auto chain = jumps.find(chain_of(section.rules[i]));
    std::string target = jump_of(section.rules[i].substr(3));
    if (chain != jumps.end() && jumps.contains(target)) chain->second.push_back(std::move(target));
  }
  struct Step {
    std::string_view chain{};
    std::size_t next = 0;  ///< of its jumps
  };
  std::set<std::string_view> seen;
  for (const auto& [start, unused] : jumps) {
    std::vector<Step> way{{start}};
    seen.insert(start);
    while (!way.empty()) {
      const auto& targets = jumps.at(way.back().chain);
      if (way.back().next == targets.size()) {
        way.pop_back();
        continue;
      }
      const std::string_view target = targets[way.back().next++];
      const auto before = std::ranges::find(way, target, &Step::chain);
      if (before != way.end()) {
        std::string loop;
        for (auto step = before; step != way.end(); ++step) loop.append(step->chain).append(" -> ");
        return loop.append(target);
      }
      if (seen.insert(target).second) way.push_back({target});
    }
  }
  return {};
}

std::string cut(std::string_view line) {
  if (line.size() <= kLongestQuote) return std::string(line);
  return std::string(line.substr(0, kLongestQuote)) + "...";
}

std::string words_for(const Outcome& outcome) {
  if (outcome.timed_out || outcome.signal != 0) return outcome.text();
  return std::string(words_of(outcome));
}

}  // namespace

Error refusal(const RestoreInput& input, const Outcome& outcome,
              const std::function<bool(const std::string&)>& accepts) {
  if (says_not_permitted(outcome.err)) return change_not_permitted(input.file, words_for(outcome));
  std::string words = words_for(outcome);
  Error error{.kind = ErrorKind::kernel, .hint = hint_for(words)};
  const std::size_t line = line_in("\n" + outcome.err);
  if (line == 0) {
    error.message = format("{}: {}", input.file, words);
    return error;
  }
  const Section section = section_at(input.text, line);
  const std::size_t first_rule = section.first + section.head.size();
  std::optional<std::size_t> rule;
  if (line >= first_rule && line < first_rule + section.rules.size()) rule = line - first_rule;
  if (!rule && accepts && line >= first_rule) rule = find_refused(section, accepts);
  // The kernel does not say why it refuses one.
  if (is_vague(words) || words == kRefused) {
    if (const auto loop = find_loop(section, rule ? *rule + 1 : section.rules.size()); !loop.empty()) {
      words = format("a loop of chains, {}", loop);
      error.hint = "take one of these jumps out";
    }
  }
  if (!rule) {
    error.message = format("{}: table {}: {}", input.file, section.table(), words);
    return error;
  }
  const std::size_t read_from = line_of(input.tables, section, *rule);
  error.message =
      format("{}:{}: table {}: {}: {}", input.file, read_from != 0 ? read_from : first_rule + *rule,
             section.table(), words, cut(section.rules[*rule]));
  return error;
}

Error set_refusal(const std::string& file, std::string_view text, const Outcome& outcome) {
  if (says_not_permitted(outcome.err)) return change_not_permitted(file, words_for(outcome));
  Error error{.kind = ErrorKind::kernel, .message = format("{}: {}", file, words_for(outcome))};
  const std::size_t line = line_in("\n" + outcome.err);
  const auto lines = split_lines(text);
  if (line != 0 && line <= lines.size())
    error.message = format("{}:{}: {}: {}", file, line, words_for(outcome), cut(lines[line - 1]));
  return error;
}

}  // namespace rewall

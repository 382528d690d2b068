#pragma once

#include <algorithm>
#include <csignal>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/text.h"
#include "rules/print.h"
#include "rules/rule.h"
#include "rules/ruleset.h"

namespace rewall {

/// How a program took a file: what it refused with, or the save that it left.
struct Ending {
  bool taken = false;
  std::string save{};
  std::string said{};
  int signal = 0;
};

inline bool same(const Ending& one, const Ending& other) {
  return one.taken == other.taken && (!one.taken || one.save == other.save);
}

/// Why the host's iptables-restore and the program may end differently (tests/README.md has them all).
struct Reason {
  std::string name{};
  /// The text without it, in which the two must end alike; absent: nothing is left to be compared.
  std::optional<std::string> rest{};
};

/// A text of iptables-restore by its lines, read without the program's own reader.
class TextLines {
 public:
  explicit TextLines(std::string_view text) : newline_(text.ends_with('\n')) {
    for (const auto line : split_lines(text)) lines_.emplace_back(line);
  }

  const std::string& at(std::size_t number) const { return lines_[number - 1]; }
  std::size_t size() const { return lines_.size(); }
  void erase(std::size_t number) { lines_.erase(lines_.begin() + static_cast<long>(number - 1)); }
  void insert(std::size_t number, std::string line) {
    lines_.insert(lines_.begin() + static_cast<long>(number - 1), std::move(line));
  }
  void replace(std::size_t number, std::string line) { lines_[number - 1] = std::move(line); }
  std::string text() const { return join(lines_, "\n") + (newline_ ? "\n" : ""); }
  std::string without(std::size_t number) const {
    auto left = *this;
    left.erase(number);
    return left.text();
  }

  /// The name of the table that the line is in; empty outside of all.
  std::string table_of(std::size_t number) const {
    for (; number > 0; --number) {
      const auto line = trim(at(number));
      if (line.starts_with('*')) return std::string(first(line.substr(1)));
      if (line == "COMMIT") return "";
    }
    return "";
  }

  static std::string_view first(std::string_view text) {
    text = trim(text);
    return text.substr(0, text.find_first_of(" \t"));
  }

 private:
  std::vector<std::string> lines_{};
  bool newline_;
};

/// What is read on purpose, written as iptables-restore wants it: no byte order mark, no CRLF, no blanks in
/// empty lines, around COMMIT and before '*', and `! -s ADDRESS` for `-s ! ADDRESS`.
inline std::string plain_text(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  TextLines lines(text);
  for (std::size_t i = 1; i <= lines.size(); ++i) {
    std::string line = lines.at(i);
    if (line.ends_with('\r')) line.pop_back();
    const std::string bare(trim(line));
    if (bare.empty() || bare == "COMMIT" || bare[0] == '*') line = bare;
    auto words = split_words(line);
    if (words && line.find(" !") != std::string::npos && line.find('\t') == std::string::npos) {
      for (auto bang = line.find(" ! "); bang != std::string::npos; bang = line.find(" ! ", bang + 1)) {
        const auto begin = line.rfind(' ', bang - 1) + 1;
        if (begin == 0 || line[begin] != '-' || bang + 3 >= line.size() || line[bang + 3] == '-') continue;
        line = line.substr(0, begin) + "! " + line.substr(begin, bang - begin) + line.substr(bang + 2);
      }
    }
    lines.replace(i, std::move(line));
  }
  return lines.text();
}

/// The line that a message names: `text:LINE: ...` or `line LINE failed`; 0: none.
inline std::size_t line_named(std::string_view said, std::string_view before) {
  const auto at = said.find(before);
  if (at == std::string_view::npos) return 0;
  return std::strtoul(std::string(said.substr(at + before.size(), 9)).c_str(), nullptr, 10);
}

inline bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

/// A declaration's chain (`:NAME`, `-N NAME`); empty for another line.
inline std::string declared_in(std::string_view line) {
  line = trim(line);
  if (line.starts_with(':')) return std::string(TextLines::first(line.substr(1)));
  const auto words = split_words(line);
  for (std::size_t i = 0; words && i + 1 < words->size(); ++i) {
    const auto& word = (*words)[i];
    if (word == "-N" || (word.starts_with("--n") && std::string_view("--new-chain").starts_with(word)))
      return (*words)[i + 1];
  }
  return "";
}

inline bool quotes_do_not_close(std::string_view line) {
  bool open = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (open && line[i] == '\\')
      ++i;
    else if (line[i] == '"')
      open = !open;
  }
  return open;
}

/// A reason why the program refuses what iptables-restore takes: the message, and what is in its line.
inline std::optional<Reason> reason_of_refusal(const TextLines& lines, const std::string& said,
                                               const Ending& host) {
  if (said == "no table" && host.save.empty()) return Reason{"no table"};
  const auto number = line_named(said, "text:");
  if (number < 1 || number > lines.size()) return std::nullopt;
  const auto& line = lines.at(number);
  const auto bare = trim(line);
  const auto words = split_words(line).has_value() ? *split_words(line) : std::vector<std::string>{};
  const auto any = [&](auto fits) { return std::ranges::any_of(words, fits); };
  const auto leave_out = [&](const char* name, bool holds) -> std::optional<Reason> {
    if (!holds) return std::nullopt;
    return Reason{name, lines.without(number)};
  };
  if (contains(said, "is made twice, first in line")) {
    const auto first = line_named(said, "first in line ");
    return leave_out("a chain is made twice", first >= 1 && first < number && !declared_in(line).empty() &&
                                                  declared_in(line) == declared_in(lines.at(first)));
  }
  if (contains(said, "cannot have a policy")) {
    const auto built_in = built_in_chains(lines.table_of(number));
    return leave_out(
        "a policy of a chain of one's own",
        bare.starts_with(':') && std::ranges::find(built_in, declared_in(line)) == built_in.end());
  }
  // The legacy program takes it, the one of nft does not.
  if (contains(said, "cannot rename chain") && contains(said, "rules jump to it"))
    return leave_out("a chain that rules jump to is renamed",
                     any([](const std::string& word) { return word == "-E" || word.starts_with("--ren"); }));
  if (contains(said, "a flush of all chains"))
    return leave_out("a flush of all chains behind rules",
                     any([](const std::string& word) { return word == "-F" || word.starts_with("--f"); }));
  if (contains(said, "negates nothing"))
    return leave_out("'!' before what it cannot negate",
                     any([](const std::string& word) { return word == "!"; }));
  if (contains(said, "unexpected word '-m'") || contains(said, "unexpected word '--match"))
    return leave_out("a match beside a command that is not about a rule",
                     !any([](const std::string& word) { return word == "-A" || word == "-I"; }));
  if (contains(said, "invalid counters"))
    return leave_out("odd counters before a rule", bare.starts_with('['));
  if (contains(said, "missing closing quote"))
    return leave_out("a quote that does not close", quotes_do_not_close(line));
  if (contains(said, "is longer than 10238"))
    return leave_out("a line longer than iptables-restore reads", line.size() > 10238);
  if (contains(said, "is not allowed in a rules file")) {
    const auto letter = said[said.find("'-") + 2];
    return leave_out("a command that changes no rules", any([&](const std::string& word) {
                       return word.starts_with('-') && (contains(word, "--") || contains(word, {&letter, 1}));
                     }));
  }
  if (contains(said, "cannot begin with"))
    return leave_out("a chain named like an option",
                     declared_in(line).starts_with('-') || declared_in(line).starts_with('!'));
  if (contains(said, "comes twice, and the second does not say the policy")) {
    const auto from = said.rfind('\'', said.size() - 2) + 1;
    auto mended = lines;
    mended.insert(number, ':' + said.substr(from, said.size() - 1 - from) + " ACCEPT [0:0]");
    if (bare != "COMMIT") return std::nullopt;
    return Reason{"a table that comes twice, and leaves a policy open", mended.text()};
  }
  return std::nullopt;
}

/// A mark of the other family among the words, alone or in a group of letters.
inline bool is_marked_for_other(const std::string& line, Family family) {
  const char letter = family == Family::ipv4 ? '6' : '4';
  const auto words = split_words(line);
  return words && std::ranges::any_of(*words, [&](const std::string& word) {
           if (word.starts_with("--")) return word.starts_with("--ip") && word.ends_with(letter);
           return word.starts_with('-') && word.find_first_not_of("fbvnxAID46", 1) == std::string::npos &&
                  contains(word, {&letter, 1});
         });
}

inline std::string without_policies(std::string_view save) {
  std::string left;
  for (const auto line : split_lines(save))
    left += std::string(line.starts_with(':') ? TextLines::first(line) : line) + '\n';
  return left;
}

inline bool has_word(const std::string& line, std::initializer_list<std::string_view> beginnings) {
  const auto words = split_words(line);
  return words && std::ranges::any_of(*words, [&](const std::string& word) {
           return std::ranges::any_of(beginnings, [&](auto begin) { return word.starts_with(begin); });
         });
}

inline bool is_rule(const std::string& line) {
  return has_word(line, {"-A", "-I", "-R", "--a", "--i", "--rep"});
}

/// A command behind the line that takes rules away, or its table again.
inline bool removes_later(const TextLines& lines, std::size_t number) {
  const auto table = '*' + lines.table_of(number);
  for (std::size_t i = number + 1; i <= lines.size(); ++i) {
    if (TextLines::first(lines.at(i)) == table ||
        has_word(lines.at(i), {"-F", "-D", "-R", "--f", "--d", "--rep"}))
      return true;
  }
  return false;
}

inline std::optional<Reason> reason(Backend backend, Family family, const std::string& text,
                                    const Ending& host, const Ending& ours) {
  const TextLines lines(text);
  const auto without_commands = [&](std::initializer_list<std::string_view> commands) {
    auto left = lines;
    for (std::size_t i = left.size(); i > 0; --i)
      if (has_word(left.at(i), commands)) left.erase(i);
    return left.text();
  };
  if (host.signal == SIGSEGV) {
    auto left = without_commands({"-R", "--rep"});
    if (left == text) return std::nullopt;
    return Reason{"iptables-restore crashed", std::move(left)};
  }
  // ip6tables-legacy 1.8.9 takes a rule with other values of a match for the one that is looked for: a chain
  // with
  // `-m ah --ahspi 3` makes `-C INPUT -m ah --ahspi 5` succeed.
  const auto looks_for_other = [&](const std::string& line) {
    return backend == Backend::legacy && family == Family::ipv6 &&
           has_word(line, {"-D", "-C", "--d", "--c"}) && has_word(line, {"-m", "--m"});
  };
  if (host.taken && !ours.taken && contains(ours.said, "no such rule")) {
    const auto line = line_named(ours.said, "text:");
    if (line >= 1 && line <= lines.size() && looks_for_other(lines.at(line)))
      return Reason{"ip6tables-legacy: another rule is found", lines.without(line)};
  }
  if (host.taken && ours.taken) {
    for (std::size_t i = 1; i <= lines.size(); ++i)
      if (looks_for_other(lines.at(i)))
        return Reason{"ip6tables-legacy: another rule is found", lines.without(i)};
    if (auto plain = plain_text(text); plain != text)
      return Reason{"read on purpose, with a note", std::move(plain)};
    auto left = without_commands({"-Z", "--z"});
    if (backend != Backend::nft || left == text || without_policies(host.save) != without_policies(ours.save))
      return std::nullopt;
    return Reason{"nft: -Z makes policies ACCEPT", std::move(left)};
  }
  if (host.taken && !ours.taken) return reason_of_refusal(lines, ours.said, host);
  if (host.taken || !ours.taken) return std::nullopt;
  if (auto plain = plain_text(text); plain != text)
    return Reason{"read on purpose, with a note", std::move(plain)};
  if (backend == Backend::legacy && !text.ends_with('\n') && lines.at(lines.size()) == "COMMIT")
    return Reason{"no newline at the end", text + '\n'};
  if (backend == Backend::nft && contains(host.said, "RULE_INSERT failed")) {
    auto left = without_commands({"-D", "-R", "--del", "--rep"});
    if (left == text) return std::nullopt;
    return Reason{"nft: a place is told by a rule that is removed", std::move(left)};
  }
  const auto number = line_named(host.said, ": line ");
  if (backend == Backend::nft && number >= 1 && number <= lines.size() &&
      contains(host.said, "No chain/target/match") && contains(lines.at(number), "-Z"))
    return Reason{"nft: -Z of a chain that is not there yet", lines.without(number)};
  const auto refused = std::max(number, line_named(host.said, "Error occurred at line: "));
  if (refused >= 1 && refused < lines.size() && is_rule(lines.at(refused)) && removes_later(lines, refused))
    return Reason{"an odd rule that a later line removes", lines.without(refused)};
  if (refused >= 1 && refused <= lines.size() && has_word(lines.at(refused), {"-D", "-C", "--d", "--c"}))
    return Reason{"an odd rule that is looked for", lines.without(refused)};
  // iptables-restore looks at what stands before the mark.
  const auto odd = line_named(host.said, "Error occurred at line: ");
  if (odd >= 1 && odd <= lines.size() && is_marked_for_other(lines.at(odd), family))
    return Reason{"odd words in a line for the other family", lines.without(odd)};
  return std::nullopt;
}

}  // namespace rewall

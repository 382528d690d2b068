#include "kernel/printed.h"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <utility>

#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"
#include "rules/lines.h"
#include "rules/print.h"

namespace rewall {

namespace {

constexpr std::string_view kAppend = "-A ";

/// As the save programs print a text (xtables_save_string in libxtables/xtables.c).
std::string as_printed(std::string_view words) {
  std::string text = "\"";
  for (const char c : words) {
    if (c == '"' || c == '\\' || c == '\'') text += '\\';
    text += c;
  }
  return text += '"';
}

/// More than one word to iptables-restore, or another one (add_param_to_argv in iptables/xshared.c).
bool needs_quotes(std::string_view name) {
  return name.find_first_of(" \t\"") != std::string_view::npos;
}

bool ends_word(std::string_view text, std::size_t at) {
  return at >= text.size() || text[at] == ' ';
}

/// The name that `text` begins with, as it is: the whole or the end of one of `names`, as numbers may stand
/// before a name. Empty when none does.
std::string_view raw_name(std::string_view text, std::span<const std::string> names) {
  std::string_view longest;
  for (const std::string_view whole : names)
    for (std::string_view name = whole; needs_quotes(name); name.remove_prefix(1)) {
      if (name.front() == ' ' || !text.starts_with(name) || !ends_word(text, name.size())) continue;
      if (name.size() > longest.size()) longest = name;
      break;
    }
  return longest;
}

std::size_t end_of_word(std::string_view text) {
  if (!text.starts_with('"')) return std::min(text.find(' '), text.size());
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '\\')
      ++i;
    else if (text[i] == '"')
      return i + 1;
  }
  return text.size();
}

std::string command_for(const KernelTable& table) {
  return format("{}-{} -t {}", table.family == Family::ipv4 ? "iptables" : "ip6tables", name(table.backend),
                table.name);
}

std::string delete_command(const KernelTable& table, const KernelChain& chain, std::size_t place) {
  return format("{} -D {} {}", command_for(table), shell_quote(chain.name), place + 1);
}

/// A name of the rule whose line break the text has at `at`. Numbers may stand among the names: bytes like
/// "T\n" are where a line ends in ACCEPT. Where the next line is one of a save program, it is the end of the
/// rule unless the name says that line too; the count of rules tells if that is wrong.
std::string_view broken_name(std::string_view text, std::size_t at, const OddRule& rule) {
  constexpr std::size_t kNoChance = 4;  // bytes behind the line break
  const std::string_view after = text.substr(at + 1);
  const bool line_begins = after.empty() || after.starts_with("-A ") || after.starts_with("COMMIT\n");
  for (const std::string_view whole : rule.names) {
    std::string_view name = whole;
    if (line_begins && whole.size() - whole.find('\n') <= kNoChance) continue;
    for (auto before = name.find('\n'); before != std::string_view::npos && before > 0; --before) {
      if (at >= before && text.substr(at - before).starts_with(name)) return name;
      name.remove_prefix(1);
    }
  }
  return {};
}

/// A name without blanks.
bool begins_with_word(std::string_view text, std::string_view word) {
  return text.starts_with(word) &&
         (text.size() == word.size() || text[word.size()] == ' ' || text[word.size()] == '\n');
}

/// The chains of a table, with the rules that were printed of each so far.
class PrintedTable {
 public:
  explicit PrintedTable(const KernelTable& table) : table_(table), counts_(table.chains.size()) {
    for (std::size_t i = 0; i < table.chains.size(); ++i) places_.emplace(table.chains[i].name, i);
  }

  const KernelTable& table() const { return table_; }

  /// A line ":CHAIN POLICY [0:0]". False when the kernel has no such chain.
  bool declare(std::string_view line) {
    const std::string_view chain = line.substr(1, line.find(' ') - 1);
    if (!places_.contains(chain)) return is_built_in(table_.name, chain);
    ++declared_;
    return true;
  }

  /// Takes the rule that `printed` is at. False when the kernel has no such rule.
  Result<bool> take(PrintedRules& printed) {
    const std::string_view rest = printed.rest().substr(kAppend.size());
    if (last_ >= counts_.size() || !begins_with_word(rest, table_.chains[last_].name)) {
      const auto found = places_.find(rest.substr(0, rest.find_first_of(" \n")));
      if (found == places_.end()) return false;
      last_ = found->second;
    }
    const KernelChain& kernel = table_.chains[last_];
    if (counts_[last_]++ >= kernel.rules) return false;
    TRY(printed.take(table_, kernel, counts_[last_] - 1));
    return true;
  }

  Error disagreement(std::string_view program) const {
    const auto begin = format("table {} {}", short_name(table_.family), table_.name);
    for (std::size_t i = 0; i < counts_.size(); ++i)
      if (counts_[i] != table_.chains[i].rules)
        return error_of<messages::rules_disagree>(begin, escape(table_.chains[i].name), program,
                                                  counted(counts_[i], "rule"), table_.chains[i].rules);
    return error_of<messages::chains_disagree>(begin, program, counted(declared_, "chain"),
                                               table_.chains.size());
  }

  bool agrees() const {
    for (std::size_t i = 0; i < counts_.size(); ++i)
      if (counts_[i] != table_.chains[i].rules) return false;
    return declared_ == table_.chains.size();
  }

 private:
  const KernelTable& table_;
  std::unordered_map<std::string_view, std::size_t> places_{};
  std::vector<std::size_t> counts_;
  std::size_t declared_ = 0;
  std::size_t last_ = 0;
};

/// A blank or a line break in a chain's name: no line says which chain is meant.
Status refuse_chain_names(std::span<const KernelTable> tables) {
  for (const KernelTable& table : tables)
    for (const KernelChain& chain : table.chains)
      if (chain.name.find_first_of(" \t\n\v\f\r") != std::string::npos)
        return error_of<messages::unsayable_chain>(
            format("table {} {}", short_name(table.family), table.name), rewall::quoted(chain.name),
            format("{} -E {}", command_for(table), shell_word(chain.name)));
  return {};
}

/// Reads on to the end of the text. Absent when it agrees with the kernel.
Result<std::optional<Error>> hold_all(PrintedRules& printed, std::span<const KernelTable> tables,
                                      std::string_view program, std::size_t& whole) {
  std::optional<PrintedTable> open;
  while (!printed.rest().empty()) {
    const std::string_view rest = printed.rest();
    if (open && rest.starts_with(kAppend)) {
      if (!TRY(open->take(printed))) return std::optional(open->disagreement(program));
      continue;
    }
    const std::string_view line = rest.substr(0, rest.find('\n'));
    if (!open && line.starts_with('*')) {
      const auto table = std::ranges::find(tables, line.substr(1), &KernelTable::name);
      if (table == tables.end())
        return std::optional(error_of<messages::table_disagrees>(program, escape(line)));
      open.emplace(*table);
    } else if (open && line == "COMMIT") {
      if (!open->agrees()) return std::optional(open->disagreement(program));
      open.reset();
      ++whole;
    } else if (open ? !line.starts_with(':') || !open->declare(line) : !line.empty() && line[0] != '#') {
      return std::optional(open ? open->disagreement(program)
                                : error_of<messages::table_disagrees>(program, escape(line)));
    }
    printed.skip(std::min(line.size() + 1, rest.size()));
  }
  return std::optional<Error>{};
}

}  // namespace

bool holds_quoted_names(std::string_view text) {
  static constexpr std::array<std::string_view, 5> kAlwaysQuoted = {
      "--comment ", "--log-prefix ", "--nflog-prefix ", "--string ", "--hex-string "};
  for (auto at = text.find('"'); at != std::string_view::npos; at = text.find('"', at)) {
    const std::string_view before = text.substr(0, at);
    if (std::ranges::none_of(kAlwaysQuoted, [&](auto option) { return before.ends_with(option); }))
      return true;
    at += end_of_word(text.substr(at));
  }
  return false;
}

std::string with_quoted_names(std::string_view words, std::span<const std::string> names) {
  std::string text;
  bool behind_option = false;
  while (!words.empty()) {
    if (words.front() == ' ') {
      text += ' ';
      words.remove_prefix(1);
      continue;
    }
    const std::string_view name = behind_option ? raw_name(words, names) : std::string_view{};
    const std::string_view word = words.substr(0, name.empty() ? end_of_word(words) : name.size());
    text += name.empty() ? std::string(word) : as_printed(name);
    behind_option = name.empty() && (word == "!" || (word.size() > 1 && word.front() == '-'));
    words.remove_prefix(word.size());
  }
  return text;
}

void PrintedRules::begin_copy() {
  out_.clear();
  copied_ = at_;
  changed_ = false;
}

std::string PrintedRules::end_copy() {
  out_ += text_.substr(copied_, at_ - copied_);
  copied_ = at_;
  return std::exchange(out_, {});
}

std::size_t PrintedRules::end_of_rule(const KernelTable& table, const KernelChain& chain, const OddRule& rule,
                                      std::string& line) {
  std::size_t from = at_;
  while (true) {
    const std::size_t end = std::min(text_.find('\n', from), text_.size());
    const auto text = std::ranges::find_if(rule.texts, [&](const std::string& words) {
      const std::string shown = as_printed(words);
      const std::size_t before = shown.find('\n');
      return end >= from + before && text_.substr(end - before).starts_with(shown);
    });
    if (text == rule.texts.end()) {
      line += text_.substr(from, end - from);
      return end;
    }
    std::string shown = as_printed(*text);
    const std::size_t begin = end - shown.find('\n');
    line += text_.substr(from, begin - from);
    from = begin + shown.size();
    std::ranges::replace(shown, '\n', '?');
    line += shown;
    notes.push_back(format("{}: a line break in a comment or log prefix is recorded as '?': {}",
                           place_of(table, chain, rule.place), escape(shown)));
  }
}

Status PrintedRules::take(const KernelTable& table, const KernelChain& chain, std::size_t place) {
  const auto odd = std::ranges::lower_bound(chain.odd, place, {}, &OddRule::place);
  if (odd == chain.odd.end() || odd->place != place) {
    at_ = std::min(text_.find('\n', at_), text_.size() - 1) + 1;
    return {};
  }
  std::string line;
  const std::size_t end = end_of_rule(table, chain, *odd, line);
  if (const auto name = broken_name(text_, end, *odd); !name.empty())
    return error_of<messages::unsayable_name>(place_of(table, chain, place), rewall::quoted(name),
                                              delete_command(table, chain, place));
  const std::size_t begin = std::min(kAppend.size() + chain.name.size() + 1, line.size());
  std::string words = with_quoted_names(std::string_view(line).substr(begin), odd->names);
  const bool has_quoted = words != std::string_view(line).substr(begin);
  line.replace(begin, std::string::npos, words);
  if (line != text_.substr(at_, end - at_)) {
    out_ += text_.substr(copied_, at_ - copied_);
    out_ += line;
    copied_ = end;
    changed_ = true;
  }
  at_ = std::min(end + 1, text_.size());
  const bool of_nft = table.backend == Backend::nft && (has_quoted || !odd->unknown.empty());
  if (of_nft || !odd->unsaid.empty())
    doubtful.push_back({.backend = table.backend,
                        .family = table.family,
                        .table = table.name,
                        .chain = chain.name,
                        .place = place,
                        .words = std::move(words),
                        .unknown = odd->unknown,
                        .expressions = odd->expressions,
                        .unsaid = odd->unsaid});
  return {};
}

Result<Printed> hold_against_kernel(std::string_view text, std::span<const KernelTable> tables,
                                    std::string_view program) {
  TRY(refuse_chain_names(tables));
  PrintedRules printed(text);
  std::size_t whole = 0;
  auto disagreement = TRY(hold_all(printed, tables, program, whole));
  std::optional<std::string> changed;
  if (printed.changed()) changed = printed.end_copy();
  return Printed{.tables = whole,
                 .text = std::move(changed),
                 .doubtful = std::move(printed.doubtful),
                 .notes = std::move(printed.notes),
                 .disagreement = std::move(disagreement)};
}

}  // namespace rewall

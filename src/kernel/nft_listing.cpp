#include "kernel/nft_listing.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <memory>
#include <set>
#include <string_view>
#include <utility>

#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"
#include "kernel/told_rules.h"
#include "rules/rule.h"

namespace rewall {

namespace {

constexpr std::size_t kSideBySide = 8;

std::string not_recorded(const NftTable& table, std::string_view why) {
  return format("nft tables that are not recorded: {}: {}", escape(table.text()), why);
}

/// nft takes the words of its command line for a command, and a name that is no word of its own for one.
bool can_be_named(const NftTable& table) {
  constexpr std::string_view kOthers = "-_./\\";
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  return native_family(std::string_view(table.text()).substr(0, table.text().find(' '))) &&
         !table.name.empty() && is_letter(table.name.front()) && std::ranges::all_of(table.name, [&](char c) {
           return is_letter(c) || is_digit(c) || kOthers.find(c) != std::string_view::npos;
         });
}

std::vector<std::string> words_of(std::string_view verb, const NftTable& table) {
  std::vector<std::string> words{std::string(verb)};
  const std::string title = table.text();
  words.push_back(title.substr(0, title.find(' ')));
  words.push_back(table.name);
  return words;
}

/// nft 1.1 says beside the size of a set how many elements it has: "size 65535 # count 2".
std::string without_counts(std::string text) {
  constexpr std::string_view kSize = "\n\t\tsize ";
  for (auto at = text.find(kSize); at != std::string::npos; at = text.find(kSize, at + 1)) {
    const auto end = std::min(text.find('\n', at + 1), text.size());
    const auto mark = text.find('#', at);
    if (mark >= end) continue;
    const auto last = text.find_last_not_of(" \t", mark - 1) + 1;
    text.erase(last, end - last);
  }
  return text;
}

/// nft 1.0.6 lists an anonymous set of interfaces of which one ends in '*' as a range of empty names, and
/// does not take what it lists. Empty where all can be read again.
std::string_view find_unreadable(const NativeTable& table) {
  const auto is_range_of_nothing = [](std::string_view words) {
    return words.find("\"\"-") != std::string_view::npos || words.find("\"\"/") != std::string_view::npos;
  };
  for (const NativePart& part : table.parts)
    for (const auto* all : {&part.rules, &part.elements})
      if (const auto found = std::ranges::find_if(*all, is_range_of_nothing); found != all->end())
        return *found;
  return {};
}

/// With iptables 1.8.13, nft lists a comment of iptables in the middle of a rule, where it takes none. The
/// note of the rule, `words`, has the comment.
std::string without_comments(std::string_view rule, std::string_view words) {
  std::string out(rule);
  const auto split = split_words(words);
  if (!split) return out;
  for (std::size_t i = 0; i + 1 < split->size(); ++i) {
    if ((*split)[i] != "--comment") continue;
    const auto comment = format("comment \"{}\"", (*split)[i + 1]);
    if (const auto at = out.find(comment); at != std::string::npos) out.erase(at, comment.size());
  }
  return std::string(trim(out));
}

bool may_have_running_timeouts(const NativePart& part) {
  return part.has_elements() && !part.is_dynamic() && !part.elements.empty() &&
         std::ranges::any_of(part.facts, [](std::string_view fact) {
           return fact.starts_with("timeout ") ||
                  (fact.starts_with("flags ") && fact.find("timeout") != std::string_view::npos);
         });
}

class Listing {
 public:
  Listing(Programs& programs, std::string nft) : programs_(programs), nft_(std::move(nft)) {}

  Result<NativeListing> run(std::span<const NftTable> tables) {
    std::vector<const NftTable*> wanted;
    for (const NftTable& table : tables) {
      if (table.owned)
        out_.notes.push_back(not_recorded(table, "a process owns it, and it goes with that process"));
      else if (!can_be_named(table))
        out_.notes.push_back(not_recorded(table, "nft has no words for its name"));
      else
        wanted.push_back(&table);
    }
    for (std::size_t i = 0; i < wanted.size(); i += kSideBySide)
      TRY(list(std::span(wanted).subspan(i, std::min(kSideBySide, wanted.size() - i))));
    out_.tables.sort();
    return std::move(out_);
  }

 private:
  Status list(std::span<const NftTable* const> tables) {
    std::vector<Command> commands;
    for (const NftTable* table : tables) {
      std::vector<std::string> words{nft_, "-s", "list"};
      std::ranges::move(words_of("table", *table), std::back_inserter(words));
      commands.push_back(programs_.command(std::move(words)));
    }
    auto outcomes = TRY(run_side_by_side(std::move(commands), ErrorKind::capture));
    for (std::size_t i = 0; i < tables.size(); ++i) TRY(take(*tables[i], std::move(outcomes[i])));
    return {};
  }

  Status take(const NftTable& table, Outcome outcome) {
    if (!outcome.ok()) {
      if (says_not_permitted(outcome.err)) return not_permitted("nft", outcome.text());
      if (outcome.timed_out || outcome.signal != 0)
        return error_of<messages::save_failed>("nft", outcome.text(), "nft -s list ruleset");
      // Gone by now, or it is a name that nft has another use for.
      out_.notes.push_back(not_recorded(table, outcome.text()));
      return {};
    }
    auto read = parse_native(without_counts(std::move(outcome.out)), "nft");
    if (!read) {
      out_.notes.push_back(not_recorded(table, read.error().message));
      return {};
    }
    if (read->tables.size() != 1 || read->tables.front().title() != table.text()) {
      out_.notes.push_back(not_recorded(table, "nft prints another table"));
      return {};
    }
    NativeTable& printed = read->tables.front();
    if (const auto words = find_unreadable(printed); !words.empty()) {
      out_.notes.push_back(
          not_recorded(table, format("this version of nft does not take what it lists: {}", escape(words))));
      return {};
    }
    const auto counts = TRY(count_rules(table));
    if (counts.extensions && !table.iptables_family()) {
      out_.notes.push_back(
          not_recorded(table, "its rules have matches or targets of x_tables, which nft only translates"));
      return {};
    }
    if (!agrees(printed, counts.chains)) {
      out_.disagreement = Error{
          .kind = ErrorKind::capture,
          .message =
              format("table {}: nft prints other chains or rules than the kernel has", escape(table.text())),
          .hint = format(
              "see `nft list table {}`: a comment or a name with a line break in it can look like a rule",
              table.text())};
      return {};
    }
    out_.tables.texts.push_back(read->texts.front());
    if (!TRY(note_words(table, printed, counts.with_extensions))) return {};
    for (NativePart& part : printed.parts) TRY(leave_passing_out(table, part));
    out_.tables.tables.push_back(std::move(printed));
    return {};
  }

  /// Puts the notes behind rules with extensions. False where iptables has no words for one of them: the
  /// table is left out.
  Result<bool> note_words(const NftTable& table, NativeTable& printed,
                          const std::vector<ExtensionRule>& rules) {
    if (rules.empty()) return true;
    const Family family = *table.iptables_family();
    std::vector<ToldRule> told;
    for (const ExtensionRule& rule : rules)
      told.push_back({.chain = {family, table.name, rule.chain}, .rule = rule.rule});
    const auto words = TRY(rewall::words_of(programs_, told));
    std::map<std::string, std::vector<std::string_view>> noted;
    for (std::size_t i = 0; i < rules.size(); ++i) {
      const ExtensionRule& rule = rules[i];
      const NativePart* part = printed.find("chain", rule.chain);
      if (part == nullptr) continue;
      if (words[i].empty() || words[i].find('\n') != std::string::npos) {
        out_.notes.push_back(
            not_recorded(table, format("chain {}, rule {}: there are no words for its extension",
                                       escape(rule.chain), rule.place + 1)));
        return false;
      }
      auto& all = noted.try_emplace(rule.chain, part->rules).first->second;
      all[rule.place] = *out_.tables.texts.emplace_back(std::make_shared<const std::string>(
          format("{}{}{}", without_comments(all[rule.place], words[i]), kIptablesNote, words[i])));
      KernelChain alone{.name = rule.chain};
      add_rule(alone, family, rule.rule.expressions, rule.rule.userdata);
      out_.noted.push_back({.family = family,
                            .table = table.name,
                            .chain = rule.chain,
                            .place = rule.place,
                            .words = words[i],
                            .unknown = "an extension among rules of nft",
                            .expressions = rule.rule.expressions,
                            .unsaid = alone.odd.empty() ? std::string{} : alone.odd.front().unsaid});
    }
    for (NativePart& part : printed.parts) {
      const auto found = part.is_chain() ? noted.find(std::string(part.name)) : noted.end();
      if (found != noted.end()) part = with_rules(part, found->second, out_.tables.texts);
    }
    return true;
  }

  static bool agrees(const NativeTable& printed, const std::map<std::string, std::size_t>& counts) {
    const auto chains = std::ranges::count_if(printed.parts, &NativePart::is_chain);
    return static_cast<std::size_t>(chains) == counts.size() &&
           std::ranges::all_of(counts, [&](const auto& chain) {
             const NativePart* part = printed.find("chain", chain.first);
             return part != nullptr && part->rules.size() == chain.second;
           });
  }

  Status leave_passing_out(const NftTable& table, NativePart& part) {
    if (part.is_dynamic() && !part.elements.empty()) {
      part = with_elements(part, {}, out_.tables.texts);
      return {};
    }
    if (!may_have_running_timeouts(part)) return {};
    const auto passing = TRY(running(table, part));
    if (passing.empty()) return {};
    std::vector<std::string_view> left;
    for (const auto element : part.elements)
      if (!passing.contains(std::string(element_key(element)))) left.push_back(element);
    part = with_elements(part, left, out_.tables.texts);
    return {};
  }

  /// The elements whose timeout runs. `nft -s` does not say which: an element with the timeout of its set and
  /// one that stays look alike there.
  Result<std::set<std::string>> running(const NftTable& table, const NativePart& part) {
    std::vector<std::string> words{nft_, "list", std::string(part.kind)};
    auto place = words_of("", table);
    words.insert(words.end(), place.begin() + 1, place.end());
    words.emplace_back(part.name);
    auto outcome = TRY(rewall::run(programs_.command(std::move(words)), ErrorKind::capture));
    if (!outcome.ok()) return error_of<messages::save_failed>("nft", outcome.text(), "nft list ruleset");
    const auto read = parse_native(without_counts(std::move(outcome.out)), "nft");
    std::set<std::string> passing;
    if (!read || read->tables.empty()) return passing;
    if (const NativePart* full = read->tables.front().find(part.kind, part.name)) {
      for (const auto element : full->elements)
        if (element.find(" expires ") != std::string_view::npos) passing.emplace(element_key(element));
    }
    return passing;
  }

  Programs& programs_;
  std::string nft_;
  NativeListing out_{};
};

}  // namespace

Result<NativeListing> list_native(Programs& programs, std::span<const NftTable> tables) {
  if (tables.empty()) return NativeListing{};
  return Listing(programs, programs.nft()).run(tables);
}

Result<std::optional<NativeListing>> read_native_tables(Programs& programs) {
  std::vector<NftTable> tables = TRY(list_nft_tables());
  std::erase_if(tables, [](const NftTable& table) { return table.iptables_family().has_value(); });
  if (!tables.empty() && programs.nft().empty()) return std::optional<NativeListing>{};
  auto listing = TRY(list_native(programs, tables));
  return std::optional(std::move(listing));
}

}  // namespace rewall

#include "rules/native_tables.h"

#include <algorithm>
#include <set>
#include <utility>

#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"
#include "rules/lines.h"
#include "rules/table_forms.h"

namespace rewall {

namespace {

constexpr std::array<std::string_view, 6> kFamilyNames{"ip", "ip6", "inet", "arp", "bridge", "netdev"};

/// The kinds of parts of nft(8). A kind of two words stands before one of a word that it begins with.
constexpr std::array<std::string_view, 13> kPartKinds{
    "ct helper", "ct timeout", "ct expectation", "chain",   "set",      "map",   "counter",
    "quota",     "limit",      "flowtable",      "secmark", "synproxy", "tunnel"};

/// What nft reads as a command in the midst of a table.
constexpr std::array<std::string_view, 4> kNftCommands{"include", "define", "redefine", "undefine"};

/// What nft prints for what it has no words for.
constexpr std::string_view kUnsayable = "xt";

std::string_view first_nft_word(std::string_view text) {
  const auto begin = std::min(text.find_first_not_of(" \t"), text.size());
  text.remove_prefix(begin);
  return text.substr(0, text.find_first_of(" \t"));
}

bool is_nft_name(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte > 0x20 && byte < 0x7f && std::string_view{"\"{};$#,"}.find(c) == std::string_view::npos;
  });
}

/// Walks the characters of nft's words and knows which stand in quotes. A quoted text ends at the next quote:
/// nft has no escape in it.
class NftWalk {
 public:
  /// True for a character outside quotes.
  bool take(char c) {
    if (c == '"') {
      quoted_ = !quoted_;
      return false;
    }
    if (quoted_) return false;
    if (c == '{') ++depth_;
    if (c == '}') --depth_;
    return true;
  }
  bool quoted() const { return quoted_; }
  int depth() const { return depth_; }

 private:
  bool quoted_ = false;
  int depth_ = 0;
};

/// The words that nft would read as something else than a part of a table, or refuse; empty for none.
std::string_view forbidden_words(std::string_view statement) {
  NftWalk walk;
  std::size_t begin = 0;
  const auto bad_start = [&](std::size_t end) -> std::string_view {
    const auto word = first_nft_word(statement.substr(begin, end - begin));
    const bool bad = std::ranges::find(kNftCommands, word) != kNftCommands.end() || word == kUnsayable;
    return bad ? word : std::string_view{};
  };
  std::size_t word = 0;
  for (std::size_t i = 0; i < statement.size(); ++i) {
    const char c = statement[i];
    if (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') return statement.substr(i, 1);
    if (!walk.take(c)) {
      if (c == '\n') return "a line break in quotes";
      continue;
    }
    if (c == '$' || c == '\\' || c == '#') return statement.substr(i, 1);
    if (c == ';' || c == '\n' || c == '{' || c == '}') {
      if (const auto bad = bad_start(i); !bad.empty()) return bad;
      begin = i + 1;
    }
    const bool blank = c == ' ' || c == '\t' || c == '\n';
    if (blank && i > word && statement.substr(word, i - word) == kUnsayable) return kUnsayable;
    if (blank) word = i + 1;
  }
  return bad_start(statement.size());
}

/// Splits at commas that a blank or a line break follows: a comma inside an element has none.
std::vector<std::string_view> split_elements(std::string_view text) {
  std::vector<std::string_view> elements;
  NftWalk walk;
  std::size_t begin = 0;
  const auto add = [&](std::size_t end) {
    const auto element = trim(text.substr(begin, end - begin));
    if (!element.empty()) elements.push_back(element);
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!walk.take(text[i]) || text[i] != ',' || walk.depth() != 0) continue;
    if (i + 1 < text.size() && text[i + 1] != ' ' && text[i + 1] != '\n') continue;
    add(i);
    begin = i + 1;
  }
  add(text.size());
  return elements;
}

/// Where the note of a rule begins in its last line; the end where there is none.
std::size_t find_note(std::string_view line) {
  for (auto at = line.find(kIptablesNote); at != std::string_view::npos;
       at = line.find(kIptablesNote, at + 1)) {
    NftWalk walk;
    for (const char c : line.substr(0, at)) walk.take(c);
    if (!walk.quoted()) return at;
  }
  return line.size();
}

bool holds_control(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20; });
}

class NativeReader {
 public:
  NativeReader(std::shared_ptr<const std::string> text, std::string_view name)
      : text_(std::move(text)), rest_(*text_), name_(name) {}

  Result<NativeTables> read() {
    NativeTables out;
    out.texts.push_back(text_);
    while (!rest_.empty()) {
      const auto line = take_line();
      if (line.empty() || line.starts_with('#')) continue;
      out.tables.push_back(TRY(read_table(line)));
    }
    return out;
  }

 private:
  std::string_view take_line() {
    ++line_;
    const auto end = rest_.find('\n');
    const auto line = rest_.substr(0, end);
    rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
    return line;
  }

  Error wrong(std::string_view what) const {
    return Error{.kind = ErrorKind::usage, .message = format("{}:{}: {}", name_, line_, what)};
  }

  Result<NativeTable> read_table(std::string_view line) {
    const auto words = split_blank(line);
    if (words.size() != 4 || words[0] != "table" || words[3] != "{")
      return wrong(format("'{}' begins no table: 'table FAMILY NAME {{'", escape(line)));
    const auto family = native_family(words[1]);
    if (!family) return wrong(format("'{}' is no family of nft", escape(words[1])));
    if (!is_nft_name(words[2])) return wrong(format("'{}' is no name of a table", escape(words[2])));
    NativeTable table{.family = *family, .name = std::string(words[2])};
    may_have_notes_ = iptables_family(table).has_value();
    if (!titles_.insert(table.title()).second)
      return wrong(format("table {} is there twice", escape(table.title())));
    std::set<std::pair<std::string_view, std::string_view>> seen;
    while (true) {
      if (rest_.empty()) return wrong(format("table {} has no end", escape(table.title())));
      const auto begin = rest_.data();
      const auto next = take_line();
      if (next == "}") return table;
      if (next.empty()) continue;
      if (!next.starts_with('\t') || next.size() < 2 || next[1] == '\t' || next[1] == ' ')
        return wrong(format("'{}' is no part of a table", escape(next)));
      if (next.ends_with(" {")) {
        table.parts.push_back(TRY(read_part(next.substr(1), begin)));
        const NativePart& part = table.parts.back();
        if (!seen.emplace(part.kind, part.name).second)
          return wrong(format("{} {} is there twice", part.kind, escape(part.name)));
        continue;
      }
      const auto fact = next.substr(1);
      if (const auto bad = forbidden_words(fact); !bad.empty() || is_part_of_more(fact))
        return wrong(format("'{}' is no fact of a table", escape(fact)));
      table.facts.push_back(fact);
    }
  }

  static bool is_part_of_more(std::string_view text) {
    NftWalk walk;
    for (const char c : text) walk.take(c);
    return walk.depth() != 0 || walk.quoted();
  }

  Result<NativePart> read_part(std::string_view line, const char* begin) {
    const auto kind = std::ranges::find_if(kPartKinds, [&](std::string_view one) {
      return line.starts_with(one) && line.size() > one.size() && line[one.size()] == ' ';
    });
    if (kind == kPartKinds.end()) return wrong(format("'{}' begins no part of a table", escape(line)));
    auto part_name = line.substr(kind->size() + 1);
    part_name.remove_suffix(std::min<std::size_t>(part_name.size(), 2));
    if (!is_nft_name(part_name)) return wrong(format("'{}' is no name", escape(part_name)));
    NativePart part{.kind = line.substr(0, kind->size()), .name = part_name};
    while (true) {
      if (rest_.empty()) return wrong(format("{} {} has no end", part.kind, escape(part.name)));
      if (rest_.starts_with("\t}\n")) {
        take_line();
        part.text = {begin, static_cast<std::size_t>(rest_.data() - begin)};
        return part;
      }
      TRY(read_statement(part));
    }
  }

  /// A fact, a rule or the elements: the lines until the braces and quotes in it are closed.
  Status read_statement(NativePart& part) {
    const auto begin = rest_.data();
    NftWalk walk;
    std::string_view statement;
    std::string_view note;
    do {
      if (rest_.empty()) return wrong(format("{} {} has no end", part.kind, escape(part.name)));
      auto line = take_line();
      if (may_have_notes_ && part.is_chain()) {
        note = line.substr(find_note(line));
        line.remove_suffix(note.size());
      }
      for (const char c : line) {
        walk.take(c);
        if (walk.depth() < 0) return wrong("'}' closes nothing");
      }
      if (walk.quoted()) return wrong("a quote has no end in its line");
      statement = {begin, static_cast<std::size_t>(line.data() + line.size() - begin)};
      if (!note.empty() && (walk.depth() > 0 || note.size() == kIptablesNote.size() || holds_control(note)))
        return wrong(format("'{}' is no note of a rule", escape(note)));
    } while (walk.depth() > 0);
    if (trim(statement).empty()) return {};
    if (!statement.starts_with("\t\t"))
      return wrong(format("'{}' is not where nft prints it", escape(statement)));
    statement.remove_prefix(2);
    if (const auto bad = forbidden_words(statement); !bad.empty())
      return wrong(bad == kUnsayable
                       ? format("nft has no words for a part of '{}'", escape(statement))
                       : format("'{}' in '{}' is no word of a table", escape(bad), escape(statement)));
    return add(part, statement, note.size());
  }

  /// `note` is the size of what follows the statement in its line.
  Status add(NativePart& part, std::string_view statement, std::size_t note) {
    constexpr std::string_view kElements = "elements = {";
    if (part.has_elements() && statement.starts_with(kElements)) {
      auto inner = statement.substr(kElements.size());
      if (!inner.ends_with('}') || !part.elements.empty())
        return wrong("the elements are not those of one set");
      inner.remove_suffix(1);
      part.elements = split_elements(inner);
      // Each stands at the beginning of a line when the set is written anew.
      for (const auto element : part.elements)
        if (element.find('\n') != std::string_view::npos || !forbidden_words(element).empty())
          return wrong(format("'{}' is no element", escape(element)));
      return {};
    }
    if (!part.is_chain()) {
      part.facts.push_back(statement);
      return {};
    }
    const auto word = first_nft_word(statement);
    const bool before_rules = part.rules.empty();
    const bool fact =
        word == "type" || (word == "comment" && before_rules && part.hook().empty()) || word == "flags";
    if (!fact && has_semicolon(statement)) return wrong("';' stands in a rule");
    if (fact && note != 0) return wrong("a note stands behind what is no rule");
    (fact ? part.facts : part.rules).emplace_back(statement.data(), statement.size() + note);
    return {};
  }

  static bool has_semicolon(std::string_view text) {
    NftWalk walk;
    return std::ranges::any_of(text, [&](char c) { return walk.take(c) && c == ';' && walk.depth() == 0; });
  }

  static std::vector<std::string_view> split_blank(std::string_view line) {
    std::vector<std::string_view> words;
    while (!line.empty()) {
      const auto end = std::min(line.find(' '), line.size());
      words.push_back(line.substr(0, end));
      line.remove_prefix(std::min(end + 1, line.size()));
    }
    return words;
  }

  std::shared_ptr<const std::string> text_;
  std::string_view rest_;
  std::string_view name_;
  std::size_t line_ = 0;
  std::set<std::string> titles_{};
  bool may_have_notes_ = false;  ///< the table that is being read has a name of iptables
};

}  // namespace

std::string_view name(NativeFamily family) {
  return kFamilyNames.at(static_cast<std::size_t>(family));
}

std::optional<NativeFamily> native_family(std::string_view name) {
  const auto found = std::ranges::find(kFamilyNames, name);
  if (found == kFamilyNames.end()) return std::nullopt;
  return static_cast<NativeFamily>(found - kFamilyNames.begin());
}

NotedRule split_note(std::string_view rule) {
  const auto at = find_note(rule);
  return {.words = rule.substr(0, at),
          .iptables = rule.substr(std::min(at + kIptablesNote.size(), rule.size()))};
}

std::string_view NativePart::hook() const {
  if (!is_chain()) return {};
  for (const auto fact : facts)
    if (fact.starts_with("type ")) return fact.substr(0, fact.find(';'));
  return {};
}

std::string_view NativePart::policy() const {
  constexpr std::string_view kPolicy = "; policy ";
  if (!is_chain()) return {};
  for (const auto fact : facts) {
    const auto at = fact.starts_with("type ") ? fact.find(kPolicy) : std::string_view::npos;
    if (at == std::string_view::npos) continue;
    const auto rest = fact.substr(at + kPolicy.size());
    return rest.substr(0, rest.find(';'));
  }
  return {};
}

bool NativePart::is_dynamic() const {
  return has_elements() && std::ranges::any_of(facts, [](std::string_view fact) {
           return fact.starts_with("flags ") && fact.find("dynamic") != std::string_view::npos;
         });
}

const NativePart* NativeTable::find(std::string_view kind, std::string_view part) const {
  const auto found = std::ranges::find_if(
      parts, [&](const NativePart& one) { return one.kind == kind && one.name == part; });
  return found == parts.end() ? nullptr : &*found;
}

std::string NativeTable::title() const {
  return format("{} {}", rewall::name(family), name);
}

const NativeTable* NativeTables::find(NativeFamily family, std::string_view table) const {
  const auto found = std::ranges::find_if(
      tables, [&](const NativeTable& one) { return one.family == family && one.name == table; });
  return found == tables.end() ? nullptr : &*found;
}

const NativeTable* NativeTables::find(std::string_view title) const {
  const auto blank = title.find(' ');
  const auto family = native_family(title.substr(0, blank));
  return family && blank != std::string_view::npos ? find(*family, title.substr(blank + 1)) : nullptr;
}

void NativeTables::sort() {
  std::ranges::sort(tables, {}, [](const NativeTable& table) {
    return std::pair(table.family, std::string_view(table.name));
  });
}

Result<NativeTables> parse_native(std::string text, std::string_view name) {
  return NativeReader(std::make_shared<const std::string>(std::move(text)), name).read();
}

bool is_nft_text(std::string_view text) {
  constexpr std::array<std::string_view, 5> kObjects{"table", "ruleset", "chain", "set", "map"};
  for (const auto line : split_lines(text)) {
    const auto words = trim(line);
    if (words.starts_with("#!")) return words.substr(0, words.find(' ')).ends_with("nft");
    if (words.empty() || words.starts_with('#')) continue;
    const auto word = first_nft_word(words);
    if (word == "table" || word == "define" || word == "include") return true;
    const auto next = first_nft_word(words.substr(word.size()));
    const bool verb =
        word == "flush" || word == "add" || word == "create" || word == "delete" || word == "destroy";
    return verb && std::ranges::find(kObjects, next) != kObjects.end();
  }
  return false;
}

std::string print_native(const NativeTable& table) {
  std::string out = format("table {} {} {{\n", name(table.family), table.name);
  for (const auto fact : table.facts) out.append("\t").append(fact).append("\n");
  bool first = table.facts.empty();
  for (const NativePart& part : table.parts) {
    if (!std::exchange(first, false)) out += '\n';
    out += part.text;
  }
  return out + "}\n";
}

std::string print_native(const NativeTables& tables) {
  std::string out;
  for (const NativeTable& table : tables.tables) out += print_native(table);
  return out;
}

NativePart with_rules(const NativePart& chain, const std::vector<std::string_view>& rules,
                      std::vector<std::shared_ptr<const std::string>>& texts) {
  std::string text = format("\t{} {} {{\n", chain.kind, chain.name);
  for (const auto fact : chain.facts) text.append("\t\t").append(fact).append("\n");
  std::vector<std::pair<std::size_t, std::size_t>> places;
  for (const auto rule : rules) {
    text += "\t\t";
    places.emplace_back(text.size(), rule.size());
    text.append(rule).append("\n");
  }
  text += "\t}\n";
  const std::string_view written = *texts.emplace_back(std::make_shared<const std::string>(std::move(text)));
  NativePart out = chain;
  out.text = written;
  out.rules.clear();
  for (const auto& [at, size] : places) out.rules.push_back(written.substr(at, size));
  return out;
}

NativePart with_policy(const NativePart& chain, std::string_view policy,
                       std::vector<std::shared_ptr<const std::string>>& texts) {
  const auto old = chain.policy();
  if (old.empty() || old == policy) return chain;
  NativePart out = chain;
  for (auto& fact : out.facts) {
    if (old.data() < fact.data() || old.data() >= fact.data() + fact.size()) continue;
    std::string words(fact);
    words.replace(static_cast<std::size_t>(old.data() - fact.data()), old.size(), policy);
    fact = *texts.emplace_back(std::make_shared<const std::string>(std::move(words)));
  }
  return with_rules(out, chain.rules, texts);
}

NativePart with_elements(const NativePart& part, const std::vector<std::string_view>& elements,
                         std::vector<std::shared_ptr<const std::string>>& texts) {
  constexpr std::string_view kBegin = "\t\telements = { ";
  constexpr std::string_view kNext = ",\n\t\t\t     ";
  std::string text = format("\t{} {} {{\n", part.kind, part.name);
  for (const auto fact : part.facts) text.append("\t\t").append(fact).append("\n");
  std::vector<std::pair<std::size_t, std::size_t>> places;
  for (const auto element : elements) {
    text += places.empty() ? kBegin : kNext;
    places.emplace_back(text.size(), element.size());
    text += element;
  }
  text += places.empty() ? "\t}\n" : " }\n\t}\n";
  const std::string_view kept = *texts.emplace_back(std::make_shared<const std::string>(std::move(text)));
  NativePart out = part;
  out.text = kept;
  out.elements.clear();
  for (const auto& [at, size] : places) out.elements.push_back(kept.substr(at, size));
  return out;
}

std::string_view element_key(std::string_view element) {
  constexpr std::array<std::string_view, 8> kBehind{" : ",     " comment ", " counter",  " limit ",
                                                    " quota ", " timeout ", " expires ", " ct count "};
  auto end = element.size();
  for (const auto words : kBehind) end = std::min(end, element.find(words));
  return element.substr(0, end);
}

}  // namespace rewall

#include "rules/native_meaning.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>

#include "core/format.h"
#include "core/text.h"
#include "rules/symbols.h"
#include "rules/table_forms.h"

namespace rewall {
namespace {

/// A word, a quoted text, a brace, or a comma or semicolon that ends a word. Points into the text.
using NftWord = std::string_view;
using NftWords = std::span<const NftWord>;

bool among(NftWord word, std::span<const std::string_view> words) {
  return std::ranges::find(words, word) != words.end();
}

bool is_nft_blank(char c) {
  return c == ' ' || c == '\t' || c == '\n';
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

std::vector<NftWord> nft_words(std::string_view text) {
  std::vector<NftWord> out;
  for (std::size_t i = 0; i < text.size();) {
    if (is_nft_blank(text[i])) {
      ++i;
      continue;
    }
    auto end = i + 1;
    if (text[i] == '"') {
      end = std::min(text.find('"', i + 1), text.size() - 1) + 1;
    } else if (text[i] != '{' && text[i] != '}' && text[i] != ',' && text[i] != ';') {
      while (end < text.size() && !is_nft_blank(text[end]) && text[end] != '"' && text[end] != '}' &&
             text[end] != ';')
        ++end;
      // A comma inside a word is a part of it: `established,related`.
      if (text[end - 1] == ',' && end - i > 1) --end;
    }
    out.push_back(text.substr(i, end - i));
    i = end;
  }
  return out;
}

/// Where the words of the braces that open at `at` end: behind the closing one.
std::size_t behind_braces(NftWords words, std::size_t at) {
  std::size_t depth = 0;
  for (; at < words.size(); ++at) {
    if (words[at] == "{") ++depth;
    if (words[at] == "}" && --depth == 0) return at + 1;
  }
  return at;
}

/// What names of a value stand for.
enum class Names : std::uint8_t { none, services, protocols };

/// A number as nft prints it, in decimal: 0x00000010 is 16.
std::optional<std::string> plain_number(NftWord word) {
  constexpr std::size_t kLongest = 18;  // 64 bits
  if (!word.starts_with("0x") || word.size() < 3 || word.size() > kLongest) return std::nullopt;
  std::uint64_t value = 0;
  const auto read = std::from_chars(word.data() + 2, word.data() + word.size(), value, 16);
  if (read.ec != std::errc{} || read.ptr != word.data() + word.size()) return std::nullopt;
  return format("{}", value);
}

NftWord without_host_prefix(NftWord word) {
  const auto slash = word.find('/');
  if (slash == NftWord::npos) return word;
  const auto address = word.substr(0, slash);
  const auto prefix = word.substr(slash + 1);
  const bool v4 = prefix == "32" && std::ranges::count(address, '.') == 3 &&
                  std::ranges::all_of(address, [](char c) { return is_digit(c) || c == '.'; });
  const bool v6 = prefix == "128" && std::ranges::count(address, ':') >= 2;
  return v4 || v6 ? address : word;
}

/// `related,established` is `established,related`. The numbers of `@th,160,128` keep their order.
std::string sorted_flags(NftWord word) {
  if (word.starts_with('@') || word.find(',') == NftWord::npos) return std::string(word);
  auto flags = split(word, ',');
  if (!std::ranges::all_of(flags, [](std::string_view flag) { return !flag.empty() && is_letter(flag[0]); }))
    return std::string(word);
  std::ranges::sort(flags);
  std::string out;
  for (const auto flag : flags) out.append(out.empty() ? "" : ",").append(flag);
  return out;
}

std::string value_meaning(NftWord word, Names names) {
  if (word.starts_with('"') || word.starts_with('@')) return std::string(word);
  if (names == Names::services && is_letter(word[0])) {
    if (const auto port = port_number(word)) return format("{}", *port);
  }
  if (names == Names::protocols && is_letter(word[0])) {
    if (const auto protocol = protocol_number(word)) return format("{}", *protocol);
  }
  if (auto number = plain_number(word)) return *std::move(number);
  return sorted_flags(without_host_prefix(word));
}

/// What the names in the elements of a set stand for, of a concatenation by position; from a `type` or
/// `typeof`.
std::vector<Names> names_of_type(std::string_view fact) {
  const auto end = std::min(fact.find(" : "), fact.size());
  std::vector<Names> out(1, Names::none);
  NftWord before;
  const auto words = nft_words(fact.substr(0, end));
  for (const auto word : words) {
    if (word == ".") out.push_back(Names::none);
    if (word == "inet_service" || word == "dport" || word == "sport") out.back() = Names::services;
    if (word == "inet_proto" || word == "l4proto" || word == "nexthdr" ||
        (word == "protocol" && (before == "ip" || before == "ct")))
      out.back() = Names::protocols;
    before = word;
  }
  return out;
}

constexpr std::array<std::string_view, 12> kNftOperators{
    "==", "!=", "<", ">", "<=", ">=", "&", "|", "^", ".", "vmap", "map"};

/// Writes words in their one spelling.
class NftSpelling {
 public:
  explicit NftSpelling(NftWords words) : words_(words) {}

  /// Of a rule or a part of one: without its comment, which is `comment` then.
  std::string rule(std::string& comment) { return sequence(false, {}, &comment); }
  /// Of an element, with its comment.
  std::string element(const std::vector<Names>& names) { return sequence(true, names, nullptr); }

 private:
  bool is_at(std::string_view word) const { return at_ < words_.size() && words_[at_] == word; }
  NftWord peek(std::size_t ahead) const {
    return at_ + ahead < words_.size() ? words_[at_ + ahead] : NftWord{};
  }

  /// Steps over counts and times that packets change; true when some stood here.
  bool skip_state(NftWord before) {
    const auto word = words_[at_];
    if (before == "jump" || before == "goto") return false;  // the name of a chain
    if (word == "packets" && before == "counter" && peek(2) == "bytes") {
      at_ += 4;
    } else if (word == "used" && !peek(1).empty()) {
      at_ += is_digit(peek(1)[0]) && is_letter(peek(2).empty() ? ' ' : peek(2)[0]) ? 3 : 2;
    } else if (word == "expires") {
      at_ += 2;
    } else {
      return false;
    }
    at_ = std::min(at_, words_.size());
    return true;
  }

  void note_selector(NftWord word, NftWord before) {
    const bool services = word == "dport" || word == "sport";
    const bool protocols =
        word == "l4proto" || word == "nexthdr" || (word == "protocol" && (before == "ip" || before == "ct"));
    if (word == ".") {
      if (names_.empty()) names_.push_back(Names::none);
      names_.push_back(Names::none);
      joined_ = true;
    } else if (services || protocols) {
      if (!joined_ || names_.empty()) names_.assign(1, Names::none);
      names_.back() = services ? Names::services : Names::protocols;
      joined_ = false;
      selected_ = true;
      return;
    }
    selected_ = selected_ && among(word, kNftOperators);
  }

  /// Up to the end, or in braces up to a comma or their end. `in_element`: the words are an element, whose
  /// values have the names of `names` by position.
  std::string sequence(bool in_element, const std::vector<Names>& names, std::string* comment) {
    std::string out;
    NftWord before;
    std::size_t position = 0;
    bool data = false;  // behind the colon of a map's element
    const auto add = [&out](std::string_view word) { out.append(out.empty() ? "" : " ").append(word); };
    while (at_ < words_.size() && !is_at("}") && !(in_element && is_at(","))) {
      const auto word = words_[at_];
      if (comment != nullptr && word == "comment" && peek(1).starts_with('"')) {
        *comment = peek(1).substr(1, peek(1).size() - std::min<std::size_t>(peek(1).size(), 2));
        at_ += 2;
        continue;
      }
      if (skip_state(before)) continue;
      if (word == "{") {
        const bool whole = before == "map" || before == "vmap";
        add(braces(whole, names_));
        names_.clear();
        selected_ = joined_ = false;
        before = "}";
        continue;
      }
      ++at_;
      const bool to_chain = before == "jump" || before == "goto";
      if (to_chain) {
        add(word);
      } else if (in_element && !data) {
        add(value_meaning(word, position < names.size() ? names[position] : Names::none));
      } else {
        const bool value = selected_ && names_.size() == 1 && !among(word, kNftOperators);
        add(value_meaning(word, value ? names_.front() : Names::none));
      }
      if (word == ".") ++position;
      if (word == ":") data = true;
      if (!in_element) note_selector(word, before);
      before = word;
    }
    return out;
  }

  /// An anonymous set or map, or the rules of a chain without a name. `whole`: a map, also one of a single
  /// element.
  std::string braces(bool whole, std::vector<Names> names) {
    // nft nests three deep; a text from elsewhere is not to use up the stack.
    constexpr std::size_t kDeepest = 16;
    if (depth_ == kDeepest) return verbatim_braces();
    ++depth_;
    ++at_;
    std::vector<std::string> elements;
    while (at_ < words_.size() && !is_at("}")) {
      if (is_at(",")) {
        ++at_;
        continue;
      }
      elements.push_back(sequence(true, names, nullptr));
    }
    ++at_;
    --depth_;
    std::ranges::sort(elements);
    if (elements.size() == 1 && !whole) return elements.front();
    return format("{{ {} }}", join(elements, ", "));
  }

  std::string verbatim_braces() {
    std::string out;
    for (const auto end = behind_braces(words_, at_); at_ < end; ++at_)
      out.append(out.empty() ? "" : " ").append(words_[at_]);
    return out;
  }

  NftWords words_;
  std::size_t at_ = 0;
  std::size_t depth_ = 0;
  std::vector<Names> names_{};
  bool joined_ = false;    // the last selector goes on behind a dot
  bool selected_ = false;  // a selector whose values have names was the last word, but for operators
};

// --- the parts of a rule ---

/// Selectors of two words.
constexpr std::array<std::string_view, 33> kNftHeaders{
    "ether", "vlan",   "arp",    "ip",   "ip6",  "icmp", "icmpv6", "igmp", "tcp",   "udp",    "udplite",
    "sctp",  "dccp",   "ah",     "esp",  "comp", "th",   "ct",     "meta", "rt",    "socket", "osf",
    "ipsec", "tunnel", "exthdr", "frag", "hbh",  "dst",  "mh",     "gre",  "vxlan", "numgen", "symhash"};
constexpr std::array<std::string_view, 25> kNftSelectors{
    "iif",   "iifname", "oif",     "oifname", "iiftype",  "oiftype", "iifgroup",  "oifgroup", "mark",
    "skuid", "skgid",   "l4proto", "nfproto", "pkttype",  "cgroup",  "rtclassid", "cpu",      "hour",
    "day",   "time",    "ibrname", "obrname", "ibriport", "sdif",    "sdifname"};
constexpr std::array<std::string_view, 15> kNftStatements{
    "counter",  "limit", "quota", "log",    "notrack", "dup",   "fwd", "tproxy",
    "synproxy", "flow",  "add",   "update", "delete",  "meter", "last"};
constexpr std::array<std::string_view, 13> kNftVerdicts{
    "accept", "drop", "return", "continue", "jump",       "goto", "reject",
    "queue",  "snat", "dnat",   "redirect", "masquerade", "break"};
/// Words behind which a value comes, not the next part.
constexpr std::array<std::string_view, 9> kNftBeforeValue{"set",  "to",   "over", "with",  "until",
                                                          "name", "snat", "dnat", "tproxy"};
constexpr std::string_view kVerdict = "verdict";

/// How many words the selector at `at` has, without those it is concatenated with; 0 where none begins.
std::size_t one_selector_at(NftWords words, std::size_t at) {
  const auto word_at = [&](std::size_t i) { return i < words.size() ? words[i] : NftWord{}; };
  const auto first = word_at(at);
  if (first == "fib") {
    std::size_t size = 2;
    while (word_at(at + size) == ".") size += 2;
    return size + 1;
  }
  if (first == "ct" && (word_at(at + 1) == "original" || word_at(at + 1) == "reply"))
    return word_at(at + 2) == "ip" || word_at(at + 2) == "ip6" ? 4 : 3;
  if (among(first, kNftHeaders)) return 2;
  const bool payload = first.starts_with('@') && first.find(',') != NftWord::npos;
  return payload || among(first, kNftSelectors) ? 1 : 0;
}

/// The same with those it is concatenated with.
std::size_t selector_at(NftWords words, std::size_t at) {
  auto size = one_selector_at(words, at);
  for (auto next = size; next > 0 && at + size < words.size() && words[at + size] == ".";) {
    next = one_selector_at(words, at + size + 1);
    if (next > 0) size += 1 + next;
  }
  return std::min(size, words.size() - at);
}

struct NftPart {
  std::string name{};
  NftWords words{};       ///< name and value; of a verdict the value alone
  std::size_t named = 0;  ///< how many of them are the name
  bool selector = false;
};

/// The words of a rule, taken apart. The comment is left out.
std::vector<NftPart> nft_parts(NftWords words) {
  std::vector<NftPart> out;
  std::size_t begin = 0;
  std::size_t named = 0;
  bool selector = false;
  std::string name;
  const auto end_part = [&](std::size_t end) {
    if (end > begin)
      out.push_back(
          {.name = name, .words = words.subspan(begin, end - begin), .named = named, .selector = selector});
    begin = end;
  };
  for (std::size_t i = 0; i < words.size();) {
    const auto word = words[i];
    const bool first = i == begin + named && i > begin;  // of the value
    const auto before = i > begin ? words[i - 1] : NftWord{};
    const bool value = (selector && first) || among(before, kNftOperators) || among(before, kNftBeforeValue);
    if (word == "{") {
      i = behind_braces(words, i);
    } else if (word == "comment" && i + 1 < words.size() && words[i + 1].starts_with('"')) {
      end_part(i);
      i = begin = i + 2;
      name.clear();
      named = 0;
      selector = false;
    } else if (value) {
      i += std::max<std::size_t>(selector && first ? 1 : selector_at(words, i), 1);
    } else if (const auto size = selector_at(words, i); size > 0) {
      end_part(i);
      name.clear();
      for (std::size_t k = i; k < i + size; ++k) name.append(k > i ? " " : "").append(words[k]);
      named = size;
      selector = true;
      i += size;
    } else if (among(word, kNftStatements) || among(word, kNftVerdicts)) {
      end_part(i);
      selector = false;
      const bool verdict = among(word, kNftVerdicts);
      name = verdict ? kVerdict : word;
      named = verdict ? 0 : 1;
      // What an anonymous set is added to or a rule jumps to is no part of its own.
      i += verdict && i + 1 < words.size() && (word == "jump" || word == "goto") && words[i + 1] != "{" ? 2
                                                                                                        : 1;
    } else {
      ++i;
    }
  }
  end_part(words.size());
  return out;
}

/// The stretch of the text that the words are, in one line.
std::string stretch_of(NftWords words) {
  if (words.empty()) return {};
  const auto& last = words.back();
  const std::string_view text{words.front().data(),
                              static_cast<std::size_t>(last.data() + last.size() - words.front().data())};
  std::string out;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') quoted = !quoted;
    if (quoted || !is_nft_blank(text[i])) {
      out += text[i];
    } else if (!is_nft_blank(text[i - 1])) {
      out += ' ';
    }
  }
  return out;
}

/// A match without a state of its own.
bool only_matches(const NftPart& part) {
  constexpr std::array<std::string_view, 3> kStateful{"ct count", "numgen inc", "numgen random"};
  return part.selector && !among(part.name, kStateful) &&
         std::ranges::find(part.words, NftWord("set")) == part.words.end();
}

/// The verdict of a rule that only matches, counts and logs; empty for one without a verdict; nothing for a
/// rule that does anything else.
std::optional<std::string> plain_verdict(std::string_view rule) {
  const auto words = nft_words(rule);
  std::string verdict;
  for (const auto& part : nft_parts(words)) {
    if (part.name == kVerdict) {
      verdict = stretch_of(part.words);
      if (verdict != "accept" && verdict != "drop") return std::nullopt;
    } else if (part.name != "counter" && part.name != "log" && !only_matches(part)) {
      return std::nullopt;
    }
  }
  return verdict;
}

// --- facts and elements ---

/// The numbers of nft's names for priorities (nft(8), CHAINS).
std::optional<int> priority_number(NftWord name, NativeFamily family) {
  using Named = std::pair<std::string_view, int>;
  static constexpr std::array<Named, 6> kMost{
      {{"raw", -300}, {"mangle", -150}, {"dstnat", -100}, {"filter", 0}, {"security", 50}, {"srcnat", 100}}};
  static constexpr std::array<Named, 4> kBridge{
      {{"dstnat", -300}, {"filter", -200}, {"out", 100}, {"srcnat", 300}}};
  const auto in = [&](std::span<const Named> names) -> std::optional<int> {
    const auto found = std::ranges::find(names, name, &Named::first);
    return found == names.end() ? std::nullopt : std::optional(found->second);
  };
  return family == NativeFamily::bridge ? in(kBridge) : in(kMost);
}

std::optional<int> priority_offset(NftWord word) {
  int value = 0;
  const auto read = std::from_chars(word.data(), word.data() + word.size(), value);
  return read.ec == std::errc{} && read.ptr == word.data() + word.size() ? std::optional(value)
                                                                         : std::nullopt;
}

/// The number of the priority at `at`, which moves behind it.
std::string read_priority(NftWords words, std::size_t& at, NativeFamily family) {
  if (at >= words.size()) return {};
  const auto first = words[at++];
  const auto base = is_letter(first[0]) ? priority_number(first, family) : priority_offset(first);
  const bool offset = at + 1 < words.size() && (words[at] == "+" || words[at] == "-");
  const auto by = offset ? priority_offset(words[at + 1]) : std::optional(0);
  if (!base || !by) return std::string(first);
  const int sign = offset && words[at] == "-" ? -1 : 1;
  if (offset) at += 2;
  return format("{}", *base + sign * *by);
}

std::vector<std::string> sorted_facts(const std::vector<std::string_view>& facts, NativeFamily family) {
  std::vector<std::string> out;
  for (const auto fact : facts) {
    if (auto means = native_fact_meaning(fact, family); !means.empty()) out.push_back(std::move(means));
  }
  std::ranges::sort(out);
  return out;
}

}  // namespace

Meaning native_meaning(std::string_view rule) {
  const auto noted = split_note(rule);
  // How nft translates it differs between versions of nft.
  if (!noted.iptables.empty()) {
    auto out = meaning(noted.iptables, Family::ipv4);
    out.key.insert(0, kIptablesNote);
    return out;
  }
  const auto words = nft_words(rule);
  Meaning out;
  out.key = NftSpelling(words).rule(out.comment);
  return out;
}

std::optional<std::size_t> put_notes(std::string_view text, NativeTables& listed) {
  struct Note {
    std::string meaning{};
    std::string_view note{};
    std::size_t line = 0;
  };
  std::map<std::pair<std::string, std::string>, std::vector<Note>> notes;
  std::string title;
  std::string chain;
  std::size_t number = 0;
  for (const auto whole : split_lines(text)) {
    ++number;
    const auto line = trim(whole);
    const auto words = nft_words(line);
    if (words.size() >= 3 && words[0] == "table") title = format("{} {}", words[1], words[2]);
    if (words.size() >= 2 && words[0] == "chain") chain = std::string(words[1]);
    const auto noted = split_note(line);
    if (noted.iptables.empty()) continue;
    notes[{title, chain}].push_back({.meaning = native_meaning(noted.words).key,
                                     .note = line.substr(noted.words.size()),
                                     .line = number});
  }
  std::optional<std::size_t> lost;
  for (auto& [place, of_chain] : notes) {
    auto next = of_chain.begin();
    const auto table = std::ranges::find(listed.tables, place.first, &NativeTable::title);
    if (table != listed.tables.end() && iptables_family(*table)) {
      for (NativePart& part : table->parts) {
        if (!part.is_chain() || part.name != place.second) continue;
        auto rules = part.rules;
        for (auto& rule : rules) {
          if (next == of_chain.end() || native_meaning(rule).key != next->meaning) continue;
          rule = *listed.texts.emplace_back(
              std::make_shared<const std::string>(format("{}{}", rule, next->note)));
          ++next;
        }
        part = with_rules(part, rules, listed.texts);
      }
    }
    if (next != of_chain.end()) lost = std::min(lost.value_or(next->line), next->line);
  }
  return lost;
}

std::vector<NamedPart> native_parts(std::string_view rule) {
  const auto noted = split_note(rule);
  const auto words = nft_words(noted.words);
  std::vector<NamedPart> out;
  std::unordered_map<std::string, int> met;
  for (auto& part : nft_parts(words)) {
    std::string comment;
    auto key = NftSpelling(part.words).rule(comment);
    const int times = ++met[part.name];
    if (times > 1) part.name += format(" #{}", times);
    out.push_back({.name = std::move(part.name),
                   .value = stretch_of(part.words.subspan(std::min(part.named, part.words.size()))),
                   .key = std::move(key)});
  }
  if (!noted.iptables.empty())
    out.push_back(
        {.name = "# iptables:", .value = std::string(noted.iptables), .key = std::string(noted.iptables)});
  return out;
}

bool native_interchangeable(std::string_view a, std::string_view b) {
  if (!split_note(a).iptables.empty() || !split_note(b).iptables.empty()) return false;
  const auto first = plain_verdict(a);
  const auto second = plain_verdict(b);
  if ((first && first->empty()) || (second && second->empty())) return true;
  return first && first == second;
}

std::string native_rule_words(std::string_view rule) {
  const auto noted = split_note(rule);
  const auto words = nft_words(noted.words);
  std::string out;
  for (const auto& part : nft_parts(words)) out.append(out.empty() ? "" : " ").append(stretch_of(part.words));
  if (!noted.iptables.empty()) out.append(kIptablesNote).append(noted.iptables);
  return out;
}

std::optional<std::string> with_new_names(std::string_view rule, const NativeRenames& renames) {
  if (!split_note(rule).iptables.empty()) return std::nullopt;
  std::string out;
  std::size_t copied = 0;
  NftWord before;
  const auto words = nft_words(rule);
  for (const auto word : words) {
    const bool jumps = before == "jump" || before == "goto";
    before = word;
    const auto renamed = jumps ? renames.find(word) : renames.end();
    if (renamed == renames.end()) continue;
    const auto at = static_cast<std::size_t>(word.data() - rule.data());
    out.append(rule.substr(copied, at - copied)).append(renamed->second);
    copied = at + word.size();
  }
  if (copied == 0) return std::nullopt;
  return out.append(rule.substr(copied));
}

std::string native_fact_meaning(std::string_view fact, NativeFamily family) {
  const auto words = nft_words(fact);
  std::string out;
  const auto add = [&out](std::string_view word) {
    if (!out.empty() && word != ";" && word != ",") out += ' ';
    out += word;
  };
  std::size_t devices = 0;  // in the braces of `devices = { a, b }`
  for (std::size_t at = 0; at < words.size();) {
    const auto word = words[at];
    if (word == "packets" && at + 3 < words.size() && words[at + 2] == "bytes") {
      at += 4;
    } else if (word == "used" && at + 2 < words.size()) {
      at += 3;
    } else if (word == "priority") {
      add(word);
      add(read_priority(words, ++at, family));
    } else if (word == "{" && devices == 0) {
      const auto end = behind_braces(words, at);
      std::vector<NftWord> inside(words.begin() + static_cast<std::ptrdiff_t>(at) + 1,
                                  words.begin() + static_cast<std::ptrdiff_t>(std::max(end, at + 2)) - 1);
      std::erase(inside, ",");
      std::ranges::sort(inside);
      add("{");
      for (const auto one : inside) add(one);
      add("}");
      at = end;
    } else {
      add(sorted_flags(word));
      ++at;
    }
  }
  return out;
}

std::string native_element_meaning(const NativePart& set, std::string_view element) {
  // Nearly all elements are addresses or ports.
  if (std::ranges::all_of(element, [](char c) { return is_digit(c) || c == '.' || c == '-'; }))
    return std::string(element);
  std::vector<Names> names;
  for (const auto fact : set.facts)
    if (fact.starts_with("type ") || fact.starts_with("typeof ")) names = names_of_type(fact);
  const auto words = nft_words(element);
  return NftSpelling(words).element(names);
}

void write_native_meaning(const NativeTables& tables, const std::function<void(std::string_view)>& write) {
  auto sorted = tables;
  sorted.sort();
  for (const auto& table : sorted.tables) {
    write("native");
    write(table.title());
    for (const auto& fact : sorted_facts(table.facts, table.family)) write(fact);
    std::vector<const NativePart*> parts;
    for (const auto& part : table.parts) parts.push_back(&part);
    std::ranges::sort(parts, {}, [](const NativePart* part) { return std::pair(part->kind, part->name); });
    for (const auto* part : parts) {
      write(part->kind);
      write(part->name);
      for (const auto& fact : sorted_facts(part->facts, table.family)) write(fact);
      write(format("{}", part->rules.size() + part->elements.size()));
      for (const auto rule : part->rules) write(native_meaning(rule).key);
      std::vector<std::string> elements;
      for (const auto element : part->elements) elements.push_back(native_element_meaning(*part, element));
      std::ranges::sort(elements);
      for (const auto& element : elements) write(element);
    }
  }
}

}  // namespace rewall

#include "rules/sets.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"
#include "rules/lines.h"
#include "rules/meaning.h"
#include "rules/parse.h"
#include "rules/print.h"
#include "rules/set_elements.h"
#include "rules/tokenizer.h"

namespace rewall {
namespace {

void append_word(std::string& out, std::string_view word) {
  if (!out.empty()) out += ' ';
  out += word;
}

bool is_inet6(const Set& set) {
  return set.options.find("family inet6") != std::string::npos;
}

std::string_view timeout_in(std::string_view options) {
  return option_of(options, "timeout");
}

bool is_zero(std::string_view number) {
  return !number.empty() && number.find_first_not_of('0') == std::string_view::npos;
}

// In a set that has timeouts ipset save says right after the element that one has none.
bool stays(std::string_view member) {
  constexpr std::string_view kNone = "timeout 0";
  const auto options = member.substr(std::min(member.find(' '), member.size() - 1) + 1);
  if (options.starts_with(kNone) && (options.size() == kNone.size() || options[kNone.size()] == ' '))
    return true;
  return is_zero(timeout_in(options));
}

// Options without the size of the hash, which the kernel grows with the members.
std::string without_hashsize(std::string_view options) {
  std::string out;
  Tokenizer words(options, Quoting::ipset);
  while (const auto word = words.next()) {
    if (word->is("hashsize"))
      words.next();
    else
      append_word(out, word->raw);
  }
  return out;
}

// What the kernel chooses or grows by itself, and what ipset(8) takes when the line does not say it.
constexpr std::array<std::string_view, 3> kKernels = {"hashsize", "bucketsize", "initval"};

bool goes_without_saying(std::string_view option, std::string_view value) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kDefaults = {
      {{"family", "inet"}, {"family", "ipv4"}, {"maxelem", "65536"}, {"size", "8"}}};
  return std::ranges::find(kKernels, option) != kKernels.end() ||
         std::ranges::find(kDefaults, std::pair(option, value)) != kDefaults.end();
}

bool is_blank_or_return(char c) {
  return c == ' ' || c == '\t' || c == '\r';
}

// A text as two numbers that compare as it does, as far as they reach. The shift loses nothing: a longer text
// is cut, a shorter one is filled with zeros.
struct Start {
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  explicit Start(std::string_view text) {
    for (std::size_t i = 0; i < 2 * sizeof high; ++i) {
      std::uint64_t& half = i < sizeof high ? high : low;
      half = half << 8U | (i < text.size() ? static_cast<unsigned char>(text[i]) : 0U);
    }
  }
  auto operator<=>(const Start&) const = default;
};

// Members by what follows the start that all of them share: most are told apart without a look at the text.
void sort_many(std::vector<std::string_view>& members) {
  std::string_view shared = members.front();
  for (const auto member : members) {
    const auto end = std::ranges::mismatch(shared, member).in1;
    shared = shared.substr(0, static_cast<std::size_t>(end - shared.begin()));
  }
  std::vector<std::pair<Start, std::string_view>> keyed;
  keyed.reserve(members.size());
  for (const auto member : members) keyed.emplace_back(Start(member.substr(shared.size())), member);
  std::ranges::sort(keyed);
  std::ranges::transform(keyed, members.begin(), [](const auto& member) { return member.second; });
}

// The members by meaning, sorted, but for a list: the kernel asks its sets in their order, so that order is a
// part of its value.
std::vector<std::string_view> canonical_members(const Set& set, std::deque<std::string>& kept) {
  std::vector<std::string_view> members;
  members.reserve(set.members.size());
  for (const auto member : set.members) members.push_back(meaning_of_member(member, kept));
  if (!is_list(set)) sort_members(members);
  return members;
}

// In the order of the canonical text.
std::vector<const Set*> in_order(const Sets& sets) {
  std::vector<const Set*> order;
  for (const auto& set : sets.sets) order.push_back(&set);
  std::ranges::stable_sort(
      order, {}, [](const Set* set) { return std::pair(is_list(*set), std::string_view(set->name)); });
  return order;
}

// The name that ipset has now for a type of ipset 4.
std::string_view type_of_now(std::string_view type) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 9> kOld = {
      {{"ipmap", "bitmap:ip"},
       {"macipmap", "bitmap:ip,mac"},
       {"portmap", "bitmap:port"},
       {"iphash", "hash:ip"},
       {"nethash", "hash:net"},
       {"ipporthash", "hash:ip,port"},
       {"ipportiphash", "hash:ip,port,ip"},
       {"ipportnethash", "hash:ip,port,net"},
       {"setlist", "list:set"}}};
  const auto* found = std::ranges::find(kOld, type, [](const auto& names) { return names.first; });
  return found == kOld.end() ? type : found->second;
}

// Reads `create` and `add` lines; add lines of one set usually follow each other.
class SetsReader {
 public:
  SetsReader(std::string text, std::string_view name, SetsText words)
      : text_(std::make_shared<const std::string>(std::move(text))), lines_(*text_, name), words_(words) {}

  Result<Sets> read() {
    TRY(lines_.refuse_nul());
    while (const auto line = lines_.next()) {
      TRY(take(*line));
    }
    close_gaps();
    sets_.texts.push_back(std::move(text_));
    for (auto& text : respelled_) sets_.texts.push_back(std::move(text));
    return std::move(sets_);
  }

 private:
  Status take(std::string_view line) {
    // As ipset save writes it, perhaps a million times.
    if (line.size() > again_.size() && !again_.empty() && line.starts_with(again_) &&
        !is_blank_or_return(line[again_.size()]) && !is_blank_or_return(line.back()) &&
        (words_ != SetsText::by_hand ||
         (line.find(" -") == std::string_view::npos && line.find('"') == std::string_view::npos))) {
      take_member(line.substr(again_.size()));
      return {};
    }
    auto rest = trim(line);
    if (rest.empty() || rest.starts_with('#') || rest == "COMMIT") return {};
    if (words_ == SetsText::by_hand) return take_by_hand(rest);
    const auto command = word(rest);
    const auto set = word(rest);
    const bool create = command == "create" || command == "-N" || command == "--create";
    const bool add = command == "add" || command == "-A" || command == "--add";
    if (!create && !add) return lines_.at(error_of<messages::not_ipset_save>(quoted(command)));
    if (set.empty()) return lines_.at(error_of<messages::missing_word>("set name", quoted(command)));
    return create ? take_create(set, rest) : take_add(set, rest);
  }

  // As `ipset restore` reads a line (ipset(8), and the names of ipset 4 that it still knows).
  Status take_by_hand(std::string_view line) {
    bool exist = false;
    auto rest = std::string_view(keep(TRY(plain_words(line, exist))));
    const auto command = word(rest);
    const auto set = word(rest);
    const bool create = command == "create" || command == "-N" || command == "--create" || command == "n";
    const bool add = command == "add" || command == "-A" || command == "--add" || command == "a";
    const bool del = command == "del" || command == "-D" || command == "--del" || command == "d";
    const bool flush = command == "flush" || command == "-F" || command == "--flush" || command == "f";
    if (flush && set.empty()) {
      for (const std::size_t place : filled_) empty(place);
      filled_.clear();
      again_.clear();
      return {};
    }
    if (!create && !add && !del && !flush)
      return lines_.at(error_of<messages::not_ipset_save>(quoted(command)));
    if (set.empty()) return lines_.at(error_of<messages::missing_word>("set name", quoted(command)));
    if (create) return exist && places_.contains(set) ? Status{} : take_create(set, rest);
    if (add) return take_add(set, rest);
    const auto found = places_.find(set);
    if (found == places_.end()) return unknown_set(set);
    if (flush)
      empty(found->second);
    else
      for (const auto& element : spelled_out(sets_.sets[found->second], element_of(rest)))
        remove(found->second, element);
    return {};
  }

  void empty(std::size_t place) {
    sets_.sets[place].members.clear();
    sets_.sets[place].temporary.clear();
    by_element_.erase(place);
  }

  // Where the members of a set stand, by their element, in both lists. What is taken out leaves an empty
  // place.
  struct ByElement {
    std::unordered_map<std::string_view, std::vector<std::size_t>> members{};
    std::unordered_map<std::string_view, std::vector<std::size_t>> temporary{};
    std::size_t members_until = 0;  ///< those before are known
    std::size_t temporary_until = 0;
  };

  void remove(std::size_t place, std::string_view element) {
    Set& set = sets_.sets[place];
    auto& known = by_element_[place];
    const auto look = [](std::vector<std::string_view>& list, std::size_t& until,
                         std::unordered_map<std::string_view, std::vector<std::size_t>>& places) {
      for (; until < list.size(); ++until) places[element_of(list[until])].push_back(until);
    };
    look(set.members, known.members_until, known.members);
    look(set.temporary, known.temporary_until, known.temporary);
    const auto take_out = [&](std::vector<std::string_view>& list,
                              std::unordered_map<std::string_view, std::vector<std::size_t>>& places) {
      const auto found = places.find(element);
      if (found == places.end()) return;
      for (const std::size_t at : found->second) list[at] = {};
      places.erase(found);
    };
    take_out(set.members, known.members);
    take_out(set.temporary, known.temporary);
  }

  void close_gaps() {
    for (const auto& [place, known] : by_element_) {
      std::erase(sets_.sets[place].members, std::string_view{});
      std::erase(sets_.sets[place].temporary, std::string_view{});
    }
  }

  Result<std::string> plain_words(std::string_view line, bool& exist) const {
    std::string plain;
    Tokenizer words(line, Quoting::ipset);
    for (std::size_t place = 0; const auto found = words.next();) {
      if (words.unclosed()) return lines_.at(error_of<messages::unclosed_quote>(quoted(found->raw)));
      const auto text = found->text();
      std::string_view option = text;
      if (option.empty()) continue;
      if (option == "-exist" || option == "-!" || option == "--exist") {
        exist = true;
        continue;
      }
      if (place == 2) option = type_of_now(option);
      // A set's name may be quoted; a comment needs its quotes.
      if (place > 2 && option.starts_with("--")) option.remove_prefix(2);
      append_word(plain, place > 2 && found->quoted ? format("\"{}\"", option) : std::string(option));
      ++place;
    }
    return plain;
  }

  const std::string& keep(std::string text) {
    return *respelled_.emplace_back(std::make_shared<const std::string>(std::move(text)));
  }

  Status take_create(std::string_view name, std::string_view rest) {
    const auto type = word(rest);
    if (type.find(':') == std::string_view::npos) {
      return lines_.at(error_of<messages::not_a_set_type>(quoted(name), quoted(type)));
    }
    if (!places_.emplace(name, sets_.sets.size()).second) {
      return lines_.at(error_of<messages::set_created_twice>(quoted(name)));
    }
    sets_.sets.push_back(
        Set{.name = std::string(name),
            .type = std::string(type),
            .options = words_ == SetsText::by_hand ? spelled_options(type, rest) : std::string(rest)});
    return {};
  }

  Status take_add(std::string_view name, std::string_view rest) {
    if (again_.empty() || sets_.sets[last_].name != name) {
      const auto found = places_.find(name);
      if (found == places_.end()) return unknown_set(name);
      last_ = found->second;
      filled_.push_back(last_);
      again_ = format("add {} ", name);
      const auto timeout = timeout_in(sets_.sets[last_].options);
      timeouts_ = !timeout.empty();
      default_none_ = is_zero(timeout);
    }
    if (rest.empty()) return lines_.at(error_of<messages::missing_word>("member", "'add' " + quoted(name)));
    take_member(rest);
    return {};
  }

  void take_member(std::string_view member) {
    const Set& set = sets_.sets[last_];
    if (words_ != SetsText::by_hand || is_spelled_out(set, member)) return take_spelled(member);
    for (auto& spelled : spelled_out(set, member))
      take_spelled(spelled == member ? member : std::string_view(keep(std::move(spelled))));
  }

  void take_spelled(std::string_view member) {
    Set& set = sets_.sets[last_];
    if (!timeouts_ || stays(member)) {
      set.members.push_back(member);
    } else if (words_ == SetsText::saved) {
      return;
    } else if (timeout_in(member).empty() && default_none_) {
      const auto element = element_of(member);
      set.members.push_back(keep(format("{} timeout 0{}", element, member.substr(element.size()))));
    } else {
      set.temporary.push_back(member);
    }
  }

  Error unknown_set(std::string_view name) const {
    std::vector<std::string> names;
    for (const auto& set : sets_.sets) names.push_back(set.name);
    return lines_.at(error_of<messages::unknown_set>(quoted(name), did_you_mean(name, names)));
  }

  static std::string_view word(std::string_view& rest) {
    const auto end = rest.find_first_of(" \t");
    const auto first = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view{} : trim(rest.substr(end));
    return first;
  }

  std::shared_ptr<const std::string> text_;
  Lines lines_;
  Sets sets_{};
  std::unordered_map<std::string_view, std::size_t> places_{};
  std::size_t last_ = 0;
  std::string again_{};                ///< how a line that adds to the same set begins
  std::vector<std::size_t> filled_{};  ///< sets that got members since the last flush of all, some twice
  std::unordered_map<std::size_t, ByElement> by_element_{};  ///< of sets that lost members one by one
  SetsText words_;
  bool timeouts_ = false;      ///< of the same set
  bool default_none_ = false;  ///< its members have no timeout unless they say so
  std::vector<std::shared_ptr<const std::string>> respelled_{};
};

}  // namespace

bool is_list(const Set& set) {
  return set.type == "list:set";
}

bool is_flag(std::string_view option) {
  return option == "counters" || option == "comment" || option == "skbinfo" || option == "forceadd";
}

bool can_swap(const Set& a, const Set& b) {
  return a.type == b.type && is_inet6(a) == is_inet6(b);
}

bool names_set(std::string_view words, const std::function<bool(std::string_view)>& wanted) {
  static constexpr std::array<std::string_view, 4> kOptions = {"--match-set", "--add-set", "--del-set",
                                                               "--map-set"};
  if (words.find("-set") == std::string_view::npos) return false;
  Tokenizer reader(words, Quoting::ipset);
  bool named = false;
  while (const auto word = reader.next()) {
    if (word->is("--comment")) {
      reader.next();
      continue;
    }
    if (named && wanted(word->text())) return true;
    named = !word->quoted && std::ranges::find(kOptions, word->raw) != kOptions.end();
  }
  return false;
}

Result<Sets> parse_sets(std::string text, std::string_view name, SetsText words) {
  return SetsReader(std::move(text), name, words).read();
}

std::string canonical_text(const Sets& sets) {
  std::string out;
  for (const auto* set : in_order(sets)) {
    out += "create " + set->name + ' ' + set->type;
    if (!set->options.empty()) out += ' ' + set->options;
    out += '\n';
    std::deque<std::string> kept;
    const auto members = canonical_members(*set, kept);
    const std::string add = format("add {} ", set->name);
    std::size_t size = out.size();
    for (const auto member : members) size += add.size() + member.size() + 1;
    out.reserve(size);
    for (const auto member : members) {
      out += add;
      out += member;
      out += '\n';
    }
  }
  return out;
}

bool same_text(const Set& a, const Set& b) {
  if (a.name != b.name || a.type != b.type || a.options != b.options) return false;
  if (a.members.size() != b.members.size() || a.left_out != b.left_out) return false;
  if (a.members == b.members) return true;
  std::deque<std::string> kept;
  return canonical_members(a, kept) == canonical_members(b, kept);
}

bool same_options_but_for_traffic(const Set& a, const Set& b) {
  if (a.type != b.type) return false;
  return a.options == b.options ||
         (has_timeout(a) && without_hashsize(a.options) == without_hashsize(b.options));
}

bool same_but_for_traffic(const Set& a, const Set& b) {
  if (a.options == b.options) return same_text(a, b);
  if (!same_options_but_for_traffic(a, b)) return false;
  Set like_b = a;
  like_b.options = b.options;
  return same_text(like_b, b);
}

bool same_text(const Sets& a, const Sets& b) {
  return std::ranges::equal(in_order(a), in_order(b),
                            [](const Set* one, const Set* other) { return same_text(*one, *other); });
}

bool same_but_for_traffic(const Sets& a, const Sets& b) {
  return std::ranges::equal(in_order(a), in_order(b), [](const Set* one, const Set* other) {
    return same_but_for_traffic(*one, *other);
  });
}

bool chooses_for_kernel(const Set& set) {
  Tokenizer words(set.options, Quoting::ipset);
  while (const auto word = words.next()) {
    if (std::ranges::find(kKernels, word->raw) != kKernels.end()) return true;
  }
  return false;
}

bool has_timeout(const Set& set) {
  return !timeout_in(set.options).empty();
}

bool brings_temporary(const Sets& sets) {
  return std::ranges::any_of(sets.sets, [](const Set& set) { return !set.temporary.empty(); });
}

std::string_view element_of(std::string_view member) {
  return member.substr(0, member.find_first_of(" \t"));
}

std::string meaning_of_options(const Set& set) {
  std::vector<std::string> options;
  Tokenizer words(set.options, Quoting::ipset);
  while (const auto option = words.next()) {
    if (is_flag(option->raw)) {
      options.emplace_back(option->raw);
      continue;
    }
    const auto value = words.next().value_or(Tokenizer::Word{});
    if (!goes_without_saying(option->raw, value.raw))
      options.push_back(format("{} {}", option->raw, value.raw));
  }
  std::ranges::sort(options);
  std::string out = set.type;
  for (const auto& option : options) append_word(out, option);
  return out;
}

std::string_view option_of(std::string_view options, std::string_view option) {
  Tokenizer words(options, Quoting::ipset);
  while (const auto word = words.next()) {
    if (word->is(option)) return words.next().value_or(Tokenizer::Word{}).raw;
  }
  return {};
}

std::string meaning_of_member(std::string_view member) {
  std::string out;
  Tokenizer words(member, Quoting::ipset);
  if (const auto element = words.next()) out = element->raw;
  while (const auto word = words.next()) {
    if (word->is("packets") || word->is("bytes")) {
      words.next();
    } else {
      append_word(out, word->raw);
    }
  }
  return out;
}

std::string_view meaning_of_member(std::string_view member, std::deque<std::string>& kept) {
  const bool one_word =
      std::ranges::none_of(member, [](char c) { return c == ' ' || c == '\t' || c == '"'; });
  if (one_word) return member;
  std::string meaning = meaning_of_member(member);
  if (member.starts_with(meaning)) return member.substr(0, meaning.size());
  return kept.emplace_back(std::move(meaning));
}

void sort_members(std::vector<std::string_view>& members) {
  if (!std::ranges::is_sorted(members)) sort_many(members);
}

bool names_set(std::string_view words) {
  return names_set(words, [](std::string_view) { return true; });
}

namespace {

/// How many members a set has room for (ipset(8), maxelem and size); a bitmap has room for all that it can
/// name.
std::size_t room_of(const Set& set) {
  constexpr std::size_t kHash = 65536;
  constexpr std::size_t kList = 8;
  if (set.type.starts_with("bitmap:")) return SIZE_MAX;
  std::size_t room = is_list(set) ? kList : kHash;
  Tokenizer words(set.options, Quoting::ipset);
  while (const auto word = words.next()) {
    if (!word->is("maxelem") && !word->is("size")) continue;
    const auto value = words.next();
    if (value) std::from_chars(value->raw.data(), value->raw.data() + value->raw.size(), room);
  }
  return room;
}

Set with_both(const Set& before, const Set& after) {
  if (before.type != after.type || without_hashsize(before.options) != without_hashsize(after.options))
    return before;
  Set both = before;
  both.options = after.options;
  std::unordered_set<std::string_view> elements;
  for (const auto member : before.members) elements.insert(element_of(member));
  for (const auto member : after.members)
    if (!elements.contains(element_of(member))) both.members.push_back(member);
  return both.members.size() > room_of(both) ? after : both;
}

}  // namespace

Sets with_both(const Sets& before, const Sets& after) {
  Sets both{.texts = before.texts};
  both.texts.insert(both.texts.end(), after.texts.begin(), after.texts.end());
  for (const Set& set : before.sets) {
    const Set* other = after.find(set.name);
    both.sets.push_back(other == nullptr ? set : with_both(set, *other));
  }
  for (const Set& set : after.sets)
    if (before.find(set.name) == nullptr) both.sets.push_back(set);
  return both;
}

}  // namespace rewall

#include "rules/command_line.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "core/messages.h"
#include "core/text.h"
#include "rules/extensions.h"
#include "rules/lines.h"
#include "rules/open_table.h"
#include "rules/tokenizer.h"

namespace rewall {
namespace {

using Word = Tokenizer::Word;

enum class Takes : std::uint8_t { nothing, a_word, its_end };  // its_end: only what is attached

struct LongName {
  std::string_view name;
  char letter;
};

// The long names of iptables(8); some of ip6tables too.
constexpr auto kLongNames = std::to_array<LongName>({
    {"append", 'A'},       {"delete", 'D'},    {"check", 'C'},        {"insert", 'I'},
    {"replace", 'R'},      {"list", 'L'},      {"list-rules", 'S'},   {"flush", 'F'},
    {"zero", 'Z'},         {"new-chain", 'N'}, {"delete-chain", 'X'}, {"rename-chain", 'E'},
    {"policy", 'P'},       {"source", 's'},    {"destination", 'd'},  {"src", 's'},
    {"dst", 'd'},          {"protocol", 'p'},  {"in-interface", 'i'}, {"out-interface", 'o'},
    {"jump", 'j'},         {"goto", 'g'},      {"match", 'm'},        {"table", 't'},
    {"numeric", 'n'},      {"verbose", 'v'},   {"wait", 'w'},         {"wait-interval", 'W'},
    {"exact", 'x'},        {"fragments", 'f'}, {"version", 'V'},      {"help", 'h'},
    {"line-numbers", '0'}, {"modprobe", 'M'},  {"set-counters", 'c'}, {"ipv4", '4'},
    {"ipv6", '6'},
});

constexpr std::string_view kCommands = "ADCIRLSFZNXEP";
constexpr std::string_view kWithAWord = "ADCIRNEPopsdijgmtcM";
constexpr std::string_view kWithAnEnd = "LSFZXhwW";
constexpr std::string_view kWithNothing = "fbvnxV046";

bool has(std::string_view letters, char letter) {
  return letters.find(letter) != std::string_view::npos;
}

std::optional<Takes> takes(char letter) {
  if (has(kWithAWord, letter)) return Takes::a_word;
  if (has(kWithAnEnd, letter)) return Takes::its_end;
  if (has(kWithNothing, letter)) return Takes::nothing;
  return std::nullopt;
}

// What is the reader's own, and no part of the rule's words.
bool is_taken(char letter) {
  return has(kCommands, letter) || has("ct46vMVh", letter);
}

// A number as strtoul(3) takes it with base 0.
std::optional<std::uint32_t> to_position(std::string_view text) {
  int base = 10;
  if (text.starts_with("0x") || text.starts_with("0X")) {
    base = 16;
    text.remove_prefix(2);
  } else if (text.size() > 1 && text[0] == '0') {
    base = 8;
  }
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// The digits that a text begins with, as sscanf(3) takes them.
std::optional<std::uint64_t> counter_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} ? std::optional(number) : std::nullopt;
}

std::optional<Family> family_of_address(std::string_view value) {
  if (value.starts_with('[')) return Family::ipv6;
  const std::string address(value.substr(0, value.find_first_of("/-,")));
  in6_addr six{};
  in_addr four{};
  if (inet_pton(AF_INET6, address.c_str(), &six) == 1) return Family::ipv6;
  const auto host = address.substr(0, address.find(':'));
  if (inet_pton(AF_INET, host.c_str(), &four) == 1) return Family::ipv4;
  return std::nullopt;
}

// The extensions that one family alone has.
std::optional<Family> family_of_extension(std::string_view name) {
  static constexpr auto kSix =
      std::to_array<std::string_view>({"icmp6", "icmpv6", "ipv6-icmp", "ipv6header", "hbh", "dst", "rt", "mh",
                                       "frag", "eui64", "hl", "srh", "HL", "SNPT", "DNPT"});
  static constexpr auto kFour = std::to_array<std::string_view>({"icmp", "realm", "ttl", "TTL", "ECN"});
  if (std::ranges::find(kSix, name) != kSix.end()) return Family::ipv6;
  if (std::ranges::find(kFour, name) != kFour.end()) return Family::ipv4;
  return std::nullopt;
}

// Both families load a rule with these; only one uses them.
std::optional<Family> family_of_protocol(std::string_view name) {
  static constexpr auto kSix =
      std::to_array<std::string_view>({"ipv6-icmp", "icmpv6", "icmp6", "58", "mobility-header", "ipv6-mh",
                                       "ipv6-route", "ipv6-frag", "ipv6-nonxt", "ipv6-opts"});
  if (std::ranges::find(kSix, name) != kSix.end()) return Family::ipv6;
  if (name == "icmp" || name == "igmp") return Family::ipv4;
  return std::nullopt;
}

class LineReader {
 public:
  LineReader(const std::vector<Word>& words, std::optional<Family> family, bool sure)
      : words_(words), family_(family), sure_(sure) {}

  Result<CommandLine> read() {
    while (place_ < words_.size() && !line_.skipped) TRY(take());
    return std::move(line_);
  }

 private:
  struct Found {
    char letter = '\0';  ///< of an option of iptables; '\0': of an extension
    const OptionSpec* option = nullptr;
  };

  Status take() {
    const auto& word = words_[place_++];
    const bool maybe_value = std::exchange(maybe_value_, false);
    const auto text = word.text();
    const bool negated = std::exchange(negated_, text == "!");
    if (text == "--") {
      keep(word);
      while (place_ < words_.size()) keep(words_[place_++]);
      return {};
    }
    if (text.size() < 2 || text[0] != '-' || (maybe_value && !sure_)) {
      keep(word);
      return {};
    }
    return text[1] == '-' ? take_long(word, text, negated) : take_short(word, text, negated);
  }

  Status take_long(const Word& word, const std::string& text, bool negated) {
    const auto equals = text.find('=');
    const auto name = std::string_view(text).substr(2, equals == std::string::npos ? equals : equals - 2);
    std::optional<std::string> value;
    if (equals != std::string::npos) value = text.substr(equals + 1);
    const auto found = find_long(name);
    if (!found) {
      keep(word);
      maybe_value_ = !value;
      return {};
    }
    if (found->letter != '\0') return take_base(found->letter, word, std::move(value), negated);
    return take_option(*found->option, word, std::move(value));
  }

  Status take_option(const OptionSpec& option, const Word& word, std::optional<std::string> value) {
    keep(word);
    if (option.kind == ValueKind::flag || option.kind == ValueKind::optional_word) return {};
    if (!value && place_ < words_.size()) {
      if (option.kind != ValueKind::free_text && turn_negation()) return {};
      value = words_[place_].text();
      keep(words_[place_++]);
    }
    const bool address = option.kind == ValueKind::address || option.kind == ValueKind::address_range ||
                         option.name == "--to-destination" || option.name == "--to-source";
    if (value && address) sign(family_of_address(*value));
    return {};
  }

  // One option, or several flags and an option: -46A INPUT.
  Status take_short(const Word& word, const std::string& text, bool negated) {
    const std::string_view letters = std::string_view(text).substr(1);
    std::size_t flags = 0;
    while (flags < letters.size() && takes(letters[flags]) == Takes::nothing) ++flags;
    const auto rest = letters.substr(flags);
    const bool foreign = !rest.empty() && !takes(rest[0]);
    const bool whole = std::ranges::none_of(letters.substr(0, flags), is_taken) &&
                       (rest.empty() || flags == 0 || !is_taken(rest[0]));
    if (foreign || (whole && rest.empty())) {  // iptables refuses the foreign letter
      keep(word);
      return {};
    }
    for (std::size_t i = 0; i < flags && !whole && !line_.skipped; ++i) {
      if (is_taken(letters[i])) TRY(take_base(letters[i], word, std::nullopt, negated));
      if (!is_taken(letters[i])) make(std::string("-") + letters[i]);
    }
    if (line_.skipped || rest.empty()) return {};
    std::optional<std::string> value;
    if (rest.size() > 1) value = std::string(rest.substr(1));
    if (whole) return take_base(rest[0], word, std::move(value), negated);
    line_.untouched = false;
    const Word alone{line_.made.emplace_back("-" + std::string(rest)), false};
    return take_base(rest[0], alone, std::move(value), negated);
  }

  Status take_base(char letter, const Word& word, std::optional<std::string> value, bool negated) {
    if (is_taken(letter) && negated) return error_of<messages::nothing_to_negate>(quoted(word.raw));
    if (has(kCommands, letter)) return take_command(letter, word, std::move(value));
    switch (letter) {
      case '4':
      case '6':
        line_.marked = letter == '4' ? Family::ipv4 : Family::ipv6;
        line_.skipped = family_ && *family_ != *line_.marked;
        return {};
      case 'c':
        return take_counters_option(word, std::move(value));
      case 'v':
        return {};
      case 't':
      case 'M':
      case 'V':
      case 'h':
        return error_of<messages::command_not_allowed>(letter);
      default:
        return take_part(letter, word, std::move(value), negated);
    }
  }

  // -p -s -d -i -o -j -g -m and flags: the rule's own.
  Status take_part(char letter, const Word& word, std::optional<std::string> value, bool negated) {
    keep(word);
    const auto first = line_.words.size() - 1;
    if (takes(letter) != Takes::a_word) return {};
    const bool apart = !value;
    const bool address = letter == 's' || letter == 'd';
    line_.negated_address = line_.negated_address || (address && negated);
    if (apart) {
      if (place_ >= words_.size()) return {};  // iptables refuses it
      if (turn_negation()) {
        line_.negated_address = line_.negated_address || address;
        return {};
      }
      value = words_[place_].text();
      keep(words_[place_++]);
    }
    if (letter == 'm') load_match(*value);
    if (letter == 'j') load_target(*value);
    if (letter == 'p') {
      protocol_ = lower(*value);
      habit(family_of_protocol(protocol_));
    }
    if (address) {
      sign(family_of_address(*value));
      // Attached addresses (-s192.0.2.1) iptables takes wrongly; whether it does is for it to say.
      if (apart && value->find(',') != std::string::npos)
        line_.lists.push_back({first, letter == 's' ? "-s" : "-d", *value});
    }
    return {};
  }

  // `-s ! ADDRESS`, as it was before iptables 1.4.3, becomes `! -s ADDRESS`.
  bool turn_negation() {
    if (place_ + 1 >= words_.size() || !words_[place_].is("!")) return false;
    const auto value = words_[place_ + 1].text();
    if (value.empty() || value[0] == '-' || value[0] == '!') return false;
    line_.untouched = false;
    line_.turned = true;
    line_.words.insert(line_.words.end() - 1, words_[place_].raw);
    line_.words.push_back(words_[place_ + 1].raw);
    place_ += 2;
    sign(family_of_address(value));
    return true;
  }

  Status take_command(char letter, const Word& word, std::optional<std::string> value) {
    if (line_.letter != '\0') return error_of<messages::two_commands>(line_.letter, letter);
    line_.letter = letter;
    const auto shown = quoted(word.raw);
    if (takes(letter) == Takes::a_word) {
      if (!value && place_ < words_.size()) value = words_[place_++].text();
      if (!value || value->empty()) return error_of<messages::missing_word>("chain name", shown);
      line_.chain = *std::move(value);
    } else {
      line_.chain = value ? *std::move(value) : argument().value_or("");
    }
    if (letter == 'P' || letter == 'E') {
      auto name = argument();
      if (!name || name->empty())
        return error_of<messages::missing_word>(letter == 'P' ? "policy" : "new name",
                                                shown + ' ' + quoted(line_.chain));
      line_.name = *std::move(name);
    }
    if (!has("IDRZLS", letter)) return {};
    if (const auto position = argument()) {
      line_.number = to_position(*position);
      if (!line_.number) return error_of<messages::invalid_position>(quoted(*position));
    } else if (letter == 'R') {
      return error_of<messages::missing_word>("position", shown + ' ' + quoted(line_.chain));
    }
    return {};
  }

  Status take_counters_option(const Word& word, std::optional<std::string> value) {
    if (line_.counters) return error_of<messages::unexpected_word>(quoted(word.raw));
    if (!value && place_ < words_.size()) value = words_[place_++].text();
    std::optional<std::string> bytes;
    if (value) {
      const auto comma = value->find(',', std::min<std::size_t>(1, value->size()));
      if (comma != std::string::npos) bytes = value->substr(comma + 1);
      if (!bytes) bytes = argument();
    }
    const auto first = value ? counter_number(*value) : std::nullopt;
    const auto second = bytes ? counter_number(*bytes) : std::nullopt;
    if (!first || !second) return error_of<messages::counters_need_numbers>(quoted(word.raw));
    line_.counters = Counters{*first, *second};
    return {};
  }

  // The next word, unless it looks like an option (xs_has_arg).
  std::optional<std::string> argument() {
    if (place_ >= words_.size()) return std::nullopt;
    auto text = words_[place_].text();
    if (text.starts_with('-') || text.starts_with('!')) return std::nullopt;
    ++place_;
    return text;
  }

  void load_match(std::string_view name) {
    load(find_match(name));
    sign(family_of_extension(name));
  }
  void load_target(std::string_view name) {
    load(find_target(name));
    sign(family_of_extension(name));
  }
  void load(const ExtensionSpec* spec) {
    unknown_ = unknown_ || spec == nullptr;
    if (spec != nullptr) loaded_.push_back(spec);
  }

  // As getopt_long(3) finds it; iptables loads the match of the protocol when nothing is found.
  std::optional<Found> find_long(std::string_view name) {
    auto found = find_now(name);
    if (found || protocol_.empty()) return found;
    const auto* implied = find_implied(protocol_, family_.value_or(Family::ipv4));
    if (implied == nullptr && !family_) implied = find_implied(protocol_, Family::ipv6);
    if (implied == nullptr || std::ranges::find(loaded_, implied) != loaded_.end()) return found;
    loaded_.push_back(implied);
    return find_now(name);
  }

  std::optional<Found> find_now(std::string_view name) const {
    const auto base = std::ranges::find(kLongNames, name, &LongName::name);
    if (base != kLongNames.end()) return Found{base->letter};
    std::vector<Found> begins;
    for (const auto* spec : loaded_) {
      for (const auto& option : spec->options) {
        if (option.six && family_ == Family::ipv4) continue;
        const auto fits = [&](std::string_view full) { return full.substr(2).starts_with(name); };
        const auto same = [&](std::string_view full) { return full.substr(2) == name; };
        if (same(option.name) || std::ranges::any_of(option.aliases, same)) return Found{'\0', &option};
        if (fits(option.name) || std::ranges::any_of(option.aliases, fits)) begins.push_back({'\0', &option});
      }
    }
    if (unknown_ && !sure_) return std::nullopt;
    for (const auto& candidate : kLongNames) {
      const bool known =
          std::ranges::any_of(begins, [&](const Found& one) { return one.letter == candidate.letter; });
      if (candidate.name.starts_with(name) && !known) begins.push_back({candidate.letter});
    }
    return begins.size() == 1 ? std::optional(begins.front()) : std::nullopt;
  }

  void sign(std::optional<Family> family) {
    if (family) (*family == Family::ipv4 ? line_.signs.four : line_.signs.six) = true;
  }
  void habit(std::optional<Family> family) {
    if (family) (*family == Family::ipv4 ? line_.signs.four_by_habit : line_.signs.six_by_habit) = true;
  }

  void keep(const Word& word) {
    if (!line_.words.empty()) {
      const auto last = line_.words.back();
      const auto* behind = last.data() + last.size();
      line_.untouched = line_.untouched && word.raw.data() >= behind &&
                        without_blanks({behind, static_cast<std::size_t>(word.raw.data() - behind)}).empty();
    }
    line_.words.push_back(word.raw);
  }
  void make(std::string text) {
    line_.untouched = false;
    line_.words.push_back(line_.made.emplace_back(std::move(text)));
  }

  const std::vector<Word>& words_;
  std::optional<Family> family_;
  bool sure_;  // words that may be values of an unknown extension's option are options
  std::size_t place_ = 0;
  std::vector<const ExtensionSpec*> loaded_{};
  bool unknown_ = false;
  bool maybe_value_ = false;
  bool negated_ = false;
  std::string protocol_{};
  CommandLine line_{};
};

bool may_be_taken(std::string_view name) {
  return std::ranges::any_of(kLongNames, [name](const LongName& full) {
    return full.name.starts_with(name) && is_taken(full.letter);
  });
}

bool may_be_address(std::string_view name) {
  return std::ranges::any_of(kLongNames, [name](const LongName& full) {
    return (full.letter == 's' || full.letter == 'd') && full.name.starts_with(name);
  });
}

}  // namespace

Result<CommandLine> take_apart(std::string_view line, std::optional<Family> family) {
  std::vector<Word> words;
  Tokenizer reader(line);
  while (const auto word = reader.next()) words.push_back(*word);
  if (reader.unclosed()) return error_of<messages::unclosed_quote>(quoted(words.back().raw));
  auto read = LineReader(words, family, false).read();
  if (read && read->letter == '\0' && !read->skipped) return LineReader(words, family, true).read();
  return read;
}

bool is_plain(std::string_view words) {
  bool list = false;
  bool address = false;
  bool quotes = false;
  bool behind_option = false;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == ',') list = true;
    if (words[i] == '"') quotes = true;
    if (i > 0 && !is_blank(words[i - 1]) && words[i - 1] != '"') continue;
    if (words[i] == '!' && behind_option) return false;
    behind_option = words[i] == '-' || (behind_option && is_blank(words[i]));
    if (words[i] != '-' || i + 1 == words.size()) continue;
    const char letter = words[i + 1];
    if (letter == 's' || letter == 'd') address = true;
    if (has("sdpiojmg", letter)) continue;
    if (letter != '-') return false;
    const auto end = std::min(words.find_first_of(" \t=\"", i + 2), words.size());
    const auto name = words.substr(i + 2, end - i - 2);
    if (name.empty() || may_be_taken(name)) return false;
    address = address || may_be_address(name);
  }
  if (list && address) return false;
  if (!quotes) return true;
  Tokenizer reader(words);
  while (reader.next()) {
  }
  return !reader.unclosed();
}

}  // namespace rewall

#include "rules/rule.h"

#include <algorithm>
#include <array>
#include <deque>

#include "core/messages.h"
#include "core/text.h"
#include "rules/extensions.h"
#include "rules/lines.h"
#include "rules/tokenizer.h"

namespace rewall {
namespace {

using Word = Tokenizer::Word;

// What the kernel keeps of a comment (XT_MAX_COMMENT_LEN, of which the last byte ends it).
constexpr std::size_t kLongestComment = 255;

// No rule of a kernel is so long: its matches take at most 64 KiB there.
constexpr std::size_t kLongestRule = 1U << 20U;

bool looks_like_option(const Word& word) {
  return !word.quoted && (word.raw == "!" || (word.raw.size() > 1 && word.raw[0] == '-' &&
                                              (word.raw[1] < '0' || word.raw[1] > '9')));
}

Error missing_value(std::string_view option) {
  return error_of<messages::option_needs_value>(quoted(option));
}

// An extension of the rule, where its options go to.
struct Loaded {
  const ExtensionSpec* spec = nullptr;  // null: rewall does not know it
  std::size_t match = 0;                // its place in ParsedRule::matches, or
  bool target = false;
};

// Takes the words of a rule as iptables' own parser does (do_parse in xshared.c): every -m, -j brings its
// options with it, the newest first; an option that nobody knows makes iptables load the match of the
// protocol.
class RuleReader {
 public:
  RuleReader(std::string_view words, Family family)
      : length_(words.size()), reader_(words), family_(family) {}

  Result<ParsedRule> read() {
    if (length_ > kLongestRule) return error_of<messages::line_too_long>(kLongestRule);
    for (auto word = reader_.next(); word; word = reader_.next()) words_.push_back(*word);
    if (reader_.unclosed()) {
      return error_of<messages::unclosed_quote>(quoted(words_.back().raw));
    }
    while (place_ < words_.size()) {
      TRY(take());
    }
    if (negated_) parts_.unknown.emplace_back("!");
    return std::move(parts_);
  }

 private:
  Status take() {
    auto word = words_[place_++];
    const auto plain = word.quoted ? word.text() : std::string{};
    if (plain == "!" || plain.starts_with('-')) word = Word{unquoted_.emplace_back(plain), false};
    if (word.is("!")) {
      if (negated_) parts_.unknown.emplace_back("!");
      negated_ = true;
      return {};
    }
    if (word.raw.size() < 2 || word.raw[0] != '-') return take_unknown(word);
    return word.raw[1] == '-' ? take_long(word) : take_short(word);
  }

  Status take_short(const Word& word) {
    const auto name = word.raw.substr(0, 2);
    const auto attached = word.raw.substr(2);
    static constexpr std::string_view kTaken = "psdiofmjgct46";
    if (kTaken.find(name[1]) == std::string_view::npos) return take_unknown(word);
    return take_base(name, attached.empty() ? nullptr : &attached);
  }

  Status take_long(const Word& word) {
    const auto equals = word.raw.find('=');
    const auto name = word.raw.substr(0, equals);
    const auto value = equals == std::string_view::npos ? std::string_view{} : word.raw.substr(equals + 1);
    const auto* attached = equals == std::string_view::npos ? nullptr : &value;
    const auto found = std::ranges::find(kLong, name, &std::pair<std::string_view, std::string_view>::first);
    if (found != kLong.end()) return take_base(found->second, attached);
    if (const auto* base = base_options().find(name)) return take_base(base->name, attached);
    if (const auto* spec = find_loaded(name, false)) return take_option(*spec, attached);
    if (const auto* spec = find_loaded(name, true)) return take_option(*spec, attached);
    if (const auto base = base_beginning(name); !base.empty()) return take_base(base, attached);
    // An unknown match may own the option; a chain, the usual unknown target, cannot.
    if (newest_unknown_ != 0 && !loaded_[newest_unknown_ - 1].target) return take_foreign(word);
    if (load_implied()) {
      if (const auto* spec = find_loaded(name, false)) return take_option(*spec, attached);
      if (const auto* spec = find_loaded(name, true)) return take_option(*spec, attached);
      unload_implied();
    }
    return take_unknown(word);
  }

  static constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kLong = {
      {{"--jump", "-j"},
       {"--goto", "-g"},
       {"--match", "-m"},
       {"--set-counters", "-c"},
       {"--table", "-t"},
       {"--ipv4", "-4"},
       {"--ipv6", "-6"}}};

  // -p -s -d -i -o -f -m -j -g, and what is no part of a rule: -c -t -4 -6.
  Status take_base(std::string_view name, const std::string_view* attached) {
    switch (name[1]) {
      case '4':
      case '6':
        return {};
      case 'c':
        if (words_.size() - place_ < 2) return missing_value(name);
        place_ += 2;
        return {};
      case 'f':
        parts_.options.push_back(Option{.name = "-f", .negated = std::exchange(negated_, false)});
        return {};
      default:
        break;
    }
    Option option{.name = std::string(name), .negated = std::exchange(negated_, false)};
    TRY(take_value(option, attached, true));
    switch (name[1]) {
      case 't':
        return {};
      case 'm':
        return load_match(option.values[0]);
      case 'j':
      case 'g':
        return load_target(option.values[0], name[1] == 'g');
      default:
        if (name == "-p") protocol_ = option.values[0];
        parts_.options.push_back(std::move(option));
        return {};
    }
  }

  // `negatable`: a "!" in the place of the value negates (the place before iptables 1.4.3). Before another
  // option it is the value: an interface can have that name.
  Status take_value(Option& option, const std::string_view* attached, bool negatable) {
    if (attached != nullptr) {
      option.values.emplace_back(*attached);
      return {};
    }
    if (negatable && place_ + 1 < words_.size() && words_[place_].is("!") &&
        !words_[place_ + 1].raw.starts_with('-')) {
      option.negated = true;
      ++place_;
    }
    if (place_ >= words_.size()) return missing_value(option.name);
    option.values.push_back(words_[place_++].text());
    return {};
  }

  Status load_match(const std::string& name) {
    const auto* spec = find_match(name);
    parts_.matches.push_back(
        Match{.name = spec != nullptr ? std::string(spec->name) : name, .known = spec != nullptr});
    load({.spec = spec, .match = parts_.matches.size() - 1});
    if (spec == nullptr) unknown_match_ = loaded_.size();
    find_unknown();
    return {};
  }

  void load(const Loaded& loaded) {
    loaded_.push_back(loaded);
    if (loaded.spec == nullptr) return;
    std::erase_if(newest_, [&](std::size_t place) { return loaded_[place].spec == loaded.spec; });
    newest_.push_back(loaded_.size() - 1);
  }

  Status load_target(const std::string& name, bool go_to) {
    const auto* spec = go_to ? nullptr : find_target(name);
    parts_.target = Target{.name = name, .go_to = go_to, .known = spec != nullptr};
    std::erase_if(newest_, [this](std::size_t place) { return loaded_[place].target; });
    load({.spec = spec, .target = true});
    unknown_target_ = spec == nullptr ? loaded_.size() : 0;
    find_unknown();
    return {};
  }

  // Matches before the target, which is most often a chain.
  void find_unknown() { newest_unknown_ = unknown_match_ != 0 ? unknown_match_ : unknown_target_; }

  bool load_implied() {
    const auto* spec = protocol_.empty() ? nullptr : find_implied(protocol_, family_);
    if (spec == nullptr) return false;
    if (std::ranges::any_of(newest_, [&](std::size_t place) { return loaded_[place].spec == spec; }))
      return false;
    parts_.matches.push_back(Match{.name = std::string(spec->name)});
    load({.spec = spec, .match = parts_.matches.size() - 1});
    return true;
  }
  void unload_implied() {
    parts_.matches.pop_back();
    loaded_.pop_back();
    newest_.pop_back();
  }

  // The newest extension that has the option; with `beginning`, the only option that begins so
  // (getopt_long(3)).
  const OptionSpec* find_loaded(std::string_view name, bool beginning) {
    const OptionSpec* found = nullptr;
    for (auto place = newest_.rbegin(); place != newest_.rend(); ++place) {
      const Loaded* loaded = &loaded_[*place];
      if (!beginning) {
        found = loaded->spec->find(name);
        if (found == nullptr) continue;
        owner_ = *loaded;
        return found;
      }
      for (const auto& option : loaded->spec->options) {
        const auto begins = [name](std::string_view full) { return full.starts_with(name); };
        if (option.six && family_ == Family::ipv4) continue;
        if (&option == found || (!begins(option.name) && std::ranges::none_of(option.aliases, begins)))
          continue;
        if (found != nullptr) return nullptr;
        found = &option;
        owner_ = *loaded;
      }
    }
    return found;
  }

  // The short name of the only option of iptables whose long name begins so: `--proto`, `--matc`.
  static std::string_view base_beginning(std::string_view name) {
    std::vector<std::string_view> found;
    for (const auto& [full, letter] : kLong)
      if (full.starts_with(name)) found.push_back(letter);
    for (const auto& spec : base_options().options) {
      const auto begins = [name](std::string_view full) { return full.starts_with(name); };
      if (std::ranges::any_of(spec.aliases, begins)) found.push_back(spec.name);
    }
    return found.size() == 1 ? found[0] : std::string_view{};
  }

  Status take_option(const OptionSpec& spec, const std::string_view* attached) {
    Option option{.name = std::string(spec.name), .negated = std::exchange(negated_, false)};
    const bool maybe = spec.kind == ValueKind::optional_word && attached == nullptr;
    const bool absent = maybe && (place_ >= words_.size() || looks_like_option(words_[place_]));
    if (spec.kind != ValueKind::flag && !absent) {
      TRY(take_value(option, attached, spec.kind != ValueKind::free_text));
    }
    if (spec.kind == ValueKind::two_words) {
      if (place_ >= words_.size()) return missing_value(option.name);
      option.values.push_back(words_[place_++].text());
    }
    if (!owner_.target && parts_.matches[owner_.match].name == "comment") {
      if (!parts_.comment.empty()) parts_.comment += ' ';
      parts_.comment += option.values[0].substr(0, kLongestComment);
    }
    options_of(owner_).push_back(std::move(option));
    return {};
  }

  std::vector<Option>& options_of(const Loaded& loaded) {
    return loaded.target ? parts_.target->options : parts_.matches[loaded.match].options;
  }

  // An option of the newest extension that rewall does not know: its words go on to the next option.
  Status take_foreign(const Word& word) {
    Option option{.name = word.text(), .negated = std::exchange(negated_, false)};
    while (place_ < words_.size() && !looks_like_option(words_[place_]))
      option.values.push_back(words_[place_++].text());
    options_of(loaded_[newest_unknown_ - 1]).push_back(std::move(option));
    return {};
  }

  Status take_unknown(const Word& word) {
    if (newest_unknown_ != 0) return take_foreign(word);
    if (std::exchange(negated_, false)) parts_.unknown.emplace_back("!");
    parts_.unknown.emplace_back(word.raw);
    return {};
  }

  std::size_t length_;
  Tokenizer reader_;
  Family family_;
  std::vector<Word> words_{};
  std::deque<std::string> unquoted_{};  // options that had quotes, which words view
  std::size_t place_ = 0;
  ParsedRule parts_{};
  std::vector<Loaded> loaded_{};
  Loaded owner_{};
  std::vector<std::size_t> newest_{};  // places in loaded_ of the newest of each extension that is known
  std::size_t newest_unknown_ = 0;     // place in loaded_, from 1, as the next two
  std::size_t unknown_match_ = 0;
  std::size_t unknown_target_ = 0;
  std::string protocol_{};
  bool negated_ = false;
};

std::vector<std::string> known_options(const ParsedRule& parts, Family family) {
  std::vector<std::string> names;
  const auto add = [&names](const ExtensionSpec* spec) {
    if (spec == nullptr) return;
    for (const auto& option : spec->options) {
      names.emplace_back(option.name);
      names.insert(names.end(), option.aliases.begin(), option.aliases.end());
    }
  };
  add(&base_options());
  for (const auto& match : parts.matches) add(find_match(match.name));
  if (parts.target) add(find_target(parts.target->name));
  for (const auto& option : parts.options) {
    if (option.name == "-p") add(find_implied(option.values[0], family));
  }
  return names;
}

}  // namespace

Result<std::vector<std::string>> split_words(std::string_view line) {
  std::vector<std::string> out;
  Tokenizer words(line);
  while (const auto word = words.next()) {
    if (words.unclosed()) return error_of<messages::unclosed_quote>(quoted(word->raw));
    out.push_back(word->text());
  }
  return out;
}

// As xtables_save_string in iptables' xtables.c.
std::string quote_word(std::string_view word) {
  static constexpr std::string_view kPlain =
      "_-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string_view::npos) return std::string(word);
  std::string out = "\"";
  for (const char c : word) {
    if (c == '"' || c == '\\' || c == '\'') out += '\\';
    out += c;
  }
  return out + '"';
}

Result<ParsedRule> parse_rule(std::string_view words, Family family) {
  return RuleReader(words, family).read();
}

Status check_rule(std::string_view words, Family family) {
  auto parts = TRY(parse_rule(words, family));
  const auto unknown =
      std::ranges::find_if(parts.unknown, [](const std::string& word) { return word != "!"; });
  if (unknown == parts.unknown.end()) {
    if (parts.unknown.empty()) return {};
    return error_of<messages::nothing_negated>();
  }
  if (!unknown->starts_with('-')) return error_of<messages::unexpected_word>(quoted(*unknown));
  return error_of<messages::unknown_rule_option>(quoted(*unknown),
                                                 did_you_mean(*unknown, known_options(parts, family)));
}

}  // namespace rewall

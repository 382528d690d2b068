#include "rules/variables.h"

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <utility>

#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"
#include "rules/lines.h"
#include "rules/tokenizer.h"

namespace rewall {
namespace {

bool is_name(std::string_view text) {
  constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";
  return !text.empty() && text.find_first_not_of(kLetters) == std::string_view::npos;
}

Family family_of(std::string_view address) {
  return address.find(':') == std::string_view::npos ? Family::ipv4 : Family::ipv6;
}

// Options of iptables-extensions(8) whose values are addresses, or begin with them.
bool has_address(std::string_view option) {
  static constexpr std::array<std::string_view, 24> kOptions{
      "-s",          "--source",         "--src",        "-d",           "--destination", "--dst",
      "--src-range", "--dst-range",      "--ctorigsrc",  "--ctorigdst",  "--ctreplsrc",   "--ctrepldst",
      "--to-source", "--to-destination", "--tunnel-src", "--tunnel-dst", "--vaddr",       "--to",
      "--gateway",   "--on-ip",          "--src-pfx",    "--dst-pfx",    "--rt-0-addrs",  "--srh-lsid"};
  return std::ranges::find(kOptions, option) != kOptions.end();
}

// Puts texts in the place of words, one after the other; the words live as long as what take() gives.
class Replacements {
 public:
  void add(std::string_view& word, const std::string& text) {
    places_.emplace_back(&word, text_.size());
    text_ += text;
  }

  std::shared_ptr<const std::string> take() {
    if (places_.empty()) return nullptr;
    auto text = std::make_shared<const std::string>(std::move(text_));
    std::size_t end = text->size();
    for (auto place = places_.rbegin(); place != places_.rend(); ++place) {
      *place->first = std::string_view(*text).substr(place->second, end - place->second);
      end = place->second;
    }
    return text;
  }

 private:
  std::string text_{};
  std::vector<std::pair<std::string_view*, std::size_t>> places_{};
};

class Writer {
 public:
  explicit Writer(const Variables& variables) : variables_(variables) {}

  // Nothing: no variable is in it.
  std::optional<std::string> rule(std::string_view words, Family family) const {
    std::string out;
    const char* done = words.data();
    Tokenizer reader(words);
    std::string_view option;
    while (const auto word = reader.next()) {
      const bool value = has_address(option) && !word->quoted && !word->is("!");
      if (word->raw.starts_with('-')) option = word->raw;
      if (!value) continue;
      const auto text = list(word->raw, family);
      option = {};
      if (!text) continue;
      out.append(done, word->raw.data()).append(*text);
      done = word->raw.data() + word->raw.size();
    }
    if (out.empty()) return std::nullopt;
    return out.append(done, words.data() + words.size());
  }

  // Elements are "ADDRESS,tcp:80", "NET,eth0" and the like (ipset(8)).
  std::optional<std::string> member(std::string_view words) const {
    const auto element = words.substr(0, words.find(' '));
    auto text = list(element, std::nullopt);
    if (text) text->append(words.substr(element.size()));
    return text;
  }

  // A word of nft: SPAN, 192.0.2.1:80 or [2001:db8::1]:80.
  std::optional<std::string> address(std::string_view word) const {
    const auto mark = word.find_first_of(".:");
    if (mark == std::string_view::npos) return std::nullopt;
    return with_port(word, word[mark] == '.' ? Family::ipv4 : Family::ipv6);
  }

 private:
  std::optional<std::string> list(std::string_view text, std::optional<Family> family) const {
    std::vector<std::string> items;
    bool found = false;
    for (const auto item : split(text, ',')) {
      auto named = with_port(item, family.value_or(family_of(item)));
      found = found || named;
      items.push_back(named ? *std::move(named) : std::string(item));
    }
    return found ? std::optional(join(items, ",")) : std::nullopt;
  }

  // SPAN, 192.0.2.1:80 or [2001:db8::1]:80.
  std::optional<std::string> with_port(std::string_view text, Family family) const {
    const bool brackets = text.starts_with('[');
    const auto end = text.find(brackets ? ']' : family == Family::ipv4 ? ':' : '\0');
    const auto span = text.substr(0, end).substr(brackets ? 1 : 0);
    auto named = this->span(span, family);
    if (!named || end == std::string_view::npos) return named;
    return *named + std::string(text.substr(brackets ? end + 1 : end));
  }

  std::optional<std::string> span(std::string_view text, Family family) const {
    const auto dash = text.find('-');
    auto first = name(text.substr(0, dash), family);
    if (dash == std::string_view::npos) return first;
    const auto last = name(text.substr(dash + 1), family);
    if (!first && !last) return std::nullopt;
    return format("{}-{}", first.value_or(std::string(text.substr(0, dash))),
                  last.value_or(std::string(text.substr(dash + 1))));
  }

  std::optional<std::string> name(std::string_view text, Family family) const {
    // A number alone would do for an address, too.
    if (text.find_first_of(".:") == std::string_view::npos) return std::nullopt;
    const auto address = read_address(text, family);
    if (!address) return std::nullopt;
    const auto found = std::ranges::find_if(variables_.values, [&](const Variables::Value& value) {
      return value.family == family && value.address == *address;
    });
    return found == variables_.values.end() ? std::nullopt : std::optional("$" + found->name);
  }

  const Variables& variables_;
};

void replace_in(Tables& tables, const Writer& writer) {
  Replacements replacements;
  for (auto& table : tables.tables) {
    for (auto& chain : table.chains) {
      for (auto& rule : chain.rules) {
        if (const auto text = writer.rule(rule.words, tables.family)) replacements.add(rule.words, *text);
      }
    }
  }
  if (auto text = replacements.take()) tables.texts.push_back(std::move(text));
}

void replace_in(Sets& sets, const Writer& writer) {
  Replacements replacements;
  for (auto& set : sets.sets) {
    for (auto& member : set.members) {
      if (const auto text = writer.member(member)) replacements.add(member, *text);
    }
  }
  if (auto text = replacements.take()) sets.texts.push_back(std::move(text));
}

}  // namespace

Status add_variable(Variables& variables, std::string_view word) {
  const auto equals = word.find('=');
  const auto name = word.substr(0, equals);
  if (equals == std::string_view::npos || !is_name(name))
    return error_of<messages::not_a_variable>(quoted(word));
  for (const auto value : split(word.substr(equals + 1), ',')) {
    const Family family = family_of(value);
    const auto address = read_address(value, family);
    if (!address || value.find_first_of(".:") == std::string_view::npos)
      return error_of<messages::no_address_or_network>(quoted(value));
    variables.values.push_back({.name = std::string(name), .family = family, .address = *address});
  }
  return {};
}

namespace {

/// The words of nft with variables: each address, network and range that stands alone, or before a port.
std::optional<std::string> with_variables_in(std::string_view words, const Writer& writer) {
  constexpr std::string_view kEnds = " \t\n,{};";
  std::string out;
  bool found = false;
  for (std::size_t at = 0; at < words.size();) {
    const bool quoted = words[at] == '"';
    auto end = quoted ? words.find('"', at + 1) : words.find_first_of(kEnds, at);
    if (quoted && end != std::string_view::npos) ++end;
    end = std::min(end, words.size());
    if (end == at) {
      out += words[at++];
      continue;
    }
    const auto word = words.substr(at, end - at);
    const auto named = quoted ? std::nullopt : writer.address(word);
    found = found || named;
    out += named ? *named : std::string(word);
    at = end;
  }
  return found ? std::optional(std::move(out)) : std::nullopt;
}

std::optional<std::string> with_variables_in_rule(std::string_view rule, Family family,
                                                  const Writer& writer) {
  const auto noted = split_note(rule);
  const auto words = with_variables_in(noted.words, writer);
  const auto note = noted.iptables.empty() ? std::nullopt : writer.rule(noted.iptables, family);
  if (!words && !note) return std::nullopt;
  auto out = words.value_or(std::string(noted.words));
  if (!noted.iptables.empty()) out.append(kIptablesNote).append(note.value_or(std::string(noted.iptables)));
  return out;
}

/// A part with variables in its rules or elements; absent where nothing in it is one.
std::optional<NativePart> with_variables_in(const NativePart& part, Family family, const Writer& writer,
                                            std::vector<std::shared_ptr<const std::string>>& texts) {
  auto words = part.is_chain() ? part.rules : part.elements;
  bool found = false;
  for (auto& one : words) {
    auto named =
        part.is_chain() ? with_variables_in_rule(one, family, writer) : with_variables_in(one, writer);
    if (!named) continue;
    found = true;
    one = *texts.emplace_back(std::make_shared<const std::string>(*std::move(named)));
  }
  if (!found) return std::nullopt;
  return part.is_chain() ? with_rules(part, words, texts) : with_elements(part, words, texts);
}

void replace_in(NativeTables& tables, const Writer& writer) {
  for (NativeTable& table : tables.tables) {
    const Family family = table.family == NativeFamily::ip6 ? Family::ipv6 : Family::ipv4;
    for (NativePart& part : table.parts)
      if (auto named = with_variables_in(part, family, writer, tables.texts)) part = *std::move(named);
  }
}

}  // namespace

Ruleset with_variables(Ruleset ruleset, const Variables& variables) {
  if (variables.values.empty()) return ruleset;
  const Writer writer(variables);
  for (const Slot slot : Ruleset::slots()) replace_in(ruleset[slot], writer);
  replace_in(ruleset.sets, writer);
  if (ruleset.native) replace_in(*ruleset.native, writer);
  return ruleset;
}

}  // namespace rewall

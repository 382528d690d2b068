#include "rules/template.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <functional>
#include <utility>

#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"
#include "rules/lines.h"
#include "rules/rules_file.h"
#include "rules/tokenizer.h"
#include "rules/value_parse.h"

namespace rewall {
namespace {

constexpr std::size_t kMostValues = 1000;
constexpr std::size_t kMultiportSlots = 15;  // a range takes two (iptables-extensions(8))
constexpr std::size_t kLongestInterface = 15;
constexpr std::size_t kLongestName = 32;

constexpr std::array<std::pair<std::string_view, PlaceType>, 5> kTypes{{{"address", PlaceType::address},
                                                                        {"network", PlaceType::network},
                                                                        {"interface", PlaceType::interface},
                                                                        {"port", PlaceType::port},
                                                                        {"user", PlaceType::user}}};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_one_of(char c, std::string_view others) {
  return is_letter(c) || is_digit(c) || others.find(c) != std::string_view::npos;
}

bool is_place_name(std::string_view name) {
  return !name.empty() && name.size() <= kLongestName && name[0] >= 'a' && name[0] <= 'z' &&
         std::ranges::all_of(name, [](char c) { return is_one_of(c, "_") && !(c >= 'A' && c <= 'Z'); });
}

// --- values

std::string wanted_value(const TemplatePlace& place) {
  switch (place.type) {
    case PlaceType::address:
      return "an IPv4 or IPv6 address";
    case PlaceType::network:
      return "an address, a network like 192.0.2.0/24, or 'any'";
    case PlaceType::interface:
      return "the name of a network interface, like eth0 or ppp+";
    case PlaceType::port:
      return place.list ? "a port (1 to 65535), or a range like 8000:8010" : "a port (1 to 65535)";
    case PlaceType::user:
      break;
  }
  return "the name or the number of a user";
}

Error wrong_type(const TemplatePlace& place, std::string_view item) {
  return error_of<messages::value_of_wrong_type>(place.name, quoted(item), wanted_value(place));
}

std::optional<Family> family_of_address(const std::string& text) {
  std::array<unsigned char, 16> bits{};
  if (::inet_pton(AF_INET, text.c_str(), bits.data()) == 1) return Family::ipv4;
  if (::inet_pton(AF_INET6, text.c_str(), bits.data()) == 1) return Family::ipv6;
  return std::nullopt;
}

/// Numbers as people write them: no sign, no leading zero.
std::optional<std::uint32_t> read_plain_number(std::string_view text, std::uint32_t greatest) {
  if (text.empty() || text.size() > 10 || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  std::uint64_t number = 0;
  for (const char c : text) {
    if (!is_digit(c)) return std::nullopt;
    number = number * 10 + static_cast<std::uint64_t>(c - '0');
  }
  if (number > greatest) return std::nullopt;
  return static_cast<std::uint32_t>(number);
}

/// "192.0.2.7" for "192.0.2.7/32".
std::string without_whole_prefix(std::string text, Family family) {
  const std::string_view whole = family == Family::ipv4 ? "/32" : "/128";
  if (text.ends_with(whole)) text.resize(text.size() - whole.size());
  return text;
}

Status read_network_item(const TemplatePlace& place, std::string_view item, PlaceValue& value) {
  const auto slash = item.find('/');
  const auto family = family_of_address(std::string(item.substr(0, slash)));
  if (!family) return wrong_type(place, item);
  if (slash != std::string_view::npos) {
    const std::uint32_t most = *family == Family::ipv4 ? 32 : 128;
    if (place.type == PlaceType::address || !read_plain_number(item.substr(slash + 1), most))
      return wrong_type(place, item);
  }
  const auto network = read_address(item, *family);
  const auto alone = read_address(item.substr(0, slash), *family);
  if (!network || !alone) return wrong_type(place, item);
  auto text = without_whole_prefix(to_text(*network, *family), *family);
  if (alone->bits != network->bits)
    return error_of<messages::network_has_host_bits>(place.name, quoted(item), text,
                                                     without_whole_prefix(to_text(*alone, *family), *family));
  (*family == Family::ipv4 ? value.v4 : value.v6).push_back(std::move(text));
  return {};
}

bool is_interface_name(std::string_view name) {
  if (name.ends_with('+')) name.remove_suffix(1);
  return !name.empty() && is_one_of(name[0], "_") &&
         std::ranges::all_of(name, [](char c) { return is_one_of(c, "_.-"); });
}

bool is_user(std::string_view name) {
  constexpr std::uint32_t kGreatestUid = 0xfffffffe;
  if (!name.empty() && is_digit(name[0])) return read_plain_number(name, kGreatestUid).has_value();
  return !name.empty() && name.size() <= kLongestName && is_one_of(name[0], "_") &&
         std::ranges::all_of(name, [](char c) { return is_one_of(c, "_.-"); });
}

std::optional<std::string> read_port_item(const TemplatePlace& place, std::string_view item) {
  constexpr std::uint32_t kGreatest = 65535;
  const auto colon = place.list ? item.find(':') : std::string_view::npos;
  const auto first = read_plain_number(item.substr(0, colon), kGreatest);
  if (!first || *first == 0) return std::nullopt;
  if (colon == std::string_view::npos) return std::string(item);
  const auto last = read_plain_number(item.substr(colon + 1), kGreatest);
  if (!last || *last < *first) return std::nullopt;
  return *last == *first ? format("{}", *first) : std::string(item);
}

Status read_item(const TemplatePlace& place, std::string_view item, PlaceValue& value) {
  switch (place.type) {
    case PlaceType::address:
    case PlaceType::network:
      return read_network_item(place, item, value);
    case PlaceType::interface:
      if (item.size() > kLongestInterface || !is_interface_name(item)) return wrong_type(place, item);
      break;
    case PlaceType::user:
      if (!is_user(item)) return wrong_type(place, item);
      break;
    case PlaceType::port:
      const auto port = read_port_item(place, item);
      if (!port) return wrong_type(place, item);
      value.plain.push_back(*port);
      return {};
  }
  value.plain.emplace_back(item);
  return {};
}

bool may_be_any(const TemplatePlace& place) {
  if (place.type == PlaceType::network) return true;
  return place.list && (place.type == PlaceType::interface || place.type == PlaceType::port);
}

void remove_repeated(std::vector<std::string>& items) {
  std::vector<std::string> once;
  for (auto& item : items)
    if (std::ranges::find(once, item) == once.end()) once.push_back(std::move(item));
  items = std::move(once);
}

// An address place that is no list may have one of each family.
bool is_one(const TemplatePlace& place, const PlaceValue& value) {
  if (place.type == PlaceType::address) return value.v4.size() <= 1 && value.v6.size() <= 1;
  return value.v4.size() + value.v6.size() + value.plain.size() == 1;
}

std::string text_of_value(const PlaceValue& value) {
  std::vector<std::string> all = value.v4;
  all.insert(all.end(), value.v6.begin(), value.v6.end());
  all.insert(all.end(), value.plain.begin(), value.plain.end());
  return join(all, ",");
}

}  // namespace

std::string type_name(const TemplatePlace& place) {
  const auto found = std::ranges::find(kTypes, place.type, [](const auto& row) { return row.second; });
  std::string one(found->first);
  if (!place.list) return one;
  return place.type == PlaceType::address ? one + "es" : one + "s";
}

Result<PlaceValue> read_place_value(const TemplatePlace& place, std::string_view text) {
  if (text == "any" && may_be_any(place)) return PlaceValue{.any = true, .text = "any"};
  if (text == "none" && place.list) return PlaceValue{.text = "none"};
  const auto items = split(text, ',');
  if (items.size() > kMostValues) return error_of<messages::too_many_values>(place.name, kMostValues);
  PlaceValue value;
  for (const auto item : items) TRY(read_item(place, item, value));
  for (auto* list : {&value.v4, &value.v6, &value.plain}) remove_repeated(*list);
  if (!place.list && !is_one(place, value))
    return error_of<messages::place_takes_one>(place.name, quoted(text));
  value.text = text_of_value(value);
  return value;
}

// --- templates

const TemplatePlace* RulesTemplate::find(std::string_view place) const {
  const auto found = std::ranges::find(places, place, &TemplatePlace::name);
  return found == places.end() ? nullptr : &*found;
}

namespace {

/// What the words of a line are. A packet takes lists where a rule does not.
enum class TemplatePurpose { rule, packet };

constexpr std::string_view kPlaceLine = "# place ";
constexpr std::string_view kExpectLine = "# expect ";

bool is_option(std::string_view word) {
  return word.size() > 1 && word[0] == '-';
}

/// Reads one template.
class TemplateReader {
 public:
  TemplateReader(std::string_view text, std::string_view name, std::string_view path)
      : lines_(text, path), path_(path) {
    out_.name = name;
    out_.text = text;
  }

  Result<RulesTemplate> read() {
    TRY(lines_.refuse_nul());
    // A place may be declared below its use.
    while (const auto line = lines_.next())
      if (line->starts_with(kPlaceLine)) TRY(read_place(line->substr(kPlaceLine.size())));
    used_.resize(out_.places.size());
    lines_ = Lines(out_.text, path_);
    while (const auto line = lines_.next()) TRY(read_line(*line));
    for (std::size_t i = 0; i < used_.size(); ++i)
      if (!used_[i])
        return error_of<messages::template_unreadable>(
            path_, place_lines_[i], format("no rule uses the place '{}'", out_.places[i].name));
    return std::move(out_);
  }

 private:
  Error error(const std::string& what) const {
    return error_of<messages::template_unreadable>(path_, lines_.number(), what);
  }

  // NAME TYPE [DEFAULT] - DESCRIPTION
  Status read_place(std::string_view text) {
    const auto dash = text.find(" - ");
    std::vector<std::string_view> words;
    for (const auto word : split(text.substr(0, dash), ' '))
      if (!word.empty()) words.push_back(word);
    const auto description = dash == std::string_view::npos ? "" : trim(text.substr(dash + 3));
    if (words.size() < 2 || words.size() > 3 || description.empty())
      return error("a place is written: # place NAME TYPE [DEFAULT] - DESCRIPTION");
    if (!is_place_name(words[0]))
      return error(
          format("{} is not a name for a place: lower case letters, digits and '_'", quoted(words[0])));
    if (out_.find(words[0]) != nullptr) return error(format("the place '{}' is declared twice", words[0]));
    TemplatePlace place{.name = std::string(words[0]), .description = std::string(description)};
    if (!read_type(words[1], place)) return error(format("{} is not a type of places", quoted(words[1])));
    if (words.size() == 3) {
      auto preset = read_place_value(place, words[2]);
      if (!preset) return error(preset.error().message);
      place.preset = preset->text;
    }
    out_.places.push_back(std::move(place));
    place_lines_.push_back(lines_.number());
    return {};
  }

  static bool read_type(std::string_view word, TemplatePlace& place) {
    for (const auto& [one, type] : kTypes) {
      place.type = type;
      for (const bool list : {false, true}) {
        place.list = list;
        if (type_name(place) == word) return true;
      }
    }
    return false;
  }

  Status read_line(std::string_view line) {
    if (line.starts_with(kPlaceLine)) return {};
    if (line.starts_with(kExpectLine)) return read_expectation(line.substr(kExpectLine.size()));
    if (line.starts_with('#')) read_summary(line);
    TemplateLine read{.text = std::string(line)};
    if (!line.starts_with('#')) TRY(read_words(line, read, TemplatePurpose::rule));
    out_.lines.push_back(std::move(read));
    return {};
  }

  // Of the first comment, without the name of the template before it.
  void read_summary(std::string_view line) {
    const auto text = trim(line.substr(1));
    if (!out_.summary.empty() || text.empty()) return;
    const auto name = out_.name + ": ";
    out_.summary = text.starts_with(name) ? text.substr(name.size()) : text;
    if (out_.summary.ends_with('.')) out_.summary.pop_back();
  }

  Status read_expectation(std::string_view text) {
    TemplateExpectation expectation;
    if (const auto comment = text.find(" #"); comment != std::string_view::npos) {
      expectation.comment = trim(text.substr(comment + 2));
      text = text.substr(0, comment);
    }
    text = trim(text);
    const auto blank = text.find(' ');
    expectation.verdict = text.substr(0, blank);
    if (expectation.verdict != "accept" && expectation.verdict != "drop" && expectation.verdict != "reject")
      return error("an expectation is written: # expect accept|drop|reject PACKET  # COMMENT");
    const auto packet = blank == std::string_view::npos ? "" : trim(text.substr(blank));
    expectation.packet.text = packet;
    TRY(read_words(packet, expectation.packet, TemplatePurpose::packet));
    if (!expectation.packet.marked) expectation.packet.marked = family_of_words(expectation.packet.words);
    out_.expectations.push_back(std::move(expectation));
    return {};
  }

  // By an address, or by the protocol ICMP.
  static std::optional<Family> family_of_words(const std::vector<TemplateWord>& words) {
    for (std::size_t i = 1; i < words.size(); ++i) {
      const auto& text = words[i].text;
      if (words[i - 1].text == "-p" && text == "icmp") return Family::ipv4;
      if (words[i - 1].text == "-p" && (text == "ipv6-icmp" || text == "icmpv6")) return Family::ipv6;
      if (const auto family = family_of_address(text.substr(0, text.find('/')))) return family;
    }
    return std::nullopt;
  }

  // Leaves the words of a rule without a place out: it is printed as it is.
  Status read_words(std::string_view line, TemplateLine& read, TemplatePurpose purpose) {
    Tokenizer tokenizer(line);
    bool any_place = false;
    while (const auto word = tokenizer.next()) {
      if (read.words.empty() && !read.marked && (word->is("-4") || word->is("-6"))) {
        read.marked = word->is("-4") ? Family::ipv4 : Family::ipv6;
        continue;
      }
      TemplateWord next{.text = std::string(word->raw)};
      if (!word->quoted && next.text.find('$') != std::string::npos) {
        const auto place = TRY(find_place(next.text, read.words));
        next.place = place;
        any_place = true;
        used_[place] = used_[place] || purpose == TemplatePurpose::rule;
      }
      read.words.push_back(std::move(next));
    }
    if (!any_place && purpose == TemplatePurpose::rule) read.words.clear();
    if (any_place && purpose == TemplatePurpose::rule) TRY(check_rule_words(read));
    return {};
  }

  Result<std::size_t> find_place(const std::string& word, const std::vector<TemplateWord>& before) const {
    const auto name = std::string_view(word).substr(1);
    if (word[0] != '$' || !is_place_name(name))
      return error(format("{}: a place is a word of its own, like $ssh_from", quoted(word)));
    const auto* place = out_.find(name);
    if (place == nullptr) {
      std::vector<std::string> names;
      for (const auto& one : out_.places) names.push_back(one.name);
      const auto hint = did_you_mean(name, names);
      return error(format("no place is declared for {}{}{}", quoted(word), hint.empty() ? "" : ": ", hint));
    }
    if (before.empty() || before.back().place || !is_option(before.back().text))
      return error(format("{} does not stand behind an option", quoted(word)));
    return static_cast<std::size_t>(place - out_.places.data());
  }

  Status check_rule_words(const TemplateLine& line) const {
    const auto& words = line.words;
    if (words[0].text != "-A" && words[0].text != "-I")
      return error("a line with a place begins with -A or -I, behind -4 or -6");
    if (words[1].place) return error("a place cannot be the chain");
    for (std::size_t i = 2; i < words.size(); ++i) {
      if (!words[i].place || words[i - 2].text != "!") continue;
      const auto& place = out_.places[*words[i].place];
      if (place.list) return error(format("'!' cannot negate the list '{}'", place.name));
    }
    return {};
  }

  Lines lines_;
  std::string path_;
  RulesTemplate out_{};
  std::vector<bool> used_{};
  std::vector<std::uint32_t> place_lines_{};
};

}  // namespace

Result<RulesTemplate> parse_template(std::string text, std::string_view name, std::string_view path) {
  return TemplateReader(text, name, path).read();
}

namespace {

bool is_none(const PlaceValue& value) {
  return !value.any && value.v4.empty() && value.v6.empty() && value.plain.empty();
}

// A second rule of DNAT with the same match is never reached.
Status check_one_server(const RulesTemplate& rules, const PlaceValues& values) {
  for (const auto& line : rules.lines) {
    for (std::size_t i = 1; i < line.words.size(); ++i) {
      if (!line.words[i].place || line.words[i - 1].text != "--to-destination") continue;
      const auto& place = rules.places[*line.words[i].place];
      const auto& value = values.at(place.name);
      if (value.v4.size() > 1 || value.v6.size() > 1)
        return error_of<messages::place_takes_one>(place.name, quoted(value.text));
    }
  }
  return {};
}

}  // namespace

std::vector<std::string> idle_settings(const RulesTemplate& rules, const PlaceValues& values,
                                       std::span<const std::string> settings) {
  std::vector<std::string> out;
  for (const auto& setting : settings) {
    const auto name = setting.substr(0, setting.find('='));
    if (!values.contains(name) || is_none(values.at(name))) continue;
    bool used = false;
    std::string in_the_way;
    for (const auto& line : rules.lines) {
      bool names_it = false;
      std::string none;
      for (const auto& word : line.words) {
        if (!word.place) continue;
        const auto& other = rules.places[*word.place].name;
        names_it = names_it || other == name;
        if (is_none(values.at(other))) none = other;
      }
      used = used || (names_it && none.empty());
      if (names_it && !none.empty()) in_the_way = none;
    }
    if (!used && !in_the_way.empty())
      out.push_back(format("{}={} changes nothing, as {} is none", name, values.at(name).text, in_the_way));
  }
  return out;
}

Result<PlaceValues> read_place_values(const RulesTemplate& rules, std::span<const std::string> settings) {
  std::vector<std::string> names;
  for (const auto& place : rules.places) names.push_back(place.name);
  PlaceValues values;
  for (const auto& setting : settings) {
    const auto sign = setting.find('=');
    if (sign == std::string::npos) return error_of<messages::set_needs_value>(quoted(setting));
    const auto name = setting.substr(0, sign);
    const auto* place = rules.find(name);
    if (place == nullptr) {
      auto hint = did_you_mean(name, names);
      if (hint.empty()) hint = format("its places: rewall template show {}", rules.name);
      return error_of<messages::no_such_place>(rules.name, escape(name), hint);
    }
    if (values.contains(name)) return error_of<messages::place_set_twice>(name);
    values[name] = TRY(read_place_value(*place, std::string_view(setting).substr(sign + 1)));
  }
  std::vector<std::string> missing;
  for (const auto& place : rules.places) {
    if (values.contains(place.name)) continue;
    if (!place.preset) {
      missing.push_back(format("{} ({})", place.name, place.description));
      continue;
    }
    values[place.name] = TRY(read_place_value(place, *place.preset));
  }
  if (!missing.empty()) return error_of<messages::place_needs_value>(rules.name, join(missing, " and "));
  TRY(check_one_server(rules, values));
  return values;
}

// --- rendering

namespace {

/// One of the rules that a line becomes: the words so far, and the families that it is for.
struct Variant {
  bool v4 = true;
  bool v6 = true;
  std::vector<std::string> words{};
};

/// The options of -m multiport, which take several ports.
bool takes_several_ports(std::string_view option) {
  static constexpr auto kOptions = std::to_array<std::string_view>(
      {"--dports", "--destination-ports", "--sports", "--source-ports", "--ports"});
  return std::ranges::find(kOptions, option) != kOptions.end();
}

/// Lists of ports as long as one -m multiport takes.
std::vector<std::string> multiport_lists(const std::vector<std::string>& ports) {
  std::vector<std::string> lists;
  for (std::size_t i = 0; i < ports.size();) {
    std::vector<std::string> list;
    for (std::size_t slots = 0; i < ports.size(); ++i) {
      slots += ports[i].find(':') == std::string::npos ? 1 : 2;
      if (slots > kMultiportSlots) break;
      list.push_back(ports[i]);
    }
    lists.push_back(join(list, ","));
  }
  return lists;
}

/// What becomes of a place and the option before it.
class PlaceVariants {
 public:
  PlaceVariants(const TemplatePlace& place, const PlaceValue& value, std::string option, bool negated,
                TemplatePurpose purpose)
      : place_(place), value_(value), option_(std::move(option)), negated_(negated), purpose_(purpose) {}

  std::vector<Variant> all() {
    if (value_.any) return of_any();
    if (place_.type == PlaceType::address || place_.type == PlaceType::network) {
      add(value_.v4, true, false);
      add(value_.v6, false, true);
    } else {
      const bool lists = purpose_ == TemplatePurpose::rule && takes_several_ports(option_);
      add(lists ? multiport_lists(value_.plain) : value_.plain, true, true);
    }
    return std::move(variants_);
  }

 private:
  std::vector<Variant> of_any() const {
    if (negated_) return {};
    const bool rule = purpose_ == TemplatePurpose::rule;
    // The match of the option may stand there for it alone.
    if (place_.type == PlaceType::port && rule) return {Variant{.words = {option_, "0:65535"}}};
    // No packet on a wire has an address of loopback.
    if (place_.type == PlaceType::network && !rule)
      return {Variant{.v6 = false, .words = {"!", option_, "127.0.0.0/8"}},
              Variant{.v4 = false, .words = {"!", option_, "::1"}}};
    return {Variant{}};
  }

  void add(const std::vector<std::string>& items, bool v4, bool v6) {
    if (negated_ && items.empty()) {
      variants_.push_back({.v4 = v4, .v6 = v6});  // no packet of the family has such an address
      return;
    }
    const bool whole = !items.empty() && (negated_ || purpose_ == TemplatePurpose::packet);
    for (const auto& item : whole ? std::vector{join(items, ",")} : items) {
      Variant variant{.v4 = v4, .v6 = v6, .words = {option_, item}};
      if (negated_) variant.words.insert(variant.words.begin(), "!");
      variants_.push_back(std::move(variant));
    }
  }

  const TemplatePlace& place_;
  const PlaceValue& value_;
  std::string option_;
  bool negated_;
  TemplatePurpose purpose_;
  std::vector<Variant> variants_{};
};

/// Every variant before with every one behind it, where a family is left.
std::vector<Variant> crossed(const std::vector<Variant>& before, const std::vector<Variant>& behind) {
  std::vector<Variant> all;
  for (const auto& first : before) {
    for (const auto& second : behind) {
      Variant both{.v4 = first.v4 && second.v4, .v6 = first.v6 && second.v6, .words = first.words};
      if (!both.v4 && !both.v6) continue;
      both.words.insert(both.words.end(), second.words.begin(), second.words.end());
      all.push_back(std::move(both));
      if (all.size() > kMostTemplateRules) return all;
    }
  }
  return all;
}

std::vector<Variant> variants_of(const RulesTemplate& rules, const TemplateLine& line,
                                 const PlaceValues& values, TemplatePurpose purpose) {
  std::vector<Variant> all{
      {.v4 = line.marked != Family::ipv6, .v6 = line.marked != Family::ipv4, .words = {}}};
  const auto& words = line.words;
  const auto place_at = [&](std::size_t i) { return i < words.size() && words[i].place; };
  for (std::size_t i = 0; i < words.size(); ++i) {
    const bool negated = words[i].text == "!" && place_at(i + 2);
    if (!negated && !place_at(i + 1)) {
      for (auto& variant : all) variant.words.push_back(words[i].text);
      continue;
    }
    const std::size_t option = i + (negated ? 1 : 0);
    const auto& place = rules.places[*words[option + 1].place];
    all =
        crossed(all, PlaceVariants(place, values.at(place.name), words[option].text, negated, purpose).all());
    if (all.size() > kMostTemplateRules) return all;
    i = option + 1;
  }
  return all;
}

/// Prints the lines of a template, counting the rules.
class TemplateWriter {
 public:
  TemplateWriter(const RulesTemplate& rules, const PlaceValues& values, std::optional<Family> family)
      : rules_(rules), values_(values), family_(family) {}

  Result<std::string> write() {
    write_values();
    for (const auto& line : rules_.lines) {
      if (line.words.empty()) {
        add_line(line);
        continue;
      }
      const auto variants = variants_of(rules_, line, values_, TemplatePurpose::rule);
      written_ += variants.size();
      if (written_ > kMostTemplateRules)
        return error_of<messages::template_too_big>(rules_.name, kMostTemplateRules);
      for (const auto& variant : variants) add_variant(variant);
    }
    return std::move(out_);
  }

 private:
  // In short lines: iptables-restore reads a long one as several, and not all of them as comments.
  void write_values() {
    constexpr std::size_t kLongest = 200;
    out_ = format("# rewall template {}\n", rules_.name);
    for (const auto& place : rules_.places) {
      const auto& text = values_.at(place.name).text;
      out_ += format("#   {} = {}\n", place.name,
                     text.size() <= kLongest ? text : counted(split(text, ',').size(), "value"));
    }
    out_ += "#\n";
  }

  void add_line(const TemplateLine& line) {
    if (family_ && line.marked && *line.marked != *family_) return;
    const std::string_view text = line.text;
    // What stood between was a place or an expectation.
    if (text == "#" && out_.ends_with("\n#\n")) return;
    const bool bare = family_ && line.marked;
    out_ += bare ? trim(text.substr(text.find_first_of("46") + 1)) : text;
    out_ += '\n';
  }

  void add_variant(const Variant& variant) {
    if (family_ && !(*family_ == Family::ipv4 ? variant.v4 : variant.v6)) return;
    if (!family_ && !variant.v6) out_ += "-4 ";
    if (!family_ && !variant.v4) out_ += "-6 ";
    out_ += join(variant.words, " ");
    out_ += '\n';
  }

  const RulesTemplate& rules_;
  const PlaceValues& values_;
  std::optional<Family> family_;
  std::string out_{};
  std::size_t written_ = 0;
};

}  // namespace

Result<std::string> render_template(const RulesTemplate& rules, const PlaceValues& values,
                                    std::optional<Family> family) {
  return TemplateWriter(rules, values, family).write();
}

std::vector<std::string> render_expectations(const RulesTemplate& rules, const PlaceValues& values) {
  std::vector<std::string> lines;
  for (const auto& expectation : rules.expectations) {
    const auto variants = variants_of(rules, expectation.packet, values, TemplatePurpose::packet);
    for (const Family family : {Family::ipv4, Family::ipv6}) {
      for (const auto& variant : variants) {
        if (!(family == Family::ipv4 ? variant.v4 : variant.v6)) continue;
        std::string line = expectation.verdict;
        if (family == Family::ipv6) line += " -6";
        for (const auto& word : variant.words) line += " " + word;
        if (!expectation.comment.empty()) line += "  # " + expectation.comment;
        lines.push_back(std::move(line));
      }
    }
  }
  return lines;
}

Result<Tables> tables_of_template(const RulesTemplate& rules, const PlaceValues& values, Family family) {
  auto text = TRY(render_template(rules, values));
  return parse_tables(std::move(text), family, "template " + rules.name);
}

}  // namespace rewall

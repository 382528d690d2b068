#include "analysis/quick_rules.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>

#include "analysis/conditions.h"
#include "rules/extensions.h"
#include "rules/value_parse.h"

namespace rewall {
namespace {

// A decimal number without a leading zero, which would make it octal.
template <class Value>
bool read_decimal(std::string_view text, Value& value) {
  if (text.empty() || (text.size() > 1 && text[0] == '0')) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size();
}

bool read_network(std::string_view text, std::uint32_t& first, std::uint32_t& last) {
  const char* at = text.data();
  const char* const end = at + text.size();
  std::uint32_t address = 0;
  for (unsigned part = 0; part < 4; ++part) {
    unsigned value = 0;
    const char* const begin = at;
    while (at != end && *at >= '0' && *at <= '9' && at - begin < 3)
      value = value * 10 + static_cast<unsigned>(*at++ - '0');
    if (at == begin || value > 255 || (at - begin > 1 && *begin == '0')) return false;
    address = (address << 8U) | value;
    if (part < 3 && (at == end || *at++ != '.')) return false;
  }
  unsigned prefix = 32;
  if (at != end) {
    if (*at++ != '/') return false;
    if (!read_decimal(std::string_view(at, static_cast<std::size_t>(end - at)), prefix) || prefix > 32)
      return false;
  }
  const auto free = prefix == 0 ? 0xffffffffU : (prefix == 32 ? 0U : (1U << (32 - prefix)) - 1);
  first = address & ~free;
  last = address | free;
  return true;
}

bool read_network(std::string_view text, Number& first, Number& last) {
  const auto address = read_address(text, Family::ipv6);
  if (!address) return false;
  const auto mask = number_of(address->mask, Family::ipv6);
  const auto free = ~mask;
  if ((free & (free + 1)) != 0) return false;
  first = number_of(address->bits, Family::ipv6);
  last = first | free;
  return true;
}

bool read_port_range(std::string_view text, std::uint16_t& first, std::uint16_t& last) {
  const auto colon = text.find(':');
  if (!read_decimal(text.substr(0, colon), first)) return false;
  if (colon == std::string_view::npos) {
    last = first;
    return true;
  }
  return read_decimal(text.substr(colon + 1), last) && first <= last;
}

// The protocols that have ports, and a few more; others are read by whoever reads the rule.
std::uint8_t protocol_at_a_glance(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, std::uint8_t>, 8> kProtocols = {{{"tcp", 6},
                                                                                           {"udp", 17},
                                                                                           {"icmp", 1},
                                                                                           {"ipv6-icmp", 58},
                                                                                           {"sctp", 132},
                                                                                           {"esp", 50},
                                                                                           {"ah", 51},
                                                                                           {"gre", 47}}};
  const auto found = std::ranges::find(kProtocols, text, &std::pair<std::string_view, std::uint8_t>::first);
  return found == kProtocols.end() ? 0 : found->second;
}

bool read_state_list(std::string_view text, std::uint8_t& states) {
  static constexpr std::array<std::string_view, 5> kStateNames = {"INVALID", "NEW", "ESTABLISHED", "RELATED",
                                                                  "UNTRACKED"};
  states = 0;
  while (!text.empty()) {
    const auto comma = std::min(text.find(','), text.size());
    const auto found = std::ranges::find(kStateNames, text.substr(0, comma));
    if (found == kStateNames.end()) return false;
    states = static_cast<std::uint8_t>(states | (1U << static_cast<unsigned>(found - kStateNames.begin())));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return states != 0;
}

template <class AddressNumber>
class Glance {
 public:
  Glance(std::string_view words, const ChainPlaces& chains, InterfacePatterns& patterns)
      : rest_(words), chains_(chains), patterns_(patterns) {}

  QuickRule<AddressNumber> read() {
    rule_.ask_action = true;
    rule_.more = true;
    while (true) {
      auto word = next();
      if (word.empty()) break;
      negated_ = word == "!";
      if (negated_) word = next();
      if (!take(word)) return rule_;
    }
    rule_.more = false;
    rule_.ask_action = false;
    return rule_;
  }

 private:
  std::string_view next() {
    while (!rest_.empty() && rest_[0] == ' ') rest_.remove_prefix(1);
    const auto end = std::min(rest_.find(' '), rest_.size());
    const auto word = rest_.substr(0, end);
    rest_.remove_prefix(end);
    return word;
  }

  void ask(std::uint8_t bit) {
    rule_.asks = static_cast<std::uint8_t>(rule_.asks | bit);
    if (negated_) rule_.negated = static_cast<std::uint8_t>(rule_.negated | bit);
  }

  // An option that stands there twice is one that the glance does not know.
  bool once(unsigned bit) {
    const bool first = (seen_ & bit) == 0;
    seen_ |= bit;
    return first;
  }

  bool take(std::string_view word) {
    if (word.size() == 2 && word[0] == '-') return take_short(word[1]);
    if (word == "--dport" && ported_ && once(64)) {
      if (!read_port_range(next(), rule_.destination_port_first, rule_.destination_port_last))
        return reset_ports(false);
      ask(quick_destination_port);
      rule_.header = true;
      return no_two_negated_ports();
    }
    if (word == "--sport" && ported_ && once(128)) {
      if (!read_port_range(next(), rule_.source_port_first, rule_.source_port_last)) return reset_ports(true);
      ask(quick_source_port);
      rule_.header = true;
      return no_two_negated_ports();
    }
    if ((word == "--ctstate" || word == "--state") && tracked_ && once(256)) {
      std::uint8_t states = 0;
      if (!read_state_list(next(), states)) return false;
      rule_.states = negated_ ? static_cast<std::uint8_t>(~states & 0x1fU) : states;
      return true;
    }
    return word == "--comment" && commented_ && !negated_ && skip_comment();
  }

  // What two of them ask for is left to the rule (ports_of_nft() of conditions.cpp).
  bool no_two_negated_ports() {
    constexpr std::uint8_t kBoth = quick_source_port | quick_destination_port;
    if ((rule_.negated & kBoth) != kBoth) return true;
    rule_.negated = static_cast<std::uint8_t>(rule_.negated & ~kBoth);
    rule_.asks = static_cast<std::uint8_t>(rule_.asks & ~kBoth);
    reset_ports(true);
    return reset_ports(false);
  }

  bool reset_ports(bool source) {
    (source ? rule_.source_port_first : rule_.destination_port_first) = 0;
    (source ? rule_.source_port_last : rule_.destination_port_last) = 0xffff;
    return false;
  }

  bool take_short(char letter) {
    switch (letter) {
      case 's':
        return once(1) && take_network(rule_.source_first, rule_.source_last, quick_source);
      case 'd':
        return once(2) && take_network(rule_.destination_first, rule_.destination_last, quick_destination);
      case 'i':
        return once(4) && take_interface(rule_.in_pattern, quick_in);
      case 'o':
        return once(8) && take_interface(rule_.out_pattern, quick_out);
      case 'p':
        return once(16) && take_protocol();
      case 'm':
        return !negated_ && take_match(next());
      case 'j':
      case 'g':
        return !negated_ && once(32) && take_target(next(), letter == 'g');
      default:
        return false;
    }
  }

  bool take_network(AddressNumber& first, AddressNumber& last, std::uint8_t bit) {
    AddressNumber from = 0;
    AddressNumber to = 0;
    if (!read_network(next(), from, to)) return false;
    first = from;
    last = to;
    ask(bit);
    return true;
  }

  bool take_interface(std::uint32_t& pattern, std::uint8_t bit) {
    const auto name = next();
    if (name.empty() || name.find_first_of("\"'\\") != std::string_view::npos) return false;
    pattern = patterns_.number_of(name);
    ask(bit);
    return true;
  }

  bool take_protocol() {
    rule_.protocol = protocol_at_a_glance(next());
    if (rule_.protocol == 0) return false;
    ask(quick_protocol);
    return true;
  }

  bool take_match(std::string_view name) {
    const bool of_protocol =
        (name == "tcp" && rule_.protocol == 6) || (name == "udp" && rule_.protocol == 17);
    if (of_protocol && (rule_.negated & quick_protocol) == 0) {
      ported_ = true;
      // Alone it asks for no fragment, where it is a match of its own in the kernel (tcp_mt).
      rule_.header =
          rest_.starts_with(" --sport") || rest_.starts_with(" --dport") || rest_.starts_with(" !");
      return rule_.header;
    }
    if (name == "conntrack" || name == "state") {
      tracked_ = true;
      commented_ = false;
      return true;
    }
    commented_ = name == "comment";
    return commented_;
  }

  bool skip_comment() {
    while (!rest_.empty() && rest_[0] == ' ') rest_.remove_prefix(1);
    if (rest_.empty() || rest_[0] != '"') {
      const auto word = next();
      return !word.empty() && word.find_first_of("\"'\\") == std::string_view::npos;
    }
    std::size_t end = 1;
    while (end < rest_.size() && rest_[end] != '"') end += rest_[end] == '\\' ? 2 : 1;
    if (end >= rest_.size()) return false;
    rest_.remove_prefix(end + 1);
    return rest_.empty() || rest_[0] == ' ';
  }

  bool take_target(std::string_view name, bool go_to) {
    static constexpr std::array<std::pair<std::string_view, RuleAction::Kind>, 4> kVerdicts = {
        {{"ACCEPT", RuleAction::Kind::accept},
         {"DROP", RuleAction::Kind::drop},
         {"RETURN", RuleAction::Kind::leave},
         {"REJECT", RuleAction::Kind::reject}}};
    const auto chain = chains_.find(name);
    if (chain != SIZE_MAX) {
      rule_.action = go_to ? RuleAction::Kind::go_to : RuleAction::Kind::jump;
      rule_.chain = static_cast<std::uint32_t>(chain);
      return rest_.find_first_not_of(' ') == std::string_view::npos;
    }
    const auto found =
        std::ranges::find(kVerdicts, name, &std::pair<std::string_view, RuleAction::Kind>::first);
    if (go_to || found == kVerdicts.end()) return false;
    rule_.action = found->second;
    if (found->second == RuleAction::Kind::reject && rest_.starts_with(" --reject-with ")) {
      next();
      next();
    }
    return rest_.find_first_not_of(' ') == std::string_view::npos;
  }

  std::string_view rest_;
  const ChainPlaces& chains_;
  InterfacePatterns& patterns_;
  QuickRule<AddressNumber> rule_{};
  unsigned seen_ = 0;
  bool negated_ = false;
  bool ported_ = false;
  bool tracked_ = false;
  bool commented_ = false;
};

}  // namespace

std::uint32_t InterfacePatterns::number_of(std::string_view pattern) {
  const auto [place, fresh] =
      numbers_.try_emplace(std::string(pattern), static_cast<std::uint32_t>(names_.size() + 1));
  if (fresh) names_.push_back(interfaces_of(pattern));
  return place->second;
}

const std::vector<std::uint8_t>& InterfacePatterns::answers(Number interface) {
  auto& known = answers_[interface];
  for (auto i = known.size(); i < names_.size(); ++i) known.push_back(names_[i].contains(interface) ? 1 : 0);
  return known;
}

ChainPlaces::ChainPlaces(const Table& table) {
  places_.reserve(table.chains.size());
  for (std::size_t i = 0; i < table.chains.size(); ++i) places_.emplace(table.chains[i].name, i);
}

std::size_t ChainPlaces::find(std::string_view chain) const {
  const auto found = places_.find(chain);
  return found == places_.end() ? SIZE_MAX : found->second;
}

template <class AddressNumber>
QuickRule<AddressNumber> glance(std::string_view words, const ChainPlaces& chains,
                                InterfacePatterns& patterns) {
  return Glance<AddressNumber>(words, chains, patterns).read();
}

template QuickRuleV4 glance(std::string_view, const ChainPlaces&, InterfacePatterns&);
template QuickRuleV6 glance(std::string_view, const ChainPlaces&, InterfacePatterns&);

}  // namespace rewall

#include <algorithm>
#include <array>
#include <bitset>
#include <span>
#include <vector>

#include "analysis/packet.h"
#include "analysis/packet_lines.h"
#include "analysis/packet_values.h"
#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"
#include "rules/lines.h"
#include "rules/rule.h"
#include "rules/symbols.h"

namespace rewall {
namespace {

enum class OptionForm : std::uint8_t {
  values,     // a list that read_values() takes
  icmp_type,  // the same, or TYPE/CODE
  state,      // the same, or SNAT, DNAT
  fragment,   // no value
  syn,        // no value
  flags,      // two: MASK COMP
  below,      // the values below a number
  above,
  dscp,        // the upper six bits of the field
  dscp_class,  // their name
  module,      // -m NAME
  hook,
  four,
  six,
};

struct PacketOption {
  std::string_view name;
  OptionForm form;
  Field field;
};

constexpr auto kPacketOptions = std::to_array<PacketOption>({
    {"-p", OptionForm::values, Field::protocol},
    {"--protocol", OptionForm::values, Field::protocol},
    {"--proto", OptionForm::values, Field::protocol},
    {"-s", OptionForm::values, Field::source},
    {"--source", OptionForm::values, Field::source},
    {"--src", OptionForm::values, Field::source},
    {"--src-range", OptionForm::values, Field::source},
    {"-d", OptionForm::values, Field::destination},
    {"--destination", OptionForm::values, Field::destination},
    {"--dst", OptionForm::values, Field::destination},
    {"--dst-range", OptionForm::values, Field::destination},
    {"--sport", OptionForm::values, Field::source_port},
    {"--sports", OptionForm::values, Field::source_port},
    {"--source-port", OptionForm::values, Field::source_port},
    {"--source-ports", OptionForm::values, Field::source_port},
    {"--dport", OptionForm::values, Field::destination_port},
    {"--dports", OptionForm::values, Field::destination_port},
    {"--destination-port", OptionForm::values, Field::destination_port},
    {"--destination-ports", OptionForm::values, Field::destination_port},
    {"-i", OptionForm::values, Field::in_interface},
    {"--in-interface", OptionForm::values, Field::in_interface},
    {"-o", OptionForm::values, Field::out_interface},
    {"--out-interface", OptionForm::values, Field::out_interface},
    {"--state", OptionForm::state, Field::state},
    {"--ctstate", OptionForm::state, Field::state},
    {"--hook", OptionForm::hook, Field::protocol},
    {"-4", OptionForm::four, Field::protocol},
    {"--ipv4", OptionForm::four, Field::protocol},
    {"-6", OptionForm::six, Field::protocol},
    {"--ipv6", OptionForm::six, Field::protocol},
    {"-m", OptionForm::module, Field::protocol},
    {"--match", OptionForm::module, Field::protocol},
    {"-f", OptionForm::fragment, Field::fragment},
    {"--fragment", OptionForm::fragment, Field::fragment},
    {"--icmp-type", OptionForm::icmp_type, Field::icmp_type},
    {"--icmpv6-type", OptionForm::icmp_type, Field::icmp_type},
    {"--icmp-code", OptionForm::values, Field::icmp_code},
    {"--syn", OptionForm::syn, Field::tcp_flags},
    {"--tcp-flags", OptionForm::flags, Field::tcp_flags},
    {"--flags", OptionForm::values, Field::tcp_flags},
    {"--tcp-option", OptionForm::values, Field::tcp_option},
    {"--header", OptionForm::values, Field::extensions},
    {"--physdev-in", OptionForm::values, Field::bridge_in},
    {"--physdev-out", OptionForm::values, Field::bridge_out},
    {"--src-group", OptionForm::values, Field::in_group},
    {"--dst-group", OptionForm::values, Field::out_group},
    {"--mark", OptionForm::values, Field::mark},
    {"--connmark", OptionForm::values, Field::connection_mark},
    {"--mac-source", OptionForm::values, Field::mac_source},
    {"--pkt-type", OptionForm::values, Field::packet_type},
    {"--ttl", OptionForm::values, Field::ttl},
    {"--ttl-eq", OptionForm::values, Field::ttl},
    {"--ttl-lt", OptionForm::below, Field::ttl},
    {"--ttl-gt", OptionForm::above, Field::ttl},
    {"--hl-eq", OptionForm::values, Field::ttl},
    {"--hl-lt", OptionForm::below, Field::ttl},
    {"--hl-gt", OptionForm::above, Field::ttl},
    {"--tos", OptionForm::values, Field::tos},
    {"--dscp", OptionForm::dscp, Field::tos},
    {"--dscp-class", OptionForm::dscp_class, Field::tos},
    {"--length", OptionForm::values, Field::length},
    {"--ctstatus", OptionForm::values, Field::status},
    {"--ctdir", OptionForm::values, Field::direction},
    {"--ctorigsrc", OptionForm::values, Field::original_source},
    {"--ctorigdst", OptionForm::values, Field::original_destination},
    {"--ctorigsrcport", OptionForm::values, Field::original_source_port},
    {"--ctorigdstport", OptionForm::values, Field::original_destination_port},
    {"--ctreplsrc", OptionForm::values, Field::reply_source},
    {"--ctrepldst", OptionForm::values, Field::reply_destination},
    {"--ctreplsrcport", OptionForm::values, Field::reply_source_port},
    {"--ctrepldstport", OptionForm::values, Field::reply_destination_port},
});

constexpr std::uint8_t kSynMask = 0x17;  // SYN of SYN,RST,ACK,FIN: --syn of iptables-extensions(8)
constexpr std::uint8_t kSyn = 0x02;

const PacketOption* find_packet_option(std::string_view name) {
  const auto found = std::ranges::find(kPacketOptions, name, &PacketOption::name);
  return found == kPacketOptions.end() ? nullptr : &*found;
}

/// An option as it was written.
struct GivenOption {
  const PacketOption* option = nullptr;
  Field field = Field::protocol;
  bool negated = false;
  std::vector<std::string> values{};
};

/// The words of a packet, taken apart.
struct PacketWords {
  std::string line{};  // of tcpdump and the like; empty for none
  std::vector<GivenOption> given{};
  std::optional<Hook> hook{};
  std::optional<Family> family{};
};

std::size_t count_of_values(OptionForm form) {
  switch (form) {
    case OptionForm::fragment:
    case OptionForm::syn:
    case OptionForm::four:
    case OptionForm::six:
      return 0;
    case OptionForm::flags:
      return 2;
    default:
      return 1;
  }
}

Error unknown_packet_word(std::string_view word) {
  auto hint = did_you_mean(word, packet_options());
  if (hint.empty()) hint = "rewall-packets(7) lists them";
  return error_of<messages::unknown_packet_word>(rewall::quoted(word), hint);
}

/// Reads the words one by one.
class PacketReader {
 public:
  explicit PacketReader(std::span<const std::string> words) : words_(words) {}

  Result<PacketWords> read() {
    while (next_ < words_.size() && !begins_option(words_[next_])) {
      out_.line += (out_.line.empty() ? "" : " ") + words_[next_];
      ++next_;
    }
    while (next_ < words_.size()) TRY(read_option());
    return std::move(out_);
  }

 private:
  // In a line only a word that is exactly an option ends it: prefixes of LOG may begin with a dash.
  bool begins_option(const std::string& word) const {
    if (next_ == 0) return word.starts_with('-') || word == "!";
    return word == "!" || find_packet_option(word.substr(0, word.find('='))) != nullptr;
  }

  Status read_option() {
    GivenOption given;
    if (words_[next_] == "!") {
      given.negated = true;
      if (++next_ == words_.size()) return error_of<messages::packet_word_needs_value>("!");
    }
    const auto& word = words_[next_++];
    const auto equals = word.starts_with("--") ? word.find('=') : std::string::npos;
    given.option = find_packet_option(word.substr(0, equals));
    if (given.option == nullptr) return unknown_packet_word(word);
    given.field = given.option->field;
    if (equals != std::string::npos) given.values.push_back(word.substr(equals + 1));
    const auto count = count_of_values(given.option->form);
    if (given.values.size() > count) return unknown_packet_word(word);
    while (given.values.size() < count) {
      if (next_ == words_.size())
        return error_of<messages::packet_word_needs_value>(std::string(given.option->name));
      if (words_[next_] == "!" && given.values.empty() && !given.negated) {
        given.negated = true;
        ++next_;
        continue;
      }
      given.values.push_back(words_[next_++]);
    }
    return take(std::move(given));
  }

  Status take(GivenOption given) {
    const auto& value = given.values.empty() ? std::string() : given.values[0];
    switch (given.option->form) {
      case OptionForm::module:
        module_ = value;
        return {};
      case OptionForm::four:
        return take(Family::ipv4, given.option->name);
      case OptionForm::six:
        return take(Family::ipv6, given.option->name);
      case OptionForm::hook:
        out_.hook = read_hook(value);
        if (!out_.hook)
          return error_of<messages::no_packet_value>(rewall::quoted(value),
                                                     "PREROUTING, INPUT, FORWARD, OUTPUT or POSTROUTING", "")
              .within("--hook");
        return {};
      default:
        break;
    }
    if (given.option->name == "--mark" && module_ == "connmark") given.field = Field::connection_mark;
    out_.given.push_back(std::move(given));
    return {};
  }

  Status take(Family family, std::string_view word) {
    if (out_.family && *out_.family != family)
      return error_of<messages::packet_of_other_family>(word, name(family), name(*out_.family));
    out_.family = family;
    return {};
  }

  std::span<const std::string> words_;
  std::size_t next_ = 0;
  PacketWords out_{};
  std::string module_{};
};

bool names_address(const GivenOption& given) {
  switch (given.field) {
    case Field::source:
    case Field::destination:
    case Field::original_source:
    case Field::original_destination:
    case Field::reply_source:
    case Field::reply_destination:
      return true;
    default:
      return false;
  }
}

// The family that an option shows: by an address, or by a word of IPv6 alone.
std::optional<Family> family_shown(const GivenOption& given) {
  const auto& name = given.option->name;
  if (names_address(given)) {
    if (given.values[0].find(':') != std::string::npos) return Family::ipv6;
    if (read_values(Field::source, given.values[0], Family::ipv4)) return Family::ipv4;
  }
  if (name == "--icmpv6-type" || name.starts_with("--hl-") || name == "--header") return Family::ipv6;
  if (given.field == Field::protocol && !given.negated) {
    const auto protocols = read_values(Field::protocol, given.values[0], Family::ipv6);
    if (protocols && *protocols == NumberSet::one(58)) return Family::ipv6;
  }
  return std::nullopt;
}

// By -4 and -6; else by the addresses; else by the other words.
Result<Family> family_of_words(const PacketWords& words, std::optional<Family> family) {
  std::optional<Family> shown = words.family ? words.family : family;
  for (const bool addresses : {true, false}) {
    for (const auto& given : words.given) {
      if (names_address(given) != addresses) continue;
      const auto one = family_shown(given);
      if (!one) continue;
      if (!shown) shown = one;
      // A protocol may be used in both families, an address not.
      if (*one != *shown && given.field != Field::protocol)
        return error_of<messages::packet_of_other_family>(
            format("{} {}", given.option->name, rewall::quoted(given.values[0])), name(*one), name(*shown));
    }
  }
  return shown.value_or(Family::ipv4);
}

Result<NumberSet> option_beyond(const GivenOption& given, Family family) {
  const auto values = TRY(read_values(given.field, given.values[0], family));
  const auto& all = whole(given.field, family);
  if (!values.is_one())
    return error_of<messages::no_packet_value>(rewall::quoted(given.values[0]), "a number", "");
  const Number number = values.ranges()[0].first;
  return without(all, given.option->form == OptionForm::below
                          ? NumberSet::range(number, all.ranges().back().last)
                          : NumberSet::range(0, number));
}

Result<NumberSet> option_flags(const GivenOption& given) {
  const auto mask = read_tcp_flags(given.values[0]);
  const auto set = read_tcp_flags(given.values[1]);
  if (!mask || !set || (*set & ~*mask) != 0)
    return error_of<messages::no_packet_value>(rewall::quoted(mask ? given.values[1] : given.values[0]),
                                               "a list of SYN, ACK, FIN, RST, URG and PSH, ALL or NONE", "");
  return *masked_numbers(*set, *mask, 8);
}

Result<NumberSet> option_dscp(const GivenOption& given) {
  const auto& text = given.values[0];
  const auto value = given.option->form == OptionForm::dscp_class ? dscp_class(text)
                                                                  : [&text]() -> std::optional<std::uint8_t> {
    const auto number = read_number(text, 63);
    return number ? std::optional(static_cast<std::uint8_t>(*number)) : std::nullopt;
  }();
  if (!value)
    return error_of<messages::no_packet_value>(rewall::quoted(text), "a code point, 0 to 63, or its class",
                                               "");
  return NumberSet::range(Number{*value} << 2, (Number{*value} << 2) | 3);
}

// The flags of the packet that begins a connection of TCP.
NumberSet begins_tcp() {
  return *masked_numbers(kSyn, kSynMask, 8);
}

Result<NumberSet> option_values(const GivenOption& given, Family family) {
  switch (given.option->form) {
    case OptionForm::fragment:
      return NumberSet::one(1);
    case OptionForm::syn:
      return begins_tcp();
    case OptionForm::flags:
      return option_flags(given);
    case OptionForm::below:
    case OptionForm::above:
      return option_beyond(given, family);
    case OptionForm::dscp:
    case OptionForm::dscp_class:
      return option_dscp(given);
    default:
      return read_values(given.field, given.values[0], family);
  }
}

// A packet of TCP and of state NEW alone: people who name no flags mean the one that begins a connection.
bool is_new_tcp(const Packet& packet) {
  return packet[Field::protocol] == NumberSet::one(6) &&
         packet[Field::state] == NumberSet::one(static_cast<Number>(ConnectionState::fresh));
}

/// Narrows a packet by the options, in the order written.
class Narrower {
 public:
  Narrower(Packet packet, bool from_line) : packet_(std::move(packet)), from_line_(from_line) {}

  Status take(const GivenOption& given) {
    if (given.option->form == OptionForm::icmp_type && names_code(given.values[0]))
      return take_type_and_code(given);
    GivenOption read = given;
    if (given.option->form == OptionForm::state) TRY(take_for_status(read));
    auto values = option_values(read, packet_.family);
    if (!values) return std::move(values).error().within(std::string(given.option->name));
    if (read.option->form == OptionForm::flags && !read.negated && *values == NumberSet::all(8)) {
      any_flags_ = true;
      return {};
    }
    return narrow(read, std::move(*values));
  }

  Result<Packet> finish() && {
    for (std::size_t i = 0; i < kFields; ++i) {
      if (!named_[i]) continue;
      const auto field = static_cast<Field>(i);
      const auto fit = carriers(field, packet_.family);
      if (!fit) continue;
      auto& protocol = packet_[Field::protocol];
      auto left = both(protocol, *fit);
      if (left.empty())
        return error_of<messages::protocol_lacks_field>(
            words_of(field), fit->empty() ? "IPv6" : list_text(Field::protocol, *fit, packet_.family),
            list_text(Field::protocol, protocol, packet_.family));
      if (!from_line_ && !named_[static_cast<std::size_t>(Field::protocol)]) protocol = std::move(left);
      if (field != Field::extensions) TRY(take_out_fragments(field));
    }
    const bool names_flags = any_flags_ || named_[static_cast<std::size_t>(Field::tcp_flags)];
    if (!from_line_ && !names_flags && is_new_tcp(packet_) && packet_[Field::fragment].contains(0)) {
      packet_[Field::tcp_flags] = begins_tcp();
      packet_[Field::fragment] = NumberSet::one(0);
    }
    return std::move(packet_);
  }

 private:
  // `--ctstate DNAT` asks for a bit of the status.
  static Status take_for_status(GivenOption& given) {
    std::size_t status = 0;
    const auto items = split(given.values[0], ',');
    for (const auto item : items)
      if (equal_ignoring_case(item, "SNAT") || equal_ignoring_case(item, "DNAT")) ++status;
    if (status == 0) return {};
    if (status != items.size()) return error_of<messages::states_and_status>(std::string(given.option->name));
    given.field = Field::status;
    return {};
  }

  // A fragment behind the first has no header of the upper layer.
  Status take_out_fragments(Field field) {
    auto& fragment = packet_[Field::fragment];
    if (!fragment.contains(0)) return error_of<messages::fragment_lacks_field>(words_of(field));
    fragment = NumberSet::one(0);
    return {};
  }

  // "3/1", "host-unreachable".
  bool names_code(const std::string& text) const {
    const auto type = icmp_type(text, packet_.family);
    return text.find('/') != std::string::npos || (type && (type->first_code > 0 || type->last_code < 255));
  }

  Status take_type_and_code(const GivenOption& given) {
    const auto& text = given.values[0];
    const std::string option(given.option->name);
    if (given.negated || text.find(',') != std::string::npos)
      return error_of<messages::packet_word_takes_one>(option);
    const auto type = icmp_type(text, packet_.family);
    if (!type)
      return error_of<messages::no_packet_value>(rewall::quoted(text), "an ICMP type", "").within(option);
    if (!type->any) TRY(narrow(given, NumberSet::one(type->type)));
    GivenOption code = given;
    code.field = Field::icmp_code;
    return narrow(code, NumberSet::range(type->first_code, type->last_code));
  }

  Status narrow(const GivenOption& given, NumberSet values) {
    const auto place = static_cast<std::size_t>(given.field);
    const auto& all = whole(given.field, packet_.family);
    if (given.negated) values = without(all, values);
    auto& field = packet_.fields[place];
    field = named_[place] ? both(field, values) : std::move(values);
    named_.set(place);
    if (field.empty())
      return error_of<messages::no_such_packet>(
          format("{}{}", given.negated ? "! " : "", given.option->name));
    return {};
  }

  Packet packet_;
  bool from_line_;
  bool any_flags_ = false;  // `--tcp-flags NONE NONE`
  std::bitset<kFields> named_{};
};

template <class Options>
bool names_field(const Options& given, Field field) {
  return std::ranges::any_of(given, [field](const auto& option) { return option.field == field; });
}

// --- back to words

// As people write rules; what is not here follows in the order of the fields.
constexpr auto kFieldOrder =
    std::to_array<Field>({Field::protocol, Field::source, Field::destination, Field::source_port,
                          Field::destination_port, Field::icmp_type, Field::icmp_code, Field::tcp_flags,
                          Field::tcp_option, Field::in_interface, Field::out_interface, Field::state});

std::vector<Field> fields_in_order() {
  std::vector<Field> fields(kFieldOrder.begin(), kFieldOrder.end());
  for (std::size_t i = 0; i < kFields; ++i)
    if (std::ranges::find(kFieldOrder, static_cast<Field>(i)) == kFieldOrder.end())
      fields.push_back(static_cast<Field>(i));
  return fields;
}

// MASK COMP, where these flags are those.
std::optional<std::string> masked_flags(const NumberSet& values) {
  if (values.empty()) return std::nullopt;
  const auto first = static_cast<std::uint8_t>(values.ranges()[0].first);
  std::uint8_t mask = 0xff;
  for (unsigned number = 0; number < 256; ++number)
    if (values.contains(number)) mask = static_cast<std::uint8_t>(mask & ~(number ^ first));
  const auto set = static_cast<std::uint8_t>(first & mask);
  if (mask == 0 || *masked_numbers(set, mask, 8) != values) return std::nullopt;
  if (mask == kSynMask && set == kSyn) return "--syn";
  const auto mask_text = mask == 0x3f ? "ALL" : mask == 0xff ? "0xff" : tcp_flags_text(mask);
  return format("--tcp-flags {} {}", mask_text, tcp_flags_text(set));
}

std::string field_words(Field field, const NumberSet& values, Family family) {
  const auto& all = whole(field, family);
  const auto others = without(all, values);
  if (field == Field::fragment) return values.empty() ? "! -f -f" : values.contains(1) ? "-f" : "! -f";
  if (field == Field::tcp_flags) {
    if (const auto flags = masked_flags(values)) return *flags;
    if (const auto flags = masked_flags(others)) return "! " + *flags;
  }
  const auto option = field == Field::tcp_flags ? "--flags" : words_of(field);
  if (values.empty() || others.ranges().size() < values.ranges().size()) {
    if (!others.empty()) return format("! {} {}", option, list_text(field, others, family));
  }
  return format("{} {}", option, list_text(field, values, family));
}

bool packet_has(const Packet& packet, Field field) {
  const auto fit = carriers(field, packet.family);
  if (!fit) return true;
  return !both(packet[Field::protocol], *fit).empty() &&
         (field == Field::extensions || packet[Field::fragment].contains(0));
}

// What read_packet() makes of the protocol where no -p stands; `fragments` is false where it takes out
// fragments.
NumberSet implied_protocol(const Packet& packet, bool& fragments) {
  NumberSet protocol = whole(Field::protocol, packet.family);
  for (std::size_t i = 0; i < kFields; ++i) {
    const auto field = static_cast<Field>(i);
    if (packet.fields[i] == whole(field, packet.family) || !packet_has(packet, field)) continue;
    const auto fit = carriers(field, packet.family);
    if (!fit) continue;
    protocol = both(protocol, *fit);
    if (field != Field::extensions) fragments = false;
  }
  return protocol;
}

std::vector<std::string> cut_words(const std::string& words) {
  std::vector<std::string> out;
  for (const auto word : split(words, ' '))
    if (!word.empty()) out.emplace_back(word);
  return out;
}

}  // namespace

Result<Packet> read_packet(std::span<const std::string> words, std::optional<Family> family) {
  std::vector<std::string> one;
  if (words.size() == 1 && (words[0].starts_with('-') || words[0].starts_with('!'))) {
    one = TRY(split_words(words[0]));
    words = one;
  }
  if (words.empty() || (words.size() == 1 && trim(words[0]).empty()))
    return error_of<messages::packet_is_empty>();
  const auto read = TRY(PacketReader(words).read());
  auto packet = any_packet(Family::ipv4, Hook::input);
  if (!read.line.empty()) {
    packet = TRY(read_packet_line(read.line));
    const auto asked = TRY(family_of_words(read, family ? family : packet.family));
    if (asked != packet.family)
      return error_of<messages::packet_of_other_family>("the line", name(packet.family), name(asked));
  } else {
    packet = any_packet(TRY(family_of_words(read, family)), Hook::input);
  }
  if (read.hook)
    packet.hook = *read.hook;
  else if (read.line.empty() && names_field(read.given, Field::in_interface) &&
           names_field(read.given, Field::out_interface))
    packet.hook = Hook::forward;
  Narrower narrower(std::move(packet), !read.line.empty());
  for (const auto& given : read.given) TRY(narrower.take(given));
  return std::move(narrower).finish();
}

std::size_t packet_option_length(std::span<const std::string> words) {
  if (words.empty()) return 0;
  if (const auto blank = words[0].find(' '); blank != std::string::npos) {
    const auto inside = cut_words(words[0]);
    return inside.empty() || packet_option_length(inside) == 0 ? 0 : 1;
  }
  std::size_t length = words[0] == "!" ? 1 : 0;
  if (length == words.size()) return length;
  const auto& word = words[length];
  const auto equals = word.starts_with("--") ? word.find('=') : std::string::npos;
  const auto* option = find_packet_option(word.substr(0, equals));
  if (option == nullptr) return length;
  ++length;
  auto values = count_of_values(option->form);
  if (equals != std::string::npos && values > 0) --values;
  if (values > 0 && length < words.size() && words[length] == "!") ++length;
  return std::min(length + values, words.size());
}

std::vector<std::string> packet_options() {
  std::vector<std::string> names;
  for (const auto& option : kPacketOptions) names.emplace_back(option.name);
  return names;
}

std::string packet_words(const Packet& packet) {
  bool fragments = true;
  const auto protocol = implied_protocol(packet, fragments);
  const bool implied = !packet[Field::protocol].is_one() && packet[Field::protocol] == protocol;
  std::string text;
  for (const auto field : fields_in_order()) {
    const bool is_whole = packet[field] == whole(field, packet.family);
    if (field == Field::protocol ? implied : is_whole || !packet_has(packet, field)) continue;
    if (field == Field::fragment && !fragments) continue;
    if (field == Field::tcp_flags && is_new_tcp(packet) && packet[field] == begins_tcp()) continue;
    text +=
        (text.empty() ? "" : " ") +
        (field == Field::protocol && is_whole ? "-p all" : field_words(field, packet[field], packet.family));
  }
  const bool any_flags = packet[Field::tcp_flags] == whole(Field::tcp_flags, packet.family);
  if (any_flags && is_new_tcp(packet) && packet[Field::fragment].contains(0))
    text += " --tcp-flags NONE NONE";
  const auto is_named = [&packet](Field field) { return packet[field] != whole(field, packet.family); };
  const bool means_forward = is_named(Field::in_interface) && is_named(Field::out_interface);
  if (packet.hook != Hook::input || means_forward)
    text += format("{}--hook {}", text.empty() ? "" : " ", name(packet.hook));
  const auto read = PacketReader(cut_words(text)).read();
  const auto shown = read ? family_of_words(*read, std::nullopt) : Result<Family>(Family::ipv4);
  if (text.empty() || !shown || *shown != packet.family) {
    const std::string mark = packet.family == Family::ipv4 ? "-4" : "-6";
    text = text.empty() ? mark : mark + " " + text;
  }
  return text;
}

}  // namespace rewall

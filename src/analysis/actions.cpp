#include "analysis/actions.h"

#include <algorithm>
#include <array>
#include <map>

#include "core/text.h"
#include "rules/normalize.h"
#include "rules/symbols.h"
#include "rules/value_parse.h"

namespace rewall {
namespace {

using Kind = RuleAction::Kind;

const Option* target_option(const Target& target, std::string_view name) {
  const auto found = std::ranges::find(target.options, name, &Option::name);
  return found == target.options.end() ? nullptr : &*found;
}

std::optional<std::uint64_t> target_number(const Target& target, std::string_view name,
                                           std::uint64_t greatest) {
  const auto* option = target_option(target, name);
  if (option == nullptr || option->values.size() != 1) return std::nullopt;
  return read_number(option->values[0], greatest);
}

std::string target_words(const Target& target) {
  std::string out = target.name;
  for (const auto& option : target.options) {
    out += ' ';
    out += option_words(option);
  }
  return out;
}

void set_field(RuleAction& action, Field field, Number mask, Number value) {
  action.kind = Kind::set_field;
  action.field = field;
  action.mask = mask;
  action.value = value;
}

void spoil(RuleAction& action, Field field) {
  action.kind = Kind::spoil_field;
  action.field = field;
}

// "80", "8000-8010", "8000-8010/6000" (read_nat_ports of normalize_targets.cpp).
bool read_port_choice(RuleAction& action, std::string_view text) {
  const auto slash = text.find('/');
  const auto range = text.substr(0, slash);
  const auto dash = range.find('-');
  const auto first = read_number(range.substr(0, dash), 0xffff);
  const auto last = dash == std::string_view::npos ? first : read_number(range.substr(dash + 1), 0xffff);
  if (!first || !last || *first > *last) return false;
  action.ports = NumberSet::range(*first, *last);
  if (slash == std::string_view::npos) return true;
  const auto base = read_number(text.substr(slash + 1), 0xffff);
  if (base) action.port_base = *base;
  return base.has_value();
}

// "192.0.2.1-192.0.2.9 port 80" (read_nat).
bool read_translation(RuleAction& action, std::string_view text, Family family) {
  constexpr std::string_view kPort = " port ";
  const auto middle = text.find(kPort);
  if (middle == std::string_view::npos) return false;
  const auto span = text.substr(0, middle);
  const auto ports = text.substr(middle + kPort.size());
  if (!span.empty()) {
    auto addresses = read_address_span(span, family);
    if (!addresses || addresses->empty()) return false;
    action.addresses = std::move(*addresses);
  }
  return ports.empty() || read_port_choice(action, ports);
}

void read_nat(RuleAction& action, const Target& target, Family family) {
  static const std::map<std::string_view, Kind> kinds = {{"DNAT", Kind::destination_nat},
                                                         {"SNAT", Kind::source_nat},
                                                         {"MASQUERADE", Kind::masquerade},
                                                         {"REDIRECT", Kind::redirect}};
  action.kind = kinds.at(target.name);
  unsigned translations = 0;
  for (const auto& option : target.options) {
    bool good = true;
    if (option.name == "--to-destination" || option.name == "--to-source") {
      good = ++translations == 1 && read_translation(action, option.values[0], family);
    } else if (option.name == "--to-ports") {
      good = read_port_choice(action, option.values[0]);
    } else if (option.name == "--random" || option.name == "--random-fully") {
      action.shuffles = true;
    }
    if (!good) action.kind = Kind::unknown;
  }
}

void read_mark_target(RuleAction& action, const Target& target) {
  const auto* option = target_option(target, "xmark");
  const auto mark = option == nullptr ? std::nullopt : read_mark(option->values[0]);
  const auto field = target.name == "MARK" ? Field::mark : Field::connection_mark;
  const bool shifts = target_option(target, "--left-shift-mark") != nullptr ||
                      target_option(target, "--right-shift-mark") != nullptr;
  if (target_option(target, "--save-mark") != nullptr || target_option(target, "--restore-mark") != nullptr) {
    const bool saves = target_option(target, "--save-mark") != nullptr;
    const auto packet_mask = target_number(target, "--nfmask", 0xffffffff);
    const auto connection_mask = target_number(target, "--ctmask", 0xffffffff);
    if (shifts || !packet_mask || !connection_mask) {
      spoil(action, saves ? Field::connection_mark : Field::mark);
      return;
    }
    action.kind = saves ? Kind::save_mark : Kind::restore_mark;
    action.mask = *connection_mask;
    action.second_mask = *packet_mask;
    return;
  }
  if (!mark || shifts)
    spoil(action, field);
  else
    set_field(action, field, mark->mask, mark->value);
}

void read_time_to_live(RuleAction& action, const Target& target) {
  for (const auto& option : target.options) {
    const auto number = read_number(option.values[0], 255);
    if (!number) continue;
    action.field = Field::ttl;
    action.kind = option.name.ends_with("-set") ? Kind::set_field : Kind::increase_field;
    action.mask = 0xff;
    action.value = *number;
    if (option.name.ends_with("-dec")) action.value = Number{0} - *number;
    return;
  }
  action.kind = Kind::unknown;
}

void read_type_of_service(RuleAction& action, const Target& target) {
  if (target.name == "DSCP") {
    const auto value = target_number(target, "--set-dscp", 63);
    if (value)
      set_field(action, Field::tos, 0xfc, Number{*value} << 2);
    else
      spoil(action, Field::tos);
    return;
  }
  const auto* option = target_option(target, "tos");
  const auto mark = option == nullptr ? std::nullopt : read_mark(option->values[0], 0xff);
  if (mark)
    set_field(action, Field::tos, mark->mask, mark->value);
  else
    spoil(action, Field::tos);
}

void read_set(RuleAction& action, const Target& target, const Surroundings& around) {
  if (target_option(target, "--map-mark") != nullptr) {
    spoil(action, Field::mark);
    return;
  }
  const auto* add = target_option(target, "--add-set");
  const auto* del = target_option(target, "--del-set");
  const auto* option = add != nullptr ? add : del;
  if (option == nullptr || (add != nullptr && del != nullptr)) {
    action.kind = option == nullptr ? Kind::none : Kind::unknown;
    return;
  }
  action.kind = Kind::set_member;
  action.set = option->values[0];
  action.removes = add == nullptr;
  const auto* set = around.sets == nullptr ? nullptr : around.sets->find(action.set);
  if (set == nullptr) return;
  auto fields = fields_of_set(set->type, option->values[1], around.family);
  if (fields) action.fields = std::move(*fields);
}

void read_stripped_options(RuleAction& action, const Target& target) {
  Number mask = 0;
  for (const auto& option : target.options) {
    for (const auto word : split(option.values[0], ',')) {
      const auto kind = read_number(word, 255);
      if (!kind) {
        spoil(action, Field::tcp_option);
        return;
      }
      if (*kind < 128) mask |= Number{1} << *kind;
    }
  }
  set_field(action, Field::tcp_option, mask, 0);
}

void read_proxy(RuleAction& action, const Target& target) {
  action.kind = Kind::transparent_proxy;
  const auto* option = target_option(target, "--tproxy-mark");
  const auto mark = option == nullptr ? std::nullopt : read_mark(option->values[0]);
  if (!mark) return;
  action.mask = mark->mask;
  action.value = mark->value;
}

void read_congestion(RuleAction& action, const Target& target) {
  action.kind = Kind::none;
  if (target_option(target, "--ecn-tcp-remove") != nullptr) set_field(action, Field::tcp_flags, 0xc0, 0);
  if (const auto value = target_number(target, "--ecn-ip-ect", 3)) set_field(action, Field::tos, 3, *value);
  if (target_option(target, "--ecn-tcp-cwr") != nullptr || target_option(target, "--ecn-tcp-ece") != nullptr)
    spoil(action, Field::tcp_flags);
}

// Targets that a packet passes unchanged, as far as rules can tell.
bool passes(std::string_view name) {
  static constexpr std::array<std::string_view, 12> kNames = {
      "LOG",      "NFLOG",       "ULOG",    "AUDIT", "TRACE", "CHECKSUM",
      "CLASSIFY", "CONNSECMARK", "SECMARK", "LED",   "TEE",   "RATEEST"};
  return std::ranges::find(kNames, name) != kNames.end();
}

void read_extension(RuleAction& action, const Target& target, const Surroundings& around) {
  static const std::map<std::string_view, Kind> plain = {
      {"ACCEPT", Kind::accept}, {"DROP", Kind::drop},     {"REJECT", Kind::reject}, {"RETURN", Kind::leave},
      {"QUEUE", Kind::queue},   {"NFQUEUE", Kind::queue}, {"IDLETIMER", Kind::none}};
  const std::string_view name = target.name;
  if (const auto found = plain.find(name); found != plain.end()) {
    action.kind = found->second;
    action.bypass = target_option(target, "--queue-bypass") != nullptr;
  } else if (passes(name)) {
    action.kind = Kind::none;
  } else if (name == "DNAT" || name == "SNAT" || name == "MASQUERADE" || name == "REDIRECT") {
    read_nat(action, target, around.family);
  } else if (name == "NETMAP") {
    const auto* to = target_option(target, "--to");
    const auto network = to == nullptr ? std::nullopt : read_host(to->values[0], around.family);
    if (!network) return;
    action.kind = Kind::network_map;
    action.mask = number_of(network->mask, around.family);
    action.value = number_of(network->bits, around.family);
  } else if (name == "MARK" || name == "CONNMARK") {
    read_mark_target(action, target);
  } else if (name == "CT") {
    action.kind = target_option(target, "--notrack") != nullptr ? Kind::no_track : Kind::none;
  } else if (name == "TTL" || name == "HL") {
    read_time_to_live(action, target);
  } else if (name == "DSCP" || name == "TOS") {
    read_type_of_service(action, target);
  } else if (name == "ECN") {
    read_congestion(action, target);
  } else if (name == "SET") {
    read_set(action, target, around);
  } else if (name == "TCPMSS") {
    spoil(action, Field::length);
    action.fields = {Field::tcp_option};
  } else if (name == "TCPOPTSTRIP") {
    read_stripped_options(action, target);
  } else if (name == "TPROXY") {
    read_proxy(action, target);
  } else if (name == "HMARK") {
    spoil(action, Field::mark);
  } else if (name == "SNPT") {
    spoil(action, Field::source);
  } else if (name == "DNPT") {
    spoil(action, Field::destination);
  }
}

}  // namespace

RuleAction read_action(const std::optional<Target>& target, const Surroundings& around,
                       const FindChain& find_chain) {
  RuleAction action;
  if (!target) return action;
  action.words = target_words(*target);
  if (const auto chain = find_chain(target->name)) {
    action.kind = target->go_to ? Kind::go_to : Kind::jump;
    action.chain = *chain;
    action.words = (target->go_to ? "goto " : "jump ") + target->name;
    return action;
  }
  action.kind = Kind::unknown;
  if (target->known) read_extension(action, normal_form(*target, around.family), around);
  return action;
}

bool adds_segment_size(const RuleAction& action) {
  return action.kind == Kind::spoil_field && action.field == Field::length;
}

bool matters(const RuleAction& action) {
  return action.kind != Kind::none;
}

}  // namespace rewall

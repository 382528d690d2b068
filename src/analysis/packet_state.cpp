#include "analysis/packet_state.h"

#include <algorithm>

#include "core/format.h"

namespace rewall {
namespace {

void append_number(std::string& key, Number number) {
  key += format("{:x}.{:x},", static_cast<std::uint64_t>(number >> 64U), static_cast<std::uint64_t>(number));
}

bool is_one(const FieldValue& value) {
  return value.kind == FieldValue::Kind::one_of && value.numbers.is_one();
}

Number the_one(const FieldValue& value) {
  return value.numbers.ranges().front().first;
}

}  // namespace

FieldValue PacketState::value(Field field) const {
  const auto found = changed.find(field);
  return found != changed.end() ? found->second : FieldValue::as_it_came(field);
}

void PacketState::set(Field field, FieldValue value) {
  if (value == FieldValue::as_it_came(field))
    changed.erase(field);
  else
    changed.insert_or_assign(field, std::move(value));
}

void PacketState::set_bits(Field field, Number mask, Number number) {
  const auto all =
      greatest_number(number_of_bits(field, Family::ipv6));  // of IPv4 addresses the upper are zeros
  auto now = value(field);
  if (is_one(now)) {
    now = FieldValue::one((the_one(now) & ~mask) ^ number);
  } else if (now.kind == FieldValue::Kind::masked && now.shift == 0) {
    now.keep &= ~mask;
    now.flip = (now.flip & ~mask) ^ number;
    if ((now.keep & all) == 0) now = FieldValue::one(now.flip & all);
  } else if ((mask & all) == all) {
    now = FieldValue::one(number);
  } else {
    now = FieldValue::nobody_knows();
  }
  set(field, std::move(now));
}

void PacketState::copy_bits(Field field, Number mask, Field other, Number other_mask) {
  const auto from = value(other);
  if (is_one(from)) {
    set_bits(field, mask, the_one(from) & other_mask);
    return;
  }
  auto now = value(field);
  const bool nothing_left = is_one(now) || (mask & 0xffffffff) == 0xffffffff;
  if (!nothing_left || from.kind != FieldValue::Kind::masked || from.shift != 0) {
    set(field, FieldValue::nobody_knows());
    return;
  }
  const auto rest = is_one(now) ? the_one(now) & ~mask & 0xffffffff : Number{0};
  auto copied = from;
  copied.keep &= other_mask;
  copied.flip = (copied.flip & other_mask) ^ rest;
  set(field, std::move(copied));
}

void PacketState::add(Field field, int shift) {
  auto now = value(field);
  if (is_one(now)) {
    now = FieldValue::one(static_cast<Number>(std::clamp(static_cast<int>(the_one(now)) + shift, 0, 255)));
  } else if (now.kind == FieldValue::Kind::masked && now.keep == ~Number{0} && now.flip == 0 &&
             (now.shift == 0 || (now.shift < 0) == (shift < 0))) {
    now.shift += shift;
  } else {
    now = FieldValue::nobody_knows();
  }
  set(field, std::move(now));
}

std::string PacketState::key() const {
  std::string key;
  for (const auto& [field, value] : changed) {
    key += format("{}:{}:{};", static_cast<int>(field), static_cast<int>(value.kind),
                  static_cast<int>(value.of));
    if (value.kind == FieldValue::Kind::masked)
      for (const auto number : {value.keep, value.flip, static_cast<Number>(value.shift)})
        append_number(key, number);
    for (const auto& [first, last] : value.numbers.ranges()) {
      append_number(key, first);
      append_number(key, last);
    }
  }
  for (const auto& set : changed_sets) key += "set " + set + ";";
  for (const bool flag : {tracked, not_tracked, destination_translated, to_this_host, routed})
    key += flag ? '1' : '0';
  return key + proxy;
}

namespace {

// ip_set_proto of a new connection: the replies come from where NAT sent the packet.
void translate_destination(PacketState& state, const RuleAction& action) {
  state.destination_translated = true;
  if (!action.addresses.empty()) {
    state.set(Field::destination, FieldValue::among(action.addresses));
    state.set(Field::reply_source, FieldValue::among(action.addresses));
  }
  if (!action.ports.empty()) {
    const auto ports = action.port_base ? FieldValue::nobody_knows() : FieldValue::among(action.ports);
    state.set(Field::destination_port, ports);
    state.set(Field::reply_source_port, ports);
  }
  state.set_bits(Field::status, dnat, dnat);
}

void redirect(PacketState& state, const RuleAction& action, Family family, const HostFacts& facts) {
  translate_destination(state, action);
  state.to_this_host = true;
  const auto value = facts.known ? FieldValue::among(facts.local(family)) : FieldValue::nobody_knows();
  state.set(Field::destination, value);
  state.set(Field::reply_source, value);
}

}  // namespace

void change_state(PacketState& state, const RuleAction& action, Family family, const HostFacts& facts) {
  switch (action.kind) {
    case RuleAction::Kind::set_field:
      if (action.field != Field::connection_mark || state.has_connection())
        state.set_bits(action.field, action.mask, action.value);
      break;
    case RuleAction::Kind::increase_field:
      state.add(action.field, static_cast<int>(action.value));
      break;
    case RuleAction::Kind::spoil_field:
      state.set(action.field, FieldValue::nobody_knows());
      break;
    case RuleAction::Kind::save_mark:
      if (state.has_connection())
        state.copy_bits(Field::connection_mark, action.mask, Field::mark, action.second_mask);
      break;
    case RuleAction::Kind::restore_mark:
      if (state.has_connection())
        state.copy_bits(Field::mark, action.second_mask, Field::connection_mark, action.mask);
      break;
    case RuleAction::Kind::no_track:
      state.not_tracked = true;
      break;
    case RuleAction::Kind::destination_nat:
      translate_destination(state, action);
      break;
    case RuleAction::Kind::redirect:
      redirect(state, action, family, facts);
      break;
    case RuleAction::Kind::network_map:
      state.destination_translated = true;
      state.set_bits(Field::destination, action.mask, action.value);
      state.set(Field::reply_source, state.value(Field::destination));
      state.set_bits(Field::status, dnat, dnat);
      break;
    case RuleAction::Kind::transparent_proxy:
      state.set_bits(Field::mark, action.mask, action.value);
      state.proxy = action.words;
      break;
    case RuleAction::Kind::set_member:
      state.changed_sets.insert(action.set);
      break;
    default:
      break;
  }
}

std::vector<Field> changed_by(const RuleAction& action) {
  switch (action.kind) {
    case RuleAction::Kind::set_field:
    case RuleAction::Kind::increase_field:
    case RuleAction::Kind::spoil_field:
      return {action.field};
    case RuleAction::Kind::save_mark:
      return {Field::connection_mark};
    case RuleAction::Kind::restore_mark:
    case RuleAction::Kind::transparent_proxy:
      return {Field::mark};
    default:
      return {};
  }
}

std::vector<Field> read_by(const RuleAction& action) {
  if (action.kind == RuleAction::Kind::save_mark) return {Field::mark};
  if (action.kind == RuleAction::Kind::restore_mark) return {Field::connection_mark};
  return {};
}

}  // namespace rewall

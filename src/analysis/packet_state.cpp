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
  constexpr Number kAll = 0xffffffff;
  const auto left = kAll & ~mask;
  const auto now = value(field);
  const auto plain = [](const FieldValue& one) {
    return one.kind == FieldValue::Kind::masked && one.shift == 0;
  };
  auto copied = from;
  copied.keep &= other_mask;
  copied.flip &= other_mask;
  if (is_one(now)) {
    copied.flip ^= the_one(now) & left;
  } else if (plain(now) && (now.of == from.of || (now.keep & left) == 0)) {
    copied.keep ^= now.keep & left;
    copied.flip ^= now.flip & left;
  } else if (left != 0) {
    copied = FieldValue::nobody_knows();
  }
  if (!plain(from)) copied = FieldValue::nobody_knows();
  if (plain(copied) && (copied.keep & kAll) == kAll) copied.keep = ~Number{0};
  if (plain(copied) && (copied.keep & kAll) == 0) copied = FieldValue::one(copied.flip & kAll);
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
  for (const bool flag :
       {over_loopback, tracked, not_tracked, translated, destination_translated, to_this_host, routed})
    key += flag ? '1' : '0';
  key += static_cast<char>('0' + static_cast<int>(hook));
  return key + proxy;
}

void change_state(PacketState& state, const RuleAction& action) {
  switch (action.kind) {
    case RuleAction::Kind::set_field:
      if (action.field != Field::connection_mark || state.has_connection())
        state.set_bits(action.field, action.mask, action.value);
      break;
    case RuleAction::Kind::increase_field:
      state.add(action.field, static_cast<int>(action.value));
      break;
    case RuleAction::Kind::spoil_field:
      for (const auto field : changed_by(action)) state.set(field, FieldValue::nobody_knows());
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
      // A packet that has a connection already keeps it (xt_CT.c).
      if (state.tracked) break;
      state.not_tracked = true;
      state.set(Field::state, FieldValue::one(static_cast<Number>(ConnectionState::untracked)));
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
      return {action.field};
    case RuleAction::Kind::spoil_field: {
      auto fields = action.fields;
      fields.push_back(action.field);
      return fields;
    }
    case RuleAction::Kind::save_mark:
      return {Field::connection_mark};
    case RuleAction::Kind::restore_mark:
    case RuleAction::Kind::transparent_proxy:
      return {Field::mark};
    default:
      return {};
  }
}

}  // namespace rewall

#include "analysis/set_members.h"

#include <algorithm>

#include "analysis/conditions.h"
#include "core/text.h"
#include "rules/set_elements.h"
#include "rules/sets.h"
#include "rules/symbols.h"
#include "rules/value_parse.h"

namespace rewall {
namespace {

constexpr unsigned kNameBits = 120;

std::optional<Number> read_mac_number(std::string_view text) {
  const auto bytes = split(text, ':');
  if (bytes.size() != 6) return std::nullopt;
  Number number = 0;
  for (const auto byte : bytes) {
    const auto value = read_number("0x" + std::string(byte), 255);
    if (!value) return std::nullopt;
    number = (number << 8) | *value;
  }
  return number;
}

// "80", "tcp:80", "icmp:echo-request", "gre:0", "icmp:13/0".
std::optional<Number> read_set_port(std::string_view text, std::uint8_t& protocol) {
  const auto colon = text.find(':');
  protocol = 6;
  if (colon != std::string_view::npos) {
    const auto number = protocol_number(text.substr(0, colon));
    if (!number) return std::nullopt;
    protocol = *number;
    text.remove_prefix(colon + 1);
  }
  if (protocol == 1 || protocol == 58) {
    const auto type = icmp_type(text, protocol == 1 ? Family::ipv4 : Family::ipv6);
    if (!type || type->any) return std::nullopt;
    return (Number{type->type} << 8) | type->first_code;
  }
  const auto port = port_number(text);
  return port ? std::optional<Number>(*port) : std::nullopt;
}

}  // namespace

std::size_t SetMembers::KeyHash::operator()(const Key& key) const {
  std::uint64_t hash = key.protocol + 0x9e3779b97f4a7c15U;
  for (const auto value : key.values) {
    hash = (hash ^ static_cast<std::uint64_t>(value)) * 0xff51afd7ed558ccdU;
    hash = (hash ^ (hash >> 32U) ^ static_cast<std::uint64_t>(value >> 64U)) * 0xc4ceb9fe1a85ec53U;
  }
  return hash ^ (hash >> 29U);
}

SetMembers::SetMembers(const Set& set, Family family, bool nomatch) : family_(family), swapped_(nomatch) {
  const auto colon = std::min(set.type.find(':'), set.type.size());
  for (const auto kind : split(std::string_view(set.type).substr(std::min(colon + 1, set.type.size())), ','))
    kinds_.emplace_back(kind);
  static constexpr std::array<std::string_view, 6> kKinds = {"ip", "net", "port", "mac", "mark", "iface"};
  for (const auto& kind : kinds_) known_ = known_ && std::ranges::find(kKinds, kind) != kKinds.end();
  known_ = known_ && kinds_.size() <= 3 && set.left_out.count == 0;
  port_ = static_cast<std::size_t>(std::ranges::find(kinds_, "port") - kinds_.begin());
  one_dimension_ = kinds_.size() == 1;
  of_interfaces_ = kinds_ == std::vector<std::string>{"net", "iface"};
  open_ = has_timeout(set);
  read_options(set, family);
  if (!known_ || foreign_) return;
  for (const auto member : set.members) {
    if (is_spelled_out(set, member)) {
      read_member(member);
    } else {
      for (const auto& each : spelled_out(set, member)) read_member(each);
    }
  }
  if (one_dimension_)
    make_numbers();
  else
    make_index();
}

void SetMembers::read_options(const Set& set, Family family) {
  const auto words = split(set.options, ' ');
  const bool any_family = set.type == "hash:mac" || set.type == "bitmap:port";
  auto own = Family::ipv4;
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    if (words[i] == "family" && words[i + 1] == "inet6") own = Family::ipv6;
    if (words[i] == "bitmask") known_ = false;
    const auto number = read_number(words[i + 1], 0xffffffff);
    if (words[i] == "netmask" && number) netmask_ = static_cast<unsigned>(*number);
    if (words[i] == "markmask" && number) mark_mask_ = *number;
  }
  foreign_ = !any_family && own != family;
}

unsigned SetMembers::bits_of(std::string_view kind) const {
  if (kind == "ip" || kind == "net") return family_ == Family::ipv4 ? 32 : 128;
  if (kind == "port") return 16;
  if (kind == "mac") return 48;
  return kind == "mark" ? 32 : kNameBits;
}

Number SetMembers::mask_of(std::size_t part, unsigned prefix) const {
  const auto bits = bits_of(kinds_[part]);
  return prefix >= bits ? greatest_number(bits)
                        : greatest_number(bits) &
                              ~(prefix == 0 ? greatest_number(bits) : greatest_number(bits - prefix));
}

std::optional<SetMembers::Part> SetMembers::read_part(std::string_view text, std::string_view kind,
                                                      bool wildcard, Member& member) const {
  const auto whole = bits_of(kind);
  if (kind == "ip" || kind == "net") {
    const auto address = read_address(text, family_);
    if (!address) return std::nullopt;
    const auto mask = number_of(address->mask, family_);
    unsigned prefix = 0;
    while (prefix < whole && ((mask >> (whole - 1 - prefix)) & 1) != 0) ++prefix;
    if (kind == "ip") prefix = std::min(prefix, netmask_);
    return Part{number_of(address->bits, family_), prefix};
  }
  if (kind == "port") {
    const auto port = read_set_port(text, member.protocol);
    return port ? std::optional(Part{*port, whole}) : std::nullopt;
  }
  if (kind == "mac") {
    const auto number = read_mac_number(text);
    return number ? std::optional(Part{*number, whole}) : std::nullopt;
  }
  if (kind == "mark") {
    const auto number = read_number(text, 0xffffffff);
    return number ? std::optional(Part{*number, whole}) : std::nullopt;
  }
  if (text.starts_with("physdev:")) return std::nullopt;
  const auto length = static_cast<unsigned>(std::min<std::size_t>(text.size(), 15));
  return Part{interface_number(text), wildcard ? length * 8 : whole};
}

void SetMembers::read_member(std::string_view member) {
  const auto words = split(member, ' ');
  Member out;
  bool wildcard = false;
  for (std::size_t i = 1; i < words.size(); ++i) {
    out.nomatch = out.nomatch || words[i] == "nomatch";
    wildcard = wildcard || words[i] == "wildcard";
    if (words[i] == "timeout" && i + 1 < words.size() && words[i + 1] != "0") return;
    if (words[i] == "comment") break;
  }
  const auto parts = split(words[0], ',');
  for (std::size_t i = 0; i < kinds_.size(); ++i) {
    // bitmap:ip,mac takes a member without a MAC address for any.
    if (i >= parts.size()) {
      known_ = known_ && kinds_[i] == "mac";
      continue;
    }
    const auto part = read_part(parts[i], kinds_[i], wildcard, out);
    if (!part) {
      known_ = false;
      return;
    }
    out.parts[i] = *part;
    out.parts[i].value &= mask_of(i, part->prefix);
  }
  out.nomatch = out.nomatch != swapped_;
  members_.push_back(out);
}

NumberRange SetMembers::range_of(const Member& member, std::size_t part) const {
  const auto& found = member.parts[part];
  const auto free = greatest_number(bits_of(kinds_[part])) & ~mask_of(part, found.prefix);
  return {found.value, found.value | free};
}

void SetMembers::make_numbers() {
  std::map<unsigned, std::pair<std::vector<NumberRange>, std::vector<NumberRange>>> by_prefix;
  for (const auto& member : members_) {
    auto& [yes, no] = by_prefix[member.parts[0].prefix];
    (member.nomatch ? no : yes).push_back(range_of(member, 0));
  }
  for (auto& [prefix, ranges] : by_prefix) {
    numbers_ = either(numbers_, NumberSet(std::move(ranges.first)));
    numbers_ = without(numbers_, NumberSet(std::move(ranges.second)));
  }
  // ip_set refuses to look for no address: 0 is none (hash_ip4_kadt).
  if (kinds_[0] == "ip") {
    const auto first_network =
        greatest_number(bits_of("ip")) & ~mask_of(0, std::min(netmask_, bits_of("ip")));
    numbers_ = without(numbers_, NumberSet::range(0, first_network));
  }
}

void SetMembers::make_index() {
  for (const auto& member : members_) {
    Shape shape{};
    Key key{.protocol = member.protocol};
    for (std::size_t i = 0; i < kinds_.size(); ++i) {
      shape[i] = member.parts[i].prefix;
      key.values[i] = member.parts[i].value;
    }
    index_[shape].insert_or_assign(key, !member.nomatch);
    if (of_interfaces_) networks_.emplace(shape[0], key.values[0]);
  }
}

bool SetMembers::contains(std::span<const Number> values, std::uint8_t protocol) const {
  if (foreign_ || values.size() < kinds_.size()) return false;
  if (one_dimension_) return numbers_.contains(values[0]);
  std::optional<unsigned> decides;
  for (const auto& [shape, members] : index_) {
    if (decides && shape[0] != *decides) return false;
    if (of_interfaces_ && networks_.contains({shape[0], values[0] & mask_of(0, shape[0])}))
      decides = shape[0];
    Key key{.protocol = has_port() ? protocol : std::uint8_t{0}};
    for (std::size_t i = 0; i < kinds_.size(); ++i) {
      const auto value = kinds_[i] == "mark" ? values[i] & mark_mask_ : values[i];
      key.values[i] = value & mask_of(i, shape[i]);
    }
    const auto found = members.find(key);
    if (found != members.end()) return found->second;
  }
  return false;
}

std::optional<std::vector<const SetMembers::Member*>> SetMembers::near(std::span<const NumberRange> ranges,
                                                                       std::size_t most) const {
  std::vector<const Member*> out;
  if (foreign_) return out;
  std::optional<unsigned> decides;
  for (const auto& member : members_) {
    bool touches = true;
    if (of_interfaces_) {
      const auto own = range_of(member, 0);
      if (own.first > ranges[0].last || ranges[0].first > own.last) continue;
      if (decides && *decides != member.parts[0].prefix) return std::nullopt;
      decides = member.parts[0].prefix;
    }
    for (std::size_t i = 0; i < kinds_.size() && touches; ++i) {
      const auto own = range_of(member, i);
      touches = own.first <= ranges[i].last && ranges[i].first <= own.last;
    }
    if (!touches) continue;
    if (member.nomatch || out.size() == most) return std::nullopt;
    out.push_back(&member);
  }
  return out;
}

SetPort set_port(const Packet& packet, Field field) {
  const auto one = [&packet](Field of) -> std::optional<Number> {
    if (!packet[of].is_one()) return std::nullopt;
    return packet[of].ranges()[0].first;
  };
  const auto protocol = one(Field::protocol);
  if (!protocol) return {};
  SetPort port{.known = true, .there = true, .protocol = static_cast<std::uint8_t>(*protocol)};
  const bool icmp = port.protocol == 1 || port.protocol == 58;
  const bool ported =
      port.protocol == 6 || port.protocol == 17 || port.protocol == 132 || port.protocol == 136;
  if (!icmp && !ported) return port;
  const auto fragment = one(Field::fragment);
  const auto number = icmp ? one(Field::icmp_type) : one(field);
  const auto code = icmp ? one(Field::icmp_code) : std::optional<Number>(0);
  if (!fragment || (*fragment == 0 && (!number || !code))) return {};
  port.there = *fragment == 0;
  if (port.there) port.number = icmp ? (*number << 8) | *code : *number;
  return port;
}

}  // namespace rewall

#include "analysis/port_changes.h"

#include <algorithm>
#include <array>
#include <map>

#include "core/format.h"
#include "core/text.h"

namespace rewall {
namespace {

constexpr std::array kOpenTo{OpenTo::nobody, OpenTo::some, OpenTo::world};
/// The row of protocols that no rule names.
constexpr std::string_view kOtherProtocols = "other";

NumberSet row_numbers(const PortRow& row) {
  return row.numbers.empty() ? NumberSet::one(0) : row.numbers;
}

/// The numbers of one protocol, by how far they can be reached.
class ReachedNumbers {
 public:
  void add(const PortRow& row) {
    asked_ = either(asked_, row_numbers(row));
    if (row.world)
      world_ = either(world_, row_numbers(row));
    else if (row.open != Open::none)
      some_ = either(some_, row_numbers(row));
  }
  const NumberSet& asked() const { return asked_; }
  /// A number has rows of its own for each place where its packets go: the widest counts.
  NumberSet of(OpenTo reach) const {
    if (reach == OpenTo::world) return world_;
    if (reach == OpenTo::some) return without(some_, world_);
    return without(without(asked_, world_), some_);
  }
  OpenTo of_one(Number number) const {
    return world_.contains(number) ? OpenTo::world : some_.contains(number) ? OpenTo::some : OpenTo::nobody;
  }
  /// The same reach for all of `numbers`.
  static ReachedNumbers all_of(const NumberSet& numbers, OpenTo reach) {
    ReachedNumbers all;
    all.asked_ = numbers;
    if (reach == OpenTo::world) all.world_ = numbers;
    if (reach == OpenTo::some) all.some_ = numbers;
    return all;
  }

 private:
  NumberSet asked_{};
  NumberSet world_{};
  NumberSet some_{};
};

using ReachedProtocols = std::map<std::string, ReachedNumbers, std::less<>>;

ReachedProtocols reached_by_protocol(const std::vector<PortRow>& rows) {
  ReachedProtocols out;
  for (const auto& row : rows) out[row.protocol].add(row);
  return out;
}

OpenTo others_of(const ReachedProtocols& protocols) {
  const auto found = protocols.find(kOtherProtocols);
  return found == protocols.end() ? OpenTo::nobody : found->second.of_one(0);
}

/// In the order of the rows, which is that of the numbers of protocols; others are last.
std::vector<std::string> named_protocols(const std::vector<PortRow>& before,
                                         const std::vector<PortRow>& now) {
  std::vector<std::string> names;
  for (const auto* rows : {&before, &now})
    for (const auto& row : *rows)
      if (row.protocol != kOtherProtocols && std::ranges::find(names, row.protocol) == names.end())
        names.push_back(row.protocol);
  names.emplace_back(kOtherProtocols);
  return names;
}

}  // namespace

std::string_view name(OpenTo reach) {
  switch (reach) {
    case OpenTo::nobody:
      return "nobody";
    case OpenTo::some:
      return "some";
    default:
      return "world";
  }
}

bool PortChange::is_icmp() const {
  return protocol.find("icmp") != std::string::npos;
}

bool PortChange::has_ports() const {
  return !is_icmp() && !numbers.empty() && numbers != NumberSet::one(0);
}

std::vector<PortChange> port_changes(Family family, const std::vector<PortRow>& before,
                                     const std::vector<PortRow>& now) {
  const auto old = reached_by_protocol(before);
  const auto fresh = reached_by_protocol(now);
  const auto others_before = others_of(old);
  const auto others_now = others_of(fresh);
  std::vector<PortChange> out;
  for (const auto& protocol : named_protocols(before, now)) {
    const auto in_old = old.find(protocol);
    const auto in_fresh = fresh.find(protocol);
    const bool named_by_both = in_old != old.end() && in_fresh != fresh.end();
    // What one of them does not name is one of its others.
    const auto asked = either(in_old == old.end() ? NumberSet{} : in_old->second.asked(),
                              in_fresh == fresh.end() ? NumberSet{} : in_fresh->second.asked());
    const auto was = in_old == old.end() ? ReachedNumbers::all_of(asked, others_before) : in_old->second;
    const auto is = in_fresh == fresh.end() ? ReachedNumbers::all_of(asked, others_now) : in_fresh->second;
    for (const auto from : kOpenTo) {
      for (const auto to : kOpenTo) {
        if (from == to) continue;
        auto numbers = both(was.of(from), is.of(to));
        const bool as_others = !named_by_both && protocol != kOtherProtocols && from == others_before &&
                               to == others_now && numbers == asked;
        if (!numbers.empty() && !as_others) out.push_back({family, protocol, std::move(numbers), from, to});
      }
    }
  }
  return out;
}

std::string ports_text(const PortChange& change) {
  if (!change.has_ports() && !change.is_icmp()) return {};
  return ports_text(
      PortRow{.protocol = change.protocol, .has_ports = change.has_ports(), .numbers = change.numbers});
}

}  // namespace rewall

#include "rules/ruleset.h"

#include <algorithm>

namespace rewall {
namespace {

template <class T>
const T* find_named(const std::vector<T>& all, std::string_view wanted) {
  const auto found = std::ranges::find(all, wanted, &T::name);
  return found == all.end() ? nullptr : &*found;
}

}  // namespace

std::string_view name(Family family) {
  return family == Family::ipv4 ? "ipv4" : "ipv6";
}

std::string_view short_name(Family family) {
  return family == Family::ipv4 ? "ip" : "ip6";
}

std::string_view name(Backend backend) {
  return backend == Backend::nft ? "nft" : "legacy";
}

std::string_view file_name(Slot slot) {
  if (slot.beside) return slot.family == Family::ipv4 ? "rules.v4.legacy" : "rules.v6.legacy";
  return slot.family == Family::ipv4 ? "rules.v4" : "rules.v6";
}

Tables& Ruleset::operator[](Slot slot) {
  if (slot.beside) return slot.family == Family::ipv4 ? v4_legacy : v6_legacy;
  return slot.family == Family::ipv4 ? v4 : v6;
}

const Tables& Ruleset::operator[](Slot slot) const {
  if (slot.beside) return slot.family == Family::ipv4 ? v4_legacy : v6_legacy;
  return slot.family == Family::ipv4 ? v4 : v6;
}

const Tables& Ruleset::tables(Family family, Backend of) const {
  static const Tables kNone4{.family = Family::ipv4};
  static const Tables kNone6{.family = Family::ipv6};
  if (of == backend) return (*this)[{family, false}];
  if (of == Backend::legacy) return (*this)[{family, true}];
  return family == Family::ipv4 ? kNone4 : kNone6;
}

const Chain* Table::find(std::string_view chain) const {
  return find_named(chains, chain);
}

ChainIndex::ChainIndex(const Table* table) {
  if (table == nullptr) return;
  chains_.reserve(table->chains.size());
  for (const Chain& chain : table->chains) chains_.emplace(chain.name, &chain);
}

const Chain* ChainIndex::find(std::string_view chain) const {
  const auto found = chains_.find(chain);
  return found == chains_.end() ? nullptr : found->second;
}

const Table* Tables::find(std::string_view table) const {
  return find_named(tables, table);
}

const Set* Sets::find(std::string_view set) const {
  return find_named(sets, set);
}

}  // namespace rewall

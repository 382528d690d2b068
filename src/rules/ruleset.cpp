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

const Chain* Table::find(std::string_view chain) const {
  return find_named(chains, chain);
}

const Table* Tables::find(std::string_view table) const {
  return find_named(tables, table);
}

const Set* Sets::find(std::string_view set) const {
  return find_named(sets, set);
}

}  // namespace rewall

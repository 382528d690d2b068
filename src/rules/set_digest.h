#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "rules/ruleset.h"

namespace rewall {

/// Adds a member to a sum, by its words without counters. In a list (`ordered`) its place counts too.
void add_member(MemberSum& sum, std::string_view words, bool ordered);

/// What a set is, short enough to be compared at once: two sets with equal digests have the same type,
/// options and members, but for what same_but_for_traffic() leaves out.
struct SetDigest {
  std::string kind{};  ///< kind_of()
  MemberSum members{};
  bool operator==(const SetDigest&) const = default;
};
using SetsDigest = std::map<std::string, SetDigest, std::less<>>;  ///< by name

/// Type and options, in an order of our own.
std::string kind_of(std::string_view type, std::string_view options);

SetDigest digest_of(const Set& set);
SetsDigest digest_of(const Sets& sets);
/// The same for a canonical text (print.h), without taking it apart. Of another text the digest is that of no
/// set.
SetsDigest digest_of_text(std::string_view text);

}  // namespace rewall

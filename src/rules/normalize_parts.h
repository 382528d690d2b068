#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rules/rule.h"
#include "rules/ruleset.h"

/// What the sources of normalize.h share.
namespace rewall {

/// Null when no option has the name.
Option* find_option(std::vector<Option>& options, std::string_view name);
/// Adds the option unless it is there.
void add_default(std::vector<Option>& options, std::string name, std::string value);
void add_flag(std::vector<Option>& options, std::string name);
/// Replaces the first value when it can be read. `option` may be null.
void set_value(Option* option, const std::optional<std::string>& value);
/// Removes the option where its value is the number, in whatever base.
void remove_default(std::vector<Option>& options, std::string_view name, std::uint64_t number);
void remove_flag(std::vector<Option>& options, std::string_view name);

std::string upper(std::string_view text);
/// Decimal digits at the beginning, as atoll(3) reads them; nothing for none, and for too many.
std::optional<std::uint64_t> leading_number(std::string_view text);
/// A number of bits, or a mask that is one, as a number of bits.
std::optional<std::string> read_prefix(const std::string& text, Family family);

/// `by_class AF11` becomes `by_number 10`.
void name_of_class_to_number(std::vector<Option>& options, std::string_view by_class,
                             std::string_view by_number);

using MatchRule = void (*)(Match&, Family);
using TargetRule = void (*)(Target&, Family);
/// What brings an extension to its normal form; null for one whose options need nothing but their kinds.
MatchRule match_rule(std::string_view name);
TargetRule target_rule(std::string_view name);

void normalize_limit(Match& match, Family family);
void normalize_hashlimit(Match& match, Family family);
void normalize_time(Match& match, Family family);
void normalize_rateest_match(Match& match, Family family);
void normalize_rateest(Target& target, Family family);

}  // namespace rewall

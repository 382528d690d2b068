#pragma once

#include <string>

#include "rules/native_tables.h"

namespace rewall {

/// The text for `nft -f` that turns the native tables of one ruleset into those of another, word for word and
/// in one transaction; empty where there is nothing to do.
///
/// Of a table in which rules, policies and elements alone differ, these are written anew; any other table
/// that differs is deleted and written as a whole. `known`: `from` was read from the kernel; otherwise a
/// table of `to` may already be there, and is replaced.
std::string native_script(const NativeTables& from, const NativeTables& to, bool known);

}  // namespace rewall

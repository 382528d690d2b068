#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "diff/diff.h"
#include "rules/ruleset.h"
#include "ui/paint.h"

namespace rewall {

/// A diff as people read it (rewall-output(7)): a block for each chain and set; changes that are marked
/// foreign are counted in one line for each owner. Lines are wrapped at `width` columns, with 0 not at all.
/// Escaped.
std::string render(const Diff& diff, Paint paint, std::size_t width = 0);

/// One line for each chain, set or owner of foreign changes, ` ip filter INPUT | +1 -1 ~2`, and the sum.
/// Wrapped as by render().
std::string render_stat(const Diff& diff, Paint paint, std::size_t width = 0);

/// The rules and sets as people read them: a block for each chain that has rules, is not built in, or has the
/// policy DROP, with the rules numbered; of a set its type and its first members. "no rules" where there is
/// none. Escaped.
std::string render_rules(const Ruleset& ruleset, Paint paint);

/// A rule as people read it: without an implied `-m tcp`, and the comment after `  # `. Escaped.
std::string readable_rule(std::string_view words);

/// A rule of a native table in one line, as nft prints it, with the comment after `  # `. Escaped.
std::string readable_native_rule(std::string_view words);

/// A unified diff in colours. Escaped.
std::string render_unified(std::string_view text, Paint paint);

/// The number of changes of each kind: "+1 -2 ~1".
std::string counts(const Diff& diff);

}  // namespace rewall

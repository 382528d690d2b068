#pragma once

#include <string>

#include "diff/diff.h"
#include "ui/paint.h"

namespace rewall {

/// The text of the contract's section 5, one block a chain; what is marked foreign, one line an owner.
/// Escaped.
std::string render(const Diff& diff, Paint paint);

/// One line a chain or set, or an owner of foreign ones: ` ip filter INPUT | +1 -1 ~2`, and the sum.
std::string render_stat(const Diff& diff, Paint paint);

/// A rule as people read it: without an implied `-m tcp`, the comment behind `  # `. Escaped.
std::string readable_rule(std::string_view words);

/// A unified diff, coloured. Escaped.
std::string render_unified(std::string_view text, Paint paint);

/// "+1 -2 ~1", by kind.
std::string counts(const Diff& diff);

}  // namespace rewall

#pragma once

#include <string>
#include <string_view>

#include "core/result.h"

namespace rewall {

/// The difference of two texts as `diff -u` prints it, with three lines of context; empty when the texts are
/// equal. `from_name` and `to_name` are the names in the first two lines: "a/rules.v4", "b/rules.v4". Kind
/// repository: libgit2 failed.
Result<std::string> unified(std::string_view from, std::string_view to, std::string_view from_name,
                            std::string_view to_name);

}  // namespace rewall

#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace rewall {

/// Two canonical texts (print.h) without the chains that they share word for word: enough for comparing them,
/// and read in the time that the change takes. A table whose own chains are not the same on both sides is
/// kept whole.
std::pair<std::string, std::string> unlike_chains(std::string_view from, std::string_view to);

}  // namespace rewall

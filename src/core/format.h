#pragma once

#include <fmt/core.h>

#include <string>
#include <utility>

namespace rewall {

/// fmt::format as an object. A call of a function would also find std::format, for an argument of namespace
/// std; no such search is made where the name is an object's.
inline constexpr auto format = []<typename... Values>(fmt::format_string<Values...> text,
                                                      Values&&... values) {
  return fmt::format(text, std::forward<Values>(values)...);
};

}  // namespace rewall

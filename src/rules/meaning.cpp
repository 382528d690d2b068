#include "rules/meaning.h"

namespace rewall {
Meaning meaning(std::string_view words, Family) {
  return Meaning{.key = std::string(words)};
}
std::string target_of(std::string_view, Family) {
  return {};
}
}  // namespace rewall

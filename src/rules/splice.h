#pragma once

#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>

namespace rewall {

/// The present state of a chain, to put into a canonical text (print.h).
struct ChainText {
  std::string chain{};
  std::string policy{};  ///< "ACCEPT", "DROP"; "-" in a user-defined chain; empty: the chain is gone
  std::string rules{};   ///< its `-A CHAIN ...` lines
};

/// Replaces chains of one table in a canonical text. Nothing when the text has no such table, would lose the
/// table, or is not canonical.
std::optional<std::string> with_chains(std::string_view text, std::string_view table,
                                       std::span<const ChainText> chains);

}  // namespace rewall

#pragma once

#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>

namespace rewall {

/// A chain as it is now, for a canonical text (print.h).
struct ChainText {
  std::string chain{};
  std::string policy{};  ///< "ACCEPT", "DROP"; "-" in a user-defined chain; empty: the chain is gone
  std::string rules{};   ///< its `-A CHAIN ...` lines
};

/// A canonical text with these chains of one table in the place of those it had. Nothing where the text has
/// no such table, or would have it no more, and where it is not canonical.
std::optional<std::string> with_chains(std::string_view text, std::string_view table,
                                       std::span<const ChainText> chains);

}  // namespace rewall

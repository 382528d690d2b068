#pragma once

#include <catch2/catch.hpp>
#include <string>
#include <utility>

#include "rules/native_tables.h"
#include "rules/ruleset.h"

namespace rewall::testing {

inline NativeTables native_tables(std::string text) {
  auto tables = parse_native(std::move(text), "rules.nft");
  if (!tables) FAIL(tables.error().message);
  return *std::move(tables);
}

/// A ruleset with nothing but these native tables.
inline Ruleset native(std::string text) {
  Ruleset out;
  out.native = native_tables(std::move(text));
  return out;
}

/// The table `inet t` with a chain of a hook; `rules` are lines.
inline std::string input_chain(const std::vector<std::string>& rules, const std::string& policy = "accept") {
  std::string out =
      "table inet t {\n\tchain input {\n\t\ttype filter hook input priority filter; policy " + policy + ";\n";
  for (const auto& rule : rules) out += "\t\t" + rule + "\n";
  return out + "\t}\n}\n";
}

}  // namespace rewall::testing

#pragma once

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "diff/diff.h"
#include "rules/parse.h"
#include "rules/print.h"
#include "rules/rules_file.h"
#include "rules/ruleset.h"

namespace rewall {

/// What a ruleset says, for comparison.
inline std::string text_of(const Ruleset& ruleset) {
  return canonical_text(ruleset.v4) + canonical_text(ruleset.v6) + canonical_text(ruleset.v4_legacy) +
         canonical_text(ruleset.v6_legacy) + canonical_text(ruleset.sets);
}

namespace testing {

inline Tables tables(const std::string& text, Family family = Family::ipv4) {
  auto parsed = parse_tables(text, family, "test");
  if (!parsed) FAIL(parsed.error().message << "\n" << text);
  return *std::move(parsed);
}

/// What iptables-save prints, with names that a rules file may not have.
inline Tables saved_tables(const std::string& text, Family family = Family::ipv4) {
  auto parsed = parse_saved(text, family, "test");
  if (!parsed) FAIL(parsed.error().message << "\n" << text);
  return *std::move(parsed);
}

inline Ruleset v4(const std::string& text) {
  return Ruleset{.v4 = tables(text)};
}

inline Ruleset sets(const std::string& text) {
  auto parsed = parse_sets(text, "test");
  if (!parsed) FAIL(parsed.error().message);
  return Ruleset{.sets = *std::move(parsed)};
}

/// A filter table; `lines` are chain and rule lines.
inline std::string filter_text(const std::vector<std::string>& lines) {
  std::string out = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n";
  for (const auto& line : lines) out += line + '\n';
  return out + "COMMIT\n";
}

inline Ruleset filter(const std::vector<std::string>& lines) {
  return v4(filter_text(lines));
}

/// A filter table whose INPUT has these rules.
inline Ruleset input(const std::vector<std::string>& rules) {
  std::vector<std::string> lines;
  for (const auto& rule : rules) lines.push_back("-A INPUT " + rule);
  return filter(lines);
}

/// A change as one line: `moved filter/INPUT 1>2 {FROM} {TO} [PART: OLD -> NEW] no effect`.
inline std::string line(const Change& change) {
  std::string out(name(change.kind));
  out += ' ' + (change.set.empty() ? change.table + '/' + change.chain : change.set);
  if (change.from_pos || change.to_pos) {
    out += ' ';
    if (change.from_pos) out += std::to_string(*change.from_pos);
    out += '>';
    if (change.to_pos) out += std::to_string(*change.to_pos);
  }
  if (change.from) out += " {" + *change.from + '}';
  if (change.to) out += (change.from ? " -> {" : " {") + *change.to + '}';
  for (const auto& part : change.parts) {
    out += " [" + part.part + ": " + part.from.value_or("none") + " -> " + part.to.value_or("none") + ']';
  }
  if (change.no_effect) out += " no effect";
  return out;
}

using Lines = std::vector<std::string>;

inline Lines lines(const Diff& diff) {
  Lines out;
  for (const auto& change : diff.changes) out.push_back(line(change));
  return out;
}

}  // namespace testing

/// A filter table that accepts nothing but by this rule of INPUT.
inline std::string filter_with(const std::string& rule) {
  return "*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n" +
         (rule.empty() ? "" : "-A INPUT " + rule + "\n") + "COMMIT\n";
}
inline Ruleset with_rule(const std::string& rule) {
  return testing::v4(filter_with(rule));
}

}  // namespace rewall

#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "rules/ruleset.h"
#include "support/skip.h"

namespace rewall {

/// The folder of real rules beside the project. The test case is skipped where there is none.
inline std::filesystem::path corpus() {
  std::filesystem::path folder = REWALL_SOURCE_DIR "/../shared/corpus";
  if (!std::filesystem::exists(folder / "manifest.tsv")) skip(folder.string() + " is not here");
  return folder;
}

inline std::string contents(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

using Row = std::map<std::string, std::string>;

/// Tab-separated values as spreadsheets write them: a field with quotes is quoted, its quotes doubled.
inline std::vector<std::string> split_row(const std::string& line) {
  std::vector<std::string> fields = {""};
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const bool doubled = quoted && line[i] == '"' && i + 1 < line.size() && line[i + 1] == '"';
    if (doubled) {
      fields.back() += line[i++];
    } else if (line[i] == '"' && (quoted || fields.back().empty())) {
      quoted = !quoted;
    } else if (line[i] == '\t' && !quoted) {
      fields.emplace_back();
    } else {
      fields.back() += line[i];
    }
  }
  return fields;
}

inline std::vector<Row> rows(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  const auto names = split_row(line);
  std::vector<Row> all;
  while (std::getline(file, line)) {
    if (line.ends_with('\r')) line.pop_back();
    const auto fields = split_row(line);
    Row row;
    for (std::size_t i = 0; i < names.size() && i < fields.size(); ++i) row[names[i]] = fields[i];
    all.push_back(std::move(row));
  }
  return all;
}

inline Family family_of(const Row& row) {
  return row.at("family") == "6" ? Family::ipv6 : Family::ipv4;
}

}  // namespace rewall

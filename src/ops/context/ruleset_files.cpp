#include "ops/context/ruleset_files.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "core/file.h"
#include "core/format.h"
#include "rules/parse.h"
#include "rules/print.h"

namespace rewall {

std::string_view file_name(Family family, bool beside) {
  if (beside) return family == Family::ipv4 ? "rules.v4.legacy" : "rules.v6.legacy";
  return family == Family::ipv4 ? "rules.v4" : "rules.v6";
}

Files files_of(const Ruleset& ruleset) {
  Files files;
  for (const auto* tables : {&ruleset.v4, &ruleset.v6}) {
    files.emplace(file_name(tables->family), canonical_text(*tables));
  }
  files.emplace("ipset", canonical_text(ruleset.sets));
  for (const auto* tables : {&ruleset.v4_legacy, &ruleset.v6_legacy}) {
    if (auto text = canonical_text(*tables); !text.empty()) {
      files.emplace(file_name(tables->family, true), std::move(text));
    }
  }
  return files;
}

Result<Ruleset> ruleset_of(Files files, std::string_view name, std::string_view backends) {
  Ruleset ruleset;
  if (backends == "legacy") ruleset.backend = Backend::legacy;
  struct Slot {
    Tables* tables;
    bool beside;
  };
  for (const auto& [tables, beside] : {Slot{&ruleset.v4, false}, Slot{&ruleset.v6, false},
                                       Slot{&ruleset.v4_legacy, true}, Slot{&ruleset.v6_legacy, true}}) {
    const auto file = files.find(std::string(file_name(tables->family, beside)));
    if (file == files.end()) continue;
    *tables = TRY(parse_tables(std::move(file->second), tables->family, format("{}{}", name, file->first)));
  }
  if (const auto file = files.find("ipset"); file != files.end()) {
    ruleset.sets = TRY(parse_sets(std::move(file->second), format("{}ipset", name)));
  }
  return ruleset;
}

bool keep_in_run(const std::string& folder, const Files& files) {
  const std::filesystem::path top = "/run/rewall";
  std::error_code ignored;
  std::filesystem::create_directory(top, ignored);
  if (::chmod(top.c_str(), 0700) != 0 || ::mkdir((top / folder).c_str(), 0700) != 0) return false;
  return std::ranges::all_of(files, [&](const auto& file) {
    return write_file(top / folder / file.first, file.second, 0600, Sync::no).has_value();
  });
}

std::string backends_of(const Ruleset& ruleset) {
  if (ruleset.both_backends()) return "nft+legacy";
  return std::string(name(ruleset.backend));
}

}  // namespace rewall

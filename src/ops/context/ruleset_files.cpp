#include "ops/context/ruleset_files.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <iterator>

#include "core/file.h"
#include "core/format.h"
#include "core/messages.h"
#include "ops/context/state_paths.h"
#include "rules/parse.h"
#include "rules/print.h"
#include "rules/rules_file.h"
#include "rules/table_forms.h"

namespace rewall {

Files files_of(const Ruleset& ruleset) {
  Files files;
  for (const Slot slot : Ruleset::slots()) {
    auto text = canonical_text(ruleset[slot]);
    if (!slot.beside || !text.empty()) files.emplace(file_name(slot), std::move(text));
  }
  files.emplace("ipset", canonical_text(ruleset.sets));
  if (ruleset.native) files.emplace(kNativeFile, print_native(*ruleset.native));
  return files;
}

Result<Ruleset> ruleset_of(Files files, std::string_view name, std::string_view backends, SetsText sets) {
  Ruleset ruleset;
  if (backends == "legacy") ruleset.backend = Backend::legacy;
  for (const Slot slot : Ruleset::slots()) {
    const auto file = files.find(std::string(file_name(slot)));
    if (file == files.end()) continue;
    ruleset[slot] = TRY(parse_saved(std::move(file->second), slot.family, format("{}{}", name, file->first)));
  }
  if (const auto file = files.find("ipset"); file != files.end()) {
    ruleset.sets = TRY(parse_sets(std::move(file->second), format("{}ipset", name), sets));
  }
  if (const auto file = files.find(std::string(kNativeFile)); file != files.end()) {
    ruleset.native = TRY(parse_native(std::move(file->second), format("{}{}", name, kNativeFile)));
    if (const auto title = table_in_both_forms(ruleset))
      return error_of<messages::table_in_both_forms>(format("{}{}", name, kNativeFile), *title);
  }
  return ruleset;
}

Result<WrittenRuleset> written_ruleset_of(Files files, std::string_view name) {
  WrittenRuleset written;
  for (const Slot slot : Ruleset::slots()) {
    const auto node = files.extract(std::string(file_name(slot)));
    if (node.empty()) continue;
    auto file =
        TRY(read_rules_file(std::move(node.mapped()), slot.family, format("{}{}", name, file_name(slot))));
    written.ruleset[slot] = std::move(file.tables);
    std::ranges::move(file.notes, std::back_inserter(written.notes));
  }
  written.ruleset.sets = TRY(ruleset_of(std::move(files), name, "", SetsText::by_hand)).sets;
  return written;
}

bool keep_in_run(const std::string& folder, const Files& files) {
  const std::filesystem::path top = kRunFolder;
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

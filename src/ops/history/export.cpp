#include "ops/history/export.h"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <exception>
#include <filesystem>
#include <optional>
#include <vector>

#include "core/file.h"
#include "core/format.h"
#include "core/log.h"
#include "core/text.h"
#include "ops/context/settings.h"
#include "ops/context/state_paths.h"
#include "rules/parse.h"
#include "rules/print.h"
#include "rules/rules_file.h"

namespace rewall {
namespace {

namespace fs = std::filesystem;

struct Exported {
  std::string name{};                ///< in the repository
  fs::path path{};                   ///< in the folder
  std::optional<Family> family{};    ///< none: sets
  std::string text{};                ///< what it has to say
  std::optional<std::string> now{};  ///< what it says
};

// An empty file would load nothing, and leave the rules that are there.
std::string text_of(const Files& files, const std::string& name, std::optional<Family> family) {
  const auto file = files.find(name);
  if (file != files.end() && !file->second.empty()) return file->second;
  return family ? canonical_text(empty_table("filter")) : "";
}

std::optional<std::string> canonical(const std::string& text, std::optional<Family> family) {
  if (!family) {
    const auto sets = parse_sets(text, "");
    return sets ? std::optional(canonical_text(*sets)) : std::nullopt;
  }
  const auto tables = parse_tables(text, *family, "");
  return tables ? std::optional(canonical_text(*tables)) : std::nullopt;
}

// Counters, times and an order of one's own are no loss.
bool says(const std::string& text, const std::string& wanted, std::optional<Family> family) {
  if (text == wanted) return true;
  const auto one = canonical(text, family);
  return one && one == canonical(wanted, family);
}

Status check_folder(const fs::path& folder) {
  struct stat facts {};
  const auto refuse = [&](std::string_view why) {
    return Error{.kind = ErrorKind::repository,
                 .message = format("export.path: {}: {}", folder.string(), why)};
  };
  if (::stat(folder.c_str(), &facts) != 0) return refuse(errno_text(errno));
  if (!S_ISDIR(facts.st_mode)) return refuse("not a folder");
  if (facts.st_uid != ::geteuid() || (facts.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return refuse("others can write to it");
  return {};
}

Result<fs::path> keep_beside(const fs::path& path) {
  for (int n = 1;; ++n) {
    fs::path beside = format("{}.old-{}", path.string(), n);
    if (::link(path.c_str(), beside.c_str()) == 0) return beside;
    if (errno != EEXIST)
      return Error{.kind = ErrorKind::repository,
                   .message = format("{}: {}", beside.string(), errno_text(errno))};
  }
}

std::string last_export(const Repository& repository) {
  const auto text = read_file(StatePaths(repository).exported());
  return text ? std::string(trim(*text)) : "";
}

Status keep_what_others_wrote(const Repository& repository, const Exported& file) {
  if (!file.now || file.now->empty() || says(*file.now, file.text, file.family)) return {};
  if (const auto hash = last_export(repository); !hash.empty()) {
    const auto files = repository.files(hash);
    if (files && says(*file.now, text_of(*files, file.name, file.family), file.family)) return {};
  }
  auto kept = TRY(keep_beside(file.path));
  log_warning("{}: not what rewall wrote there: kept as {}", file.path.string(), kept.filename().string());
  return {};
}

Status export_to(const fs::path& folder, const Repository& repository, const std::string& hash,
                 const Files& files) {
  TRY(check_folder(folder));
  struct Name {
    const char* in_repository;
    const char* in_folder;
    std::optional<Family> family;
  };
  static constexpr std::array<Name, 3> kNames{{{"rules.v4", "rules.v4", Family::ipv4},
                                               {"rules.v6", "rules.v6", Family::ipv6},
                                               {"ipset", "ipsets", std::nullopt}}};
  std::vector<StagedFile> staged;
  for (const auto& [name, target, family] : kNames) {
    Exported file{name, folder / target, family, text_of(files, name, family), std::nullopt};
    if (auto now = read_file(file.path)) {
      file.now = *std::move(now);
    } else if (fs::exists(file.path)) {
      return std::move(now).error();
    }
    if (file.now.value_or("") == file.text) continue;
    TRY(keep_what_others_wrote(repository, file));
    auto aside = TRY(StagedFile::write(file.path, file.text, 0640));
    staged.push_back(std::move(aside));
  }
  for (auto& file : staged) {
    TRY(file.commit());
  }
  if (files.contains("rules.v4.legacy") || files.contains("rules.v6.legacy"))
    log_warning("export.path: the rules of the legacy backend beside those of nft are left out");
  if (last_export(repository) == hash) return {};
  return write_file(StatePaths(repository).exported(), hash + "\n", 0600, Sync::no);
}

}  // namespace

void export_files(const Repository& repository, const std::string& hash, const Files& files) {
  // The ruleset is recorded, perhaps in the middle of a restore: nothing here may stop that.
  try {
    const auto folder = read_setting(repository, settings::export_path);
    if (folder && folder->empty()) return;
    const auto done = folder ? export_to(*folder, repository, hash, files) : Status(folder.error());
    if (!done) log_warning("{}", escape(done.error().message));
  } catch (const std::exception& error) {
    log_warning("export.path: {}", error.what());
  }
}

void export_snapshot(Session&, const RecordEvent& event) {
  export_files(event.repository, event.hash, event.files);
}

}  // namespace rewall

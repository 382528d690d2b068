#include <filesystem>

#include "commands/define.h"
#include "commands/parts.h"
#include "core/file.h"
#include "core/format.h"
#include "core/text.h"
#include "ops/files.h"
#include "ops/revision.h"
#include "ui/json.h"

namespace rewall {
namespace {

struct CheckoutOptions {
  std::string revision{};
  std::string folder{};
  std::optional<Family> family{};
};

// A snapshot's files as they stand in the repository; of anything else the canonical text.
Result<Files> files_at(Context& context, const std::string& name) {
  auto revision = read_revision(context.session, name);
  if (!revision) return std::move(revision).error();
  if (revision->hash.empty()) {
    if (auto good = check_rules(*revision); !good) return std::move(good).error();
    return files_of(revision->ruleset);
  }
  auto repository = context.session.repository();
  if (!repository) return std::move(repository).error();
  return (*repository)->files(revision->hash);
}

Status write_files(const std::filesystem::path& folder, const Files& files) {
  std::error_code failed;
  const bool made = std::filesystem::create_directories(folder, failed);
  if (failed) {
    return Error{.kind = ErrorKind::usage, .message = format("{}: {}", folder.string(), failed.message())};
  }
  if (made) std::filesystem::permissions(folder, std::filesystem::perms::owner_all, failed);
  for (const auto& [name, content] : files) {
    if (auto written = write_file(folder / name, content, 0600); !written) {
      return Error{.kind = ErrorKind::usage, .message = std::move(written).error().message};
    }
  }
  return {};
}

}  // namespace

Action define_checkout(CLI::App& app) {
  auto options = std::make_shared<CheckoutOptions>();
  app.add_option("REV", options->revision, "The revision")->type_name("")->required();
  app.add_option("-o,--output", options->folder,
                 "Write all its files to DIR, instead of one to standard output")
      ->type_name("DIR");
  add_family(app, options->family, "ipv6: rules.v6 instead of rules.v4");
  return [options](Context& context) -> Result<Answer> {
    auto files = files_at(context, options->revision);
    if (!files) return std::move(files).error();
    if (options->folder.empty()) {
      const std::string name(file_name(options->family.value_or(Family::ipv4)));
      if (context.json) {
        context.terminal.out(print(Json(*files)));
      } else {
        context.terminal.out((*files)[name]);
      }
      return Answer::same;
    }
    if (auto written = write_files(options->folder, *files); !written) return std::move(written).error();
    Json names = Json::array();
    for (const auto& [name, _] : *files)
      names.push_back((std::filesystem::path(options->folder) / name).string());
    if (context.json) context.terminal.out(print({{"files", names}}));
    context.terminal.say(format("wrote {} to {}", counted(files->size(), "file"), options->folder));
    return Answer::same;
  };
}

}  // namespace rewall

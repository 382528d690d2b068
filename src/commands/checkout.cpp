#include <filesystem>

#include "commands/command_output.h"
#include "commands/define.h"
#include "core/file.h"
#include "core/format.h"
#include "core/text.h"
#include "ops/context/ruleset_files.h"
#include "ops/history/revision.h"
#include "rules/meaning.h"
#include "rules/parse.h"
#include "ui/json.h"

namespace rewall {
namespace {

struct CheckoutOptions {
  std::string revision{};
  std::string folder{};
  std::optional<Family> family{};
  bool meaning = false;
};

struct Checkout {
  Files files{};
  Family family = Family::ipv4;  ///< whose rules are printed
};

// The canonical files of a revision that is not a snapshot: only those of the families and sets that it has.
Result<Checkout> written_out(const Revision& revision) {
  TRY(check_rules(revision));
  Checkout checkout{.files = files_of(revision.ruleset),
                    .family = revision.has_v4 ? Family::ipv4 : Family::ipv6};
  std::erase_if(checkout.files, [&](const auto& file) {
    if (file.first == "ipset") return !revision.has_sets;
    if (file.first == kNativeFile) return false;
    return file.first.starts_with("rules.v4") ? !revision.has_v4 : !revision.has_v6;
  });
  return checkout;
}

Result<Checkout> read(Context& context, const CheckoutOptions& options) {
  auto revision = TRY(read_revision(context.session, options.revision, options.family));
  if (revision.hash.empty()) return written_out(revision);
  auto repository = TRY(context.session.repository());
  auto files = TRY(repository->files(revision.hash));
  return Checkout{.files = std::move(files)};
}

// The rules of one family in their normal spelling.
Result<std::string> meaning_of(const Checkout& checkout, Family family) {
  const std::string name(file_name({family}));
  const auto file = checkout.files.find(name);
  auto tables = TRY(parse_saved(file == checkout.files.end() ? "" : file->second, family, name));
  return meaning_text(tables);
}

Error cannot_write(std::string message) {
  return {.kind = ErrorKind::usage, .message = std::move(message)};
}

// Writes the files, and deletes rules files in the folder that the revision lacks.
Status write_files(const std::filesystem::path& folder, const Files& files) {
  std::error_code failed;
  const bool made = std::filesystem::create_directories(folder, failed);
  if (failed) return cannot_write(format("{}: {}", folder.string(), failed.message()));
  if (made) std::filesystem::permissions(folder, std::filesystem::perms::owner_all, failed);
  for (const auto& [name, content] : files) {
    if (auto written = write_file(folder / name, content, 0600); !written) {
      return cannot_write(std::move(written).error().message);
    }
  }
  for (const auto name : kRulesetFiles) {
    if (files.contains(std::string(name))) continue;
    std::filesystem::remove(folder / name, failed);
    if (failed) return cannot_write(format("{}: {}", (folder / name).string(), failed.message()));
  }
  return {};
}

}  // namespace

Action define_checkout(Syntax& syntax) {
  auto options = std::make_shared<CheckoutOptions>();
  syntax.positional("REV", &options->revision, "The revision to print or write").required = true;
  syntax.option("-o,--output", "DIR", &options->folder,
                "Write all files to DIR, deleting rules files there that REV lacks");
  auto& meaning = syntax.flag("--meaning", options->meaning, "Print equal rules in one normal spelling");
  meaning.excludes = {"--output"};
  add_family(syntax, options->family, "Which family to print: ipv4 (default) or ipv6");
  return [options](Context& context) -> Result<Answer> {
    auto checkout = TRY(read(context, *options));
    auto& files = checkout.files;
    std::erase_if(files, [](const auto& file) { return is_in_no_tree(file.first, file.second); });
    if (options->folder.empty()) {
      const Family family = options->family.value_or(checkout.family);
      const bool native_alone = files.size() == 1 && files.contains(std::string(kNativeFile));
      const std::string name(native_alone ? kNativeFile : file_name({family}));
      if (options->meaning) {
        auto text = TRY(meaning_of(checkout, family));
        files[name] = std::move(text);
      }
      context.terminal.out(context.json ? print(Json(files)) : exact_text(context, files[name]));
      // Who knows git expects another thing of this word.
      if (context.terminal.on_terminal() && !context.json && !is_unrecorded(options->revision))
        context.terminal.say(
            format("printed only; to put it in force: {}",
                   rewall_command(context.session, "restore " + shell_quote(options->revision))));
      return Answer::same;
    }
    TRY(write_files(options->folder, files));
    Json names = Json::array();
    for (const auto& [name, _] : files)
      names.push_back((std::filesystem::path(options->folder) / name).string());
    if (context.json) context.terminal.out(print({{"files", names}}));
    context.terminal.say(format("wrote {} to {}", counted(files.size(), "file"), options->folder));
    return Answer::same;
  };
}

}  // namespace rewall

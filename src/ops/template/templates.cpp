#include "ops/template/templates.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <utility>

#include "core/file.h"
#include "core/format.h"
#include "core/log.h"
#include "core/messages.h"
#include "core/text.h"
#include "core/trust.h"
#include "rules/lines.h"
#include "template_texts.h"

namespace rewall {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kExtension = ".rules";

/// No folder, no other file, nothing hidden.
bool is_template_name(std::string_view name) {
  constexpr std::string_view kOthers = "_-.";
  const auto fits = [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kOthers.find(c) != std::string_view::npos;
  };
  return !name.empty() && name.size() <= 64 && name[0] != '.' && name[0] != '-' &&
         std::ranges::all_of(name, fits);
}

const std::pair<std::string_view, std::string_view>* find_built_in(std::string_view name) {
  const auto* found = std::ranges::find(kTemplateTexts, name, [](const auto& row) { return row.first; });
  return found == std::end(kTemplateTexts) ? nullptr : found;
}

std::string path_of_template(std::string_view name) {
  return format("{}/{}{}", kTemplateFolder, name, kExtension);
}

bool is_there(const std::string& path) {
  std::error_code failed;
  const auto status = fs::symlink_status(path, failed);
  return fs::exists(status);
}

Result<FoundTemplate> read_own(const std::string& name) {
  auto path = path_of_template(name);
  TRY(check_trust(path));
  auto text = TRY(read_text(path, Pipes::refused));
  auto rules = TRY(parse_template(std::move(text), name, path));
  return FoundTemplate{std::move(rules), std::move(path)};
}

std::vector<std::string> own_names() {
  std::vector<std::string> names;
  for (const auto& entry : entries_in(kTemplateFolder)) {
    const auto name = entry.path().stem().string();
    if (entry.path().extension() == kExtension && is_template_name(name)) names.push_back(name);
  }
  return names;
}

}  // namespace

RulesTemplate built_in_template(std::string_view name) {
  const auto* text = find_built_in(name);
  return parse_template(std::string(text->second), name, format("templates/{}{}", name, kExtension)).value();
}

std::vector<FoundTemplate> list_templates() {
  std::map<std::string, FoundTemplate> found;
  for (const auto& [name, text] : kTemplateTexts)
    found[std::string(name)] = FoundTemplate{built_in_template(name)};
  for (const auto& name : own_names()) {
    // It stands in place of the program's own, which is not what the name means here.
    found.erase(name);
    auto own = read_own(name);
    if (own)
      found[name] = *std::move(own);
    else
      log_warning("{}", escape(own.error().message));
  }
  std::vector<FoundTemplate> all;
  for (auto& [name, one] : found) all.push_back(std::move(one));
  return all;
}

Result<FoundTemplate> find_template(const std::string& name) {
  if (is_template_name(name) && is_there(path_of_template(name))) return read_own(name);
  if (find_built_in(name) != nullptr) return FoundTemplate{built_in_template(name)};
  auto names = own_names();
  for (const auto& row : kTemplateTexts) names.emplace_back(row.first);
  auto hint = did_you_mean(name, names);
  if (hint.empty()) hint = "'rewall template list' lists them";
  return error_of<messages::no_such_template>(escape(name), hint);
}

}  // namespace rewall

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "rules/template.h"

namespace rewall {

/// The folder of the host's own templates, NAME.rules. They come before those of the program.
inline constexpr std::string_view kTemplateFolder = "/etc/rewall/templates";

/// A template that can be used here.
struct FoundTemplate {
  RulesTemplate rules{};
  std::string path{};  ///< its file; empty for one of the program
};

/// All templates by their names, those of the host in place of those of the program. Logs a warning for a
/// file that cannot be used, and leaves its template out.
std::vector<FoundTemplate> list_templates();

/// Finds a template. Kind usage: there is none of that name, or its file is none. Kind refused: others can
/// write to its file.
Result<FoundTemplate> find_template(const std::string& name);

/// A template of the program. There must be one.
RulesTemplate built_in_template(std::string_view name);

}  // namespace rewall

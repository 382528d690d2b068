#include "cli/help.h"

#include <algorithm>

#include "core/format.h"
#include "core/text.h"

namespace rewall {
namespace {

constexpr std::size_t kColumn = 30;
constexpr std::size_t kWidth = 80;

std::string wrapped(const std::string& text) {
  std::string out;
  std::size_t column = kColumn;
  for (const auto word : split(text, ' ')) {
    if (column > kColumn && column + 1 + word.size() > kWidth) {
      out += "\n" + std::string(kColumn, ' ');
      column = kColumn;
    } else if (column > kColumn) {
      out += ' ';
      ++column;
    }
    out += word;
    column += word.size();
  }
  return out;
}

std::string row(const std::string& name, const std::string& description) {
  const bool beside = name.size() + 2 < kColumn;
  return format("  {:<{}}{}{}\n", name, kColumn - 2, beside ? "" : "\n" + std::string(kColumn, ' '),
                wrapped(description));
}

// "REV" as often as it may stand; "FILE...".
std::vector<std::string> usage_words(const CLI::Option& positional) {
  const auto name = positional.get_name(true);
  const int most = positional.get_expected_max();
  if (most >= CLI::detail::expected_max_vector_size) return {name + "..."};
  return std::vector<std::string>(static_cast<std::size_t>(std::max(most, 1)), name);
}

}  // namespace

std::string HelpFormatter::make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const {
  std::string text = Formatter::make_help(app, std::move(name), mode);
  for (auto at = text.find("\n\n\n"); at != std::string::npos; at = text.find("\n\n\n")) text.erase(at, 1);
  return text;
}

std::string HelpFormatter::make_usage(const CLI::App* app, std::string name) const {
  std::string text = format("Usage: {} [OPTIONS]", name);
  std::size_t open = 0;
  for (const auto* positional : app->get_options([](const CLI::Option* o) { return o->get_positional(); })) {
    for (const auto& word : usage_words(*positional)) {
      text += (positional->get_required() ? " " : " [") + word;
      if (!positional->get_required()) ++open;
    }
  }
  text += std::string(open, ']');
  const bool has_commands = !app->get_subcommands(std::function<bool(const CLI::App*)>{}).empty();
  return text + (has_commands ? " COMMAND\n" : "\n");
}

std::string HelpFormatter::make_option(const CLI::Option* option, bool positional) const {
  return row(make_option_name(option, positional) + make_option_opts(option), make_option_desc(option));
}

std::string HelpFormatter::make_subcommand(const CLI::App* command) const {
  return row(command->get_display_name(true), command->get_description());
}

std::string HelpFormatter::make_option_opts(const CLI::Option* option) const {
  if (option->get_type_size() == 0) return {};
  // What checks the value stands behind a colon.
  const auto type = option->get_type_name();
  const auto value = type.substr(0, type.find(':'));
  return value.empty() ? "" : " " + value;
}

}  // namespace rewall

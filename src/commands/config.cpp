#include "commands/command_output.h"
#include "commands/define.h"
#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"
#include "ops/context/settings.h"
#include "ops/history/signature.h"
#include "ui/json.h"

namespace rewall {
namespace {

struct ConfigOptions {
  std::optional<std::string> key{};
  std::optional<std::string> value{};
  std::optional<std::string> unset{};
  bool list = false;
  bool show_origin = false;
};

// `KEY=VALUE` for scripts, with a description on a terminal.
std::string line_of(const Context& context, const ConfigOptions& options, const Key& key,
                    const std::string& value, const std::string& origin) {
  const auto setting = format("{}={}", key.name, escape(value));
  if (options.show_origin)
    return format("{}\t{}\n", origin.empty() ? "default" : "file:" + escape(origin), setting);
  if (!context.terminal.on_terminal()) return setting + "\n";
  return format("{:<24} {}\n", setting, context.terminal.paint().quiet(format("# {}", key.what)));
}

Result<Answer> list_settings(Context& context, const Repository& repository, const ConfigOptions& options) {
  auto keys = TRY(known_keys(repository));
  Json json = Json::array();
  for (const auto& key : keys) {
    auto value = TRY(setting_text(repository, key));
    auto origin = TRY(setting_origin(repository, key));
    json.push_back({{"key", key.name},
                    {"value", value},
                    {"default", key.standard},
                    {"what", key.what},
                    {"origin", or_null(origin)}});
    if (!context.json) context.terminal.out(line_of(context, options, key, value, origin));
  }
  if (context.json) context.terminal.out(print(json));
  return Answer::same;
}

Result<Answer> set(Context& context, const Repository& repository, const Key& key, const std::string& value) {
  TRY(check_new_value(key, value));
  auto held = TRY(lock(repository));
  auto settings = TRY(Settings::open(repository));
  const auto before = TRY(settings.get(key.name));
  TRY(settings.set(key.name, value));
  if (context.json)
    context.terminal.out(print({{"key", key.name}, {"value", value}, {"changed", before != value}}));
  if (key.name == settings::sign_key.name && lacks_key_file(value))
    context.terminal.say(
        format("there is no file {} yet: until then snapshots are NOT SIGNED", escape(value)));
  return Answer::same;
}

Result<Answer> unset(Context& context, const Repository& repository, const Key& key) {
  auto held = TRY(lock(repository));
  auto settings = TRY(Settings::open(repository));
  const auto before = TRY(settings.get(key.name));
  TRY(settings.unset(key.name));
  auto value = TRY(setting_text(repository, key));
  if (context.json)
    context.terminal.out(
        print({{"key", key.name}, {"value", value}, {"changed", before && *before != value}}));
  return Answer::same;
}

Result<Answer> show(Context& context, const Repository& repository, const ConfigOptions& options) {
  auto key = TRY(find_key(*options.key));
  auto value = TRY(setting_text(repository, key));
  auto origin = TRY(setting_origin(repository, key));
  if (context.json)
    context.terminal.out(print({{"key", key.name}, {"value", value}, {"origin", or_null(origin)}}));
  else if (options.show_origin)
    context.terminal.out(line_of(context, options, key, value, origin));
  else
    context.terminal.out(escape(value) + "\n");
  return Answer::same;
}

}  // namespace

Action define_config(Syntax& syntax) {
  auto options = std::make_shared<ConfigOptions>();
  syntax.positional("KEY", &options->key, "The setting, like lock.wait");
  syntax.positional("VALUE", &options->value, "Its new value");
  syntax.flag("-l,--list", options->list, "List all settings with their values");
  syntax.flag("--show-origin", options->show_origin, "Show the file that sets each value");
  auto& unset_option =
      syntax.option("--unset", "KEY", &options->unset,
                    "Remove a setting of the repository: the host's or the default value counts");
  unset_option.excludes = {"KEY", "VALUE", "--list"};
  return [options](Context& context) -> Result<Answer> {
    auto repository = TRY(context.session.repository());
    if (options->unset) return unset(context, *repository, TRY(find_key(*options->unset)));
    if (options->list || !options->key) return list_settings(context, *repository, *options);
    if (options->value) return set(context, *repository, TRY(find_key(*options->key)), *options->value);
    if (const auto equals = options->key->find('='); equals != std::string::npos) {
      const auto key = options->key->substr(0, equals);
      auto unknown = error_of<messages::unknown_key>(escape(*options->key));
      if (find_key(key))
        unknown.hint =
            format("to set it: rewall config {} {}", key, shell_quote(options->key->substr(equals + 1)));
      return unknown;
    }
    return show(context, *repository, *options);
  };
}

}  // namespace rewall

#include "commands/command_output.h"
#include "commands/define.h"
#include "core/format.h"
#include "core/text.h"
#include "ops/context/settings.h"
#include "ui/json.h"

namespace rewall {
namespace {

struct ConfigOptions {
  std::optional<std::string> key{};
  std::optional<std::string> value{};
  bool list = false;
};

Result<Answer> list_settings(Context& context, const Repository& repository) {
  auto keys = TRY(known_keys(repository));
  Json json = Json::array();
  for (const auto& key : keys) {
    auto value = TRY(setting_text(repository, key));
    json.push_back({{"key", key.name}, {"value", value}, {"default", key.standard}, {"what", key.what}});
    if (!context.json) {
      context.terminal.out(format("{:<24} {}\n", format("{}={}", key.name, escape(value)),
                                  context.terminal.paint().quiet(format("# {}", key.what))));
    }
  }
  if (context.json) context.terminal.out(print(json));
  return Answer::same;
}

Result<Answer> set(Context& context, const Repository& repository, const Key& key, const std::string& value) {
  TRY(check_value(key, value));
  auto held = TRY(lock(repository));
  auto settings = TRY(Settings::open(repository));
  TRY(settings.set(key.name, value));
  if (context.json) context.terminal.out(print({{"key", key.name}, {"value", value}}));
  return Answer::same;
}

}  // namespace

Action define_config(Syntax& syntax) {
  auto options = std::make_shared<ConfigOptions>();
  syntax.positional("KEY", &options->key, "The setting, like lock.wait");
  syntax.positional("VALUE", &options->value, "Its new value");
  syntax.flag("--list", options->list, "List all settings with their values");
  return [options](Context& context) -> Result<Answer> {
    auto repository = TRY(context.session.repository());
    if (options->list || !options->key) return list_settings(context, *repository);
    auto key = TRY(find_key(*options->key));
    if (options->value) return set(context, *repository, key, *options->value);
    auto value = TRY(setting_text(*repository, key));
    context.terminal.out(context.json ? print({{"key", key.name}, {"value", value}}) : escape(value) + "\n");
    return Answer::same;
  };
}

}  // namespace rewall

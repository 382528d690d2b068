#include "commands/define.h"
#include "commands/command_output.h"
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

Result<Answer> list(Context& context, const Repository& repository) {
  auto keys = known_keys(repository);
  if (!keys) return std::move(keys).error();
  Json json = Json::array();
  for (const auto& key : *keys) {
    auto value = setting(repository, key.name);
    if (!value) return std::move(value).error();
    json.push_back({{"key", key.name}, {"value", *value}, {"default", key.standard}, {"what", key.what}});
    if (!context.json) {
      context.terminal.out(format("{:<24} {}\n", format("{}={}", key.name, escape(*value)),
                                  context.terminal.paint().quiet(format("# {}", key.what))));
    }
  }
  if (context.json) context.terminal.out(print(json));
  return Answer::same;
}

Result<Answer> set(Context& context, const Repository& repository, const Key& key, const std::string& value) {
  if (auto good = check_value(key, value); !good) return std::move(good).error();
  auto held = lock(repository);
  if (!held) return std::move(held).error();
  auto settings = Settings::open(repository);
  if (!settings) return std::move(settings).error();
  if (auto done = settings->set(key.name, value); !done) return std::move(done).error();
  if (context.json) context.terminal.out(print({{"key", key.name}, {"value", value}}));
  return Answer::same;
}

}  // namespace

Action define_config(CLI::App& app) {
  auto options = std::make_shared<ConfigOptions>();
  app.add_option("KEY", options->key, "The key, like lock.wait")->type_name("");
  app.add_option("VALUE", options->value, "Its new value")->type_name("");
  app.add_flag("--list", options->list, "All keys with their values");
  return [options](Context& context) -> Result<Answer> {
    auto repository = context.session.repository();
    if (!repository) return std::move(repository).error();
    if (options->list || !options->key) return list(context, **repository);
    auto key = find_key(*options->key);
    if (!key) return std::move(key).error();
    if (options->value) return set(context, **repository, *key, *options->value);
    auto value = setting(**repository, key->name);
    if (!value) return std::move(value).error();
    context.terminal.out(context.json ? print({{"key", key->name}, {"value", *value}})
                                      : escape(*value) + "\n");
    return Answer::same;
  };
}

}  // namespace rewall

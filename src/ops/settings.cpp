#include "ops/settings.h"

#include <array>
#include <vector>

#include "core/format.h"
#include "core/log.h"
#include "core/text.h"
#include "core/time.h"

namespace rewall {
namespace {

constexpr std::array<Key, 4> kKeys{{
    {"hooks.deadline", "30s", "how long a program in a hooks folder may take"},
    {"hooks.path", "/etc/rewall", "where pre-restore.d and its like are; empty for none"},
    {"lock.wait", "30s", "how long to wait for another rewall that is working"},
    {"ui.pager", "less", "the pager's words; empty for none"},
}};

}  // namespace

std::span<const Key> known_keys() {
  return kKeys;
}

Result<Key> find_key(const std::string& name) {
  std::vector<std::string> names;
  for (const auto& key : kKeys) {
    if (key.name == name) return key;
    names.emplace_back(key.name);
  }
  const auto near = nearest(name, names);
  return Error{
      .kind = ErrorKind::usage,
      .message = format("unknown key '{}'", escape(name)),
      .hint = near.empty() ? "'rewall config --list' shows the keys" : format("did you mean '{}'?", near)};
}

Status check_value(const Key& key, const std::string& value) {
  if (key.name == "hooks.path" && !value.empty() && !value.starts_with('/')) {
    return Error{.kind = ErrorKind::usage, .message = format("hooks.path: '{}' is no absolute path", value)};
  }
  if (key.name == "lock.wait" || key.name == "hooks.deadline") {
    if (auto time = parse_duration(value); !time)
      return std::move(time).error().within(std::string(key.name));
  }
  return {};
}

Result<std::string> setting(const Repository& repository, std::string_view name) {
  auto key = find_key(std::string(name));
  if (!key) return std::move(key).error();
  auto settings = Settings::open(repository);
  if (!settings) return std::move(settings).error();
  auto value = settings->get(std::string(name));
  if (!value) return std::move(value).error();
  if (!*value) return std::string(key->standard);
  if (auto good = check_value(*key, **value); !good) {
    log_warning("{}: {} is taken", good.error().message, key->standard);
    return std::string(key->standard);
  }
  return **value;
}

Result<Lock> lock(const Repository& repository) {
  auto value = setting(repository, "lock.wait");
  if (!value) return std::move(value).error();
  return repository.lock(parse_duration(*value).value());
}

}  // namespace rewall

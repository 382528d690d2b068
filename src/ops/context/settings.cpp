#include "ops/context/settings.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "core/format.h"
#include "core/log.h"
#include "core/text.h"
#include "core/time.h"
#include "ops/context/state_file.h"

namespace rewall {
namespace {

const std::vector<Key>& plain_keys() {
  static const std::vector<Key> keys{
      {"export.path", "", "folder whose rules.v4, rules.v6 and ipsets say what HEAD says; empty for none"},
      {"fetch.limit", "2G", "how big a pack may be that a fetch brings"},
      {"fleet.stale", "30d", "how old the newest snapshot of a host may be for fleet status"},
      {"fleet.vars", "",
       "file with the hosts' own addresses, for fleet status and fleet diff; empty for none"},
      {"gc.auto", "1000", "how many loose objects make it time to pack them; 0: never"},
      {"guard.tagGood", "false", "whether confirm names what it keeps good"},
      {"hooks.deadline", "30s", "how long a program in a hooks folder may take"},
      {"hooks.path", "/etc/rewall", "where pre-restore.d and its like are; empty for none"},
      {"lock.wait", "30s", "how long to wait for another rewall that is working"},
      {"network.connect", "15s", "how long to wait for a server that does not answer"},
      {"network.timeout", "10m", "how long a push or a fetch may take in all"},
      {"push.auto", "false", "whether each snapshot is pushed, in the background"},
      {"push.remote", "origin", "the remote that is meant where none is named"},
      {"push.stale", "24h", "how old a snapshot may be that is not pushed, before status ends with 1"},
      {"sign.allowed", "", "absolute path of git's allowed-signers file; empty for what git's settings say"},
      {"sign.key", "", "signs every snapshot: a key as git's user.signingKey has it; empty for none"},
      {"sign.require", "false", "whether restore refuses what nobody allowed has signed"},
      {"ui.pager", "less", "the pager's words; empty for none"},
      {"watch.cpu", "5%", "how much of one core watch may take over a minute"},
      {"watch.foreign", "1h", "how long changes of foreign parts alone are collected"},
      {"watch.latest", "5s", "how long watch leaves a change unrecorded at most"},
      {"watch.metrics", "", "a file for node_exporter's textfile collector; empty for none"},
      {"watch.poll", "10s", "how often watch looks at what nobody tells of, sets above all"},
      {"watch.settle", "500ms", "how long nothing must change before watch makes a snapshot"},
  };
  return keys;
}

bool is_duration(std::string_view key) {
  return key == "fleet.stale" || key == "lock.wait" || key == "hooks.deadline" || key == "push.stale" ||
         key.starts_with("network.") ||
         (key.starts_with("watch.") && key != "watch.cpu" && key != "watch.metrics");
}

// `owner.NAME.PART`, taken apart.
struct OwnerKey {
  std::string owner{};
  std::string part{};
};

std::optional<OwnerKey> owner_key(const std::string& name) {
  static const std::string kStart = "owner.";
  const auto end = name.rfind('.');
  if (!name.starts_with(kStart) || end < kStart.size()) return std::nullopt;
  OwnerKey key{.owner = name.substr(kStart.size(), end - kStart.size()), .part = name.substr(end + 1)};
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
  if (key.owner.empty() || key.owner.find_first_not_of(kLetters) != std::string::npos) return std::nullopt;
  return key;
}

std::vector<Key> keys_of(const Owner& owner) {
  const auto start = "owner." + owner.name;
  return {{start + ".chain", join(owner.chains, " "), "globs of its chains"},
          {start + ".rule", owner.rule, "regular expression of its rules in chains of others"},
          {start + ".set", join(owner.sets, " "), "globs of its sets"}};
}

std::vector<std::string> words_of(const std::string& value) {
  std::vector<std::string> words;
  for (const auto word : split(value, ' ')) {
    if (!word.empty()) words.emplace_back(word);
  }
  return words;
}

// Nothing for a key that is not set. A value that the key cannot have is passed over, with a warning.
Result<std::optional<std::string>> what_is_set(const Settings& settings, const Key& key) {
  auto value = settings.get(key.name);
  if (!value || !*value) return value;
  if (auto good = check_value(key, **value); !good) {
    log_warning("{}: {} is taken", good.error().message, owner_key(key.name) ? "the default" : key.standard);
    return std::optional<std::string>{};
  }
  return value;
}

// The owners by default, and those that the settings name.
Result<std::vector<Owner>> named_owners(const Settings& settings) {
  auto owners = default_owners();
  auto keys = TRY(settings.keys());
  for (const auto& name : keys) {
    const auto key = owner_key(name);
    if (!key || !find_key(name) || std::ranges::find(owners, key->owner, &Owner::name) != owners.end())
      continue;
    owners.push_back(Owner{.name = key->owner});
  }
  return owners;
}

}  // namespace

Result<std::vector<Key>> known_keys(const Repository& repository) {
  auto settings = TRY(Settings::open(repository));
  auto owners = TRY(named_owners(settings));
  std::vector<Key> keys = plain_keys();
  for (const auto& owner : owners) {
    for (auto& key : keys_of(owner)) keys.push_back(std::move(key));
  }
  return keys;
}

Result<Key> find_key(const std::string& name) {
  std::vector<Key> keys = plain_keys();
  auto owners = default_owners();
  const auto asked = owner_key(name);
  if (asked && std::ranges::find(owners, asked->owner, &Owner::name) == owners.end()) {
    owners.push_back(Owner{.name = asked->owner});
  }
  for (const auto& owner : owners) {
    for (auto& key : keys_of(owner)) keys.push_back(std::move(key));
  }
  std::vector<std::string> names;
  for (const auto& key : keys) {
    if (key.name == name) return key;
    names.push_back(key.name);
  }
  const auto near = nearest(name, names);
  return Error{
      .kind = ErrorKind::usage,
      .message = format("unknown key '{}'", escape(name)),
      .hint = near.empty() ? "'rewall config --list' shows the keys" : format("did you mean '{}'?", near)};
}

Status check_value(const Key& key, const std::string& value) {
  const bool is_switch = key.name == "guard.tagGood" || key.name == "push.auto" || key.name == "sign.require";
  if (is_switch && value != "true" && value != "false") {
    return Error{.kind = ErrorKind::usage,
                 .message = format("{}: '{}' is not true or false", key.name, value)};
  }
  std::uint64_t count = 0;
  if (key.name == "gc.auto" && !read_number(std::string_view(value), count)) {
    return Error{.kind = ErrorKind::usage, .message = format("gc.auto: '{}' is no number", value)};
  }
  const bool is_path = key.name == "export.path" || key.name == "fleet.vars" || key.name == "hooks.path" ||
                       key.name == "sign.allowed";
  if (is_path && !value.empty() && !value.starts_with('/')) {
    return Error{.kind = ErrorKind::usage,
                 .message = format("{}: '{}' is no absolute path", key.name, value)};
  }
  if (key.name == "watch.metrics" && !value.empty() && !value.starts_with('/')) {
    return Error{.kind = ErrorKind::usage,
                 .message = format("watch.metrics: '{}' is no absolute path", value)};
  }
  if (key.name == "fetch.limit") {
    if (auto size = parse_size(value); !size) return std::move(size).error().within(key.name);
  } else if (key.name == "watch.cpu") {
    if (auto share = parse_percent(value); !share) return std::move(share).error().within(key.name);
  } else if (is_duration(key.name)) {
    if (auto time = parse_duration(value); !time) return std::move(time).error().within(key.name);
  }
  const auto owner = owner_key(key.name);
  if (owner && owner->part == "rule") {
    if (auto good = check_owner_rule(value); !good) return std::move(good).error().within(key.name);
  }
  return {};
}

Result<double> parse_percent(std::string_view text) {
  const auto digits = text.ends_with('%') ? text.substr(0, text.size() - 1) : text;
  double percent = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), percent);
  if (error != std::errc{} || end != digits.data() + digits.size() || !(percent > 0) || percent > 100)
    return Error{.kind = ErrorKind::usage,
                 .message = format("'{}' is no share of a core: more than 0%, at most 100%", text)};
  return percent / 100;
}

Result<std::uint64_t> parse_size(std::string_view text) {
  static constexpr std::string_view kUnits = "kMGT";
  const auto unit = text.empty() ? std::string_view::npos : kUnits.find(text.back());
  const auto digits = text.substr(0, text.size() - (unit == std::string_view::npos ? 0 : 1));
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  const auto shift = unit == std::string_view::npos ? 0 : 10 * (unit + 1);
  if (error != std::errc{} || end != digits.data() + digits.size() || number == 0 ||
      number > UINT64_MAX >> shift)
    return Error{.kind = ErrorKind::usage, .message = format("'{}' is no size: bytes, or 500M, 2G", text)};
  return number << shift;
}

Result<std::string> setting(const Repository& repository, std::string_view name) {
  auto key = TRY(find_key(std::string(name)));
  auto settings = TRY(Settings::open(repository));
  auto value = what_is_set(settings, key);
  if (!value) return std::move(value).error();
  return *value ? **value : key.standard;
}

Result<std::chrono::milliseconds> duration_setting(const Repository& repository, std::string_view key) {
  auto value = TRY(setting(repository, key));
  return parse_duration(value);
}

Result<std::vector<Owner>> read_owners(const Repository& repository) {
  auto settings = TRY(Settings::open(repository));
  auto owners = TRY(named_owners(settings));
  for (auto& owner : owners) {
    for (const auto& key : keys_of(owner)) {
      auto value = TRY(what_is_set(settings, key));
      if (!value) continue;
      const auto part = owner_key(key.name)->part;
      if (part == "rule") {
        owner.rule = *value;
      } else {
        (part == "chain" ? owner.chains : owner.sets) = words_of(*value);
      }
    }
  }
  return owners;
}

std::vector<Owner> owners_of(Session& session) {
  auto repository = session.repository();
  auto owners = repository ? read_owners(**repository) : Result<std::vector<Owner>>(repository.error());
  return owners ? *std::move(owners) : default_owners();
}

Result<Lock> lock(const Repository& repository) {
  auto wait = TRY(duration_setting(repository, "lock.wait"));
  return repository.lock(wait);
}

}  // namespace rewall

#include "ops/context/settings.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "core/format.h"
#include "core/log.h"
#include "core/messages.h"
#include "core/text.h"
#include "core/time.h"
#include "ops/context/state_file.h"
#include "ops/context/state_paths.h"

namespace rewall {
namespace {

struct PlainKey {
  Key key{};
  Status (*check)(std::string_view text) = nullptr;
};

template <const auto& setting>
PlainKey plain_key() {
  return {.key = {.name = std::string(setting.name),
                  .standard = std::string(setting.standard),
                  .what = std::string(setting.what)},
          .check = [](std::string_view text) -> Status {
            auto parsed = setting.parse(text);
            if (!parsed) return std::move(parsed).error();
            return {};
          }};
}

template <const auto&... all>
std::vector<PlainKey> make_plain_keys() {
  return {plain_key<all>()...};
}

const std::vector<PlainKey>& plain_keys() {
  using namespace settings;
  static const auto keys =
      make_plain_keys<export_nft, export_path, fetch_limit, fetch_memory, fetch_snapshot, fleet_stale,
                      fleet_vars, gc_auto, guard_tag_good, hooks_deadline, hooks_path, lock_wait,
                      network_connect, network_timeout, notify_command, push_auto, push_remote, push_stale,
                      sign_allowed, sign_key, sign_require, ui_pager, watch_cpu, watch_foreign, watch_latest,
                      watch_metrics, watch_poll, watch_settle>();
  return keys;
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
          {start + ".set", join(owner.sets, " "), "globs of its sets"},
          {start + ".table", join(owner.tables, " "), "globs of its native nft tables"}};
}

std::vector<Key> all_keys(const std::vector<Owner>& owners) {
  std::vector<Key> keys;
  for (const auto& plain : plain_keys()) keys.push_back(plain.key);
  for (const auto& owner : owners) {
    for (auto& key : keys_of(owner)) keys.push_back(std::move(key));
  }
  return keys;
}

std::vector<std::string> words_of(const std::string& value) {
  std::vector<std::string> words;
  for (const auto word : split(value, ' ')) {
    if (!word.empty()) words.emplace_back(word);
  }
  return words;
}

// `inet f2b-table f2b-*`: a family goes with the word behind it.
std::vector<std::string> table_globs(const std::string& value) {
  std::vector<std::string> globs;
  std::string family;
  for (auto& word : words_of(value)) {
    const bool begins = family.empty() && native_family(word).has_value();
    if (begins) {
      family = std::move(word) + ' ';
    } else {
      globs.push_back(std::exchange(family, {}) + word);
    }
  }
  return globs;
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
  return all_keys(owners);
}

Result<Key> find_key(const std::string& name) {
  auto owners = default_owners();
  const auto asked = owner_key(name);
  if (asked && std::ranges::find(owners, asked->owner, &Owner::name) == owners.end()) {
    owners.push_back(Owner{.name = asked->owner});
  }
  std::vector<std::string> names;
  for (const auto& key : all_keys(owners)) {
    if (key.name == name) return key;
    names.push_back(key.name);
  }
  const auto near = nearest(name, names);
  auto error = error_of<messages::unknown_key>(escape(name));
  if (!near.empty()) error.hint = format("did you mean '{}'?", near);
  return error;
}

Status check_value(const Key& key, const std::string& value) {
  for (const auto& plain : plain_keys()) {
    if (plain.key.name != key.name) continue;
    if (auto good = plain.check(value); !good) return std::move(good).error().within(key.name);
  }
  const auto owner = owner_key(key.name);
  if (owner && owner->part == "rule") {
    if (auto good = check_owner_rule(value); !good) return std::move(good).error().within(key.name);
  }
  return {};
}

namespace {

// As git compares keys: all but the middle of three parts is in either case.
bool same_key(const std::string& a, const std::string& b) {
  const auto compared = [](const std::string& text) {
    const auto first = std::min(text.find('.'), text.size());
    const auto last = std::min(text.rfind('.'), text.size());
    return lower(text.substr(0, first)) + text.substr(first, last - first) + lower(text.substr(last));
  };
  return compared(a) == compared(b);
}

}  // namespace

Result<std::vector<std::string>> settings_passed_over(const Repository& repository) {
  auto settings = TRY(Settings::open(repository));
  const auto known = TRY(known_keys(repository));
  std::vector<std::string> all;
  for (const auto& name : TRY(settings.keys())) {
    const auto value = TRY(settings.get(name));
    const auto file = TRY(settings.origin(name));
    const auto key = std::ranges::find_if(known, [&](const Key& one) { return same_key(one.name, name); });
    if (key == known.end()) {
      const auto unknown = find_key(name);
      all.push_back(format("{}: unknown key '{}'{}", escape(file), escape(name),
                           unknown || unknown.error().hint.empty() ? "" : " (" + unknown.error().hint + ")"));
    } else if (const auto good = check_value(*key, value.value_or("")); !good) {
      all.push_back(format("{}: {}", escape(file), escape(good.error().message)));
    }
  }
  return all;
}

Status check_new_value(const Key& key, const std::string& value) {
  // Read, a number alone is seconds; typed, it is as likely meant as minutes.
  std::uint64_t number = 0;
  if (read_number(value, number) && parse_duration(key.standard))
    if (auto length = parse_duration(value); !length) return std::move(length).error().within(key.name);
  return check_value(key, value);
}

Result<Assignment> read_assignment(const std::string& text) {
  const auto equals = text.find('=');
  if (equals == std::string::npos || equals == 0) return error_of<messages::not_a_pair>(escape(text));
  Assignment assignment{.key = text.substr(0, equals), .value = text.substr(equals + 1)};
  TRY(check_new_value(TRY(find_key(assignment.key)), assignment.value));
  return assignment;
}

Status assign(const Repository& repository, const std::vector<Assignment>& assignments) {
  if (assignments.empty()) return {};
  auto settings = TRY(Settings::open(repository));
  for (const auto& [key, value] : assignments) TRY(settings.set(key, value));
  return {};
}

Result<double> parse_percent(std::string_view text) {
  const auto digits = text.ends_with('%') ? text.substr(0, text.size() - 1) : text;
  double percent = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), percent);
  if (error != std::errc{} || end != digits.data() + digits.size() || !(percent > 0) || percent > 100)
    return error_of<messages::not_a_share>(text);
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
    return error_of<messages::not_a_size>(text);
  return number << shift;
}

Result<std::uint64_t> parse_count(std::string_view text) {
  std::uint64_t count = 0;
  if (read_number(text, count)) return count;
  return error_of<messages::not_a_number>(text);
}

Result<std::chrono::milliseconds> parse_length(std::string_view text) {
  std::uint64_t seconds = 0;
  return parse_duration(read_number(text, seconds) ? std::string(text) + "s" : std::string(text));
}

Result<bool> parse_switch(std::string_view text) {
  const auto word = lower(text);
  for (const std::string_view yes : {"true", "yes", "on", "1"})
    if (word == yes) return true;
  for (const std::string_view no : {"false", "no", "off", "0"})
    if (word == no) return false;
  return error_of<messages::not_a_switch>(text);
}

Result<std::string> parse_path(std::string_view text) {
  if (text.empty() || text.starts_with('/')) return std::string(text);
  return error_of<messages::not_an_absolute_path>(text);
}

Result<std::vector<std::string>> split_command(std::string_view text) {
  std::vector<std::string> words;
  bool in_word = false;
  char quote = '\0';
  for (const char c : text) {
    const bool is_quote = quote == '\0' ? c == '"' || c == '\'' : c == quote;
    if (!is_quote && quote == '\0' && c == ' ') {
      in_word = false;
      continue;
    }
    if (!std::exchange(in_word, true)) words.emplace_back();
    if (is_quote)
      quote = quote == '\0' ? c : '\0';
    else
      words.back() += c;
  }
  if (quote != '\0') return error_of<messages::quote_not_closed>(text);
  return words;
}

Result<std::string> parse_command(std::string_view text) {
  const auto words = TRY(split_command(text));
  if (words.empty() || words.front().starts_with('/')) return std::string(text);
  return error_of<messages::not_an_absolute_path>(words.front());
}

Result<std::string> parse_text(std::string_view text) {
  return std::string(text);
}

Result<std::string> setting_text(const Repository& repository, const Key& key) {
  auto settings = TRY(Settings::open(repository));
  auto value = what_is_set(settings, key);
  if (!value) return std::move(value).error();
  return *value ? **value : key.standard;
}

Result<std::string> setting_origin(const Repository& repository, const Key& key) {
  auto settings = TRY(Settings::open(repository));
  return settings.origin(key.name);
}

namespace {

template <class T>
Result<T> read_typed(const Repository& repository, const Setting<T>& setting) {
  auto settings = TRY(Settings::open(repository));
  const auto text = TRY(settings.get(std::string(setting.name)));
  if (text) {
    if (auto value = setting.parse(*text); value)
      return value;
    else
      log_warning("{}: {}; {} is taken", setting.name, value.error().message, setting.standard);
  }
  return setting.parse(setting.standard);
}

}  // namespace

Result<double> read_setting(const Repository& repository, const Setting<double>& setting) {
  return read_typed(repository, setting);
}

Result<bool> read_setting(const Repository& repository, const Setting<bool>& setting) {
  return read_typed(repository, setting);
}

Result<std::uint64_t> read_setting(const Repository& repository, const Setting<std::uint64_t>& setting) {
  return read_typed(repository, setting);
}

Result<std::string> read_setting(const Repository& repository, const Setting<std::string>& setting) {
  return read_typed(repository, setting);
}

Result<std::chrono::milliseconds> read_setting(const Repository& repository,
                                               const Setting<std::chrono::milliseconds>& setting) {
  return read_typed(repository, setting);
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
      } else if (part == "table") {
        owner.tables = table_globs(*value);
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
  return lock(repository, TRY(read_setting(repository, settings::lock_wait)));
}

Result<Lock> lock(const Repository& repository, std::chrono::milliseconds wait) {
  return repository.lock(wait, StatePaths::kWrittenUnderLock);
}

}  // namespace rewall

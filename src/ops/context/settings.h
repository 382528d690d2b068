#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "ops/context/session.h"
#include "rules/owners.h"
#include "store/repository.h"

namespace rewall {

/// A documented key of `rewall config`.
struct Key {
  std::string name{};
  std::string standard{};  ///< the value where none is set
  std::string what{};
};

/// Those that are always there, then `owner.NAME.chain`, `.rule` and `.set` of the owners by default and of
/// those that the repository's settings name.
Result<std::vector<Key>> known_keys(const Repository& repository);

/// The documented key of that name, also of an owner that is not known yet; else kind usage, with the nearest
/// as hint.
Result<Key> find_key(const std::string& name);

/// Refuses a value that the key cannot have. Kind usage.
Status check_value(const Key& key, const std::string& value);

/// "5%", "5", "0.5%": the share, from above 0 to 1. Kind usage.
Result<double> parse_percent(std::string_view text);

/// "2G", "500M", "64k" (of 1024), or bytes; more than 0. Kind usage.
Result<std::uint64_t> parse_size(std::string_view text);

/// What is set, else the key's standard value; that too, with a warning, where what is set is none it can
/// have.
Result<std::string> setting(const Repository& repository, std::string_view key);

/// The same of a key whose value is a length of time.
Result<std::chrono::milliseconds> duration_setting(const Repository& repository, std::string_view key);

/// The owners by default, with what the settings say of them and of others. A value takes the place of the
/// default one, so an empty one knows nothing.
Result<std::vector<Owner>> read_owners(const Repository& repository);

/// The same; the owners by default where the settings cannot be read.
std::vector<Owner> owners_of(Session& session);

/// `lock.wait`, then the lock.
Result<Lock> lock(const Repository& repository);

}  // namespace rewall

#pragma once

#include <span>
#include <string>
#include <string_view>

#include "core/result.h"
#include "store/repository.h"

namespace rewall {

/// A documented key of `rewall config`.
struct Key {
  std::string_view name;
  std::string_view standard;  ///< the value where none is set
  std::string_view what;
};

std::span<const Key> known_keys();

/// The documented key of that name; else kind usage, with the nearest as hint.
Result<Key> find_key(const std::string& name);

/// Refuses a value that the key cannot have. Kind usage.
Status check_value(const Key& key, const std::string& value);

/// What is set, else the key's standard value; that too, with a warning, where what is set is none it can
/// have.
Result<std::string> setting(const Repository& repository, std::string_view key);

/// `lock.wait`, then the lock.
Result<Lock> lock(const Repository& repository);

}  // namespace rewall

#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/result.h"

namespace rewall {

/// A branch of a remote that a fetch refused, as `.git/rewall/refused` keeps it: it is not downloaded again
/// for as long as nothing changed.
struct RefusedNote {
  std::string remote{};
  std::string name{};     ///< "hosts/web1"
  std::string hash{};     ///< of its newest object, as the remote had it
  std::int64_t time = 0;  ///< seconds since 1970
  std::string limits{};   ///< those that it was refused under, in one word
  std::string why{};
};

/// The notes about a remote that still hold: not older than a day, and made under these limits.
std::vector<RefusedNote> read_refused_notes(const std::filesystem::path& state, const std::string& remote,
                                            const std::string& limits);

/// Replaces the notes about a remote.
Status write_refused_notes(const std::filesystem::path& state, const std::string& remote,
                           const std::vector<RefusedNote>& notes);

}  // namespace rewall

#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "core/result.h"
#include "core/time.h"
#include "diff/diff.h"
#include "store/repository.h"

namespace rewall {

// The results of commands as --json prints them. Fields are never renamed or removed; absent values are null.
using Json = nlohmann::ordered_json;

/// The `backend` of what stands in a native nft table.
inline constexpr std::string_view kNativeBackend = "nft-native";

Json to_json(const Error& error);
Json to_json(const Diff& diff, const std::string& from, const std::string& to);
Json changes_json(const Diff& diff);
/// The field `summary` is null without a diff.
Json to_json(const Snapshot& snapshot, const std::optional<Diff>& diff);
/// "alice <alice@host>".
std::string author_text(const Person& person);
std::string author_of(const Snapshot& snapshot);
/// The result of snapshot, restore, undo and other commands that record.
Json answer_json(const std::string& hash, const std::string& subject, bool changed,
                 const std::string& restored);

/// The text, or null for an empty one.
Json or_null(const std::string& text);

/// One line of ASCII without control characters, with a newline at its end; invalid UTF-8 becomes U+FFFD.
std::string print(const Json& json);

}  // namespace rewall

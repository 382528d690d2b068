#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "core/result.h"
#include "core/time.h"
#include "diff/diff.h"
#include "store/repository.h"

namespace rewall {

/// The shapes of the contract's sections 3, 5 and 10: fields are never renamed or removed; absent values are
/// null.
using Json = nlohmann::ordered_json;

Json to_json(const Error& error);
Json to_json(const Diff& diff, const std::string& from, const std::string& to);
Json changes_json(const Diff& diff);
/// `summary` is null where no diff was made.
Json to_json(const Snapshot& snapshot, const std::optional<Diff>& diff);
/// "alice <alice@host>".
std::string author_of(const Snapshot& snapshot);
/// What snapshot, restore and undo answer.
Json answer_json(const std::string& hash, const std::string& subject, bool changed,
                 const std::string& restored);

/// Null for an empty text.
Json or_null(const std::string& text);

/// One line of ASCII that no terminal takes for a command; invalid UTF-8 is replaced. Ends in a newline.
std::string print(const Json& json);

}  // namespace rewall

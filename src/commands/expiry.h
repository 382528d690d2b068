#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "commands/command.h"
#include "diff/diff.h"
#include "ops/expiry/expiry_state.h"
#include "ui/json.h"

namespace rewall {

/// Adds an option that takes a time longer than zero.
void add_time(Syntax& syntax, const std::string& name, std::optional<std::chrono::milliseconds>& length,
              const std::string& what);

/// Adds `--expire TIME`.
void add_expire(Syntax& syntax, std::optional<std::chrono::milliseconds>& length);

/// An element of "expiries" of --json.
Json expiry_json(const Expiry& expiry);
/// An element of "expired" of --json.
Json ended_json(const ExpiryEnding& ending);

/// Says what a change brought back that had expired: nothing takes that out again.
void say_brought_back(Context& context, const Diff& diff);

/// "2 rules expire at 17:20:01 (in 2 h), unless 'rewall confirm --expiry 1a2b3c4d' is run".
std::string expiry_text(const Context& context, const Expiry& expiry);

}  // namespace rewall

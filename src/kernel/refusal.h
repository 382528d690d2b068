#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "core/result.h"
#include "kernel/process.h"
#include "rules/ruleset.h"

namespace rewall {

/// What iptables-restore was given: tables, and the file that they were read from.
struct RestoreInput {
  const Tables& tables;
  std::string file{};  ///< its name in errors: "rules.v4", "rules.v6.legacy"
  std::string text{};  ///< the program's standard input: canonical text of all tables, or of one
};

/// Turns the message of an iptables-restore that failed into an error of kind kernel (kind permission when
/// the program was not allowed to work):
///   rules.v4:12: table filter: unknown option "--dprt": -A INPUT -p tcp --dprt 22 -j DROP
/// The number is the rule's line in the file, not in the program's input. Programs often name the line of
/// COMMIT instead of the rule's. `accepts`, if given, returns whether the kernel takes a text; it is called
/// some log2(rules) times to find the rule then.
Error refusal(const RestoreInput& input, const Outcome& outcome,
              const std::function<bool(const std::string&)>& accepts = nullptr);

/// Does the same for `ipset restore` of `text`, which was read from `file`.
Error set_refusal(const std::string& file, std::string_view text, const Outcome& outcome);

}  // namespace rewall

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "core/result.h"
#include "kernel/process.h"
#include "rules/ruleset.h"

namespace rewall {

/// Tables on their way into the kernel, and the file that they were read from.
struct RestoreInput {
  const Tables& tables;
  std::string file{};  ///< what it is called: "rules.v4", "rules.v6.legacy"
  std::string text{};  ///< canonical, all tables or one
};

/// What iptables-restore said when it refused, as an error of kind kernel:
///   rules.v4:12: unknown option "--dprt": -A INPUT -p tcp --dprt 22 -j DROP
/// The line is that of the text which the rule was read from. `accepts`, where given, says whether the kernel
/// takes a text: it finds the rule where the program knows no better line than that of COMMIT.
Error refusal(const RestoreInput& input, const Outcome& outcome,
              const std::function<bool(const std::string&)>& accepts = nullptr);

/// The same for `ipset restore` of `text`, which was read from `file`.
Error set_refusal(const std::string& file, std::string_view text, const Outcome& outcome);

}  // namespace rewall

#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "kernel/firewall.h"
#include "ops/context/caller_session.h"

namespace rewall {

/// Whether the rules in force let a new ssh connection in, one like that of the session.
struct NewSsh {
  enum class Answer : std::uint8_t { ok, blocked, unknown };
  Answer answer = Answer::unknown;
  std::string why{};  ///< what blocks it, or why it is not known; empty for ok

  /// "ok", "BLOCKED", "unknown".
  std::string_view word() const;
};

/// The ssh connection of whoever asks; absent without one.
std::optional<SessionWay> callers_ssh();

/// Asks twice: the rules in force are loaded into a scratch namespace with their sets, where a client with
/// the address of the session's connects (connects_through()); and their model is asked
/// (new_connection()). Where the two do not agree, or one of them has no answer, nobody knows. It takes as
/// long as staging the whole ruleset, and a second more where nothing answers.
NewSsh try_new_ssh(Firewall& firewall, BackendChoice backend, const SessionWay& way);

}  // namespace rewall

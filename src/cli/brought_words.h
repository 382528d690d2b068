#pragma once

#include <span>
#include <string>
#include <string_view>

namespace rewall {

/// What somebody wants who brings the words of git, systemctl, iptables or apt: a hint for a word that
/// `command` does not have. `command` is empty for the place of the command itself. Empty for a word that
/// none of them has.
std::string hint_for_brought_word(std::string_view command, std::string_view word);

/// The hint for every other word that is no option; empty where the command has none.
std::string hint_for_any_word(std::string_view command);

/// The candidate that is meant by a word with a slip, or nothing. What changes the firewall, the history or a
/// remote is never guessed: it is returned for a word that differs from it by one letter and begins as it
/// does. Options that switch a question or a refusal off are never returned.
std::string meant_by(std::string_view word, std::span<const std::string> candidates);

}  // namespace rewall

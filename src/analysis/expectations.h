#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/packet.h"
#include "core/result.h"
#include "rules/ruleset.h"

namespace rewall {

enum class Verdict : std::uint8_t;
struct HostFacts;
struct Trace;

/// A line of the file `expect` (rewall-repository(5)): `accept|drop|reject PACKET  # comment`.
struct Expectation {
  Verdict verdict{};                 ///< never `depends`
  std::vector<std::string> words{};  ///< the PACKET as it is written
  Packet packet{};
  std::string comment{};
  std::size_t line = 0;  ///< from 1

  /// "accept -p tcp --dport 22".
  std::string text() const;
  /// "-p tcp --dport 22".
  std::string packet_text() const;
};

/// "accept", "drop" or "reject": absent for other words.
std::optional<Verdict> read_expected_verdict(std::string_view word);

/// Makes one of its words. Kind usage: as read_packet().
Result<Expectation> make_expectation(Verdict verdict, std::vector<std::string> packet,
                                     std::string comment = {});

/// "accept", "drop" or "reject".
std::string_view expected_word(Verdict verdict);

/// Reads a file `expect`; empty lines and those that begin with `#` are passed over. Words may be quoted as
/// in a shell. Kind usage: a line is none; the message begins `NAME:LINE: `.
Result<std::vector<Expectation>> read_expectations(std::string_view text, std::string_view name);

/// The line that read_expectations() reads as this expectation, without its end.
std::string print_expectation(const Expectation& expectation);

/// What a ruleset says to an expectation.
enum class Answered : std::uint8_t {
  holds,
  fails,    ///< some packets of it are known to have another verdict
  unproved  ///< the verdict hangs on something that neither the packet nor the rules say
};
struct CheckedExpectation {
  const Expectation* expectation = nullptr;
  Answered answered = Answered::holds;
  Verdict verdict{};                      ///< of the ruleset
  std::vector<std::string> depends_on{};  ///< unless it is known
  std::string decided_by{};               ///< "ip filter INPUT 3: -p tcp -j DROP", "ip filter INPUT policy"

  /// "DROP by ip filter INPUT policy DROP", "depends on limit 3/min".
  std::string reason() const;
  /// "ACCEPT", "DEPENDS": that of the ruleset.
  std::string_view verdict_name() const;
  /// "'accept -p tcp --dport 22' (line 3): DROP by ip filter INPUT policy DROP".
  std::string text() const;
};

/// Holds the expectations against a ruleset, in their order. They must outlive the result.
std::vector<CheckedExpectation> check_expectations(const std::vector<Expectation>& expectations,
                                                   const Ruleset& ruleset, const HostFacts& facts);

/// The rule or policy that decided, as CheckedExpectation::decided_by has it.
std::string deciding_step(const Trace& trace, Family family);

}  // namespace rewall

#pragma once

#include <charconv>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/result.h"
#include "core/time.h"
#include "kernel/firewall.h"
#include "ops/context/identity.h"

namespace rewall {

/// 16 random hexadecimal digits, to name a thing that has a state file.
std::string fresh_id();

/// Composes the text of a state file below `.git/rewall/` (rewall-repository(5), STATE): a first line with
/// kind and version, `KEY VALUE` lines, and `end`. Line ends and backslashes inside a value are escaped; a
/// key without a value is left out. Lives while the text is composed.
class StateLines {
 public:
  void add(std::string_view key, std::string_view value);
  void add(std::string_view key, Time time);
  void add(std::string_view key, const std::optional<Generation>& place);  ///< without the number
  void add(std::string_view key, BackendChoice choice);
  void add(const Actor& actor);

  std::string text(std::string_view first_line) const;

 private:
  std::string lines_{};
};

/// How parse_state() reads the value of one key. Refers to the variable that gets the value.
struct StateKey {
  std::function<bool(std::string_view)> read{};  ///< false for a value that the key cannot have
  bool required = false;
  bool repeats = false;
};
using StateKeys = std::map<std::string_view, StateKey>;

/// Reads the text of a state file into the variables of `keys`. Kind repository, with the number of the line:
/// another first line, no last line, an unknown, repeated or missing key, or a value that the key cannot
/// have.
Status parse_state(std::string_view text, std::string_view first_line, const StateKeys& keys);

// Keys that read one type each; `into` must outlive the key.
StateKey text_key(std::string& into);
StateKey hash_key(std::string& into);  ///< 40 hexadecimal digits
StateKey time_key(Time& into);
StateKey place_key(std::optional<Generation>& into);
StateKey backends_key(std::string& into);
StateKey choice_key(BackendChoice& into);
/// Adds the keys that StateLines::add(Actor) prints.
void add_actor_keys(StateKeys& keys, Actor& into);

/// Reads a whole text as a decimal number; false where it is none or does not fit.
template <class Number>
bool read_number(std::string_view text, Number& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size();
}
template <class Number>
StateKey number_key(Number& into) {
  return {.read = [&into](std::string_view text) { return read_number(text, into); }};
}
/// The same key, which must be in the file.
inline StateKey required(StateKey key) {
  key.required = true;
  return key;
}

}  // namespace rewall

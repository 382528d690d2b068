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

/// What a file below `.git/rewall/` says: `KEY VALUE`, a line each, between a first line with the version and
/// `end`. Line ends and backslashes inside a value are escaped; a key without a value is left out.
class StateLines {
 public:
  void add(std::string_view key, std::string_view value);
  void add(std::string_view key, Time time);
  void add(std::string_view key, const std::optional<Generation>& place);  ///< its number is not kept
  void add(std::string_view key, BackendChoice choice);
  void add(const Actor& actor);

  std::string text(std::string_view first_line) const;

 private:
  std::string lines_{};
};

/// How the value of a key is read: false for one that it cannot have.
struct StateKey {
  std::function<bool(std::string_view)> read{};
  bool required = false;
  bool repeats = false;
};
using StateKeys = std::map<std::string_view, StateKey>;

/// Takes nothing but what StateLines prints: kind repository names the line.
Status parse_state(std::string_view text, std::string_view first_line, const StateKeys& keys);

StateKey text_key(std::string& into);
StateKey hash_key(std::string& into);  ///< 40 hexadecimal digits
StateKey time_key(Time& into);
StateKey place_key(std::optional<Generation>& into);
StateKey backends_key(std::string& into);
StateKey choice_key(BackendChoice& into);
/// The keys of StateLines::add(Actor).
void add_actor_keys(StateKeys& keys, Actor& into);

template <class Number>
bool read_number(std::string_view text, Number& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size();
}
template <class Number>
StateKey number_key(Number& into) {
  return {.read = [&into](std::string_view text) { return read_number(text, into); }};
}
inline StateKey required(StateKey key) {
  key.required = true;
  return key;
}

}  // namespace rewall

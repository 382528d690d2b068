#include "ops/context/state_file.h"

#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "core/format.h"
#include "core/text.h"

namespace rewall {
namespace {

constexpr std::string_view kLastLine = "end";
constexpr std::size_t kHashSize = 40;

constexpr std::array<std::pair<std::string_view, BackendChoice>, 3> kChoices{
    {{"auto", BackendChoice::automatic}, {"nft", BackendChoice::nft}, {"legacy", BackendChoice::legacy}}};

std::string one_line(std::string_view text) {
  std::string line;
  for (const char c : text) {
    if (c == '\\')
      line += "\\\\";
    else if (c == '\n')
      line += "\\n";
    else if (c == '\r')
      line += "\\r";
    else
      line += c;
  }
  return line;
}

std::optional<std::string> read_text(std::string_view line) {
  std::string text;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] != '\\') {
      text += line[i];
      continue;
    }
    constexpr std::string_view kCodes = "\\nr";
    constexpr std::string_view kMeant = "\\\n\r";
    const auto code = ++i < line.size() ? kCodes.find(line[i]) : std::string_view::npos;
    if (code == std::string_view::npos) return std::nullopt;
    text += kMeant[code];
  }
  return text;
}

Error not_a_state(std::size_t line, std::string_view what) {
  return Error{.kind = ErrorKind::repository, .message = format("line {}: {}", line, what)};
}

}  // namespace

std::string fresh_id() {
  std::uint64_t number = 0;
  if (::getrandom(&number, sizeof number, 0) != sizeof number)
    number = static_cast<std::uint64_t>(boot_time().count()) << 20 ^ static_cast<std::uint64_t>(::getpid());
  return format("{:016x}", number);
}

void StateLines::add(std::string_view key, std::string_view value) {
  if (!value.empty()) lines_ += format("{} {}\n", key, one_line(value));
}

void StateLines::add(std::string_view key, Time time) {
  add(key, format("{} {}", time.seconds, time.offset));
}

void StateLines::add(std::string_view key, const std::optional<Generation>& place) {
  if (place) add(key, format("{} {}", place->boot, place->network));
}

void StateLines::add(std::string_view key, BackendChoice choice) {
  add(key, std::ranges::find(kChoices, choice, [](const auto& known) { return known.second; })->first);
}

void StateLines::add(const Actor& actor) {
  add("name", actor.person.name);
  add("email", actor.person.email);
  add("user", actor.user);
  add("tty", actor.tty);
  add("address", actor.address);
}

std::string StateLines::text(std::string_view first_line) const {
  return format("{}\n{}{}\n", first_line, lines_, kLastLine);
}

Status parse_state(std::string_view text, std::string_view first_line, const StateKeys& keys) {
  const auto lines = split_lines(text);
  if (lines.empty() || lines.front() != first_line)
    return not_a_state(1, format("no {} of this version", first_line.substr(0, first_line.rfind(' '))));
  if (lines.back() != kLastLine || !text.ends_with('\n'))
    return not_a_state(lines.size(), "the end is missing");
  std::map<std::string_view, int> seen;
  for (std::size_t i = 1; i + 1 < lines.size(); ++i) {
    const auto name = lines[i].substr(0, lines[i].find(' '));
    const auto key = keys.find(name);
    if (key == keys.end()) return not_a_state(i + 1, "unknown key");
    if (++seen[name] > 1 && !key->second.repeats) return not_a_state(i + 1, "said twice");
    const bool has_value = name.size() < lines[i].size();
    const auto value = has_value ? read_text(lines[i].substr(name.size() + 1)) : std::nullopt;
    if (!value || !key->second.read(*value)) return not_a_state(i + 1, "no value that it can have");
  }
  for (const auto& [name, key] : keys) {
    if (key.required && !seen.contains(name))
      return not_a_state(lines.size(), format("'{}' is missing", name));
  }
  return {};
}

StateKey text_key(std::string& into) {
  return {.read = [&into](std::string_view text) {
    into = text;
    return true;
  }};
}

StateKey hash_key(std::string& into) {
  return {.read = [&into](std::string_view text) {
    const auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
    into = text;
    return text.size() == kHashSize && std::ranges::all_of(text, is_digit);
  }};
}

StateKey time_key(Time& into) {
  return {.read = [&into](std::string_view text) {
    const auto words = split(text, ' ');
    return words.size() == 2 && read_number(words[0], into.seconds) && read_number(words[1], into.offset);
  }};
}

StateKey place_key(std::optional<Generation>& into) {
  return {.read = [&into](std::string_view text) {
    const auto words = split(text, ' ');
    into.emplace();
    if (words.size() != 2 || words[0].empty()) return false;
    into->boot = words[0];
    return read_number(words[1], into->network);
  }};
}

StateKey backends_key(std::string& into) {
  return {.read = [&into](std::string_view text) {
    into = text;
    return text == "nft" || text == "legacy" || text == "nft+legacy";
  }};
}

StateKey choice_key(BackendChoice& into) {
  return {.read = [&into](std::string_view text) {
    const auto found = std::ranges::find(kChoices, text, [](const auto& known) { return known.first; });
    if (found != kChoices.end()) into = found->second;
    return found != kChoices.end();
  }};
}

void add_actor_keys(StateKeys& keys, Actor& into) {
  keys.emplace("name", text_key(into.person.name));
  keys.emplace("email", text_key(into.person.email));
  keys.emplace("user", text_key(into.user));
  keys.emplace("tty", text_key(into.tty));
  keys.emplace("address", text_key(into.address));
}

}  // namespace rewall

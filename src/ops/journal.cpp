#include "ops/journal.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <functional>
#include <map>
#include <thread>
#include <utility>
#include <vector>

#include "core/format.h"
#include "core/log.h"
#include "core/text.h"

namespace rewall {
namespace {

constexpr std::string_view kFirstLine = "rewall journal 1";
constexpr std::string_view kLastLine = "end";
constexpr std::string_view kAllParts = "all";  // of the key "parts"
constexpr std::size_t kHashSize = 40;
constexpr std::chrono::milliseconds kPoll{20};

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

bool read_text(std::string_view line, std::string& text) {
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] != '\\') {
      text += line[i];
      continue;
    }
    constexpr std::string_view kCodes = "\\nr";
    constexpr std::string_view kMeant = "\\\n\r";
    const auto code = ++i < line.size() ? kCodes.find(line[i]) : std::string_view::npos;
    if (code == std::string_view::npos) return false;
    text += kMeant[code];
  }
  return true;
}

template <class Number>
bool read_number(std::string_view text, Number& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size();
}

bool read_hash(std::string_view text, std::string& hash) {
  const auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  if (text.size() != kHashSize || !std::ranges::all_of(text, is_digit)) return false;
  hash = text;
  return true;
}

bool read_time(std::string_view text, Time& time) {
  const auto words = split(text, ' ');
  return words.size() == 2 && read_number(words[0], time.seconds) && read_number(words[1], time.offset);
}

bool read_place(std::string_view text, std::optional<Generation>& place) {
  const auto words = split(text, ' ');
  place.emplace();
  if (words.size() != 2 || words[0].empty()) return false;
  place->boot = words[0];
  return read_number(words[1], place->network);
}

bool read_backends(std::string_view text, std::string& backends) {
  backends = text;
  return text == "nft" || text == "legacy" || text == "nft+legacy";
}

constexpr std::array<std::pair<std::string_view, BackendChoice>, 3> kChoices{
    {{"auto", BackendChoice::automatic}, {"nft", BackendChoice::nft}, {"legacy", BackendChoice::legacy}}};

bool read_choice(std::string_view text, BackendChoice& choice) {
  const auto found = std::ranges::find(kChoices, text, [](const auto& known) { return known.first; });
  if (found != kChoices.end()) choice = found->second;
  return found != kChoices.end();
}

std::string_view word_of(BackendChoice choice) {
  return std::ranges::find(kChoices, choice, [](const auto& known) { return known.second; })->first;
}

Error not_a_journal(std::size_t line, std::string_view what) {
  return Error{.kind = ErrorKind::repository, .message = format("line {}: {}", line, what)};
}

}  // namespace

std::string print_journal(const JournalEntry& entry) {
  std::string text(kFirstLine);
  const auto line = [&](std::string_view key, std::string_view value) {
    if (!value.empty()) text += format("\n{} {}", key, one_line(value));
  };
  line("before", entry.before);
  line("wanted", entry.wanted);
  line("backends", entry.backends);
  line("looks-at", word_of(entry.looks_at));
  if (entry.exact) line("parts", kAllParts);
  if (entry.place) line("place", format("{} {}", entry.place->boot, entry.place->network));
  line("began", format("{} {}", entry.began.seconds, entry.began.offset));
  line("process", format("{}", entry.process));
  line("trigger", entry.record.trigger);
  line("restores", entry.record.restores);
  line("message", entry.record.message);
  for (const auto& command : entry.record.commands) line("command", command);
  if (const auto& actor = entry.record.actor) {
    line("name", actor->person.name);
    line("email", actor->person.email);
    line("user", actor->user);
    line("tty", actor->tty);
    line("address", actor->address);
  }
  return text + format("\n{}\n", kLastLine);
}

Result<JournalEntry> parse_journal(std::string_view text) {
  JournalEntry entry;
  entry.record.trigger.clear();
  Actor actor;
  using Read = std::function<bool(std::string_view)>;
  const auto into = [](std::string& to) -> Read {
    return [&to](auto value) { return read_text(value, to); };
  };
  const std::map<std::string_view, Read> keys{
      {"before", [&](auto value) { return read_hash(value, entry.before); }},
      {"wanted", [&](auto value) { return read_hash(value, entry.wanted); }},
      {"backends", [&](auto value) { return read_backends(value, entry.backends); }},
      {"looks-at", [&](auto value) { return read_choice(value, entry.looks_at); }},
      {"parts", [&](auto value) { return entry.exact = value == kAllParts; }},
      {"place", [&](auto value) { return read_place(value, entry.place); }},
      {"began", [&](auto value) { return read_time(value, entry.began); }},
      {"process", [&](auto value) { return read_number(value, entry.process); }},
      {"trigger", into(entry.record.trigger)},
      {"restores", [&](auto value) { return read_hash(value, entry.record.restores); }},
      {"message", into(entry.record.message)},
      {"command", [&](auto value) { return read_text(value, entry.record.commands.emplace_back()); }},
      {"name", into(actor.person.name)},
      {"email", into(actor.person.email)},
      {"user", into(actor.user)},
      {"tty", into(actor.tty)},
      {"address", into(actor.address)}};

  const auto lines = split_lines(text);
  if (lines.empty() || lines.front() != kFirstLine) return not_a_journal(1, "no journal of this version");
  if (lines.back() != kLastLine || !text.ends_with('\n'))
    return not_a_journal(lines.size(), "the end is missing");
  std::map<std::string_view, int> seen;
  for (std::size_t i = 1; i + 1 < lines.size(); ++i) {
    const auto key = lines[i].substr(0, lines[i].find(' '));
    const auto read = keys.find(key);
    if (read == keys.end()) return not_a_journal(i + 1, "unknown key");
    if (++seen[key] > 1 && key != "command") return not_a_journal(i + 1, "said twice");
    if (key.size() == lines[i].size() || !read->second(lines[i].substr(key.size() + 1)))
      return not_a_journal(i + 1, "no value that it can have");
  }
  for (const char* key : {"before", "wanted", "backends", "looks-at", "began", "process", "trigger"}) {
    if (!seen.contains(key)) return not_a_journal(lines.size(), format("'{}' is missing", key));
  }
  if (seen.contains("name")) entry.record.actor = std::move(actor);
  return entry;
}

Journal::Journal(std::filesystem::path path, Fd fd)
    : path_(std::move(path)), fd_(std::move(fd)), handed_on_(std::make_unique<HandedOn>(fd_.get())) {}

Result<Journal> Journal::begin(const Repository& repository, const JournalEntry& entry) {
  const auto path = repository.state_path() / "journal";
  const auto failed = [&](int error) {
    ::unlink(path.c_str());
    return Error{.kind = ErrorKind::repository,
                 .message = format("{}: {}", path.string(), errno_text(error))};
  };
  if (auto written = write_file(path, print_journal(entry), 0600); !written)
    return std::move(written).error().within("LIVE is untouched");
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd || ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) return failed(errno);
  return Journal(path, std::move(fd));
}

Result<std::optional<Journal>> Journal::left(const Repository& repository, std::chrono::milliseconds wait) {
  const auto path = repository.state_path() / "journal";
  const auto failed = [&](int error) {
    return Error{.kind = ErrorKind::repository,
                 .message = format("{}: {}", path.string(), errno_text(error))};
  };
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd && errno == ENOENT) return std::optional<Journal>{};
  if (!fd) return failed(errno);
  const auto deadline = std::chrono::steady_clock::now() + wait;
  while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return failed(errno);
    if (std::chrono::steady_clock::now() >= deadline)
      return Error{
          .kind = ErrorKind::repository,
          .message = format("{}: a program of a restore that was killed is still at work", path.string())}
          .hinted("wait until it is done, or give it longer: rewall config lock.wait 60s");
    std::this_thread::sleep_for(kPoll);
  }
  return std::optional<Journal>(Journal(path, std::move(fd)));
}

Result<JournalEntry> Journal::read() const {
  auto text = read_all(fd_.get(), path_.string());
  if (!text) return std::move(text).error();
  auto entry = parse_journal(*text);
  if (!entry) return std::move(entry).error().within(path_.string());
  return entry;
}

void Journal::clear() {
  const int error = ::unlink(path_.c_str()) == 0 ? 0 : errno;
  if (error != 0 && error != ENOENT)
    log_warning("{}: cannot be removed: {}", path_.string(), errno_text(error));
  const Fd folder(::open(path_.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder) ::fsync(folder.get());
}

}  // namespace rewall

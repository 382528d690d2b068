#include "ops/expiry/expiry_state.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <utility>

#include "core/file.h"
#include "core/format.h"
#include "core/log.h"
#include "core/text.h"
#include "kernel/daemon.h"
#include "ops/context/over_note.h"
#include "ops/context/pid_lock.h"
#include "ops/context/state_file.h"
#include "ops/context/state_paths.h"

namespace rewall {
namespace {

namespace fs = std::filesystem;
using Kind = ExpiringPart::Kind;

constexpr std::string_view kVersion = "rewall expiry 1";
constexpr std::string_view kEnded = ".ended";
constexpr std::size_t kEndingsKept = 20;
constexpr std::array<std::pair<Kind, std::string_view>, 4> kKinds{
    {{Kind::rule, "rule"}, {Kind::chain, "chain"}, {Kind::set, "set"}, {Kind::member, "member"}}};

std::string_view key_of(Kind kind) {
  return std::ranges::find(kKinds, kind, [](const auto& known) { return known.first; })->second;
}

std::string value_of(const ExpiringPart& part) {
  switch (part.kind) {
    case Kind::rule:
      return format("{} {} {} {} {} {}", name(part.family), name(part.backend), part.table, part.name,
                    part.others, part.words);
    case Kind::chain:
      return format("{} {} {} {}", name(part.family), name(part.backend), part.table, part.name);
    case Kind::set:
      return part.name;
    case Kind::member:
      break;
  }
  return format("{} {}", part.name, part.words);
}

/// The words of a value, the last with all that follows.
std::vector<std::string> words_of(std::string_view text, std::size_t most) {
  std::vector<std::string> words;
  while (words.size() + 1 < most && text.find(' ') != std::string_view::npos) {
    words.emplace_back(text.substr(0, text.find(' ')));
    text.remove_prefix(words.back().size() + 1);
  }
  words.emplace_back(text);
  return words;
}

bool read_place(const std::vector<std::string>& words, ExpiringPart& part) {
  part.family = words[0] == name(Family::ipv6) ? Family::ipv6 : Family::ipv4;
  part.backend = words[1] == name(Backend::legacy) ? Backend::legacy : Backend::nft;
  part.table = words[2];
  part.name = words[3];
  return words[0] == name(part.family) && words[1] == name(part.backend) && !part.table.empty() &&
         !part.name.empty();
}

bool read_part(Kind kind, std::string_view value, std::vector<ExpiringPart>& into) {
  constexpr std::size_t kOfRule = 6;
  constexpr std::size_t kOfChain = 4;
  ExpiringPart part{.kind = kind};
  bool good = !value.empty();
  if (kind == Kind::rule) {
    auto words = words_of(value, kOfRule);
    good = words.size() == kOfRule && read_place(words, part) && read_number(words[4], part.others);
    if (good) part.words = std::move(words[5]);
  } else if (kind == Kind::chain) {
    const auto words = words_of(value, kOfChain);
    good = words.size() == kOfChain && read_place(words, part);
  } else if (kind == Kind::set) {
    part.name = value;
  } else {
    auto words = words_of(value, 2);
    good = words.size() == 2;
    part.name = words[0];
    if (good) part.words = std::move(words[1]);
  }
  into.push_back(std::move(part));
  return good;
}

StateLines lines_of(const Expiry& expiry) {
  StateLines lines;
  lines.add("id", expiry.id);
  lines.add("due", expiry.due);
  lines.add("asked", expiry.asked);
  lines.add("before", expiry.before);
  lines.add("after", expiry.after);
  lines.add("guard", expiry.guard);
  lines.add("place", expiry.place);
  lines.add("looks-at", expiry.looks_at);
  lines.add("command", expiry.command);
  lines.add(expiry.actor);
  for (const auto& part : expiry.parts) {
    lines.add(key_of(part.kind), value_of(part));
    if (!part.was.empty()) lines.add("was", part.was);
  }
  if (expiry.done) lines.add("done", *expiry.done);
  return lines;
}

Result<Expiry> parse(std::string_view text, StateKeys more) {
  Expiry expiry;
  StateKeys keys{{"id", required(text_key(expiry.id))},
                 {"due", required(time_key(expiry.due))},
                 {"asked", required(time_key(expiry.asked))},
                 {"before", hash_key(expiry.before)},
                 {"after", hash_key(expiry.after)},
                 {"guard", text_key(expiry.guard)},
                 {"place", place_key(expiry.place)},
                 {"looks-at", required(choice_key(expiry.looks_at))},
                 {"command", text_key(expiry.command)},
                 {"was",
                  {.read =
                       [&](std::string_view value) {
                         if (expiry.parts.empty() || expiry.parts.back().kind != Kind::rule) return false;
                         expiry.parts.back().was = value;
                         return !value.empty();
                       },
                   .repeats = true}},
                 {"done", {.read = [&](std::string_view value) {
                    return time_key(expiry.done.emplace()).read(value);
                  }}}};
  for (const auto& [kind, key] : kKinds)
    keys.emplace(
        key, StateKey{.read = [&expiry, kind = kind](
                                  std::string_view value) { return read_part(kind, value, expiry.parts); },
                      .repeats = true});
  add_actor_keys(keys, expiry.actor);
  keys.merge(more);
  TRY(parse_state(text, kVersion, keys));
  return expiry;
}

fs::path path_of(const fs::path& state, const std::string& id) {
  return StatePaths(state).expiries() / id;
}

bool is_id(std::string_view name) {
  constexpr std::size_t kDigits = 16;
  return name.size() == kDigits && name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

template <class Visit>
void for_each_file(const fs::path& state, const Visit& visit) {
  for (const auto& entry : entries_in(StatePaths(state).expiries())) visit(entry.path());
}

void remove_file(const fs::path& path) {
  std::error_code failed;
  fs::remove(path, failed);
  if (failed) log_warning("{}: cannot be removed: {}", path.string(), failed.message());
}

void forget_old_endings(const fs::path& state) {
  std::vector<std::pair<fs::file_time_type, fs::path>> files;
  std::error_code failed;
  for_each_file(state, [&](const fs::path& path) {
    if (path.extension() == kEnded) files.emplace_back(fs::last_write_time(path, failed), path);
  });
  std::ranges::sort(files, std::greater{});
  for (std::size_t i = kEndingsKept; i < files.size(); ++i) fs::remove(files[i].second, failed);
}

}  // namespace

std::string print_expiry(const Expiry& expiry) {
  return lines_of(expiry).text(kVersion);
}

Result<Expiry> parse_expiry(std::string_view text) {
  return parse(text, {});
}

namespace {

/// The note of an expiry that is over, by its file.
std::optional<std::string> note_of(const fs::path& path) {
  return is_id(path.filename().string()) ? read_over(path.filename().string()) : std::nullopt;
}

}  // namespace

Expiries read_expiries(const fs::path& state) {
  Expiries expiries;
  for_each_file(state, [&](const fs::path& path) {
    if (!is_id(path.filename().string()) || note_of(path)) return;
    const auto text = read_plain_file(path);
    auto expiry = text ? parse_expiry(*text) : Result<Expiry>(text.error());
    if (!text)
      expiries.unreadable.push_back(text.error().message);
    else if (!expiry)
      expiries.unreadable.push_back(format("{}: {}", path.string(), expiry.error().message));
    else
      expiries.pending.push_back(*std::move(expiry));
  });
  std::ranges::sort(expiries.pending, {}, [](const Expiry& one) { return std::pair(one.due, one.id); });
  std::ranges::sort(expiries.unreadable);
  return expiries;
}

bool has_expiries(const fs::path& state) {
  bool found = false;
  for_each_file(state, [&](const fs::path& path) { found = found || is_id(path.filename().string()); });
  return found;
}

Status write_expiry(const fs::path& state, const Expiry& expiry) {
  ::mkdir(StatePaths(state).expiries().c_str(), 0700);
  const auto path = path_of(state, expiry.id);
  make_way(path);
  return write_file(path, print_expiry(expiry), 0600);
}

void drop_expiry(const fs::path& state, const Expiry& expiry) {
  remove_file(path_of(state, expiry.id));
  wake_expiries(state);
}

void drop_expiries_of(const fs::path& state, const std::string& guard) {
  if (!has_expiries(state)) return;
  for (const auto& expiry : read_expiries(state).pending) {
    if (expiry.guard != guard) continue;
    if (expiry.done)
      end_expiry(state, {.expiry = expiry, .ended = now(), .says = taken_out_text(*expiry.done)});
    else
      drop_expiry(state, expiry);
  }
}

namespace {

/// As move_what_is_over().
bool move_to_ended(const fs::path& state, const fs::path& path, const std::string& text) {
  auto end = path;
  end += kEnded;
  if (!move_what_is_over(path, end, state)) return false;
  if (auto written = write_file(end, text, 0600); !written) log_info("{}", written.error().message);
  forget_old_endings(state);
  return true;
}

}  // namespace

void end_expiry(const fs::path& state, const ExpiryEnding& ending) {
  auto lines = lines_of(ending.expiry);
  lines.add("ended", ending.ended);
  lines.add("result", ending.result);
  lines.add("says", ending.says);
  const auto text = lines.text(kVersion);
  if (!move_to_ended(state, path_of(state, ending.expiry.id), text)) note_over(ending.expiry.id, text);
}

bool has_noted_expiries(const fs::path& state) {
  bool found = false;
  for_each_file(state, [&](const fs::path& path) { found = found || note_of(path); });
  return found;
}

void settle_expiries(const fs::path& state) {
  std::vector<fs::path> over;
  for_each_file(state, [&](const fs::path& path) {
    if (note_of(path)) over.push_back(path);
  });
  for (const auto& path : over)
    if (move_to_ended(state, path, *note_of(path))) forget_over(path.filename().string());
}

std::vector<ExpiryEnding> expiries_ended(const fs::path& state, std::int64_t since) {
  std::vector<ExpiryEnding> endings;
  for_each_file(state, [&](const fs::path& path) {
    auto note = note_of(path);
    if (path.extension() != kEnded && !note) return;
    const auto text = note ? Result<std::string>(*std::move(note)) : read_plain_file(path);
    if (!text) return;
    ExpiryEnding ending;
    auto expiry = parse(*text, {{"ended", required(time_key(ending.ended))},
                                {"result", hash_key(ending.result)},
                                {"says", text_key(ending.says)}});
    if (!expiry || ending.ended.seconds < since) return;
    ending.expiry = *std::move(expiry);
    endings.push_back(std::move(ending));
  });
  std::ranges::sort(endings, std::greater{},
                    [](const ExpiryEnding& one) { return std::pair(one.ended, one.expiry.id); });
  return endings;
}

fs::path expiry_lock(const fs::path& state) {
  return StatePaths(state).expiry_lock();
}

void wake_expiries(const fs::path& state) {
  const pid_t process = PidLock::process(expiry_lock(state), std::string(kExpiryWork));
  if (process > 0 && process != ::getpid() && !is_stopped(process)) ::kill(process, SIGUSR1);
}

std::string taken_out_text(const Time& at) {
  return format("taken out at {}, while a guard was armed", rfc3339(at));
}

std::string count_text(const std::vector<ExpiringPart>& parts) {
  constexpr std::array<std::pair<Kind, std::string_view>, 4> kNames{
      {{Kind::rule, "rule"}, {Kind::chain, "chain"}, {Kind::set, "set"}, {Kind::member, "set member"}}};
  std::vector<std::string> counts;
  for (const auto& [kind, one] : kNames) {
    const auto n = std::ranges::count(parts, kind, &ExpiringPart::kind);
    if (n > 0) counts.push_back(counted(static_cast<std::size_t>(n), one));
  }
  return join(counts, ", ");
}

std::string to_text(const ExpiringPart& part) {
  const auto place = format("{} {} {}", short_name(part.family), part.table, part.name);
  switch (part.kind) {
    case Kind::rule:
      return place + " " + part.words;
    case Kind::chain:
      return "chain " + place;
    case Kind::set:
      return "set " + part.name;
    case Kind::member:
      break;
  }
  return format("set {}: {}", part.name, part.words);
}

std::string origin_text(const Expiry& expiry) {
  return format("of {} ({})", escape(expiry.actor.text()), escape(expiry.command));
}

}  // namespace rewall

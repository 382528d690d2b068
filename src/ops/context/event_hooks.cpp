#include "ops/context/event_hooks.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <utility>

#include "core/file.h"
#include "core/format.h"
#include "core/log.h"
#include "core/text.h"
#include "core/time.h"
#include "core/trust.h"
#include "kernel/process.h"
#include "ops/context/identity.h"
#include "ops/context/settings.h"

namespace rewall {
namespace {

namespace fs = std::filesystem;

struct Folder {
  fs::path path{};  ///< empty: there are none
  std::chrono::milliseconds deadline{};
};

Result<Folder> folder_of(Session& session, const std::string& event) {
  auto repository = TRY(session.repository());
  auto path = TRY(read_setting(*repository, settings::hooks_path));
  Folder folder{.path = path.empty() ? fs::path() : fs::path(path) / (event + ".d")};
  struct stat facts {};
  if (path.empty() || (::stat(folder.path.c_str(), &facts) != 0 && errno == ENOENT)) return Folder{};
  auto deadline = TRY(read_setting(*repository, settings::hooks_deadline));
  folder.deadline = deadline;
  return folder;
}

// run-parts(8): what a package manager or an editor leaves behind has a dot or a tilde.
bool is_plain(const std::string& name) {
  return std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

Error unreadable(const fs::path& path, const std::error_code& why) {
  return {.kind = ErrorKind::refused, .message = format("{}: {}", path.string(), why.message())};
}

// All of them are looked at before any runs.
Result<std::vector<HookProgram>> programs_in(const fs::path& literal) {
  std::vector<HookProgram> programs;
  if (literal.empty()) return programs;
  std::error_code failed;
  const auto folder = fs::canonical(literal, failed);
  if (failed) return unreadable(literal, failed);
  TRY(check_trust(literal));
  for (const auto& entry : entries_in(folder, failed)) {
    const auto& path = entry.path();
    std::error_code gone;
    const auto real = fs::canonical(path, gone);
    if (gone || !is_plain(path.filename()) || !fs::is_regular_file(real, gone)) continue;
    if (::access(real.c_str(), X_OK) != 0) continue;
    TRY(check_trust(path));
    programs.push_back({.name = literal.filename() / path.filename(), .words = {real}});
  }
  if (failed) return unreadable(folder, failed);
  std::ranges::sort(programs, {}, &HookProgram::name);
  return programs;
}

std::vector<std::string> variables_of(const Session& session, const Event& event) {
  return {"REWALL_EVENT=" + event.name,
          "REWALL_REPO=" + absolute_path(session.path()).string(),
          "REWALL_TRIGGER=" + event.trigger,
          "REWALL_ACTOR=" + escape(current_actor().text()),
          "REWALL_FROM=" + event.from,
          "REWALL_HASH=" + event.hash,
          "REWALL_SUBJECT=" + escape(event.subject),
          "REWALL_REVISION=" + escape(event.revision),
          "REWALL_RESTORES=" + event.restores};
}

QueuedEvent as_queued(const Session& session, const Event& event, const Diff& diff) {
  return {.event = event.name,
          .variables = variables_of(session, event),
          .diff = session.diff_text ? session.diff_text(diff) : ""};
}

using HookClock = std::chrono::steady_clock;

constexpr std::size_t kLinesShown = 100;
constexpr std::size_t kMostOutput = 1 << 16;

void show_lines(const HookProgram& program, std::string_view text) {
  const auto lines = split_lines(text);
  for (std::size_t i = 0; i < lines.size() && i < kLinesShown; ++i)
    log_warning("{}: {}", program.name, lines[i]);
  if (lines.size() > kLinesShown) log_warning("{}: and more, which is not shown", program.name);
}

/// All programs of an event have one deadline.
Status run_program(const HookProgram& program, const QueuedEvent& event, HookClock::time_point end,
                   std::chrono::milliseconds deadline) {
  auto outcome = TRY(run({.words = program.words,
                          .input = event.diff,
                          .environment = event.variables,
                          .most_output = kMostOutput,
                          .leaves_children = true,
                          .deadline = time_left(end)},
                         ErrorKind::refused));
  show_lines(program, outcome.out);
  show_lines(program, outcome.err);
  if (outcome.ok()) return {};
  outcome.deadline = deadline;
  return Error{.kind = ErrorKind::refused, .message = format("{}: {}", program.name, outcome.text())};
}

void warn(const Error& error) {
  log_warning("{}{}{}", error.message, error.hint.empty() ? "" : "; ", error.hint);
}

}  // namespace

namespace {

// As run-parts(8) and dpkg(1) know them, and editors make them.
bool is_left_behind(const std::string& name) {
  constexpr std::array<std::string_view, 9> kEnds{"~",     ".bak", ".orig", ".rej",    ".swp",
                                                  ".dpkg", ".md",  ".txt",  ".rpmsave"};
  return name.starts_with('.') || name.starts_with("README") || name.find(".dpkg-") != std::string::npos ||
         name.find(".ucf-") != std::string::npos ||
         std::ranges::any_of(kEnds, [&](std::string_view end) { return name.ends_with(end); });
}

std::string plain_name(std::string name) {
  name = name.substr(0, name.find_last_of('.'));
  for (char& c : name)
    if (!is_plain(std::string(1, c))) c = '-';
  return name;
}

std::optional<IgnoredHook> ignored_hook(const fs::path& path) {
  const auto name = path.filename().string();
  if (is_left_behind(name)) return std::nullopt;
  IgnoredHook hook{.path = path};
  std::error_code failed;
  const auto real = fs::canonical(path, failed);
  if (failed) {
    hook.why = "it is a link that leads nowhere";
    return hook;
  }
  if (!fs::is_regular_file(real, failed)) return std::nullopt;
  const bool runs = ::access(real.c_str(), X_OK) == 0;
  if (runs && is_plain(name)) return std::nullopt;
  std::string why = runs ? "" : "it is not executable";
  std::string mend = runs ? "" : "chmod +x " + shell_quote(path.string());
  if (!is_plain(name)) {
    why +=
        std::string(runs ? "" : ", and ") + "its name has other characters than letters, digits, '_' and '-'";
    mend += format("{}mv {} {}", runs ? "" : "; ", shell_quote(path.string()),
                   shell_quote((path.parent_path() / plain_name(name)).string()));
  }
  hook.why = std::move(why);
  hook.mend = std::move(mend);
  return hook;
}

}  // namespace

Result<std::vector<IgnoredHook>> ignored_hooks(const Repository& repository) {
  std::vector<IgnoredHook> ignored;
  const auto top = TRY(read_setting(repository, settings::hooks_path));
  if (top.empty()) return ignored;
  for (const char* folder : {"pre-restore.d", "post-restore.d", "post-snapshot.d"})
    for (const auto& entry : entries_in(fs::path(top) / folder))
      if (auto hook = ignored_hook(entry.path())) ignored.push_back(*std::move(hook));
  std::ranges::sort(ignored, {}, &IgnoredHook::path);
  return ignored;
}

Status run_pre_hooks(Session& session, const Event& event, const Diff& diff) {
  auto folder = TRY(folder_of(session, event.name));
  auto programs = programs_in(folder.path);
  if (!programs) {
    programs.error().live = LiveState::untouched;
    return std::move(programs).error();
  }
  if (programs->empty()) return {};
  const QueuedEvent queued = as_queued(session, event, diff);
  const auto end = HookClock::now() + folder.deadline;
  for (const auto& program : *programs) {
    auto done = run_program(program, queued, end, folder.deadline);
    if (done) continue;
    done.error().live = LiveState::untouched;
    return std::move(done).error().hinted(
        format("this program in {} may forbid it; without 'x' in its mode it is not run",
               folder.path.parent_path().string()));
  }
  return {};
}

Status run_hook(const HookProgram& program, const QueuedEvent& event, std::chrono::milliseconds deadline) {
  if (auto trusted = check_trust(program.words.front()); !trusted)
    return std::move(trusted).error().within(program.name);
  return run_program(program, event, HookClock::now() + deadline, deadline);
}

void queue_event(Session& session, const Event& event, const Diff& diff) {
  auto folder = folder_of(session, event.name);
  if (!folder) return warn(folder.error());
  if (!folder->path.empty()) session.queued_events.push_back(as_queued(session, event, diff));
}

void queue_post_snapshot(Session& session, const RecordEvent& recorded) {
  if (!recorded.changed) return;
  queue_event(session,
              {.name = "post-snapshot",
               .trigger = recorded.trigger,
               .from = recorded.from,
               .hash = recorded.hash,
               .subject = recorded.subject,
               .restores = recorded.restores},
              recorded.diff);
}

void run_queued_events(Session& session) {
  for (const auto& queued : std::exchange(session.queued_events, {})) {
    auto folder = folder_of(session, queued.event);
    if (!folder) return warn(folder.error());
    auto programs = programs_in(folder->path);
    if (!programs) {
      warn(programs.error());
      continue;
    }
    const auto end = HookClock::now() + folder->deadline;
    for (const auto& program : *programs) {
      if (auto done = run_program(program, queued, end, folder->deadline); !done) warn(done.error());
    }
  }
}

}  // namespace rewall

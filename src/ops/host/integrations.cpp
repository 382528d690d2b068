#include "ops/host/integrations.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <optional>
#include <utility>

#include "core/file.h"
#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"
#include "hook_texts.h"

namespace rewall {
namespace {

namespace fs = std::filesystem;
using State = Integration::State;

consteval std::string_view text_of(std::string_view file) {
  const auto* const found = std::ranges::find(kHookTexts, file, [](const auto& pair) { return pair.first; });
  if (found == std::end(kHookTexts)) throw "no such file";
  return found->second;
}

struct Source {
  std::string_view integration{};
  std::string_view path{};  ///< below the root; below the repository where it begins with `.git/`
  std::string_view text{};
  mode_t mode = 0644;
  std::string_view packaged{};  ///< where a package has it (hooks/package/stage.cmake)
};

constexpr std::array<Source, 8> kSources{{
    {"systemd", "etc/systemd/system/rewall-restore.service", text_of("systemd/rewall-restore.service"), 0644,
     "usr/lib/systemd/system/rewall-restore.service"},
    {"systemd", "etc/systemd/system/rewall-watch.service", text_of("systemd/rewall-watch.service"), 0644,
     "usr/lib/systemd/system/rewall-watch.service"},
    {"netfilter-persistent", "usr/share/netfilter-persistent/plugins.d/05-rewall",
     text_of("netfilter-persistent/05-rewall"), 0755, "usr/share/netfilter-persistent/plugins.d/05-rewall"},
    {"netfilter-persistent", "etc/systemd/system/netfilter-persistent.service.d/rewall.conf",
     text_of("netfilter-persistent/rewall.conf"), 0644,
     "usr/lib/systemd/system/netfilter-persistent.service.d/rewall.conf"},
    {"fail2ban", "etc/fail2ban/action.d/rewall.conf", text_of("fail2ban/rewall.conf"), 0644,
     "etc/fail2ban/action.d/rewall.conf"},
    {"apt", "etc/apt/apt.conf.d/80rewall", text_of("apt/80rewall")},
    {"cron", "etc/cron.d/rewall", text_of("cron/rewall")},
    {"git-diff", ".git/info/attributes", text_of("git-diff/attributes"), 0600},
}};

constexpr std::array<Integration, 6> kIntegrations{{
    {.name = "systemd",
     .what = "services: rewall-watch records every change, rewall-restore loads HEAD at boot",
     .next = "systemctl daemon-reload; systemctl enable --now rewall-watch.service; "
             "systemctl enable rewall-restore.service"},
    {.name = "netfilter-persistent",
     .what = "'netfilter-persistent save' takes a snapshot; avoids loading rules twice at boot",
     .next = "systemctl daemon-reload"},
    {.name = "fail2ban",
     .what = "an action that takes a snapshot when a jail has added its chains",
     .next = "name the action 'rewall' in jail.local as /etc/fail2ban/action.d/rewall.conf shows; "
             "fail2ban-client "
             "reload"},
    {.name = "apt", .what = "takes a snapshot before and after packages change"},
    {.name = "cron", .what = "records changes every minute where rewall-watch cannot run"},
    {.name = "git-diff",
     .what = "'git diff' in the repository compares rules by their meaning",
     .in_repository = true},
}};

constexpr const char* kGitKey = "diff.rewall.textconv";

// FNV-1a: it shows a change, and does not protect from a forger.
std::string checksum(std::string_view text) {
  std::uint64_t sum = 14695981039346656037U;
  for (const char c : text) sum = (sum ^ static_cast<unsigned char>(c)) * 1099511628211U;
  return format("{:016x}", sum);
}

std::string signed_text(std::string_view integration, std::string_view text) {
  return format("{}# rewall hooks install {}: {}\n", text, integration, checksum(text));
}

State state_of(const std::string& found, const Source& source) {
  if (found == signed_text(source.integration, source.text)) return State::installed;
  if (found == source.text) return State::other;  // copied by hand
  const auto end = found.size() < 2 ? std::string::npos : found.rfind('\n', found.size() - 2);
  if (end == std::string::npos) return State::changed;
  return found == signed_text(source.integration, std::string_view(found).substr(0, end + 1))
             ? State::other
             : State::changed;
}

State state_of(const fs::path& path, const Source& source) {
  std::error_code failed;
  if (fs::symlink_status(path, failed).type() == fs::file_type::not_found) return State::absent;
  const auto found = fs::is_regular_file(path, failed) ? read_file(path) : Error{};
  return found ? state_of(*found, source) : State::changed;
}

Result<fs::path> path_of(Session& session, const Source& source, const fs::path& root) {
  if (!source.path.starts_with(".git/")) return root / source.path;
  auto repository = TRY(session.repository());
  return repository->path() / source.path;
}

// git runs the command with the file's name. Where rewall fails, git shows the text as it is.
constexpr std::string_view kTextconvStart = "f() { ";
constexpr std::string_view kTextconvEnd = R"( checkout --meaning "file:$1" 2>/dev/null || cat "$1"; }; f)";

std::string textconv(const Session& session) {
  return format("{}{}{}", kTextconvStart, shell_quote(session.program), kTextconvEnd);
}

Result<State> state_of_key(Session& session) {
  auto repository = TRY(session.repository());
  auto settings = TRY(Settings::open_git(*repository));
  auto value = TRY(settings.get(kGitKey));
  if (!value) return State::absent;
  if (*value == textconv(session)) return State::installed;
  return value->starts_with(kTextconvStart) && value->ends_with(kTextconvEnd) ? State::other : State::changed;
}

Status set_key(Session& session, const std::optional<std::string>& value) {
  auto repository = TRY(session.repository());
  auto settings = TRY(Settings::open_git(*repository));
  return value ? settings.set(kGitKey, *value) : settings.unset(kGitKey);
}

State state_of_all(const std::vector<Integration::File>& files) {
  const auto any = [&](State state) {
    return std::ranges::find(files, state, &Integration::File::state) != files.end();
  };
  if (any(State::changed)) return State::changed;
  if (std::ranges::all_of(files, [](const auto& file) { return file.state == State::packaged; }))
    return State::packaged;
  if (any(State::absent)) return any(State::installed) || any(State::other) ? State::partly : State::absent;
  return any(State::other) ? State::other : State::installed;
}

std::vector<const Source*> sources_of(const Integration& integration) {
  std::vector<const Source*> sources;
  for (const auto& source : kSources) {
    if (source.integration == integration.name) sources.push_back(&source);
  }
  return sources;
}

// A package names what it has, a name a line.
bool is_packaged(const Integration& integration, const fs::path& root) {
  const auto names = read_file(root / "usr/share/rewall/packaged");
  if (!names) return false;
  const auto lines = split_lines(*names);
  return std::ranges::find(lines, integration.name) != lines.end();
}

// What was written beside it stays the integration's own, and counts: /etc comes before /usr/lib.
Integration::File file_of(const Source& source, const fs::path& path, const fs::path& root, bool packaged) {
  Integration::File file{path.string(), state_of(path, source)};
  const auto shipped = root / source.packaged;
  const bool is_other = file.state == State::other && path == shipped;
  if (!packaged || source.packaged.empty() || (file.state != State::absent && !is_other)) return file;
  return path_exists(shipped) ? Integration::File{shipped.string(), State::packaged} : file;
}

// The states of the files, in the order of kSources, then the state of the key of git.
Result<Integration> with_states(Session& session, Integration integration, const fs::path& root) {
  const bool packaged = is_packaged(integration, root);
  for (const auto* source : sources_of(integration)) {
    auto path = TRY(path_of(session, *source, root));
    integration.files.push_back(file_of(*source, path, root, packaged));
  }
  if (integration.in_repository) {
    auto state = TRY(state_of_key(session));
    integration.files.push_back({kGitKey, state});
  }
  integration.state = state_of_all(integration.files);
  return integration;
}

Result<Integration> find_integration(const std::string& name) {
  std::vector<std::string> names;
  for (const auto& integration : kIntegrations) {
    if (integration.name == name) return integration;
    names.emplace_back(integration.name);
  }
  const auto near = nearest(name, names);
  return error_of<messages::unknown_integration>(escape(name))
      .hinted(near.empty() ? "the integrations are " + join(names, ", ")
                           : format("did you mean '{}'?", near));
}

Result<Integration> find_unchanged(Session& session, const std::string& name, const fs::path& root) {
  auto integration = TRY(find_integration(name));
  auto found = TRY(with_states(session, std::move(integration), root));
  for (const auto& file : found.files) {
    if (file.state != State::changed) continue;
    return error_of<messages::integration_changed>(
        escape(file.path), file.path == kGitKey ? format("git -C REPOSITORY config --unset {}", kGitKey)
                                                : format("rm {}", shell_quote(file.path)));
  }
  return found;
}

Error write_error(std::string message) {
  if (::geteuid() == 0) return {.kind = ErrorKind::usage, .message = std::move(message)};
  return {.kind = ErrorKind::permission, .message = std::move(message), .hint = "run this command as root"};
}

/// Makes the folders that lead to a file of another program, which may not run as root: the umask does not
/// count.
Status make_folders(const fs::path& folder, mode_t mode) {
  std::error_code failed;
  if (folder.empty() || fs::is_directory(folder, failed)) return {};
  TRY(make_folders(folder.parent_path(), mode));
  if (::mkdir(folder.c_str(), mode) == 0 && ::chmod(folder.c_str(), mode) == 0) return {};
  const int error = errno;
  if (error == EEXIST && fs::is_directory(folder, failed)) return {};
  return write_error(format("{}: {}", folder.string(), errno_text(error)));
}

Status write_files(Session& session, const Integration& integration, const fs::path& root) {
  std::size_t n = 0;
  for (const auto* source : sources_of(integration)) {
    const auto& file = integration.files[n++];
    if (file.state == State::installed || file.state == State::packaged) continue;
    auto path = TRY(path_of(session, *source, root));
    TRY(make_folders(path.parent_path(), integration.in_repository ? 0700 : 0755));
    auto written = write_file(path, signed_text(source->integration, source->text), source->mode);
    if (!written) return write_error(std::move(written).error().message);
  }
  if (n < integration.files.size() && integration.files[n].state != State::installed)
    return set_key(session, textconv(session));
  return {};
}

// An enabled unit without its file would fail at every boot.
Status check_not_enabled(const Integration& integration, const fs::path& root) {
  for (const auto& file : integration.files) {
    const fs::path path = file.path;
    if (path.extension() != ".service" || file.state == State::absent || file.state == State::packaged)
      continue;
    std::error_code failed;
    for (const auto& entry : entries_in(path.parent_path())) {
      if (entry.path().extension() != ".wants") continue;
      if (!fs::is_symlink(entry.path() / path.filename(), failed)) continue;
      // Below another root the unit of this machine is not meant.
      return error_of<messages::unit_enabled>(
          path.filename().string(),
          root == "/" ? "disable --now" : format("--root={} disable", shell_quote(root.string())));
    }
  }
  return {};
}

Status remove_files(Session& session, const Integration& integration) {
  for (const auto& file : integration.files) {
    if (file.state == State::absent || file.state == State::packaged) continue;
    if (file.path == kGitKey) {
      TRY(set_key(session, std::nullopt));
      continue;
    }
    std::error_code failed;
    fs::remove(file.path, failed);
    if (failed) return write_error(format("{}: {}", file.path, failed.message()));
  }
  return {};
}

}  // namespace

std::string_view name(Integration::State state) {
  switch (state) {
    case State::absent:
      return "absent";
    case State::installed:
      return "installed";
    case State::other:
      return "other";
    case State::partly:
      return "partly";
    case State::changed:
      return "changed";
    case State::packaged:
      return "packaged";
  }
  return "";
}

std::vector<Integration> list_integrations(Session& session, const fs::path& root) {
  std::vector<Integration> integrations;
  for (const auto& integration : kIntegrations) {
    auto found = with_states(session, integration, root);
    integrations.push_back(found ? *std::move(found) : integration);
  }
  return integrations;
}

Result<Integration> install_integration(Session& session, const std::string& name, const fs::path& root) {
  auto integration = TRY(find_unchanged(session, name, root));
  TRY(write_files(session, integration, root));
  return integration;
}

Result<Integration> remove_integration(Session& session, const std::string& name, const fs::path& root) {
  auto integration = TRY(find_unchanged(session, name, root));
  if (integration.state == State::packaged) return error_of<messages::integration_packaged>(escape(name));
  TRY(check_not_enabled(integration, root));
  TRY(remove_files(session, integration));
  return integration;
}

}  // namespace rewall

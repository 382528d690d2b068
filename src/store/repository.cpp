#include "store/repository.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "core/file.h"
#include "core/format.h"
#include "core/log.h"
#include "core/messages.h"
#include "core/text.h"
#include "store/access.h"
#include "store/host_branch.h"
#include "store/loose.h"
#include "store/message.h"
#include "store/repository_impl.h"

namespace rewall {
namespace {

namespace fs = std::filesystem;

constexpr mode_t kPrivateFolder = 0700;
constexpr mode_t kPrivateFile = 0600;
// Of keep_little(), in bytes.
constexpr ssize_t kLittleKept = 256 * 1024;
constexpr std::size_t kPackPiece = 1024 * 1024;
constexpr std::size_t kPackPieces = 4 * kPackPiece;
constexpr unsigned kExactly = GIT_REPOSITORY_OPEN_NO_SEARCH | GIT_REPOSITORY_OPEN_NO_DOTGIT;

Error folder_error(const fs::path& path, int error) {
  if (error == EACCES || error == EPERM) return no_repository(path, error);
  return error_of<messages::repository_failed>(path.string(), errno_text(error));
}

Status check_empty(const fs::path& path) {
  if (path_exists(path / ".git"))
    return error_of<messages::repository_exists>(path.string(), shell_quote(path.string()));
  std::error_code failed;
  const bool empty = fs::is_directory(path, failed) && fs::is_empty(path, failed);
  if (failed) return folder_error(path, failed.value());
  if (!empty) {
    auto error = error_of<messages::folder_not_empty>(path.string());
    if (lost_git(path))
      error.hint =
          format("its .git is gone: mv {0} {0}.old; then run the command again", shell_quote(path.string()));
    return error;
  }
  return check_access(path, S_IFDIR, path);
}

/// The folder for a new repository. Unless kept, what was made for it is removed again.
class Site {
 public:
  explicit Site(fs::path path) : path_(std::move(path)) {}
  Site(const Site&) = delete;
  Site& operator=(const Site&) = delete;
  ~Site() {
    std::error_code ignored;
    if (!kept_ && !made_.empty()) fs::remove_all(made_, ignored);
  }
  void keep() { kept_ = true; }

  Status prepare() {
    struct stat facts {};
    if (::lstat(path_.c_str(), &facts) == 0) return take_over();
    fs::path first = path_;
    while (first.has_parent_path() && first != first.parent_path() && !path_exists(first.parent_path()))
      first = first.parent_path();
    made_ = first;
    std::error_code failed;
    fs::create_directories(path_, failed);
    if (failed) return folder_error(path_, failed.value());
    if (::chmod(path_.c_str(), kPrivateFolder) != 0) return folder_error(path_, errno);
    return {};
  }

 private:
  Status take_over() {
    TRY(check_empty(path_));
    if (::chmod(path_.c_str(), kPrivateFolder) != 0) return folder_error(path_, errno);
    made_ = path_ / ".git";
    return {};
  }

  fs::path path_;
  fs::path made_{};
  bool kept_ = false;
};

Status write_config(git_repository* repo, const fs::path& path) {
  git::Config config;
  if (git::fill(config, git_repository_config, repo) != 0) return git::last_error(path.string());
  // Rules are kept byte for byte whatever the user's own git configuration says, and `@{2 hours ago}` needs
  // the log.
  if (git_config_set_bool(config.get(), "core.autocrlf", 0) != 0 ||
      git_config_set_bool(config.get(), "core.logallrefupdates", 1) != 0)
    return git::last_error(path.string());
  return {};
}

/// A lax umask must not make a repository that open() refuses.
Status close_to_others(const fs::path& path) {
  std::error_code failed;
  for (const auto& entry : entries_below(path / ".git", failed)) {
    std::error_code gone;
    const bool folder = entry.is_directory(gone);
    if (!gone && ::chmod(entry.path().c_str(), folder ? kPrivateFolder : kPrivateFile) != 0)
      return folder_error(entry.path(), errno);
  }
  if (failed) return folder_error(path, failed.value());
  if (::chmod((path / ".git").c_str(), kPrivateFolder) != 0) return folder_error(path, errno);
  return {};
}

Status make_repository(const fs::path& path, const std::string& host) {
  git_repository_init_options options{};
  options.version = GIT_REPOSITORY_INIT_OPTIONS_VERSION;
  options.flags = GIT_REPOSITORY_INIT_NO_REINIT;
  const std::string head = std::string(kHostBranches) + host;
  options.initial_head = head.c_str();
  git::Repo repo;
  if (git::fill(repo, git_repository_init_ext, path.c_str(), &options) != 0)
    return git::last_error(path.string());
  TRY(write_config(repo.get(), path));
  if (::mkdir((path / ".git/rewall").c_str(), kPrivateFolder) != 0) return folder_error(path, errno);
  return close_to_others(path);
}

}  // namespace

void keep_little() {
  git_libgit2_opts(GIT_OPT_SET_CACHE_MAX_SIZE, kLittleKept);
  git_libgit2_opts(GIT_OPT_SET_MWINDOW_SIZE, kPackPiece);
  git_libgit2_opts(GIT_OPT_SET_MWINDOW_MAPPED_LIMIT, kPackPieces);
}

Result<git::Signature> rewall_signature(const std::string& host, Time time) {
  git::Signature signature;
  const std::string email = "rewall@" + host;
  if (git::fill(signature, git_signature_new, "rewall", email.c_str(), time.seconds, time.offset) != 0)
    return git::last_error(email);
  return signature;
}

std::string Repository::Impl::branch() const {
  return std::string(kHostBranches) + host;
}

Task<void> start_early() {
  return beside("libgit2", ErrorKind::repository, [] { return git::start(); });
}

Result<Repository> Repository::init(const fs::path& path, const std::string& host) {
  TRY(git::start());
  Site site(path);
  TRY(site.prepare());
  TRY(make_repository(path, clean_host(host)));
  note_host(path, clean_host(host));
  auto repository = open(path);
  if (repository) site.keep();
  return repository;
}

Status Repository::check_place(const fs::path& path) {
  struct stat facts {};
  return ::lstat(path.c_str(), &facts) == 0 ? check_empty(path) : Status{};
}

FolderWithoutConfig::~FolderWithoutConfig() {
  std::error_code ignored;
  if (!top_.empty()) fs::remove_all(top_, ignored);
}

Result<FolderWithoutConfig> FolderWithoutConfig::make(const fs::path& git) {
  std::error_code failed;
  std::string top;
  for (const char* place : {"/run/rewall-XXXXXX", "/dev/shm/rewall-XXXXXX", "/tmp/rewall-XXXXXX"}) {
    top = place;
    if (::mkdtemp(top.data()) != nullptr) break;
    top.clear();
  }
  if (top.empty()) return error_of<messages::repository_failed>("/run", errno_text(errno));
  FolderWithoutConfig folder{fs::path(top)};
  fs::create_directory(folder.path(), failed);
  for (const auto& entry : entries_in(absolute_path(git), failed)) {
    const auto name = entry.path().filename();
    std::error_code linked;
    // A HEAD that is a link is another thing to git.
    if (name == "HEAD")
      fs::copy_file(entry.path(), folder.path() / name, linked);
    else if (name != "config")
      fs::create_symlink(entry.path(), folder.path() / name, linked);
    if (linked) return folder_error(folder.path() / name, linked.value());
  }
  if (failed) return folder_error(folder.path(), failed.value());
  return folder;
}

namespace {

Result<git::Repo> open_folder(const fs::path& git, const fs::path& path) {
  git::Repo repo;
  if (git::fill(repo, git_repository_open_ext, git.c_str(), kExactly, nullptr) != 0)
    return git::last_error(format("repository at {}", path.string()));
  return repo;
}

/// Without this folder git takes a repository for none; the branch comes back from its log.
void put_back_refs(const fs::path& path) {
  const auto git = path / ".git";
  std::error_code failed;
  if (!fs::is_directory(git / "objects", failed) || !fs::exists(git / "HEAD", failed)) return;
  if (::mkdir((git / "refs").c_str(), kPrivateFolder) == 0)
    log_warning("{}: .git/refs was gone, and is made anew", path.string());
}

bool makes_wait(fs::file_type type) {
  return type == fs::file_type::fifo || type == fs::file_type::character || type == fs::file_type::block ||
         type == fs::file_type::socket;
}

/// Beside the others it would be one of them still.
Status set_aside(const fs::path& path, const fs::path& state) {
  std::error_code failed;
  if (!makes_wait(fs::status(path, failed).type())) return {};
  const auto aside = state / format("unusable-{}", path.filename().string());
  fs::rename(path, aside, failed);
  if (failed)
    return Error{.kind = ErrorKind::repository, .message = format("{}: not a plain file", path.string())}
        .hinted(format("take it away: rm {}", shell_quote(path.string())));
  log_warning("{}: not a plain file: kept as {}", path.string(), aside.string());
  return {};
}

/// libgit2 would wait for ever for whoever writes to a FIFO that stands in the place of a file. Of the loose
/// objects a reader of ours takes care (store/loose.h).
Status set_pipes_aside(const fs::path& path) {
  const auto git = path / ".git";
  for (const char* file :
       {"packed-refs", "shallow", "commondir", "index", "info/grafts", "objects/info/alternates"})
    TRY(set_aside(git / file, git / "rewall"));
  for (const char* folder : {"refs", "logs", "objects/pack"}) {
    for (const auto& entry : entries_below(git / folder)) {
      std::error_code unknown;
      if (!entry.is_regular_file(unknown) && !entry.is_directory(unknown))
        TRY(set_aside(entry.path(), git / "rewall"));
    }
  }
  return {};
}

/// What open() and open_readable() do before and after libgit2's part.
Status prepare_to_open(const fs::path& path) {
  TRY(check_repository_access(path));
  const fs::path state = path / ".git/rewall";
  // A plain `git clone` brings no state folder. Who only reads needs none.
  if (::mkdir(state.c_str(), kPrivateFolder) == 0 || errno == EEXIST) TRY(check_access(state, S_IFDIR, path));
  TRY(set_pipes_aside(path));
  put_back_head(path);
  put_back_refs(path);
  return git::start();
}

Status take_up(git_repository* repo, const fs::path& path, std::string& host) {
  TRY(git::use_safe_objects(repo, path / ".git/objects"));
  host = TRY(find_host(repo, path));
  const std::string email = "rewall@" + host;
  if (git_repository_set_ident(repo, "rewall", email.c_str()) != 0) return git::last_error(path.string());
  return {};
}

}  // namespace

Result<Repository> Repository::open(const fs::path& path) {
  TRY(prepare_to_open(path));
  auto impl = std::make_unique<Impl>();
  impl->path = path;
  impl->repo = TRY(open_folder(path / ".git", path));
  TRY(take_up(impl->repo.get(), path, impl->host));
  return Repository(std::move(impl));
}

Result<Repository> Repository::open_readable(const fs::path& path) {
  auto whole = open(path);
  if (whole) return whole;
  TRY(prepare_to_open(path));
  auto impl = std::make_unique<Impl>();
  impl->path = path;
  impl->folder.emplace(TRY(FolderWithoutConfig::make(path / ".git")));
  auto repo = open_folder(impl->folder->path(), path);
  if (!repo) return whole;
  impl->repo = *std::move(repo);
  TRY(take_up(impl->repo.get(), path, impl->host));
  impl->config_error = std::move(whole).error();
  return Repository(std::move(impl));
}

Repository::Repository(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Repository::Repository(Repository&&) noexcept = default;
Repository& Repository::operator=(Repository&&) noexcept = default;
Repository::~Repository() = default;

void Repository::do_without_settings() {
  impl_->without_settings = true;
}
const std::optional<Error>& Repository::settings_error() const {
  return impl_->settings_error;
}

const fs::path& Repository::path() const {
  return impl_->path;
}
fs::path Repository::path_for_git() const {
  return impl_->folder ? impl_->folder->path() : impl_->path;
}
fs::path Repository::state_path() const {
  return impl_->path / ".git/rewall";
}
std::string Repository::host() const {
  return impl_->host;
}

}  // namespace rewall

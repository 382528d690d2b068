#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "core/file.h"
#include "core/format.h"
#include "core/log.h"
#include "core/messages.h"
#include "core/text.h"
#include "store/access.h"
#include "store/repository_impl.h"

namespace rewall {

struct Settings::Impl {
  std::filesystem::path path{};
  git::Config config{};

  Error failure(const std::string& key, int code) const {
    if (code == GIT_EINVALIDSPEC) return error_of<messages::not_a_key>(key);
    return git::last_error(path.string());
  }
};

Result<Settings> Settings::open(const Repository& repository) {
  auto both = open_both(repository);
  auto& known = *repository.impl_;
  if (both || !known.without_settings) return both;
  if (!known.settings_error) {
    log_warning("{}; the settings are not used, but their default values",
                escape(full_message(both.error())));
    known.settings_error = std::move(both).error();
  }
  auto none = std::make_unique<Impl>();
  none->path = repository.state_path() / "config";
  if (git::fill(none->config, git_config_new) != 0) return git::last_error(none->path.string());
  return Settings(std::move(none));
}

Result<Settings> Settings::open_both(const Repository& repository) {
  auto settings = TRY(open_file(repository, repository.state_path() / "config"));
  Impl& impl = *settings.impl_;
  struct stat facts {};
  if (::lstat(kHostSettings.data(), &facts) != 0) return settings;
  const std::filesystem::path host(kHostSettings);
  TRY(check_access(host.parent_path(), S_IFDIR, host.parent_path()));
  TRY(check_access(host, S_IFREG, host));
  if (git_config_add_file_ondisk(impl.config.get(), host.c_str(), GIT_CONFIG_LEVEL_SYSTEM, nullptr, 0) != 0)
    return git::last_error(host.string());
  return settings;
}

Result<Settings> Settings::open_git(const Repository& repository) {
  return open_file(repository, repository.path() / ".git/config");
}

Result<Settings> Settings::open_file(const Repository& repository, const std::filesystem::path& path) {
  auto impl = std::make_unique<Impl>();
  impl->path = path;
  struct stat facts {};
  if (::lstat(impl->path.c_str(), &facts) == 0 || errno != ENOENT) {
    TRY(check_access(impl->path, S_IFREG, repository.path()));
  }
  if (git::fill(impl->config, git_config_open_ondisk, impl->path.c_str()) != 0)
    return git::last_error(impl->path.string());
  return Settings(std::move(impl));
}

Settings::Settings(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Settings::Settings(Settings&&) noexcept = default;
Settings& Settings::operator=(Settings&&) noexcept = default;
Settings::~Settings() = default;

Result<std::optional<std::string>> Settings::get(const std::string& key) const {
  git::Buffer value;
  const int code = git_config_get_string_buf(value.out(), impl_->config.get(), key.c_str());
  if (code == GIT_ENOTFOUND) return std::optional<std::string>{};
  if (code != 0) return impl_->failure(key, code);
  return std::optional<std::string>{value.text()};
}

Result<std::string> Settings::origin(const std::string& key) const {
  git_config_entry* entry = nullptr;
  const int code = git_config_get_entry(&entry, impl_->config.get(), key.c_str());
  if (code == GIT_ENOTFOUND) return std::string();
  if (code != 0) return impl_->failure(key, code);
  const bool of_host = entry->level == GIT_CONFIG_LEVEL_SYSTEM;
  git_config_entry_free(entry);
  return of_host ? std::string(kHostSettings) : absolute_path(impl_->path).string();
}

Result<std::vector<std::string>> Settings::keys() const {
  git::ConfigIterator iterator;
  if (git::fill(iterator, git_config_iterator_new, impl_->config.get()) != 0)
    return git::last_error(impl_->path.string());
  std::vector<std::string> names;
  git_config_entry* entry = nullptr;
  while (git_config_next(&entry, iterator.get()) == 0) names.emplace_back(entry->name);
  std::ranges::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

Status Settings::set(const std::string& key, const std::string& value) {
  if (value.find('\0') != std::string::npos) return error_of<messages::value_holds_nul>(key);
  if (const int code = git_config_set_string(impl_->config.get(), key.c_str(), value.c_str()); code != 0)
    return impl_->failure(key, code);
  // libgit2 writes the file anew under the umask.
  if (::chmod(impl_->path.c_str(), 0600) != 0)
    return error_of<messages::repository_failed>(impl_->path.string(), errno_text(errno));
  return {};
}

Status Settings::unset(const std::string& key) {
  const int code = git_config_delete_entry(impl_->config.get(), key.c_str());
  if (code == GIT_ENOTFOUND) return {};
  if (code != 0) return impl_->failure(key, code);
  return {};
}

}  // namespace rewall

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <filesystem>
#include <tuple>

#include "core/file.h"
#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"
#include "store/repository_impl.h"

namespace rewall {
namespace {

constexpr std::string_view kTags = "refs/tags/";
constexpr std::string_view kRemoteKey = "remote.";
constexpr std::string_view kUrlKey = ".url";

Error bad_name(const std::string& kind, const std::string& name) {
  return error_of<messages::name_not_allowed>(kind, name);
}

Result<std::string> tag_reference(const std::string& name) {
  if (is_like_hash(name)) return error_of<messages::tag_like_hash>(name);
  if (is_misleading_tag(name)) return error_of<messages::tag_like_branch>(name);
  const std::string reference = std::string(kTags) + name;
  int valid = 0;
  const bool taken =
      name == "HEAD" || name == "LIVE" || name.starts_with('-') || name.find('\0') != std::string::npos;
  if (taken || git_reference_name_is_valid(&valid, reference.c_str()) != 0 || valid == 0)
    return bad_name("tag", name);
  return reference;
}

/// The commit that a chain of tag objects ends in. The objects may come from a remote that means harm: few
/// are followed, and none that is larger than a commit may be.
std::optional<git_oid> tagged_commit(git_repository* repo, git_oid id) {
  constexpr int kLongestChain = 32;
  constexpr std::size_t kBiggestTag = 2U << 20U;
  git::Odb odb;
  if (git::fill(odb, git_repository_odb, repo) != 0) return std::nullopt;
  for (int i = 0; i < kLongestChain; ++i) {
    std::size_t size = 0;
    git_object_t type = GIT_OBJECT_INVALID;
    if (git_odb_read_header(&size, &type, odb.get(), &id) != 0) return std::nullopt;
    if (type == GIT_OBJECT_COMMIT) return id;
    git::TagObject tag;
    if (type != GIT_OBJECT_TAG || size > kBiggestTag || git::fill(tag, git_tag_lookup, repo, &id) != 0)
      return std::nullopt;
    id = *git_tag_target_id(tag.get());
  }
  return std::nullopt;
}

/// A tag whose snapshot is gone is listed all the same, with the hash and no time.
Tag read_tag(git_repository* repo, git_reference* reference) {
  Tag tag{.name = std::string(git_reference_name(reference)).substr(kTags.size())};
  git::Reference direct;
  if (git::fill(direct, git_reference_resolve, reference) != 0) return tag;
  const git_oid* target = git_reference_target(direct.get());
  const auto commit = tagged_commit(repo, *target);
  tag.hash = git::hex(commit.value_or(*target));
  const auto of = read_commit(repo, tag.hash);
  if (commit && of) {
    const git_time when = git_commit_author(of->get())->when;
    tag.time = {.seconds = when.time, .offset = when.offset};
  }
  return tag;
}

/// `X::ADDRESS` is for git's helper X (gitremote-helpers(7)), which may run any program.
bool names_helper(std::string_view url) {
  const auto end = url.find("::");
  return end != std::string_view::npos && end > 0 &&
         std::ranges::all_of(url.substr(0, end), [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '-' || c == '+' || c == '.' || c == '_';
         });
}

/// Refuses an address that git would take for an option, that names a helper, or that would not stay on its
/// line of the file.
Status check_address(const std::string& name, const std::string& url) {
  const bool good = !url.empty() && !url.starts_with('-') && !names_helper(url) &&
                    std::ranges::none_of(url, [](unsigned char c) { return std::iscntrl(c) != 0; });
  if (good) return {};
  return error_of<messages::not_an_address>(name);
}

/// libgit2 writes it anew under the umask.
Status close_config(const std::filesystem::path& repository) {
  const auto config = repository / ".git/config";
  if (::chmod(config.c_str(), 0600) == 0) return {};
  return error_of<messages::repository_failed>(config.string(), errno_text(errno));
}

/// When the reference last moved here.
std::optional<Time> last_move(git_repository* repo, const std::string& reference) {
  git::Reflog log;
  if (git::fill(log, git_reflog_read, repo, reference.c_str()) != 0 || git_reflog_entrycount(log.get()) == 0)
    return std::nullopt;
  const git_time when = git_reflog_entry_committer(git_reflog_entry_byindex(log.get(), 0))->when;
  return Time{.seconds = when.time, .offset = when.offset};
}

}  // namespace

bool is_like_hash(std::string_view name) {
  constexpr std::size_t kShortest = 4;  // git's own shortest, core.abbrev of git-config(1)
  constexpr std::size_t kLongest = 64;  // SHA-256
  return name.size() >= kShortest && name.size() <= kLongest &&
         std::ranges::all_of(name, [](unsigned char c) { return std::isxdigit(c) != 0; });
}

bool is_misleading_tag(std::string_view name) {
  return is_like_hash(name) || name.find("hosts/") != std::string_view::npos;
}

Result<std::vector<Tag>> Repository::tags() const {
  git::ReferenceIterator all;
  if (git::fill(all, git_reference_iterator_glob_new, impl_->repo.get(), "refs/tags/*") != 0)
    return git::last_error("tags");
  std::vector<Tag> tags;
  git::Reference reference;
  int code = 0;
  while ((code = git::fill(reference, git_reference_next, all.get())) == 0)
    tags.push_back(read_tag(impl_->repo.get(), reference.get()));
  if (code != GIT_ITEROVER) return git::last_error("tags");
  std::ranges::sort(tags, {}, &Tag::name);
  return tags;
}

Status Repository::set_tag(const std::string& name, const std::string& hash) {
  auto reference = TRY(tag_reference(name));
  auto commit = TRY(read_commit(impl_->repo.get(), hash));
  git::Reference made;
  if (git::fill(made, git_reference_create, impl_->repo.get(), reference.c_str(), git_commit_id(commit.get()),
                1, nullptr) != 0)
    return git::last_error(format("tag '{}'", name));
  return {};
}

Status Repository::remove_tag(const std::string& name) {
  // Also one that set_tag() refuses: other programs make them.
  auto reference =
      is_misleading_tag(name) ? Result<std::string>(std::string(kTags) + name) : tag_reference(name);
  if (!reference) return std::move(reference).error();
  git::Reference found;
  if (git::fill(found, git_reference_lookup, impl_->repo.get(), reference->c_str()) != 0) {
    std::vector<std::string> names;
    if (const auto known = tags()) {
      for (const auto& tag : *known) names.push_back(tag.name);
    }
    const std::string near = nearest(name, names);
    return error_of<messages::no_such_tag>(
        name, near.empty() ? "see 'rewall tag'" : format("did you mean '{}'?", near));
  }
  if (git_reference_delete(found.get()) != 0) return git::last_error(format("tag '{}'", name));
  return {};
}

// Not git_remote_list: libgit2 1.5 with PCRE2 loses 20 kB for each key that its expression does not match.
Result<std::vector<Remote>> Repository::remotes() const {
  git::Config config;
  git::ConfigIterator entries;
  if (git::fill(config, git_repository_config_snapshot, impl_->repo.get()) != 0 ||
      git::fill(entries, git_config_iterator_new, config.get()) != 0)
    return git::last_error("remotes");
  std::map<std::string, std::string> urls;
  git_config_entry* entry = nullptr;
  int code = 0;
  while ((code = git_config_next(&entry, entries.get())) == 0) {
    std::string_view key = entry->name;
    if (!key.starts_with(kRemoteKey) || !key.ends_with(kUrlKey) ||
        key.size() <= kRemoteKey.size() + kUrlKey.size())
      continue;
    key.remove_prefix(kRemoteKey.size());
    key.remove_suffix(kUrlKey.size());
    urls[std::string(key)] = entry->value;
  }
  if (code != GIT_ITEROVER) return git::last_error("remotes");
  std::vector<Remote> remotes;
  for (const auto& [name, url] : urls) remotes.push_back(Remote{.name = name, .url = url});
  return remotes;
}

Result<Remote> Repository::remote(const std::string& name) const {
  const auto known = TRY(remotes());
  std::vector<std::string> names;
  for (const auto& remote : known) {
    if (remote.name == name) return remote;
    names.push_back(remote.name);
  }
  const std::string near = nearest(name, names);
  return error_of<messages::no_such_remote>(
      name, near.empty() ? "see 'rewall remote'" : format("did you mean '{}'?", near));
}

Result<std::vector<HostBranch>> Repository::host_branches() const {
  static constexpr std::string_view kRemotes = "refs/remotes/";
  static constexpr std::string_view kHosts = "/hosts/";
  git::ReferenceIterator all;
  if (git::fill(all, git_reference_iterator_new, impl_->repo.get()) != 0)
    return git::last_error("branches of hosts");
  std::vector<HostBranch> branches;
  git::Reference reference;
  int code = 0;
  while ((code = git::fill(reference, git_reference_next, all.get())) == 0) {
    std::string_view name = git_reference_name(reference.get());
    const git_oid* target = git_reference_target(reference.get());
    if (target == nullptr) continue;
    HostBranch branch{.hash = git::hex(*target)};
    if (name.starts_with(kHostBranches)) {
      branch.host = name.substr(kHostBranches.size());
    } else if (name.starts_with(kRemotes)) {
      name.remove_prefix(kRemotes.size());
      const auto hosts = name.find(kHosts);
      if (hosts == std::string_view::npos) continue;
      branch.remote = name.substr(0, hosts);
      branch.host = name.substr(hosts + kHosts.size());
    } else {
      continue;
    }
    branches.push_back(std::move(branch));
  }
  if (code != GIT_ITEROVER) return git::last_error("branches of hosts");
  std::ranges::sort(branches, {}, [](const HostBranch& b) { return std::tie(b.host, b.remote); });
  return branches;
}

Status Repository::put_back_branch(const HostBranch& branch, const std::string& hash) {
  const std::string name = format("refs/remotes/{}/hosts/{}", branch.remote, branch.host);
  if (hash.empty()) {
    const int removed = git_reference_remove(impl_->repo.get(), name.c_str());
    return removed == 0 || removed == GIT_ENOTFOUND ? Status{} : git::last_error(name);
  }
  const auto id = TRY(git::parse_hash(hash));
  git::Reference made;
  if (git::fill(made, git_reference_create, impl_->repo.get(), name.c_str(), &id, 1, "rewall: refused") != 0)
    return git::last_error(name);
  return {};
}

std::string absolute_address(const std::string& url) {
  const auto slash = std::min(url.find('/'), url.size());
  // "host:path", "https://host/path", "/path".
  if (url.empty() || slash == 0 || url.find(':') < slash || url.starts_with('-')) return url;
  return absolute_path(url).lexically_normal().string();
}

Status Repository::add_remote(const std::string& name, const std::string& address) {
  const auto url = absolute_address(address);
  int valid = 0;
  if (name.starts_with('-') || git_remote_name_is_valid(&valid, name.c_str()) != 0 || valid == 0)
    return bad_name("remote", name);
  TRY(check_address(name, url));
  const std::string fetch = format("+refs/heads/hosts/*:refs/remotes/{}/hosts/*", name);
  git::Remote made;
  const int code = git::fill(made, git_remote_create_with_fetchspec, impl_->repo.get(), name.c_str(),
                             url.c_str(), fetch.c_str());
  if (code == GIT_EEXISTS)
    return error_of<messages::remote_exists>(name, shell_quote(name), shell_quote(url));
  if (code != 0) return git::last_error(format("remote '{}'", name));
  return close_config(impl_->path);
}

Status Repository::set_remote_url(const std::string& name, const std::string& address) {
  const auto url = absolute_address(address);
  auto known = TRY(remote(name));
  if (known.url == url) return {};
  TRY(check_address(name, url));
  if (git_remote_set_url(impl_->repo.get(), name.c_str(), url.c_str()) != 0)
    return git::last_error(format("remote '{}'", name));
  // Nobody knows what of this host is there.
  const std::string tracked = format("refs/remotes/{}/hosts/{}", name, impl_->host);
  const int removed = git_reference_remove(impl_->repo.get(), tracked.c_str());
  if (removed != 0 && removed != GIT_ENOTFOUND) return git::last_error(tracked);
  return close_config(impl_->path);
}

Status Repository::remove_remote(const std::string& name) {
  TRY(remote(name));
  if (git_remote_delete(impl_->repo.get(), name.c_str()) != 0)
    return git::last_error(format("remote '{}'", name));
  return close_config(impl_->path);
}

std::chrono::seconds Repository::Behind::age(Time now) const {
  if (!since) return {};
  const auto begin = std::max(since->seconds, last_push ? last_push->seconds : 0);
  return std::chrono::seconds(std::max<std::int64_t>(0, now.seconds - begin));
}

Result<Repository::Behind> Repository::behind(const std::string& remote) const {
  TRY(this->remote(remote));
  const auto start = TRY(head());
  Behind behind;
  const std::string tracked = format("refs/remotes/{}/hosts/{}", remote, impl_->host);
  behind.last_push = last_move(impl_->repo.get(), tracked);
  git_oid there{};
  const int found = git_reference_name_to_id(&there, impl_->repo.get(), tracked.c_str());
  if (found != 0 && found != GIT_ENOTFOUND) return git::last_error(tracked);
  if (start.empty()) return behind;

  git::Walk walk;
  const auto from = TRY(git::parse_hash(start));
  if (git::fill(walk, git_revwalk_new, impl_->repo.get()) != 0 ||
      git_revwalk_simplify_first_parent(walk.get()) != 0 || git_revwalk_push(walk.get(), &from) != 0 ||
      (found == 0 && git_revwalk_hide(walk.get(), &there) != 0))
    return git::lost_object(tracked);
  git_oid id{};
  int code = 0;
  git_oid oldest{};
  while ((code = git_revwalk_next(&id, walk.get())) == 0) {
    oldest = id;
    ++behind.snapshots;
  }
  if (code != GIT_ITEROVER) return git::lost_object(tracked);
  if (behind.snapshots == 0) return behind;
  const auto first = TRY(snapshot(git::hex(oldest)));
  behind.since = first.time;
  return behind;
}

}  // namespace rewall

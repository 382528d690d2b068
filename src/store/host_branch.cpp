#include "store/host_branch.h"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <optional>
#include <set>
#include <vector>

#include "core/file.h"
#include "core/format.h"
#include "core/log.h"
#include "core/messages.h"
#include "core/text.h"
#include "store/message.h"
#include "store/repository_impl.h"

namespace rewall {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kCommitter = "rewall";
constexpr std::string_view kRemoteBranches = "refs/remotes/";
constexpr std::string_view kHostsOfRemote = "/hosts/";
constexpr mode_t kHeadMode = 0600;

std::string branch_of(const std::string& host) {
  return std::string(kHostBranches) + host;
}

fs::path note_path(const fs::path& path) {
  return path / ".git/rewall/host";
}

std::string noted_host(const fs::path& path) {
  const auto text = read_plain_file(note_path(path));
  if (!text) return {};
  const std::string name(trim(*text));
  return name == clean_host(name) ? name : std::string{};
}

/// The name of this machine, as `rewall init` takes it.
std::string own_name() {
  std::array<char, 256> name{};
  return clean_host(::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "");
}

/// What `.git/HEAD` names; empty where it names no branch of a host.
std::string host_in_head(git_repository* repo) {
  git::Reference head;
  if (git::fill(head, git_reference_lookup, repo, "HEAD") != 0) return {};
  const std::string target = git::or_empty(git_reference_symbolic_target(head.get()));
  return target.starts_with(kHostBranches) ? std::string(target.substr(kHostBranches.size())) : std::string{};
}

/// The hash in a reference; absent for one that is empty, damaged or gone.
std::optional<git_oid> read_reference(git_repository* repo, const std::string& name) {
  git_oid id{};
  if (git_reference_name_to_id(&id, repo, name.c_str()) != 0 || git_oid_is_zero(&id) == 1)
    return std::nullopt;
  return id;
}

/// Damaged ones count.
bool is_there(git_repository* repo, const fs::path& path, const std::string& host) {
  std::error_code failed;
  const auto branch = branch_of(host);
  return read_reference(repo, branch) || fs::is_regular_file(path / ".git" / branch, failed) ||
         fs::is_regular_file(path / ".git/logs" / branch, failed);
}

void add_hosts(std::set<std::string>& hosts, const fs::path& folder) {
  std::error_code unknown;
  for (const auto& entry : entries_below(folder))
    if (entry.is_regular_file(unknown) && entry.path().extension() != ".lock")
      hosts.insert(entry.path().lexically_relative(folder).string());
}

/// The hosts with a branch here, damaged or not, and those that were fetched.
struct KnownHosts {
  std::set<std::string> here{};
  std::set<std::string> fetched{};
};

KnownHosts known_hosts(git_repository* repo, const fs::path& path) {
  KnownHosts known;
  git::Strings all;
  if (git_reference_list(all.out(), repo) == 0)
    for (const std::string_view name : all) {
      if (name.starts_with(kHostBranches)) known.here.emplace(name.substr(kHostBranches.size()));
      const auto hosts = name.find(kHostsOfRemote);
      if (name.starts_with(kRemoteBranches) && hosts != std::string_view::npos)
        known.fetched.emplace(name.substr(hosts + kHostsOfRemote.size()));
    }
  add_hosts(known.here, path / ".git" / kHostBranches);
  return known;
}

std::optional<git_oid> if_commit(git_odb* odb, const git_oid& id) {
  std::size_t size = 0;
  git_object_t type = GIT_OBJECT_INVALID;
  if (git_odb_read_header(&size, &type, odb, &id) != 0 || type != GIT_OBJECT_COMMIT) return std::nullopt;
  return id;
}

/// The newest commit in a log that is there. HEAD's log has the commits of other branches too: only rewall's
/// own entries count.
std::optional<git_oid> newest_logged(git_repository* repo, git_odb* odb, const std::string& name) {
  git::Reflog log;
  if (git::fill(log, git_reflog_read, repo, name.c_str()) != 0) return std::nullopt;
  for (std::size_t i = 0; i < git_reflog_entrycount(log.get()); ++i) {
    const git_reflog_entry* entry = git_reflog_entry_byindex(log.get(), i);
    if (name == "HEAD" && git::or_empty(git_reflog_entry_committer(entry)->name) != kCommitter) continue;
    if (auto found = if_commit(odb, *git_reflog_entry_id_new(entry))) return found;
  }
  return std::nullopt;
}

std::optional<git_oid> newest_fetched(git_repository* repo, const std::string& host) {
  git::ReferenceIterator all;
  const auto glob = format("{}*{}{}", kRemoteBranches, kHostsOfRemote, host);
  if (git::fill(all, git_reference_iterator_glob_new, repo, glob.c_str()) != 0) return std::nullopt;
  std::optional<git_oid> newest;
  git_time_t time = 0;
  git::Reference reference;
  while (git::fill(reference, git_reference_next, all.get()) == 0) {
    // The glob also finds the branch REMOTE/hosts/OTHER/hosts/HOST, which is of another host.
    const std::string_view name = git_reference_name(reference.get());
    const auto hosts = name.find(kHostsOfRemote, kRemoteBranches.size());
    if (hosts == std::string_view::npos || name.substr(hosts + kHostsOfRemote.size()) != host) continue;
    const git_oid* id = git_reference_target(reference.get());
    const auto commit = id == nullptr ? Result<git::Commit>(Error{}) : read_commit(repo, git::hex(*id));
    if (!commit || (newest && git_commit_time(commit->get()) <= time)) continue;
    newest = *id;
    time = git_commit_time(commit->get());
  }
  return newest;
}

/// The commits of one host among all objects, reachable or not.
struct CommitsOfHost {
  git_repository* repo = nullptr;
  git_odb* odb = nullptr;
  std::string email{};
  std::vector<git_oid> found{};
};

int add_if_of_host(const git_oid* id, void* collected) {
  auto& commits = *static_cast<CommitsOfHost*>(collected);
  if (!if_commit(commits.odb, *id)) return 0;
  const auto commit = read_commit(commits.repo, git::hex(*id));
  if (commit && git::or_empty(git_commit_committer(commit->get())->email) == commits.email)
    commits.found.push_back(*id);
  return 0;
}

/// The commits that branches of remotes brought, as far as they can be read: anybody can write this host's
/// name as the committer.
std::set<std::string> fetched_commits(git_repository* repo) {
  git::ReferenceIterator all;
  if (git::fill(all, git_reference_iterator_glob_new, repo, format("{}*", kRemoteBranches).c_str()) != 0)
    return {};
  std::vector<git_oid> waiting;
  git::Reference reference;
  while (git::fill(reference, git_reference_next, all.get()) == 0)
    if (const auto* id = git_reference_target(reference.get())) waiting.push_back(*id);
  std::set<std::string> found;
  while (!waiting.empty()) {
    const auto id = waiting.back();
    waiting.pop_back();
    if (!found.insert(git::hex(id)).second) continue;
    const auto commit = read_commit(repo, git::hex(id));
    if (!commit) continue;
    for (unsigned i = 0; i < git_commit_parentcount(commit->get()); ++i)
      waiting.push_back(*git_commit_parent_id(commit->get(), i));
  }
  return found;
}

/// The newest that is no parent of another: snapshots of one second have the same time.
std::optional<git_oid> newest_object(git_repository* repo, git_odb* odb, const std::string& host) {
  CommitsOfHost commits{.repo = repo, .odb = odb, .email = format("{}@{}", kCommitter, host)};
  git_odb_foreach(odb, add_if_of_host, &commits);
  const auto fetched = fetched_commits(repo);
  std::erase_if(commits.found, [&](const git_oid& id) { return fetched.contains(git::hex(id)); });
  std::set<std::string> parents;
  for (const auto& id : commits.found) parents.insert(find_parent(repo, host, git::hex(id)));
  std::optional<git_oid> newest;
  git_time_t time = 0;
  for (const auto& id : commits.found) {
    const auto commit = read_commit(repo, git::hex(id));
    if (!commit || parents.contains(git::hex(id))) continue;
    if (newest && git_commit_time(commit->get()) <= time) continue;
    newest = id;
    time = git_commit_time(commit->get());
  }
  return newest;
}

std::string logged_before(git_repository* repo, const std::string& name, const git_oid& id) {
  git::Reflog log;
  if (git::fill(log, git_reflog_read, repo, name.c_str()) != 0) return {};
  for (std::size_t i = 0; i < git_reflog_entrycount(log.get()); ++i) {
    const git_reflog_entry* entry = git_reflog_entry_byindex(log.get(), i);
    const git_oid* before = git_reflog_entry_id_old(entry);
    if (git_oid_equal(git_reflog_entry_id_new(entry), &id) != 0 && git_oid_is_zero(before) == 0)
      return git::hex(*before);
  }
  return {};
}

std::string head_text(const std::string& host) {
  return format("ref: {}\n", branch_of(host));
}

}  // namespace

Result<std::string> find_host(git_repository* repo, const fs::path& path) {
  const auto noted = noted_host(path);
  const auto named = host_in_head(repo);
  // `git branch -m` leaves no branch of the old name.
  const bool renamed = !noted.empty() && !named.empty() && noted != named && !is_there(repo, path, noted) &&
                       is_there(repo, path, named);
  if (!noted.empty() && !renamed) return noted;
  if (!named.empty()) return named;
  const auto known = known_hosts(repo, path);
  if (known.here.size() == 1) return *known.here.begin();
  const auto own = own_name();
  if (known.here.contains(own) || known.fetched.contains(own)) return own;
  return error_of<messages::no_host_branch>(path.string(), shell_quote(path.string()));
}

void note_host(const fs::path& path, const std::string& host) {
  if (noted_host(path) == host) return;
  if (auto written = write_file(note_path(path), host + "\n", kHeadMode); !written)
    log_debug("{}", written.error().message);
}

std::string find_tip(git_repository* repo, const std::string& host) {
  const auto branch = branch_of(host);
  if (const auto stands = read_reference(repo, branch)) return git::hex(*stands);
  git::Odb odb;
  if (git::fill(odb, git_repository_odb, repo) != 0) return {};
  auto newest = newest_logged(repo, odb.get(), branch);
  if (!newest) newest = newest_logged(repo, odb.get(), "HEAD");
  if (!newest) newest = newest_fetched(repo, host);
  if (!newest) newest = newest_object(repo, odb.get(), host);
  return newest ? git::hex(*newest) : std::string{};
}

bool has_branch(git_repository* repo, const std::string& host) {
  return read_reference(repo, branch_of(host)).has_value();
}

bool is_at_branch(git_repository* repo, const std::string& host) {
  return host_in_head(repo) == host && has_branch(repo, host);
}

std::string find_parent(git_repository* repo, const std::string& host, const std::string& hash) {
  const auto id = git::parse_hash(hash);
  if (!id) return {};
  if (const auto commit = read_commit(repo, hash)) return first_parent(commit->get());
  const auto before = logged_before(repo, branch_of(host), *id);
  return before.empty() ? logged_before(repo, "HEAD", *id) : before;
}

void mend_branch(git_repository* repo, const fs::path& path, const std::string& host) {
  const auto branch = branch_of(host);
  git::Reference head;
  if (git::fill(head, git_reference_lookup, repo, "HEAD") != 0) {
    const auto written = write_file(path / ".git/HEAD", head_text(host), kHeadMode);
    if (written) log_warning(".git/HEAD could not be read: it names hosts/{} again", host);
  }
  if (read_reference(repo, branch)) return;
  const auto tip = find_tip(repo, host);
  const auto id = git::parse_hash(tip);
  if (tip.empty() || !id) return;
  // libgit2 reads an old value that it cannot read before it writes a new one.
  ::unlink((path / ".git" / branch).c_str());
  auto who = rewall_signature(host, now());
  git::Reference made;
  if (!who || git_repository_set_ident(repo, (*who)->name, (*who)->email) != 0 ||
      git::fill(made, git_reference_create, repo, branch.c_str(), &*id, 1, "rewall: the branch was lost") !=
          0)
    log_warning("the branch hosts/{} was lost and cannot be written: {}", host,
                git::last_error(branch).message);
  else
    log_warning("the branch hosts/{} was empty or gone: it goes on from snapshot {}", host,
                tip.substr(0, 10));
}

void put_back_head(const fs::path& path) {
  struct stat facts {};
  const auto head = path / ".git/HEAD";
  if (::lstat(head.c_str(), &facts) == 0 || errno != ENOENT) return;
  std::set<std::string> here;
  add_hosts(here, path / ".git" / kHostBranches);
  auto host = noted_host(path);
  if (host.empty() && here.size() == 1) host = *here.begin();
  if (host.empty()) host = own_name();
  if (write_file(head, head_text(host), kHeadMode))
    log_warning(".git/HEAD was gone: it names hosts/{} again", host);
}

}  // namespace rewall

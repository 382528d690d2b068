#include <algorithm>
#include <cctype>
#include <set>

#include "core/file.h"
#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"
#include "store/at_time.h"
#include "store/host_branch.h"
#include "store/loose.h"
#include "store/message.h"
#include "store/repository_impl.h"

namespace rewall {
namespace {

namespace fs = std::filesystem;

Snapshot read_snapshot(const git_commit* commit) {
  auto message = parse_message(git::or_empty(git_commit_message(commit)));
  const git_signature* author = git_commit_author(commit);
  std::vector<std::string> merged;
  for (unsigned i = 1; i < git_commit_parentcount(commit); ++i)
    merged.push_back(git::hex(*git_commit_parent_id(commit, i)));
  return Snapshot{.hash = git::hex(*git_commit_id(commit)),
                  .parent = first_parent(commit),
                  .merged = std::move(merged),
                  .author = {.name = git::or_empty(author->name), .email = git::or_empty(author->email)},
                  .time = {.seconds = author->when.time, .offset = author->when.offset},
                  .subject = std::move(message.subject),
                  .body = std::move(message.body),
                  .trailers = std::move(message.trailers)};
}

constexpr std::size_t kShownDigits = 10;

/// Rules of a million lines are 60 MB. What is bigger comes from somebody who means harm.
constexpr std::size_t kBiggestFile = 256U << 20U;

/// People write them, a line each.
constexpr std::size_t kBiggestExpect = 16U << 20U;

/// A message that the store writes has less, however long its parts are (message.cpp).
constexpr std::size_t kBiggestCommit = 2U << 20U;
/// The files of a snapshot are six; a person may keep others beside them.
constexpr std::size_t kBiggestTree = 4U << 20U;

Error too_big(const std::string& object, std::size_t size, std::size_t most) {
  return error_of<messages::snapshot_file_too_big>(object, size, most);
}

/// From the object's header; 0 where it has none that can be read.
std::size_t object_size(git_repository* repo, const git_oid& id) {
  git::Odb odb;
  std::size_t size = 0;
  git_object_t type = GIT_OBJECT_INVALID;
  if (git::fill(odb, git_repository_odb, repo) != 0 || git_odb_read_header(&size, &type, odb.get(), &id) != 0)
    return 0;
  return size;
}

Result<std::string> read_blob(git_repository* repo, const git_oid& id, const std::string& name, Proof proof,
                              std::size_t most = kBiggestFile) {
  const std::string object = format("{} ({})", name, git::hex(id));
  const fs::path objects = fs::path(git_repository_path(repo)) / "objects";
  auto loose = git::read_loose(objects, id, git::Extent::whole, most);
  if (!loose) return git::lost_object(object, loose.error().message);
  if (const std::size_t size = *loose ? (*loose)->size : object_size(repo, id); size > most)
    return too_big(object, size, most);
  if (*loose && (*loose)->type == GIT_OBJECT_BLOB) {
    std::string& content = (*loose)->content;
    const git_oid found = proof == Proof::hash ? git::hash_blob(content) : id;
    if (git_oid_equal(&found, &id) != 0) return std::move(content);
  }
  if (proof == Proof::checksum) {
    if (auto packed = git::read_unproved(repo, id)) return *std::move(packed);
  }
  // It is in a pack, or libgit2 finds the words for what is wrong with it.
  git::Blob blob;
  if (git::fill(blob, git_blob_lookup, repo, &id) != 0) return git::lost_object(object);
  return std::string(static_cast<const char*>(git_blob_rawcontent(blob.get())),
                     static_cast<std::size_t>(git_blob_rawsize(blob.get())));
}

bool is_plain_file(const git_tree_entry* entry) {
  const auto mode = git_tree_entry_filemode(entry);
  return mode == GIT_FILEMODE_BLOB || mode == GIT_FILEMODE_BLOB_EXECUTABLE;
}

Error not_plain(const std::string& file) {
  return {.kind = ErrorKind::repository, .message = format("{}: not a plain file", file)};
}

/// What stands before `~2`, `^{commit}`, `@{1}` or `:path`.
std::string base_of(const std::string& expression) {
  return expression.substr(0, expression.find_first_of("~^@:"));
}

/// Tags and branches by the names that people type.
std::vector<std::string> reference_names(git_repository* repo) {
  git::Strings all;
  std::vector<std::string> names;
  if (git_reference_list(all.out(), repo) != 0) return names;
  for (const std::string_view name : all) {
    for (const std::string_view prefix : {"refs/tags/", "refs/heads/", "refs/remotes/"}) {
      if (name.starts_with(prefix)) names.emplace_back(name.substr(prefix.size()));
    }
  }
  return names;
}

/// The snapshot whose hash starts with `digits`, from the log of HEAD, which outlives the objects it names.
std::optional<std::string> find_logged(git_repository* repo, const std::string& digits) {
  git::Reflog log;
  if (digits.size() < GIT_OID_MINPREFIXLEN || git::fill(log, git_reflog_read, repo, "HEAD") != 0)
    return std::nullopt;
  for (std::size_t i = 0; i < git_reflog_entrycount(log.get()); ++i) {
    const auto hash = git::hex(*git_reflog_entry_id_new(git_reflog_entry_byindex(log.get(), i)));
    if (hash.starts_with(digits)) return hash;
  }
  return std::nullopt;
}

/// What a reference names though no object of that hash is there.
std::optional<std::string> find_dangling(git_repository* repo, const std::string& name) {
  git::Reference found;
  git::Reference direct;
  if (git::fill(found, git_reference_dwim, repo, name.c_str()) != 0 ||
      git::fill(direct, git_reference_resolve, found.get()) != 0)
    return std::nullopt;
  git::Odb odb;
  const git_oid* id = git_reference_target(direct.get());
  if (git::fill(odb, git_repository_odb, repo) != 0 || git_odb_exists(odb.get(), id) == 1)
    return std::nullopt;
  return git::hex(*id);
}

/// The branch of a host that is named without its "hosts/": "web1", "origin/web1".
std::string branch_of_host(std::span<const std::string> names, const std::string& base) {
  const auto slash = base.rfind('/');
  const auto before = slash == std::string::npos ? "" : base.substr(0, slash + 1);
  const auto wanted = before + "hosts/" + base.substr(before.size());
  for (const auto& name : names)
    if (name == wanted || name.ends_with("/" + wanted)) return name;
  return {};
}

Error unknown(git_repository* repo, const std::string& expression) {
  Error error{.kind = ErrorKind::usage, .message = format("{}: no such revision", expression)};
  const auto base = base_of(expression);
  const bool unborn = git_repository_head_unborn(repo) == 1;
  if (unborn && (base.empty() || base == "HEAD"))
    return std::move(error).hinted("nothing is recorded yet: run 'rewall snapshot'");
  for (const std::string_view chain : {"INPUT", "OUTPUT", "FORWARD", "PREROUTING", "POSTROUTING"})
    if (base == chain)
      return std::move(error).hinted("this is the name of a chain: --chain names it, for log and blame");
  const auto names = reference_names(repo);
  auto near = branch_of_host(names, base);
  if (near.empty()) near = nearest(base, names);
  if (!near.empty()) return std::move(error).hinted(format("did you mean '{}'?", near));
  return std::move(error).hinted(
      unborn ? "of this host nothing is recorded yet; 'rewall fleet list' lists the hosts that are"
             : "see 'rewall log' and 'rewall tag'");
}

/// libgit2 says "not found" of a name that nobody gave and of an object that is gone; only the first is the
/// user's.
Error not_found(git_repository* repo, const std::string& expression) {
  const git_error* said = git_error_last();
  const bool object = said != nullptr && said->klass == GIT_ERROR_ODB;
  Error lost = git::lost_object(expression);
  const std::string base = base_of(expression);
  const std::string start = base.empty() ? "HEAD" : base;
  git::Object found;
  if (start != expression && git::fill(found, git_revparse_single, repo, start.c_str()) == 0)
    return object ? lost : unknown(repo, expression);
  auto gone = find_dangling(repo, start);
  if (!gone) gone = find_logged(repo, start);
  if (!gone) return unknown(repo, expression);
  lost.message = format("{}: snapshot {} is missing", expression, *gone);
  return lost;
}

/// Collects the objects whose hash starts with `digits`.
struct ObjectsStarting {
  std::string digits{};
  std::vector<git_oid> found{};
};

int add_if_starts(const git_oid* id, void* collected) {
  auto& objects = *static_cast<ObjectsStarting*>(collected);
  if (git::hex(*id).starts_with(objects.digits)) objects.found.push_back(*id);
  return 0;
}

/// Names the snapshots that a short hash may mean, or other objects where it means no two snapshots.
Error ambiguous(git_repository* repo, const std::string& expression) {
  ObjectsStarting objects{.digits = base_of(expression)};
  git::Odb odb;
  if (git::fill(odb, git_repository_odb, repo) == 0) git_odb_foreach(odb.get(), add_if_starts, &objects);
  std::set<std::string> all;
  std::set<std::string> snapshots;
  for (const git_oid& id : objects.found) {
    std::size_t size = 0;
    git_object_t type = GIT_OBJECT_INVALID;
    const auto shown = git::hex(id).substr(0, std::max(kShownDigits, objects.digits.size() + 1));
    all.insert(shown);
    if (git_odb_read_header(&size, &type, odb.get(), &id) == 0 && type == GIT_OBJECT_COMMIT)
      snapshots.insert(shown);
  }
  // Less than four digits: git looks for nothing.
  if (all.empty()) return unknown(repo, expression);
  if (all.size() == 1)
    return unknown(repo, expression).hinted(format("a short hash has at least 4 digits: {}", *all.begin()));
  const auto& named = snapshots.size() > 1 ? snapshots : all;
  return error_of<messages::ambiguous_revision>(expression, named.size(),
                                                snapshots.size() > 1 ? "snapshots" : "objects",
                                                join(std::vector(named.begin(), named.end()), ", "));
}

/// Hex digits that name snapshots, and nothing else, by the start of their hash.
bool is_short_hash(const std::string& name) {
  return is_like_hash(name) && name.size() < GIT_OID_HEXSZ;
}

/// The one snapshot whose hash starts with `digits`; no tag or branch of that name is asked.
Result<std::string> find_snapshot_starting(git_repository* repo, const std::string& digits) {
  ObjectsStarting objects{.digits = digits};
  std::ranges::transform(digits, objects.digits.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  git::Odb odb;
  if (git::fill(odb, git_repository_odb, repo) != 0) return git::last_error("objects");
  git_oid found{};
  git_oid start{};
  if (git_oid_fromstrn(&start, objects.digits.c_str(), objects.digits.size()) != 0)
    return unknown(repo, digits);
  const int code = git_odb_exists_prefix(&found, odb.get(), &start, objects.digits.size());
  if (code == 0) objects.found.push_back(found);
  if (code == GIT_EAMBIGUOUS) git_odb_foreach(odb.get(), add_if_starts, &objects);
  std::set<std::string> snapshots;
  for (const git_oid& id : objects.found) {
    std::size_t size = 0;
    git_object_t type = GIT_OBJECT_INVALID;
    if (git_odb_read_header(&size, &type, odb.get(), &id) == 0 && type == GIT_OBJECT_COMMIT)
      snapshots.insert(git::hex(id));
  }
  if (snapshots.size() == 1) return *snapshots.begin();
  if (objects.found.size() > 1) return ambiguous(repo, digits);
  if (auto gone = find_logged(repo, objects.digits)) {
    Error lost = git::lost_object(digits);
    lost.message = format("{}: snapshot {} is missing", digits, *gone);
    return lost;
  }
  git::Reference tag;
  const std::string tagged = "refs/tags/" + digits;
  if (git::fill(tag, git_reference_lookup, repo, tagged.c_str()) == 0)
    return error_of<messages::hash_names_tag>(digits, tagged);
  return unknown(repo, digits);
}

/// `expression` with its base as git resolves it without asking tags: hex digits are the snapshot whose hash
/// starts with them, `hosts/NAME` and `REMOTE/hosts/NAME` are branches.
Result<std::string> without_lookalikes(git_repository* repo, const std::string& expression) {
  const std::string base = base_of(expression);
  const std::string rest = expression.substr(base.size());
  if (is_short_hash(base)) return TRY(find_snapshot_starting(repo, base)) + rest;
  const auto hosts = base.starts_with("refs/") ? std::string::npos : base.find("hosts/");
  if (hosts != 0 && (hosts == std::string::npos || base[hosts - 1] != '/')) return expression;
  const std::string branch = (hosts == 0 ? "refs/heads/" : "refs/remotes/") + base;
  git::Reference found;
  if (git::fill(found, git_reference_lookup, repo, branch.c_str()) != 0) return unknown(repo, expression);
  return branch + rest;
}

Error unresolved(git_repository* repo, const std::string& expression, int code) {
  switch (code) {
    case GIT_ENOTFOUND:
      return not_found(repo, expression);
    case GIT_EAMBIGUOUS:
      if (base_of(expression).size() < GIT_OID_MINPREFIXLEN)
        return unknown(repo, expression)
            .hinted(format("a short hash has at least {} digits", GIT_OID_MINPREFIXLEN));
      return ambiguous(repo, expression);
    case GIT_EINVALIDSPEC:
      return unknown(repo, expression);
    default:
      return git::lost_object(expression);
  }
}

/// The expression with this host's branch in the place of HEAD, where `.git/HEAD` is elsewhere.
std::string at_branch(git_repository* repo, const std::string& host, const std::string& expression) {
  const bool word = expression.starts_with("HEAD");
  const std::string rest = expression.substr(word || expression == "@" ? (word ? 4 : 1) : 0);
  const bool logged = rest.starts_with("@{");
  const bool head =
      word ? rest.empty() || std::string_view("~^@:").find(rest[0]) != std::string_view::npos
           : rest.empty() || logged || expression.starts_with("@~") || expression.starts_with("@^");
  if (!head) return expression;
  // The library does not know this name of HEAD.
  if (is_at_branch(repo, host)) return word || logged ? expression : "HEAD" + expression.substr(1);
  if (logged) return std::string(kHostBranches) + host + rest;
  const auto tip = find_tip(repo, host);
  return tip.empty() ? expression : tip + (word || rest.empty() ? rest : rest.substr(1));
}

/// `whole` is what an error calls the tree.
Result<Files> read_files_of(git_repository* repo, const git_tree* tree, const std::string& whole,
                            std::span<const std::string_view> names, Proof proof) {
  Files files;
  for (const auto name : names) {
    const std::string of = format("{}: {}", whole, name);
    const git_tree_entry* entry = git_tree_entry_byname(tree, std::string(name).c_str());
    if (entry == nullptr) continue;
    if (!is_plain_file(entry)) return not_plain(of);
    const std::size_t most = name == kExpect ? kBiggestExpect : kBiggestFile;
    auto content = TRY(read_blob(repo, *git_tree_entry_id(entry), of, proof, most));
    files.emplace(name, std::move(content));
  }
  return files;
}

Result<Files> read_files(git_repository* repo, const std::string& hash,
                         std::span<const std::string_view> names, Proof proof) {
  auto commit = TRY(read_commit(repo, hash));
  auto tree = TRY(read_tree(commit.get()));
  return read_files_of(repo, tree.get(), format("snapshot {}", hash), names, proof);
}

}  // namespace

Result<git::Commit> read_commit(git_repository* repo, const std::string& hash) {
  const auto id = TRY(git::parse_hash(hash));
  // A small pack can hold a commit of gigabytes.
  if (const std::size_t size = object_size(repo, id); size > kBiggestCommit)
    return error_of<messages::snapshot_too_big>(format("snapshot {}", hash), size, "the commit",
                                                kBiggestCommit);
  git::Commit commit;
  if (git::fill(commit, git_commit_lookup, repo, &id) != 0)
    return git::lost_object(format("snapshot {}", hash));
  return commit;
}

std::string first_parent(const git_commit* commit) {
  const git_oid* parent = git_commit_parent_id(commit, 0);
  if (parent == nullptr) return {};
  git_repository* repo = git_commit_owner(commit);
  if (git_repository_is_shallow(repo) == 1) {
    const auto cut = read_file(fs::path(git_repository_path(repo)) / "shallow");
    if (cut && cut->find(git::hex(*git_commit_id(commit))) != std::string::npos) return {};
  }
  return git::hex(*parent);
}

Result<git::Tree> read_tree(const git_commit* commit) {
  const git_oid* id = git_commit_tree_id(commit);
  if (const std::size_t size = object_size(git_commit_owner(commit), *id); size > kBiggestTree)
    return error_of<messages::snapshot_too_big>(format("snapshot {}", git::hex(*git_commit_id(commit))), size,
                                                "the folder", kBiggestTree);
  git::Tree tree;
  if (git::fill(tree, git_commit_tree, commit) != 0)
    return git::lost_object(format("snapshot {}", git::hex(*git_commit_id(commit))));
  return tree;
}

Result<git::Tree> find_tree(git_repository* repo, const std::string& hash) {
  const auto id = TRY(git::parse_hash(hash));
  git::Tree tree;
  if (git::fill(tree, git_tree_lookup, repo, &id) != 0) return git::lost_object(format("tree {}", hash));
  return tree;
}

Result<std::string> Repository::head() const {
  return find_tip(impl_->repo.get(), impl_->host);
}

bool Repository::branch_is_lost() const {
  return !has_branch(impl_->repo.get(), impl_->host) && !find_tip(impl_->repo.get(), impl_->host).empty();
}

bool Repository::is_at_branch() const {
  return rewall::is_at_branch(impl_->repo.get(), impl_->host);
}

std::string Repository::parent(const std::string& hash) const {
  return find_parent(impl_->repo.get(), impl_->host, hash);
}

Result<std::string> Repository::resolve(const std::string& expression) const {
  git_repository* repo = impl_->repo.get();
  if (expression.empty() || expression.find('\0') != std::string::npos) return unknown(repo, expression);
  auto exact = TRY(without_lookalikes(repo, at_branch(repo, impl_->host, expression)));
  if (const auto asked = asks_for_time(exact)) exact = TRY(find_at_time(repo, *asked)) + asked->rest;
  git::Object object;
  if (const int code = git::fill(object, git_revparse_single, repo, exact.c_str()); code != 0)
    return unresolved(repo, expression, code);
  git::Object commit;
  const int code = git::fill(commit, git_object_peel, object.get(), GIT_OBJECT_COMMIT);
  if (code == GIT_EINVALIDSPEC || code == GIT_EPEEL) return error_of<messages::names_no_snapshot>(expression);
  if (code != 0) return git::lost_object(expression);
  return git::hex(*git_object_id(commit.get()));
}

bool Repository::has_object(const std::string& hash) const {
  git::Odb odb;
  const auto id = git::parse_hash(hash);
  return id && git::fill(odb, git_repository_odb, impl_->repo.get()) == 0 &&
         git_odb_exists(odb.get(), &*id) == 1;
}

bool Repository::begins_well(const std::string& hash) const {
  git::Odb odb;
  const auto id = git::parse_hash(hash);
  std::size_t size = 0;
  git_object_t type = GIT_OBJECT_INVALID;
  return id && git::fill(odb, git_repository_odb, impl_->repo.get()) == 0 &&
         git_odb_read_header(&size, &type, odb.get(), &*id) == 0;
}

std::filesystem::path Repository::damaged_file(const std::string& hash) const {
  constexpr std::size_t kFolderDigits = 2;
  const auto id = git::parse_hash(hash);
  git::Odb odb;
  if (!id || git::fill(odb, git_repository_odb, impl_->repo.get()) != 0) return {};
  const auto path = impl_->path / ".git/objects" / hash.substr(0, kFolderDigits) / hash.substr(kFolderDigits);
  if (!path_exists(path)) return {};
  git_odb_object* read = nullptr;
  const bool whole = git_odb_read(&read, odb.get(), &*id) == 0;
  git_odb_object_free(read);
  return whole ? fs::path() : path;
}

std::uint64_t Repository::size(const std::string& hash) const {
  const auto id = git::parse_hash(hash);
  return id ? object_size(impl_->repo.get(), *id) : 0;
}

bool Repository::is_oversized(const std::string& hash) const {
  if (size(hash) > kBiggestCommit) return true;
  const auto commit = read_commit(impl_->repo.get(), hash);
  return commit && object_size(impl_->repo.get(), *git_commit_tree_id(commit->get())) > kBiggestTree;
}

Result<Snapshot> Repository::snapshot(const std::string& hash) const {
  auto commit = TRY(read_commit(impl_->repo.get(), hash));
  return read_snapshot(commit.get());
}

Result<Files> Repository::files(const std::string& hash, Proof proof) const {
  std::vector<std::string_view> names(kRulesetFiles.begin(), kRulesetFiles.end());
  names.push_back(kExpect);
  auto files = TRY(read_files(impl_->repo.get(), hash, names, proof));
  const std::string native(kRulesetFiles.back());
  if (!files.contains(native)) {
    const auto read = TRY(snapshot(hash));
    if (read.trailers.native == "none") files.emplace(native, "");
  }
  return files;
}

bool Repository::proves(const std::string& hash, const Files& files) const {
  auto commit = read_commit(impl_->repo.get(), hash);
  if (!commit) return false;
  auto tree = read_tree(commit->get());
  return tree && std::ranges::all_of(files, [&](const auto& file) {
           const git_tree_entry* entry = git_tree_entry_byname(tree->get(), file.first.c_str());
           if (entry == nullptr) return is_in_no_tree(file.first, file.second);
           const git_oid found = git::hash_blob(file.second);
           return git_oid_equal(&found, git_tree_entry_id(entry)) != 0;
         });
}

Result<Files> Repository::prepared(const std::string& tree) const {
  const auto found = TRY(find_tree(impl_->repo.get(), tree));
  return read_files_of(impl_->repo.get(), found.get(), format("tree {}", tree), kRulesetFiles, Proof::hash);
}

Result<std::string> Repository::file(const std::string& hash, const std::string& name, Proof proof) const {
  auto files = TRY(read_files(impl_->repo.get(), hash, std::vector<std::string_view>{name}, proof));
  return std::move(files[name]);
}

Result<std::map<std::string, std::string>> Repository::file_hashes(const std::string& hash) const {
  auto commit = TRY(read_commit(impl_->repo.get(), hash));
  auto tree = TRY(read_tree(commit.get()));
  std::map<std::string, std::string> hashes;
  for (const auto name : kRulesetFiles) {
    const git_tree_entry* entry = git_tree_entry_byname(tree.get(), std::string(name).c_str());
    if (entry == nullptr) continue;
    if (!is_plain_file(entry)) return not_plain(format("snapshot {}: {}", hash, name));
    hashes.emplace(name, git::hex(*git_tree_entry_id(entry)));
  }
  return hashes;
}

namespace {

Repository::Entry::Kind kind_of(const git_tree_entry* entry) {
  switch (git_tree_entry_filemode(entry)) {
    case GIT_FILEMODE_TREE:
      return Repository::Entry::Kind::folder;
    case GIT_FILEMODE_LINK:
      return Repository::Entry::Kind::link;
    case GIT_FILEMODE_COMMIT:
      return Repository::Entry::Kind::submodule;
    default:
      return Repository::Entry::Kind::file;
  }
}

}  // namespace

Result<std::vector<Repository::Entry>> Repository::entries(const std::string& hash) const {
  const auto id = TRY(git::parse_hash(hash));
  if (const std::size_t size = object_size(impl_->repo.get(), id); size > kBiggestTree)
    return error_of<messages::snapshot_too_big>(format("tree of {}", hash), size, "the folder", kBiggestTree);
  git::Object object;
  git::Object tree;
  if (git::fill(object, git_object_lookup, impl_->repo.get(), &id, GIT_OBJECT_ANY) != 0 ||
      git::fill(tree, git_object_peel, object.get(), GIT_OBJECT_TREE) != 0)
    return git::lost_object(format("tree of {}", hash));
  const auto* found = reinterpret_cast<const git_tree*>(tree.get());
  std::vector<Entry> entries;
  for (std::size_t i = 0; i < git_tree_entrycount(found); ++i) {
    const git_tree_entry* entry = git_tree_entry_byindex(found, i);
    entries.push_back({.name = git_tree_entry_name(entry),
                       .hash = git::hex(*git_tree_entry_id(entry)),
                       .kind = kind_of(entry)});
  }
  return entries;
}

Result<std::string> Repository::content(const std::string& hash, const std::string& name) const {
  const auto id = TRY(git::parse_hash(hash));
  return read_blob(impl_->repo.get(), id, name, Proof::hash);
}

Result<bool> Repository::in_history(const std::string& hash) const {
  const auto now = TRY(head());
  if (now == hash || now.empty()) return now == hash;
  const auto id = TRY(git::parse_hash(hash));
  const auto newest = TRY(git::parse_hash(now));
  const int found = git_graph_descendant_of(impl_->repo.get(), &newest, &id);
  if (found < 0) return git::lost_object(format("the history of {}", impl_->branch()));
  return found == 1;
}

Status Repository::walk(const std::string& hash,
                        const std::function<Result<bool>(const Snapshot&)>& visit) const {
  for (std::string next = hash; !next.empty();) {
    auto current = TRY(snapshot(next));
    auto more = visit(current);
    if (!more) return std::move(more).error();
    next = *more ? current.parent : "";
  }
  return {};
}

}  // namespace rewall

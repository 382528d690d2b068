#include "store/foreign_history.h"

#include <algorithm>

#include "core/format.h"
#include "store/loose.h"
#include "store/repository_impl.h"

namespace rewall {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBiggest = 64U << 20U;

using Entry = std::unique_ptr<git_tree_entry, git::Release<git_tree_entry_free>>;

Error of_elsewhere(const fs::path& repository) {
  Error error = git::last_error(repository.string());
  error.kind = ErrorKind::usage;
  return error;
}

Result<git::Repo> open_elsewhere(const fs::path& path) {
  TRY(git::start());
  git::Repo repo;
  if (git::fill(repo, git_repository_open_ext, path.c_str(), GIT_REPOSITORY_OPEN_NO_SEARCH, nullptr) != 0)
    return of_elsewhere(path);
  const fs::path objects = fs::path(git_repository_commondir(repo.get())) / "objects";
  TRY(git::use_safe_objects(repo.get(), objects));
  return repo;
}

// "etc/iptables/" and "./etc/iptables" are "etc/iptables".
std::string clean_path(const std::string& path) {
  std::string clean = fs::path(path).lexically_normal().string();
  while (clean.ends_with('/')) clean.pop_back();
  return clean;
}

void take_file(git_repository* repo, const git_tree_entry* entry, ForeignVersion& version) {
  const std::string name = git_tree_entry_name(entry);
  const auto mode = git_tree_entry_filemode(entry);
  const auto leave = [&](const char* why) { version.left_out.push_back(format("{}: {}", name, why)); };
  if (mode != GIT_FILEMODE_BLOB && mode != GIT_FILEMODE_BLOB_EXECUTABLE) return leave("not a plain file");
  git::Odb odb;
  std::size_t size = 0;
  git_object_t type = GIT_OBJECT_INVALID;
  const git_oid* id = git_tree_entry_id(entry);
  if (git::fill(odb, git_repository_odb, repo) != 0 ||
      git_odb_read_header(&size, &type, odb.get(), id) != 0 || type != GIT_OBJECT_BLOB)
    return leave("missing or damaged");
  if (size > kBiggest) return leave("too big for rules");
  git::Blob blob;
  if (git::fill(blob, git_blob_lookup, repo, id) != 0) return leave("missing or damaged");
  version.files.emplace(name, std::string(static_cast<const char*>(git_blob_rawcontent(blob.get())),
                                          static_cast<std::size_t>(git_blob_rawsize(blob.get()))));
}

// Nothing where the commit does not have it.
Entry find_entry(const git_tree* tree, const std::string& path) {
  Entry entry;
  if (git::fill(entry, git_tree_entry_bypath, tree, path.c_str()) != 0) return nullptr;
  return entry;
}

void take_files(git_repository* repo, const git_tree_entry* entry, ForeignVersion& version) {
  if (git_tree_entry_type(entry) != GIT_OBJECT_TREE) return take_file(repo, entry, version);
  git::Tree folder;
  if (git::fill(folder, git_tree_lookup, repo, git_tree_entry_id(entry)) != 0) {
    version.left_out.push_back(format("{}: missing or damaged", git_tree_entry_name(entry)));
    return;
  }
  for (const auto name : kRulesetFiles) {
    const git_tree_entry* file = git_tree_entry_byname(folder.get(), std::string(name).c_str());
    if (file != nullptr) take_file(repo, file, version);
  }
}

}  // namespace

Status walk_elsewhere(const fs::path& repository, const std::string& path,
                      const std::function<Status(const ForeignVersion&)>& visit) {
  auto opened = TRY(open_elsewhere(repository));
  git_repository* repo = opened.get();
  const std::string wanted = clean_path(path);
  git_oid id{};
  if (git_reference_name_to_id(&id, repo, "HEAD") != 0) return of_elsewhere(repository);

  // Newest first: whether a commit touched it is known when its parent is.
  struct Version {
    git_oid commit{};
    std::optional<git_oid> object{};
  };
  std::vector<Version> versions;
  git::Commit commit;
  for (bool more = true; more;) {
    git::Tree tree;
    if (git::fill(commit, git_commit_lookup, repo, &id) != 0 ||
        git::fill(tree, git_commit_tree, commit.get()) != 0)
      return of_elsewhere(repository);
    const Entry entry = find_entry(tree.get(), wanted);
    Version version{.commit = id};
    if (entry) version.object = *git_tree_entry_id(entry.get());
    const bool same = !versions.empty() && versions.back().object.has_value() == version.object.has_value() &&
                      (!version.object || git_oid_equal(&*versions.back().object, &*version.object) != 0);
    if (same) versions.pop_back();
    versions.push_back(version);
    const git_oid* parent = git_commit_parent_id(commit.get(), 0);
    more = parent != nullptr;
    if (more) id = *parent;
  }
  if (std::ranges::none_of(versions, [](const Version& version) { return version.object.has_value(); })) {
    return Error{.kind = ErrorKind::usage,
                 .message = format("{}: no commit has '{}'", repository.string(), path)}
        .hinted("the path counts from the top of that repository");
  }

  for (auto version = versions.rbegin(); version != versions.rend(); ++version) {
    git::Tree tree;
    if (git::fill(commit, git_commit_lookup, repo, &version->commit) != 0 ||
        git::fill(tree, git_commit_tree, commit.get()) != 0)
      return of_elsewhere(repository);
    const git_signature* author = git_commit_author(commit.get());
    ForeignVersion told{
        .hash = git::hex(version->commit),
        .author = {.name = git::or_empty(author->name), .email = git::or_empty(author->email)},
        .time = {.seconds = author->when.time, .offset = author->when.offset},
        .message = git::or_empty(git_commit_message(commit.get()))};
    if (const Entry entry = find_entry(tree.get(), wanted)) take_files(repo, entry.get(), told);
    TRY(visit(told));
  }
  return {};
}

}  // namespace rewall

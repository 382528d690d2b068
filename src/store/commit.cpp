#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <optional>
#include <thread>
#include <utility>

#include "core/file.h"
#include "core/format.h"
#include "core/log.h"
#include "core/messages.h"
#include "core/text.h"
#include "store/loose.h"
#include "store/message.h"
#include "store/repository_impl.h"

namespace rewall {
namespace {

namespace fs = std::filesystem;

constexpr mode_t kFileMode = 0600;
constexpr off_t kRoom = 64 << 10;  // a branch, two logs, an index and their folders, with much to spare
constexpr std::chrono::milliseconds kReferenceWait{1000};  // git's own core.filesRefLockTimeout is 100 ms
constexpr std::chrono::milliseconds kReferencePoll{20};

/// `expect` as it stands in the work tree. The facts are read before the content, so that whoever writes it
/// meanwhile leaves an index entry that git looks at again.
struct Expectations {
  bool present = false;
  struct stat facts {};
  std::string content{};
};

Result<Expectations> read_expectations(const fs::path& path) {
  Expectations found;
  const fs::path file = path / kExpect;
  if (::lstat(file.c_str(), &found.facts) != 0) {
    if (errno == ENOENT) return found;
    return error_of<messages::repository_failed>(file.string(), errno_text(errno));
  }
  if (!S_ISREG(found.facts.st_mode))
    return error_of<messages::repository_failed>(file.string(), "not a plain file");
  auto content = read_plain_file(file);
  if (!content) return Error{.kind = ErrorKind::repository, .message = std::move(content).error().message};
  found.present = true;
  found.content = *std::move(content);
  return found;
}

Status check_names(const Files& files) {
  for (const auto& [name, content] : files) {
    if (name != kExpect && std::ranges::find(kRulesetFiles, name) == kRulesetFiles.end())
      return error_of<messages::repository_failed>(name, "not a file of a snapshot");
  }
  return {};
}

git_filemode_t expect_mode(const Expectations& expect) {
  return (expect.facts.st_mode & S_IXUSR) != 0 ? GIT_FILEMODE_BLOB_EXECUTABLE : GIT_FILEMODE_BLOB;
}

Status put_blob(git_repository* repo, git_treebuilder* builder, const std::string& name,
                const std::string& content, git_filemode_t mode) {
  const auto id = TRY(git::write_blob(repo, content));
  if (git_treebuilder_insert(nullptr, builder, name.c_str(), &id, mode) != 0) return git::last_error(name);
  return {};
}

Status drop_entry(git_treebuilder* builder, const std::string& name) {
  if (git_treebuilder_get(builder, name.c_str()) == nullptr) return {};
  if (git_treebuilder_remove(builder, name.c_str()) != 0) return git::last_error(name);
  return {};
}

Status take_entry(git_treebuilder* builder, const std::string& name, const git_tree* from) {
  const git_tree_entry* entry = git_tree_entry_byname(from, name.c_str());
  if (entry == nullptr) return drop_entry(builder, name);
  if (git_treebuilder_insert(nullptr, builder, name.c_str(), git_tree_entry_id(entry),
                             git_tree_entry_filemode(entry)) != 0)
    return git::last_error(name);
  return {};
}

/// The parent's tree with the files of the snapshot replaced. Other files that people keep in the repository
/// stay. With `same`, the replacing entries are those of that tree.
Result<git::Tree> make_tree(git_repository* repo, const git_tree* parent, const Files& files,
                            const Expectations& expect, const git_tree* same = nullptr) {
  git::TreeBuilder builder;
  if (git::fill(builder, git_treebuilder_new, repo, parent) != 0) return git::last_error("tree");
  for (const std::string_view known : kRulesetFiles) {
    const auto file = files.find(std::string(known));
    const std::string name(known);
    TRY(same != nullptr ? take_entry(builder.get(), name, same)
        : file == files.end() || is_in_no_tree(name, file->second)
            ? drop_entry(builder.get(), name)
            : put_blob(repo, builder.get(), name, file->second, GIT_FILEMODE_BLOB));
  }
  const std::string name(kExpect);
  TRY(expect.present ? put_blob(repo, builder.get(), name, expect.content, expect_mode(expect))
                     : drop_entry(builder.get(), name));
  git_oid id{};
  git::Tree tree;
  if (git_treebuilder_write(&id, builder.get()) != 0 || git::fill(tree, git_tree_lookup, repo, &id) != 0)
    return git::last_error("tree");
  return tree;
}

/// Syncs one file or folder; one that is not there (an object in a pack) needs none.
Status sync_path(const fs::path& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd && errno == ENOENT) return {};
  if (!fd || ::fsync(fd.get()) != 0)
    return error_of<messages::repository_failed>(path.string(), errno_text(errno));
  return {};
}

/// Syncs a new snapshot's objects after all of them are written: one turn of the journal, not one for each.
Status sync_objects(git_repository* repo, const git_oid& commit, const git_tree* tree,
                    const git_tree* before) {
  std::vector<git_oid> ids{commit, *git_tree_id(tree)};
  for (std::size_t i = 0; i < git_tree_entrycount(tree); ++i) {
    const git_tree_entry* entry = git_tree_entry_byindex(tree, i);
    const git_tree_entry* old =
        before == nullptr ? nullptr : git_tree_entry_byname(before, git_tree_entry_name(entry));
    if (old == nullptr || !git_oid_equal(git_tree_entry_id(old), git_tree_entry_id(entry)))
      ids.push_back(*git_tree_entry_id(entry));
  }
  const fs::path objects = fs::path(git_repository_path(repo)) / "objects";
  for (const git_oid& id : ids) {
    const std::string name = git::hex(id);
    const fs::path folder = objects / name.substr(0, 2);
    for (const fs::path& path : {folder / name.substr(2), folder}) {
      TRY(sync_path(path));
    }
  }
  return sync_path(objects);
}

/// Git writes years of four digits and no moments before 1970; fsck calls anything else damage.
Time writable(Time time) {
  constexpr std::int64_t kLastSecond = 253402300799;  // 9999-12-31T23:59:59Z
  constexpr int kFarthest = 14 * 60;
  return {.seconds = std::clamp<std::int64_t>(time.seconds, 0, kLastSecond),
          .offset = std::clamp(time.offset, -kFarthest, kFarthest)};
}

Result<git::Signature> author_signature(const Person& author, const std::string& host, Time time) {
  const Person person = clean_person(author, host);
  git::Signature signature;
  if (git::fill(signature, git_signature_new, person.name.c_str(), person.email.c_str(), time.seconds,
                time.offset) != 0)
    return git::last_error(person.name);
  return signature;
}

/// Fails on a disk too full for what follows the objects. libgit2 writes the logs before the branch: without
/// this, a branch that finds no room leaves a snapshot in `@{1}` that never stood. Where it cannot be known,
/// there is room.
Status check_room(const fs::path& state, std::size_t more = 0) {
  const Fd room(::open(state.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, kFileMode));
  const int error = room ? ::posix_fallocate(room.get(), 0, kRoom + static_cast<off_t>(more)) : errno;
  if (error != ENOSPC && error != EDQUOT) return {};
  return error_of<messages::repository_failed>(state.string(), errno_text(error))
      .hinted(messages::kFreeSpace);
}

/// Moves a branch from `parent` (nothing when null) to `id` while git's lock on it is held, with an entry in
/// the logs.
Status move_branch(git_repository* repo, const std::string& branch, const git_oid* parent, const git_oid& id,
                   const git_signature* who, const std::string& entry) {
  git::Transaction move;
  if (git::fill(move, git_transaction_new, repo) != 0) return git::last_error(branch);
  const auto deadline = std::chrono::steady_clock::now() + kReferenceWait;
  int locked = git_transaction_lock_ref(move.get(), branch.c_str());
  while (locked == GIT_ELOCKED && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(kReferencePoll);
    locked = git_transaction_lock_ref(move.get(), branch.c_str());
  }
  if (locked != 0) {
    if (locked != GIT_ELOCKED) return git::last_error(branch);
    const auto lock = fs::path(git_repository_path(repo)) / (branch + ".lock");
    struct stat facts {};
    const auto age = ::lstat(lock.c_str(), &facts) == 0 ? now().seconds - facts.st_mtim.tv_sec : 0;
    return error_of<messages::git_lock_left>(lock.string(), format("{} s", age),
                                             format("rm {}", shell_quote(lock.string())));
  }
  git_oid now{};
  const int found = git_reference_name_to_id(&now, repo, branch.c_str());
  if (found != 0 && found != GIT_ENOTFOUND) return git::last_error(branch);
  const bool expected =
      found == 0 ? parent != nullptr && git_oid_equal(&now, parent) != 0 : parent == nullptr;
  if (!expected) return error_of<messages::branch_moved>(branch);
  if (git_transaction_set_target(move.get(), branch.c_str(), &id, who, entry.c_str()) != 0 ||
      git_transaction_commit(move.get()) != 0)
    return git::last_error(branch);
  return {};
}

bool stands_already(const fs::path& file, const std::string& content) {
  struct stat facts {};
  if (::lstat(file.c_str(), &facts) != 0 || !S_ISREG(facts.st_mode) ||
      (facts.st_mode & 07777U) != kFileMode || static_cast<std::size_t>(facts.st_size) != content.size())
    return false;
  // Piece by piece: what differs mostly does so early.
  const Fd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  std::array<char, 1 << 14> piece;
  std::string_view rest = content;
  while (fd && !rest.empty()) {
    const ssize_t n = ::read(fd.get(), piece.data(), piece.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0 || !rest.starts_with({piece.data(), static_cast<std::size_t>(n)})) return false;
    rest.remove_prefix(static_cast<std::size_t>(n));
  }
  return fd && rest.empty();
}

/// Writes aside what differs in the work tree.
Result<std::vector<StagedFile>> stage_files(const fs::path& path, const Files& files) {
  std::vector<StagedFile> staged;
  staged.reserve(kRulesetFiles.size());
  for (const auto& [name, content] : files) {
    if (name == kExpect || is_in_no_tree(name, content) || stands_already(path / name, content)) continue;
    auto file = TRY(StagedFile::write(path / name, content, kFileMode));
    staged.push_back(std::move(file));
  }
  return staged;
}

git_index_time index_time(const timespec& time) {
  return {.seconds = static_cast<std::int32_t>(time.tv_sec),
          .nanoseconds = static_cast<std::uint32_t>(time.tv_nsec)};
}

bool same_time(const git_index_time& recorded, const timespec& time) {
  const git_index_time cut = index_time(time);
  return recorded.seconds == cut.seconds && recorded.nanoseconds == cut.nanoseconds;
}

/// True for a file that stands as the index has it, so that git knows its content. As git does, this takes no
/// file at its word that was written when the index was, or later (technical/racy-git of git).
bool stands_as_recorded(git_repository* repo, git_odb* odb, const fs::path& file) {
  git::Index index;
  struct stat facts {};
  struct stat written {};
  const fs::path path = fs::path(git_repository_path(repo)) / "index";
  if (::lstat(file.c_str(), &facts) != 0 || ::lstat(path.c_str(), &written) != 0 ||
      git::fill(index, git_repository_index, repo) != 0 || git_index_read(index.get(), 0) != 0)
    return false;
  const git_index_entry* entry = git_index_get_bypath(index.get(), file.filename().c_str(), 0);
  return entry != nullptr && S_ISREG(facts.st_mode) && same_time(entry->mtime, facts.st_mtim) &&
         same_time(entry->ctime, facts.st_ctim) && entry->dev == static_cast<std::uint32_t>(facts.st_dev) &&
         entry->ino == static_cast<std::uint32_t>(facts.st_ino) &&
         entry->file_size == static_cast<std::uint32_t>(facts.st_size) &&
         std::pair(facts.st_mtim.tv_sec, facts.st_mtim.tv_nsec) <
             std::pair(written.st_mtim.tv_sec, written.st_mtim.tv_nsec) &&
         git_odb_exists(odb, &entry->id) == 1;
}

/// A file of the work tree that git does not know: somebody's edit. Keeps a copy beside it.
void keep_edit(git_repository* repo, const fs::path& file) {
  git::Odb odb;
  if (git::fill(odb, git_repository_odb, repo) != 0 || stands_as_recorded(repo, odb.get(), file)) return;
  const auto content = read_plain_file(file);
  if (!content || content->empty()) return;
  const git_oid id = git::hash_blob(*content);
  if (git_odb_exists(odb.get(), &id) == 1) return;
  for (int n = 1;; ++n) {
    const auto copy = format("{}.edited-{}", file.string(), n);
    if (::link(file.c_str(), copy.c_str()) == 0)
      return log_warning("{} was edited by hand: kept as {}", file.string(),
                         fs::path(copy).filename().string());
    if (errno != EEXIST) return log_warning("{}: {}", copy, errno_text(errno));
  }
}

Status place_files(git_repository* repo, const fs::path& path, std::vector<StagedFile>& staged,
                   const git_tree* tree) {
  for (auto& file : staged) {
    keep_edit(repo, file.path());
    TRY(file.commit());
  }
  for (const auto name : kRulesetFiles) {
    const fs::path file = path / name;
    const bool gone = git_tree_entry_byname(tree, std::string(name).c_str()) == nullptr;
    if (gone) keep_edit(repo, file);
    if (gone && ::unlink(file.c_str()) != 0 && errno != ENOENT)
      return error_of<messages::repository_failed>(file.string(), errno_text(errno));
  }
  return {};
}

/// The fields of gitformat-index(5), each cut to 32 bits as git cuts them.
git_index_entry index_entry(const char* name, const git_tree_entry* of, const struct stat& facts) {
  git_index_entry entry{};
  entry.ctime = index_time(facts.st_ctim);
  entry.mtime = index_time(facts.st_mtim);
  entry.dev = static_cast<std::uint32_t>(facts.st_dev);
  entry.ino = static_cast<std::uint32_t>(facts.st_ino);
  entry.uid = facts.st_uid;
  entry.gid = facts.st_gid;
  entry.file_size = static_cast<std::uint32_t>(facts.st_size);
  entry.mode = static_cast<std::uint32_t>(git_tree_entry_filemode(of));
  entry.id = *git_tree_entry_id(of);
  entry.path = name;
  return entry;
}

Status put_index_entry(git_index* index, const git_tree* tree, const char* name, const struct stat& facts) {
  const git_tree_entry* of = git_tree_entry_byname(tree, name);
  if (of == nullptr) {
    git_index_remove(index, name, 0);  // "not found" is what is wanted
    return {};
  }
  const git_index_entry entry = index_entry(name, of, facts);
  if (git_index_add(index, &entry) != 0) return git::last_error(name);
  return {};
}

/// The index as it stands; a damaged one is made anew from the tree, for it holds nothing else.
Result<git::Index> open_index(git_repository* repo, const git_tree* tree) {
  git::Index index;
  if (git::fill(index, git_repository_index, repo) != 0 || git_index_read(index.get(), 0) != 0) {
    const fs::path damaged = fs::path(git_repository_path(repo)) / "index";
    if (::unlink(damaged.c_str()) != 0 || git::fill(index, git_repository_index, repo) != 0 ||
        git_index_read(index.get(), 1) != 0)
      return git::last_error(damaged.string());
  }
  if (git_index_entrycount(index.get()) == 0 && git_index_read_tree(index.get(), tree) != 0)
    return git::last_error("index");
  return index;
}

/// Index entries of what the capture makes, and of `expect` where its facts are known.
Status update_index(git_repository* repo, const fs::path& path, const git_tree* tree,
                    const Expectations* expect) {
  auto index = TRY(open_index(repo, tree));
  for (const auto known : kRulesetFiles) {
    const std::string name(known);
    struct stat facts {};
    if (::lstat((path / name).c_str(), &facts) != 0) facts = {};
    TRY(put_index_entry(index.get(), tree, name.c_str(), facts));
  }
  if (expect != nullptr) {
    TRY(put_index_entry(index.get(), tree, kExpect.data(), expect->facts));
  }
  if (git_index_write(index.get()) != 0) return git::last_error("index");
  return {};
}

/// What was written must be what was to be signed.
Status check_signed(git_repository* repo, git_oid id, std::string_view content) {
  git::Buffer signature;
  git::Buffer covered;
  if (git_commit_extract_signature(signature.out(), covered.out(), repo, &id, nullptr) != 0)
    return git::last_error(git::hex(id));
  if (covered.text() == content) return {};
  return Error{.kind = ErrorKind::repository, .message = "another commit was signed than was asked for"};
}

/// Nothing where none is to be signed.
Result<std::optional<git_oid>> write_signed(git_repository* repo, const Repository& repository,
                                            const Repository::Signer& signer, const std::string& content) {
  if (!signer) return std::optional<git_oid>{};
  auto hash = TRY(signer(repository, content));
  if (hash.empty()) return std::optional<git_oid>{};
  auto id = TRY(git::parse_hash(hash));
  TRY(check_signed(repo, id, content));
  return std::optional(id);
}

Result<git_oid> write_commit(git_repository* repo, const Repository& repository,
                             const Repository::Signer& signer, const std::string& content) {
  auto made = write_signed(repo, repository, signer, content);
  if (made && *made) return **made;
  git_oid id{};
  git::Odb odb;
  if (git::fill(odb, git_repository_odb, repo) != 0 ||
      git_odb_write(&id, odb.get(), content.data(), content.size(), GIT_OBJECT_COMMIT) != 0)
    return git::last_error("commit");
  if (!made) log_warning("snapshot {} is NOT SIGNED: {}", git::hex(id), escape(made.error().message));
  return id;
}

}  // namespace

Result<std::string> Repository::commit(const std::string& parent, const Files& files, const Message& message,
                                       const Person& author, Time time, const std::string& tree_ahead) {
  git_repository* repo = impl_->repo.get();
  TRY(check_names(files));
  auto expect = TRY(read_expectations(impl_->path));

  git::Commit before;
  git::Tree old_tree;
  if (!parent.empty()) {
    auto commit = TRY(read_commit(repo, parent));
    before = std::move(commit);
    auto tree = TRY(read_tree(before.get()));
    old_tree = std::move(tree);
  }
  // Beside the objects, which have to be hashed and packed: they are the same 3 MB at 50,000 rules.
  auto ahead = std::exchange(impl_->ahead, {});
  auto staging =
      ahead.staged.valid() && ahead.tree == tree_ahead
          ? std::move(ahead.staged)
          : beside("work tree", ErrorKind::repository, [&] { return stage_files(impl_->path, files); });
  git::Tree same;
  if (!tree_ahead.empty()) {
    auto found = TRY(find_tree(repo, tree_ahead));
    same = std::move(found);
  }
  auto tree = TRY(make_tree(repo, old_tree.get(), files, expect, same.get()));

  const Time when = writable(time);
  auto who = TRY(author_signature(author, impl_->host, when));
  auto committer = TRY(rewall_signature(impl_->host, when));
  Message whole = message;
  const bool none =
      std::ranges::any_of(files, [](const auto& f) { return is_in_no_tree(f.first, f.second); });
  whole.trailers.native = none ? "none" : "";
  const std::string text = format_message(whole);
  const git_commit* parents[] = {before.get()};
  git::Buffer content;
  if (git_commit_create_buffer(content.out(), repo, who.get(), committer.get(), nullptr, text.c_str(),
                               tree.get(), before ? 1 : 0, parents) != 0)
    return git::last_error("commit");
  const auto written = TRY(write_commit(repo, *this, impl_->signer, content.text()));
  const git_oid id = written;

  auto staged = TRY(staging.get());
  TRY(sync_objects(repo, id, tree.get(), old_tree.get()));
  TRY(check_room(state_path()));
  const std::string entry =
      format("commit{}: {}", before ? "" : " (initial)", text.substr(0, text.find('\n')));
  const git_oid* from = before ? git_commit_id(before.get()) : nullptr;
  TRY(move_branch(repo, impl_->branch(), from, id, committer.get(), entry));

  // From here on the snapshot is recorded; a work tree that lags behind is the next one's to mend.
  auto settled = place_files(repo, impl_->path, staged, tree.get());
  if (settled) settled = update_index(repo, impl_->path, tree.get(), &expect);
  if (!settled)
    log_warning("snapshot {} is recorded, but the work tree is behind: {}{}", git::hex(id),
                settled.error().message,
                path_exists(impl_->path / ".git/index.lock")
                    ? format("; when no git is at work here: rm {}",
                             shell_quote((impl_->path / ".git/index.lock").string()))
                    : "");
  return git::hex(id);
}

void Repository::sign_with(Signer signer) {
  impl_->signer = std::move(signer);
}

Result<std::string> Repository::prepare(const std::shared_ptr<const Files>& files,
                                        const std::string& same_as) {
  TRY(check_names(*files));
  std::size_t size = 0;
  for (const auto& [name, content] : *files) size += content.size();
  git::Tree tree;
  if (same_as.empty()) {
    auto made = TRY(make_tree(impl_->repo.get(), nullptr, *files, {}));
    tree = std::move(made);
  } else {
    auto commit = TRY(read_commit(impl_->repo.get(), same_as));
    auto read = TRY(read_tree(commit.get()));
    tree = std::move(read);
  }
  TRY(check_room(state_path(), size));
  impl_->ahead = {.tree = git::hex(*git_tree_id(tree.get())), .files = files};
  return impl_->ahead.tree;
}

void Repository::write_aside() {
  auto& ahead = impl_->ahead;
  if (ahead.files == nullptr || ahead.staged.valid()) return;
  ahead.staged = beside(
      "work tree", ErrorKind::repository,
      [path = impl_->path, files = std::exchange(ahead.files, {})] { return stage_files(path, *files); });
}

Status repair_work_tree(const Repository& repository, git_repository* repo) {
  const auto head = TRY(repository.head());
  if (head.empty()) return {};
  const auto files = TRY(repository.files(head));
  auto commit = TRY(read_commit(repo, head));
  auto tree = TRY(read_tree(commit.get()));
  auto staged = TRY(stage_files(repository.path(), files));
  TRY(place_files(repo, repository.path(), staged, tree.get()));
  return update_index(repo, repository.path(), tree.get(), nullptr);
}

Status Repository::begin_at(const std::string& hash) {
  git_repository* repo = impl_->repo.get();
  // Read first: what is no snapshot of rules is not to become HEAD.
  TRY(files(hash));
  const auto id = TRY(git::parse_hash(hash));
  auto who = TRY(rewall_signature(impl_->host, now()));
  TRY(move_branch(repo, impl_->branch(), nullptr, id, who.get(), "clone"));
  return repair_work_tree(*this, repo);
}

std::string Repository::expectations() const {
  auto expect = read_expectations(impl_->path);
  return expect ? std::move(expect->content) : std::string{};
}

}  // namespace rewall

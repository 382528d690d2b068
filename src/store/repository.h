#pragma once

// The history of one host: an ordinary git repository whose commits are snapshots of a firewall. Everything
// here is a plain value, but for Repository, Settings and Lock, which own an open repository, an open file
// and a lock. rewall-repository(5) describes the files.

#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.h"
#include "core/parallel.h"
#include "core/result.h"
#include "core/time.h"

namespace rewall {

struct Person {
  std::string name{};
  std::string email{};
};

/// The parts of a snapshot that one person changed, where several people changed something in one window
/// (rewall-repository(5), Rewall-Part).
struct PartAuthor {
  Person person{};
  std::string actor{};               ///< the user, the terminal and the address, those that are known
  bool perhaps = false;              ///< nothing proves that it was this person
  std::vector<std::string> parts{};  ///< "ip filter INPUT", "set bans"; in the order of their changes
};

/// The trailers of a snapshot's message (rewall-repository(5)); one that does not apply is empty.
///
/// A new trailer is a member here and a row in store/message.cpp, which prints and reads the trailers;
/// history/record.h fills them.
struct Trailers {
  std::string trigger{};
  std::string backend{};  ///< "nft", "legacy", "nft+legacy"
  std::string tools{};
  std::string actor{};
  std::vector<std::string> commands{};
  std::vector<PartAuthor> parts{};
  std::vector<std::string> foreign{};
  std::string restores{};
  std::string undoes{};  ///< the snapshot that an undo took back, full hash
  std::string exact{};   ///< "yes" where foreign parts were restored too
  std::string
      native{};  ///< "none" where there were no native tables of nft; commit() knows it from the files
};

/// A commit of the history, without its files.
struct Snapshot {
  std::string hash{};
  std::string parent{};               ///< empty for the first, and for the last of a shallow clone
  std::vector<std::string> merged{};  ///< further parents, where somebody merged by hand
  Person author{};
  Time time{};
  std::string subject{};
  std::string body{};  ///< the message between subject and trailers
  Trailers trailers{};
};

/// The files of a snapshot by name: `rules.v4`, `rules.v6`, `ipset`, `rules.v4.legacy`, `rules.v6.legacy`,
/// `rules.nft`, `expect`. An empty `rules.nft` says that there were no native tables: no tree holds it, the
/// trailer Rewall-Native says it. Without one nobody recorded whether there were any.
using Files = std::map<std::string, std::string>;

/// The files of a snapshot that rewall writes (rewall-repository(5)).
inline constexpr std::array<std::string_view, 6> kRulesetFiles{
    "rules.v4", "rules.v6", "ipset", "rules.v4.legacy", "rules.v6.legacy", "rules.nft"};

/// True for a file that stands in Files alone, not in a tree: an empty `rules.nft`.
inline bool is_in_no_tree(std::string_view name, std::string_view content) {
  return content.empty() && name == kRulesetFiles.back();
}

struct Tag {
  std::string name{};
  std::string hash{};
  Time time{};
};

/// True for 4 to 64 hex digits: people and scripts take them for the short hash of a snapshot.
bool is_like_hash(std::string_view name);
/// True for a tag that reads as a short hash or as the branch of a host (`hosts/` in its name). No command
/// makes one; it is reached as refs/tags/NAME.
bool is_misleading_tag(std::string_view name);

struct Remote {
  std::string name{};
  std::string url{};
};

/// The branch of a host: this repository's own, or one that was fetched from a remote.
struct HostBranch {
  std::string host{};
  std::string remote{};  ///< the remote that it was fetched from; empty for this repository's own
  std::string hash{};    ///< its newest snapshot
  bool operator==(const HostBranch&) const = default;
};

/// How an object that is read is proved to be the requested one: by its hash, or by the checksum in its file
/// (zlib's Adler-32). The checksum detects damage, but not that one complete object stands in the place of
/// another. It takes half the time, and suffices where a mistake would show a wrong line but change nothing.
enum class Proof { hash, checksum };

/// The lock of a repository (flock(2) on `.git/rewall/lock`), held while a process writes and given back with
/// the object. While it is held the file names the process; afterwards it says "free".
class Lock {
 public:
  explicit Lock(Fd fd) : fd_(std::move(fd)) {}
  Lock(Lock&&) noexcept = default;
  Lock& operator=(Lock&&) = delete;
  ~Lock();

  /// For programs that are started under the lock, to hold it too.
  int descriptor() const { return fd_.get(); }
  /// Lets the next lock() repair the repository, as after a kill: a program under the lock was killed.
  void leave_to_mend() { to_mend_ = true; }

 private:
  Fd fd_;
  bool to_mend_ = false;
};

/// Starts libgit2 beside the caller, which takes about a millisecond. Repository::open() waits for the rest
/// of that time, and reports a failure.
Task<void> start_early();

/// Limits the memory of libgit2, for a process that reads very many snapshots once each: from here on its
/// caches are small and packs are mapped a piece at a time, in all repositories of this process.
void keep_little();

/// The address of a remote as it is kept: that of a folder here is absolute, as git would read another one
/// from the repository's folder.
std::string absolute_address(const std::string& url);

/// An open repository. Errors are of kind repository unless a function says otherwise, and a failure leaves
/// everything that was recorded readable. One thread at a time may use an object; a second thread opens the
/// repository again.
class Repository {
 public:
  /// Makes a repository: the folder (mode 0700), HEAD on the branch hosts/NAME, and `.git/rewall/`. Fails
  /// when `path` is anything but an empty folder or a free name.
  static Result<Repository> init(const std::filesystem::path& path, const std::string& host);

  /// The error that init() would return for this path before it writes anything.
  static Status check_place(const std::filesystem::path& path);

  /// Opens a repository. Refuses a path without one (the hint is the `rewall init` to run), files that
  /// another user can change (store/access.h), and a repository in which no branch hosts/NAME is this host's
  /// (store/host_branch.h). A read-only disk is no matter.
  static Result<Repository> open(const std::filesystem::path& path);

  /// The same for a boot, which uses what can be read: where `.git/config` cannot, the repository is opened
  /// without it, and lock() returns the error.
  static Result<Repository> open_readable(const std::filesystem::path& path);

  Repository(Repository&&) noexcept;
  Repository& operator=(Repository&&) noexcept;
  ~Repository();

  /// Lets Settings::open() answer with no settings where a file of them cannot be used, with a warning: for
  /// what must not hang on them.
  void do_without_settings();
  /// Why Settings::open() did without; absent where it did not.
  const std::optional<Error>& settings_error() const;

  const std::filesystem::path& path() const;
  /// Where git(1) can read the repository: path(), but of open_readable() a folder without the `config`.
  std::filesystem::path path_for_git() const;
  std::filesystem::path state_path() const;  ///< .git/rewall
  std::string host() const;                  ///< NAME of the branch hosts/NAME

  /// Takes the lock that serialises writers; waits for it at most `wait`. When the last holder was killed,
  /// the call first repairs what that process left: it removes git's lock files, half-written objects and
  /// files of the work tree, and makes work tree and index follow HEAD. It also removes half-written versions
  /// of `state_files`, the names in .git/rewall of files that are written with the lock held alone.
  /// Half-written files of any name, and git's lock files while no git runs there, are removed when they are
  /// ten minutes old. Puts back a branch that was lost (store/host_branch.h).
  Result<Lock> lock(std::chrono::milliseconds wait, std::span<const std::string_view> state_files = {}) const;
  /// The number of the process that took the lock last, or "free" where that process gave the lock back;
  /// empty where nobody took it yet or the file cannot be read.
  std::string lock_holder() const;

  /// A lock file of git, which keeps snapshots from being recorded while it is there.
  struct GitLock {
    std::filesystem::path path{};
    std::chrono::seconds age{};
  };
  std::vector<GitLock> git_locks() const;

  /// The hash of HEAD, which is the tip of this host's branch, whatever `.git/HEAD` says; empty before the
  /// first snapshot. Where the branch is empty or gone: the newest snapshot that is known (find_tip()).
  Result<std::string> head() const;

  /// True where this host's branch is empty, damaged or gone, and head() found the newest snapshot otherwise.
  /// The next lock() puts the branch back.
  bool branch_is_lost() const;

  /// True where `.git/HEAD` names this host's branch, and that can be read.
  bool is_at_branch() const;

  /// The first parent of a snapshot, also of one whose commit cannot be read (find_parent()); empty for none.
  std::string parent(const std::string& hash) const;

  /// The full hash of the commit that a `git rev-parse` expression names. Four or more hex digits are the
  /// snapshot whose hash starts with them, and `hosts/NAME` and `REMOTE/hosts/NAME` are branches, whatever is
  /// tagged so: such a tag is reached as refs/tags/NAME. An expression that names nothing is
  /// of kind usage, with the nearest tag or branch as hint; a damaged repository is of kind repository.
  Result<std::string> resolve(const std::string& expression) const;

  /// Whether the repository has an object with this full hash, reachable or not.
  bool has_object(const std::string& hash) const;
  /// Whether the object with this full hash begins as one: a power failure leaves empty files.
  bool begins_well(const std::string& hash) const;

  /// The file of its own of an object that is damaged there and nowhere whole; empty where there is none.
  std::filesystem::path damaged_file(const std::string& hash) const;

  /// The size of an object in bytes, from its header; 0 where that cannot be read.
  std::uint64_t size(const std::string& hash) const;
  /// True for a snapshot whose commit or folder is larger than any that the store makes, and that it
  /// therefore does not read.
  bool is_oversized(const std::string& hash) const;

  Result<Snapshot> snapshot(const std::string& hash) const;

  /// The files of a snapshot. Other files of the commit's tree are left out. A link or a folder with the name
  /// of such a file is refused, and so is a file above 256 MiB, unread. `proof` is for the files; commit and
  /// tree are always proved by their hash.
  Result<Files> files(const std::string& hash, Proof proof = Proof::hash) const;

  /// Proves by hash files that were read with Proof::checksum: true when each of them is the snapshot's.
  bool proves(const std::string& hash, const Files& files) const;

  /// One file of a snapshot; empty when the snapshot has no such file.
  Result<std::string> file(const std::string& hash, const std::string& name, Proof proof = Proof::hash) const;

  /// The hashes of a snapshot's files, by name. Equal hashes mean equal files, so that two snapshots can be
  /// compared unread. Links and folders are refused as in files().
  Result<std::map<std::string, std::string>> file_hashes(const std::string& hash) const;

  struct Entry {
    enum class Kind { file, link, folder, submodule };
    std::string name{};
    std::string hash{};
    Kind kind = Kind::file;
    bool operator==(const Entry&) const = default;
  };
  /// All entries of a snapshot's tree, or of a folder in it, by the hash of either.
  Result<std::vector<Entry>> entries(const std::string& hash) const;

  /// The content of a file, by its own hash, which also proves it. Errors call the file `name`.
  Result<std::string> content(const std::string& hash, const std::string& name) const;

  /// True when the snapshot is HEAD or an ancestor of HEAD.
  Result<bool> in_history(const std::string& hash) const;

  /// Calls `visit` with the snapshot `hash` and its first parents, newest first, until `visit` returns false
  /// or an error.
  Status walk(const std::string& hash, const std::function<Result<bool>(const Snapshot&)>& visit) const;

  struct Message {
    std::string subject{};
    std::string body{};
    Trailers trailers{};
  };
  /// Records a snapshot on top of `parent` (empty for the first one) and returns its hash. The order makes a
  /// kill harmless: the objects are written and synced, the files of the work tree are written aside, the
  /// branch moves, the files take their places, the index follows. Kind refused when the branch is no longer
  /// at `parent`. Files of a snapshot that `files` lacks are removed from the work tree, except `expect`,
  /// which is recorded as it is there. The committer is rewall.
  ///
  /// `tree` is the result of prepare() for the same files, which are not written again then.
  Result<std::string> commit(const std::string& parent, const Files& files, const Message& message,
                             const Person& author, Time time, const std::string& tree = {});

  /// Writes a signed commit object and returns its hash; an empty hash when commits are not signed. `content`
  /// is the unsigned commit object: a line each for tree, parent, author and committer, a blank line, the
  /// message.
  using Signer = std::function<Result<std::string>(const Repository&, const std::string& content)>;

  /// Makes every later commit() call `signer`. A snapshot that cannot be signed is recorded unsigned, with a
  /// warning: a lost snapshot would be worse.
  void sign_with(Signer signer);

  /// Writes the objects of a later commit() of `files`, and makes sure that the disk has room to record it,
  /// so that a caller can change the kernel and rely on recording it. Returns the hash of a tree with the
  /// files.
  ///
  /// `same_as` is a snapshot with these files, read with Proof::hash, whose objects are used.
  Result<std::string> prepare(const std::shared_ptr<const Files>& files, const std::string& same_as = {});

  /// Starts to write the files of the newest prepare() aside in the work tree, beside the caller. Without
  /// this call commit() writes them. Do not call it before a small file is to be synced: that sync would wait
  /// for these files.
  void write_aside();

  /// The files of a tree that prepare() wrote.
  Result<Files> prepared(const std::string& tree) const;

  /// The file `expect` of the work tree; empty when there is none.
  std::string expectations() const;

  /// All tags, sorted by name.
  Result<std::vector<Tag>> tags() const;
  /// Makes a tag, or moves an existing one. Kind usage for a name that git does not allow.
  Status set_tag(const std::string& name, const std::string& hash);
  /// Kind usage for an unknown tag.
  Status remove_tag(const std::string& name);

  /// The branches below refs/heads/hosts/ and refs/remotes/REMOTE/hosts/, sorted by host, then by remote.
  Result<std::vector<HostBranch>> host_branches() const;
  /// Lets the branch of a host that was fetched from a remote name `hash` again, or removes it where `hash`
  /// is empty.
  Status put_back_branch(const HostBranch& branch, const std::string& hash);

  Result<std::vector<Remote>> remotes() const;
  /// The remote with this name. Kind usage for an unknown one, with the nearest name as hint.
  Result<Remote> remote(const std::string& name) const;
  /// Kind usage for a name or an address that git does not allow, and for a name that is taken.
  Status add_remote(const std::string& name, const std::string& url);
  /// Changes the address of a remote, and forgets what the remote has of this host until the next push or
  /// fetch. Kind usage for an unknown remote.
  Status set_remote_url(const std::string& name, const std::string& url);
  /// Removes a remote and the branches that were fetched from it. Kind usage for an unknown remote.
  Status remove_remote(const std::string& name);

  /// Starts this host's branch at a snapshot that was fetched, and makes the work tree follow it. For a
  /// repository without snapshots of its own. Errors as files(), for a commit that is no snapshot.
  Status begin_at(const std::string& hash);

  /// The snapshots of HEAD that the remote's branch of this host lacks.
  struct Behind {
    std::size_t snapshots = 0;
    std::optional<Time> since{};      ///< the time of the oldest of them
    std::optional<Time> last_push{};  ///< when the remote's branch last moved here
    /// How long the remote has lacked them: since the later of `since` and `last_push` (an import records
    /// snapshots with older dates). Never negative.
    std::chrono::seconds age(Time now) const;
  };
  Result<Behind> behind(const std::string& remote) const;

 private:
  friend class Settings;
  struct Impl;
  explicit Repository(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// The settings of all repositories of a host, in the format of git-config(1).
inline constexpr std::string_view kHostSettings = "/etc/rewall/config";

/// A repository's settings, `.git/rewall/config`, in the format of git-config(1).
class Settings {
 public:
  /// Opens the settings of the repository, over those of the host (kHostSettings). Kind repository: one of
  /// the files cannot be read, or others can write to it; after do_without_settings() none is set then.
  static Result<Settings> open(const Repository& repository);
  /// Opens `.git/config`, the repository's settings of git itself.
  static Result<Settings> open_git(const Repository& repository);
  Settings(Settings&&) noexcept;
  Settings& operator=(Settings&&) noexcept;
  ~Settings();

  Result<std::optional<std::string>> get(const std::string& key) const;
  /// The file that sets a key; empty where none does.
  Result<std::string> origin(const std::string& key) const;
  /// The keys that are set, each once, sorted.
  Result<std::vector<std::string>> keys() const;
  Status set(const std::string& key, const std::string& value);
  Status unset(const std::string& key);

 private:
  struct Impl;
  explicit Settings(std::unique_ptr<Impl> impl);
  static Result<Settings> open_both(const Repository& repository);
  static Result<Settings> open_file(const Repository& repository, const std::filesystem::path& path);
  std::unique_ptr<Impl> impl_;
};

}  // namespace rewall

#pragma once

#include <chrono>
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

/// The trailers of a snapshot's message (section 4), empty where they do not apply.
struct Trailers {
  std::string trigger{};
  std::string backend{};  ///< "nft", "legacy", "nft+legacy"
  std::string tools{};
  std::string actor{};
  std::vector<std::string> commands{};
  std::vector<std::string> foreign{};
  std::string restores{};
};

/// What a snapshot says of itself.
struct Snapshot {
  std::string hash{};
  std::string parent{};               ///< empty for the first
  std::vector<std::string> merged{};  ///< further parents, where somebody merged by hand
  Person author{};
  Time time{};
  std::string subject{};
  std::string body{};  ///< the message between subject and trailers
  Trailers trailers{};
};

/// A revision's files by name: `rules.v4`, `rules.v6`, `ipset`, `rules.v4.legacy`, `rules.v6.legacy`,
/// `expect`.
using Files = std::map<std::string, std::string>;

struct Tag {
  std::string name{};
  std::string hash{};
  Time time{};
};

struct Remote {
  std::string name{};
  std::string url{};
};

/// The branch of a host: one of this repository, or what was fetched of it.
struct HostBranch {
  std::string host{};
  std::string remote{};  ///< whence it was fetched; empty for one of this repository
  std::string hash{};    ///< its newest snapshot
  bool operator==(const HostBranch&) const = default;
};

/// How far an object that is read is proved to be the one that was asked for: by its hash, or only by the
/// checksum (zlib's Adler-32) of what stands in its file. The checksum notices damage, not one whole object
/// in another's place; it takes half the time, and is enough where a mistake shows a wrong line but changes
/// nothing.
enum class Proof { hash, checksum };

/// Held while a process writes: an flock on `.git/rewall/lock`, released with the object.
class Lock {
 public:
  explicit Lock(Fd fd) : fd_(std::move(fd)) {}
  Lock(Lock&&) noexcept = default;
  Lock& operator=(Lock&&) = delete;
  ~Lock();

  /// For a program that is started under it, to hold it too.
  int descriptor() const { return fd_.get(); }
  /// A program that was killed left something half done: the next lock() mends it.
  void leave_to_mend() { to_mend_ = true; }

 private:
  Fd fd_;
  bool to_mend_ = false;
};

/// Starts libgit2 beside the caller, which takes about a millisecond. Repository::open() waits for the rest
/// of that time, and reports a failure.
Task<void> start_early();

/// For who reads very many snapshots, each once: of what was read little is kept from here on, and packs are
/// looked at a piece at a time, in all repositories of this process.
void keep_little();

/// An ordinary git repository with a work tree that holds the history of one host (section 4).
///
/// Every failure is of kind repository and leaves what was there readable, except where said. Only this class
/// and its .cpp know libgit2. Not for two threads at once; open a second one instead.
class Repository {
 public:
  /// Makes one: folder 0700, HEAD on the branch hosts/NAME, `.git/rewall/`. Fails when `path` holds a
  /// repository already, or anything else.
  static Result<Repository> init(const std::filesystem::path& path, const std::string& host);

  /// Whether init() would take this path: its errors.
  static Status check_place(const std::filesystem::path& path);

  /// Opens one. Refuses a path that is none (hint: the `rewall init` to run), a folder or `.git` of another
  /// owner than this user or root, or that group or others can write, or that has no HEAD branch.
  static Result<Repository> open(const std::filesystem::path& path);

  Repository(Repository&&) noexcept;
  Repository& operator=(Repository&&) noexcept;
  ~Repository();

  const std::filesystem::path& path() const;
  std::filesystem::path state_path() const;  ///< .git/rewall
  std::string host() const;                  ///< NAME of the branch hosts/NAME

  /// Takes the lock that serialises writers; waits for it at most `wait`. When the last holder was killed,
  /// the call first repairs what that process left: it removes git's lock files, half-written objects and
  /// files of the work tree, and makes work tree and index follow HEAD. It also removes half-written versions
  /// of `state_files`, the names in .git/rewall of files that are written with the lock held alone.
  Result<Lock> lock(std::chrono::milliseconds wait, std::span<const std::string_view> state_files = {}) const;
  /// The number of the process that took the lock last, or "free" where that process gave the lock back;
  /// empty where nobody took it yet or the file cannot be read.
  std::string lock_holder() const;

  /// The hash of HEAD; empty before the first snapshot.
  Result<std::string> head() const;

  /// The full hash of the commit that a `git rev-parse` expression names. An expression that names nothing is
  /// of kind usage, with the nearest tag or branch as hint; a damaged repository is of kind repository.
  Result<std::string> resolve(const std::string& expression) const;

  /// Whether it has an object of this full hash, reachable or not.
  bool has_object(const std::string& hash) const;

  Result<Snapshot> snapshot(const std::string& hash) const;

  /// The files of section 4 in a snapshot's tree; others are left out. Links and folders of those names are
  /// refused, and so are files above 256 MiB, unread. Commits and trees are always proved by their hash.
  Result<Files> files(const std::string& hash, Proof proof = Proof::hash) const;

  /// Proof::hash for what was read with less: true when each of the files is what the snapshot says.
  bool proves(const std::string& hash, const Files& files) const;

  /// One of them; empty when the snapshot has no such file.
  Result<std::string> file(const std::string& hash, const std::string& name, Proof proof = Proof::hash) const;

  /// What tells without reading them which are the same in two snapshots: their hashes by name. Links and
  /// folders are refused here too.
  Result<std::map<std::string, std::string>> file_hashes(const std::string& hash) const;

  struct Entry {
    enum class Kind { file, link, folder, submodule };
    std::string name{};
    std::string hash{};
    Kind kind = Kind::file;
    bool operator==(const Entry&) const = default;
  };
  /// All that a snapshot's tree has, or a folder's, by the hash of either.
  Result<std::vector<Entry>> entries(const std::string& hash) const;

  /// What a file holds, by its own hash, which proves it. `name` is what an error calls it.
  Result<std::string> content(const std::string& hash, const std::string& name) const;

  /// True when HEAD, or what HEAD was made of, is that snapshot.
  Result<bool> in_history(const std::string& hash) const;

  /// Walks from `hash` along first parents, newest first, until `visit` says false or fails.
  Status walk(const std::string& hash, const std::function<Result<bool>(const Snapshot&)>& visit) const;

  /// Records: objects first, then the files of the work tree are written aside and synced, then the branch
  /// moves (only if it is still at `parent`: else kind refused), then the files take their places and the
  /// index follows. Files of section 4 that `files` lacks are removed, except `expect`, which is taken as it
  /// is in the work tree. Committer is rewall.
  ///
  /// `tree`: of prepare(), for the same files. They are there then, and not written again.
  struct Message {
    std::string subject{};
    std::string body{};
    Trailers trailers{};
  };
  Result<std::string> commit(const std::string& parent, const Files& files, const Message& message,
                             const Person& author, Time time, const std::string& tree = {});

  /// Gets the content of a commit object (a line each for tree, parent, author and committer, a blank one,
  /// the message), writes the same one signed, and says its hash; empty where none is to be signed.
  using Signer = std::function<Result<std::string>(const Repository&, const std::string& content)>;

  /// Has every commit() from here on signed. One that cannot be is recorded without, with a warning: a
  /// snapshot that is lost is worse.
  void sign_with(Signer signer);

  /// Writes the content of a snapshot of `files` ahead and makes sure that there is room to record it: who
  /// changes the kernel next can rely on it. The hash of a tree that holds them.
  ///
  /// `same_as`: a snapshot whose files are these, read with Proof::hash. Its objects are taken.
  Result<std::string> prepare(const std::shared_ptr<const Files>& files, const std::string& same_as = {});

  /// Begins to write the files of the newest prepare() aside in the work tree, for commit(), which does it
  /// itself otherwise. Not for a moment at which something small is to be synced: that would wait for them.
  void write_aside();

  /// The files of a tree that prepare() wrote.
  Result<Files> prepared(const std::string& tree) const;

  /// `expect` as it stands in the work tree; empty when there is none.
  std::string expectations() const;

  Result<std::vector<Tag>> tags() const;  ///< by name
  Status set_tag(const std::string& name,
                 const std::string& hash);     ///< bad name: kind usage; moves an existing one
  Status remove_tag(const std::string& name);  ///< unknown: kind usage

  /// Those below refs/heads/hosts/ and refs/remotes/REMOTE/hosts/, by host, then by remote.
  Result<std::vector<HostBranch>> host_branches() const;

  Result<std::vector<Remote>> remotes() const;
  /// That of a name; else kind usage, with the nearest as hint.
  Result<Remote> remote(const std::string& name) const;
  /// Bad name or address: kind usage, as for the next two a remote that there is not.
  Status add_remote(const std::string& name, const std::string& url);
  /// What it has of this host is unknown then, until the next push or fetch.
  Status set_remote_url(const std::string& name, const std::string& url);
  Status remove_remote(const std::string& name);  ///< and what was fetched of it

  /// Before the first snapshot: begins the branch of this host at one that was fetched, and makes the work
  /// tree what it says. A snapshot whose files are none: the errors of files().
  Status begin_at(const std::string& hash);

  /// How many snapshots of HEAD the remote's branch of this host lacks, and when the oldest of them was
  /// taken.
  struct Behind {
    std::size_t snapshots = 0;
    std::optional<Time> since{};
    std::optional<Time> last_push{};  ///< when the remote's branch last moved here
    /// How long it has lacked them: since the oldest was taken, or since the last push, before which it
    /// cannot have been recorded (import dates snapshots back). Never below zero.
    std::chrono::seconds age(Time now) const;
  };
  Result<Behind> behind(const std::string& remote) const;

 private:
  struct Impl;
  explicit Repository(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// A repository's settings, `.git/rewall/config`, in the format of git-config(1).
class Settings {
 public:
  static Result<Settings> open(const Repository& repository);
  /// What git reads: the repository's own `.git/config`.
  static Result<Settings> open_git(const Repository& repository);
  Settings(Settings&&) noexcept;
  Settings& operator=(Settings&&) noexcept;
  ~Settings();

  Result<std::optional<std::string>> get(const std::string& key) const;
  /// The keys that are set, each once, by name.
  Result<std::vector<std::string>> keys() const;
  Status set(const std::string& key, const std::string& value);
  Status unset(const std::string& key);

 private:
  struct Impl;
  explicit Settings(std::unique_ptr<Impl> impl);
  static Result<Settings> open_file(const Repository& repository, const std::filesystem::path& path);
  std::unique_ptr<Impl> impl_;
};

}  // namespace rewall

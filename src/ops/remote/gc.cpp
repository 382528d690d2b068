#include "ops/remote/gc.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/file.h"
#include "core/format.h"
#include "core/log.h"
#include "core/messages.h"
#include "core/proc.h"
#include "core/text.h"
#include "ops/context/git_command.h"
#include "ops/context/pid_lock.h"
#include "ops/context/settings.h"
#include "ops/context/state_file.h"
#include "ops/context/state_paths.h"
#include "ops/guard/guard_state.h"
#include "ops/history/generation_cache.h"
#include "ops/restore/journal.h"

namespace rewall {
namespace {

namespace fs = std::filesystem;

constexpr const char* kWork = "gc";
constexpr std::chrono::hours kLongestGc{6};
constexpr std::chrono::hours kBetweenRuns{1};
constexpr std::chrono::minutes kSurelyLeft{10};
constexpr const char* kExpire = "--expire=2.weeks.ago";  // git's own gc.pruneExpire
// Snapshots of one size are neighbours for git whatever their age, and those that differ least are far apart:
// its own window of 10 is small for them. 250, as --aggressive has it, saves 2% more and takes four times as
// long.
constexpr const char* kWindow = "--window=50";
constexpr const char* kDepth = "--depth=50";
constexpr const char* kMemory = "--window-memory=64m";

fs::path gc_lock(const Repository& repository) {
  return StatePaths(repository).gc_lock();
}

bool is_full(std::string_view words) {
  return words.find(errno_text(ENOSPC)) != std::string_view::npos ||
         words.find(errno_text(EDQUOT)) != std::string_view::npos ||
         words.find("Out of diskspace") != std::string_view::npos;
}

Error gc_error(const Repository& repository, const std::string& work, const Outcome& outcome) {
  const auto path = shell_quote(repository.path().string());
  const auto own = own_trouble_hint(outcome.err);
  return error_of<messages::gc_failed>(work, outcome.text())
      .hinted(!own.empty() ? own
              : is_full(outcome.err)
                  ? format("free some space at {} and run the command again", path)
                  : format("'git -C {} fsck' shows what is damaged; else run the command again", path));
}

/// Runs git and returns its standard output. git holds the lock `held` too: it goes on when this process is
/// killed.
Result<std::string> run_under(int held, const Repository& repository, std::vector<std::string> words,
                              bool gives_way) {
  const std::string work = words.front();
  const HandedOn lock(held);
  auto outcome =
      run_git(repository.path(), {.words = std::move(words), .gives_way = gives_way, .deadline = kLongestGc});
  if (!outcome) return std::move(outcome).error();
  if (!outcome->ok()) return gc_error(repository, work, *outcome);
  return std::move(outcome->out);
}

Result<std::string> run_beside(const PidLock& alone, const Repository& repository,
                               std::vector<std::string> words) {
  return run_under(alone.descriptor(), repository, std::move(words), true);
}

/// The same under the repository's lock, for which others may wait. When git is killed, the next holder of
/// the lock removes the lock files of git.
Result<std::string> run_locked(Lock& held, const Repository& repository, std::vector<std::string> words) {
  auto out = run_under(held.descriptor(), repository, std::move(words), false);
  if (!out) held.leave_to_mend();
  return out;
}

Result<ObjectCount> count(const PidLock& alone, const Repository& repository) {
  auto said = TRY(run_beside(alone, repository, {"count-objects", "-v"}));
  ObjectCount stored;
  std::uint64_t loose_size = 0;
  std::uint64_t packs_size = 0;
  const StateKeys keys{{"count", number_key(stored.loose)},
                       {"size", number_key(loose_size)},
                       {"in-pack", number_key(stored.packed)},
                       {"packs", number_key(stored.packs)},
                       {"size-pack", number_key(packs_size)}};
  for (const auto line : split_lines(said)) {
    const auto colon = line.find(": ");
    const auto key = keys.find(line.substr(0, colon));
    if (colon != std::string_view::npos && key != keys.end()) key->second.read(line.substr(colon + 2));
  }
  stored.bytes = (loose_size + packs_size) * 1024;
  return stored;
}

/// True when no process has the file open: only then the kernel grants a lease (F_SETLEASE, fcntl(2)). False
/// where it cannot be known.
bool is_closed(const fs::path& file) {
  const Fd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  return fd && ::fcntl(fd.get(), F_SETLEASE, F_WRLCK) == 0;
}

/// True for a file of "repack" (".tmp-PID-pack-HASH.pack") whose process has ended.
bool is_of_dead_repack(std::string_view name) {
  constexpr std::string_view kStart = ".tmp-";
  pid_t process = 0;
  if (!name.starts_with(kStart)) return false;
  name.remove_prefix(kStart.size());
  const auto end = name.find("-pack");
  return end != std::string_view::npos && read_number(name.substr(0, end), process) && process > 0 &&
         !lives(process);
}

bool is_older(const fs::path& file, std::chrono::seconds age) {
  struct stat facts {};
  return ::lstat(file.c_str(), &facts) == 0 && now().seconds - facts.st_mtim.tv_sec > age.count();
}

/// Removes the files of gits that were killed while they wrote a pack: `git prune` keeps some for two weeks
/// and others forever, and each is as big as the history.
void remove_left_files(const Repository& repository, std::chrono::seconds age) {
  std::vector<fs::path> left;
  std::error_code failed;
  for (const auto& entry : entries_in(repository.path() / ".git/objects/pack")) {
    const auto name = entry.path().filename().string();
    const bool of_index_pack =
        name.starts_with("tmp_") && is_older(entry.path(), age) && is_closed(entry.path());
    if (of_index_pack || is_of_dead_repack(name)) left.push_back(entry.path());
  }
  for (const auto& file : left) {
    if (fs::remove(file, failed)) log_info("{}: removed, a killed git left it", file.string());
  }
}

/// The objects that the files of `.git/rewall/` name: no ref names the prepared tree of a restore.
Result<std::vector<std::string>> still_named(const Repository& repository) {
  std::vector<std::string> named;
  auto journal = TRY(Journal::peek(repository));
  if (journal) named.insert(named.end(), {journal->before, journal->wanted});
  auto guard = TRY(read_guard(repository.state_path()));
  if (guard) named.push_back(guard->before);
  if (const auto seen = read_cached_generation(repository)) named.push_back(seen->head);
  std::erase_if(named, [&](const std::string& hash) { return !repository.has_object(hash); });
  return named;
}

/// Asks without the lock first: most of the time there is nothing to remove. Under the lock no process writes
/// an object that neither a ref nor the journal names yet.
Status prune(const PidLock& alone, const Repository& repository) {
  auto removable = TRY(run_beside(alone, repository, {"prune", "-n", kExpire}));
  if (removable.empty()) return {};
  auto held = TRY(lock(repository));
  auto named = still_named(repository);
  if (!named) {
    log_warning("no object is removed: {}", escape(named.error().message));
    return {};
  }
  std::vector<std::string> words{"prune", kExpire, "--"};
  words.insert(words.end(), named->begin(), named->end());
  TRY(run_locked(held, repository, std::move(words)));
  return {};
}

Status pack_refs(const Repository& repository) {
  auto held = TRY(lock(repository));
  auto packed = run_locked(held, repository, {"pack-refs", "--all"});
  return packed ? Status{} : Status(std::move(packed).error());
}

Result<GcResult> collect(const PidLock& alone, const Repository& repository) {
  remove_left_files(repository, kSurelyLeft);
  auto before = TRY(count(alone, repository));
  // -A: objects that nothing names become loose again, and keep their age.
  auto packed = TRY(run_beside(alone, repository,
                               {"repack", "-A", "-d", "-l", "-q", "--threads=1", kWindow, kDepth, kMemory}));
  TRY(pack_refs(repository));
  TRY(prune(alone, repository));
  auto after = TRY(count(alone, repository));
  return GcResult{before, after};
}

}  // namespace

Result<std::optional<GcResult>> gc(const Repository& repository) {
  const auto path = gc_lock(repository);
  errno = 0;
  const auto alone = PidLock::begin(path, kWork);
  const int failed = errno;
  if (!alone) {
    if (PidLock::process(path, kWork) != 0) return std::optional<GcResult>{};
    return error_of<messages::gc_lock_unwritable>(path.string(), errno_text(failed));
  }
  auto collected = TRY(collect(*alone, repository));
  return std::optional(collected);
}

void remove_refused_packs(const Repository& repository) {
  if (PidLock::process(gc_lock(repository), kWork) == 0)
    remove_left_files(repository, std::chrono::seconds(-1));
}

bool gc_is_due(const Repository& repository) {
  const auto most = read_setting(repository, settings::gc_auto);
  if (!most || *most == 0) return false;
  const auto last = gc_lock(repository);
  if (path_exists(last) && !is_older(last, kBetweenRuns)) return false;
  // Hashes spread evenly over 256 folders: git estimates by the same folder.
  std::uint64_t found = 0;
  for (const auto& entry : entries_in(repository.path() / ".git/objects/17"))
    found += entry.path().filename().native().size() == 38 ? 1 : 0;
  return found * 256 >= *most;
}

}  // namespace rewall

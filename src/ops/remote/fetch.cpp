#include "ops/remote/fetch.h"

#include <algorithm>
#include <array>
#include <csignal>
#include <map>
#include <set>
#include <span>

#include "core/format.h"
#include "core/log.h"
#include "core/text.h"
#include "core/time.h"
#include "ops/context/settings.h"
#include "ops/remote/fetch_status.h"
#include "ops/remote/gc.h"
#include "ops/remote/refused_parts.h"

namespace rewall {
namespace {

using Clock = std::chrono::steady_clock;

Result<std::map<std::string, std::string>> branches_of(const Repository& repository,
                                                       const std::string& remote) {
  auto all = TRY(repository.host_branches());
  std::map<std::string, std::string> heads;
  for (auto& branch : all) {
    if (branch.remote == remote) heads.emplace(std::move(branch.host), std::move(branch.hash));
  }
  return heads;
}

// How many snapshots of the history of `hash` are not in `known`.
std::size_t count_lost(const Repository& repository, const std::string& hash,
                       const std::set<std::string>& known) {
  std::size_t lost = 0;
  const auto walked = repository.walk(hash, [&](const Snapshot& snapshot) -> Result<bool> {
    if (known.contains(snapshot.hash)) return false;
    ++lost;
    return true;
  });
  if (!walked) log_info("{}", walked.error().message);
  return lost;
}

// How a fetch moved a branch, from one snapshot to another.
FetchedBranch movement(const Repository& repository, const std::string& host, const std::string& from,
                       const std::string& to) {
  FetchedBranch branch{.host = host, .hash = to, .rewritten = !from.empty()};
  std::set<std::string> seen;
  auto walked = repository.walk(to, [&](const Snapshot& snapshot) -> Result<bool> {
    if (snapshot.hash == from) {
      branch.rewritten = false;
      return false;
    }
    seen.insert(snapshot.hash);
    ++branch.snapshots;
    return true;
  });
  if (!walked) {
    branch.trouble = walked.error().message;
    branch.rewritten = false;  // nobody knows
  }
  if (branch.rewritten) branch.lost = count_lost(repository, from, seen);
  return branch;
}

RemotePart branch_part(const Remote& remote, const std::string& host) {
  return {"hosts/" + host, format("+{0}{1}:refs/remotes/{2}/hosts/{1}", kHostBranches, host, remote.name)};
}

// "object 0123abc: hasDotgit: contains '.git'".
std::string bad_object(const Outcome& outcome) {
  constexpr std::string_view kObject = "error: object ";
  for (const auto line : split_lines(outcome.err)) {
    if (line.starts_with(kObject)) return std::string(line.substr(kObject.find("object")));
  }
  return outcome.text();
}

// In bytes.
struct FetchLimits {
  std::uint64_t pack = 0;
  std::uint64_t memory = 0;
  std::uint64_t snapshot = 0;
  std::string word() const { return format("{}/{}/{}", pack, memory, snapshot); }
};

/// Looks at the snapshots that a fetch brought, before any command reads one.
class Sizes {
 public:
  Sizes(const Repository& repository, std::uint64_t most) : repository_(repository), most_(most) {}

  /// Why the history of `to`, as far as it is not that of `from`, is refused; empty where it is not. What
  /// cannot be read is for those who read it.
  std::string matter(const std::string& to, const std::string& from) {
    std::vector<std::string> next{to};
    if (!from.empty()) seen_.insert(from);
    while (!next.empty()) {
      const auto hash = std::move(next.back());
      next.pop_back();
      if (hash.empty() || !seen_.insert(hash).second) continue;
      const bool is_oversized = repository_.is_oversized(hash);
      const auto folder = is_oversized ? Folder{} : weight_of_folder(hash, 0);
      if (is_oversized || folder.too_deep)
        return format("snapshot {} is bigger than any that rewall makes", hash.substr(0, 10));
      const auto snapshot = repository_.snapshot(hash);
      if (!snapshot) continue;
      if (weight_of(hash) > most_ || folder.bytes > most_)
        return format("snapshot {} is bigger than fetch.snapshot allows", hash.substr(0, 10));
      next.insert(next.end(), snapshot->merged.begin(), snapshot->merged.end());
      next.push_back(snapshot->parent);
    }
    return {};
  }

 private:
  // What a line takes when it is read and compared, however short it is.
  struct Lines {
    std::uint64_t each = 0;
    std::string_view start{};    // of those that take more: "\ncreate "
    std::uint64_t starting = 0;  // what they take
  };
  static constexpr Lines kRules{.each = 150, .start = "\n:", .starting = 150};
  static constexpr Lines kMembers{.each = 32, .start = "\ncreate ", .starting = 170};

  struct Folder {
    std::uint64_t files = 0;  // in its folders too: two folders with the same content are one object
    std::uint64_t bytes = 0;  // that they take in the index, or more than most_
    bool too_deep = false;
  };
  static constexpr std::uint64_t kIndexEntry = 100;
  static constexpr int kDeepestFolder = 32;

  Folder weight_of_folder(const std::string& hash, int depth) {
    if (const auto known = folders_.find(hash); known != folders_.end()) return known->second;
    Folder all;
    if (depth > kDeepestFolder) return {.bytes = 1, .too_deep = true};
    const auto entries = repository_.entries(hash);
    for (std::size_t i = 0; entries && i < entries->size() && all.bytes <= most_ && !all.too_deep; ++i) {
      const auto& entry = (*entries)[i];
      const bool is_folder = entry.kind == Repository::Entry::Kind::folder;
      const auto in =
          is_folder ? weight_of_folder(entry.hash, depth + 1) : Folder{.files = 1, .bytes = kIndexEntry};
      all.files += in.files;
      all.bytes += in.bytes + in.files * (entry.name.size() + 1);
      all.too_deep = in.too_deep;
    }
    if (depth > 0) folders_.emplace(hash, all);
    return all;
  }

  std::uint64_t weight_of(const std::string& hash) {
    const auto files = repository_.file_hashes(hash);
    if (!files) return 0;
    std::uint64_t all = 0;
    for (const auto& [name, file] : *files) {
      const auto [known, fresh] = weights_.try_emplace(file);
      if (fresh) known->second = weight_of_file(file, name == "ipset" ? kMembers : kRules);
      all += known->second;
    }
    return all;
  }

  std::uint64_t weight_of_file(const std::string& hash, const Lines& lines) const {
    const auto size = repository_.size(hash);
    if (size > most_ || size * lines.starting <= most_) return size;
    const auto text = repository_.content(hash, "file");
    if (!text) return size;
    auto weight = lines.each * static_cast<std::uint64_t>(std::ranges::count(*text, '\n'));
    for (auto at = text->find(lines.start); at != std::string::npos; at = text->find(lines.start, at + 1))
      weight += lines.starting - lines.each;
    return std::max(size, weight);
  }

  const Repository& repository_;
  std::uint64_t most_;
  std::set<std::string> seen_{};
  std::map<std::string, std::uint64_t> weights_{};
  std::map<std::string, Folder> folders_{};
};

// What stops the transfer of some branches, whatever the server may be like otherwise.
std::string refusal_in(const Outcome& outcome) {
  const auto says = [&](std::string_view words) { return outcome.err.find(words) != std::string::npos; };
  if (says("fsck error")) return bad_object(outcome);
  if (says("ut of memory") || says("Cannot allocate memory"))
    return "git needs more memory for it than fetch.memory allows";
  static const std::string kTooBig = format("died of signal {}", SIGXFSZ);
  if (says(kTooBig) || says("File too large")) return "its pack is bigger than fetch.limit allows";
  return {};
}

/// One fetch, which may take several runs of git, all within `network.timeout`.
class Fetching {
 public:
  static Result<Fetching> begin(const Repository& repository, const Remote& remote, Progress progress) {
    FetchLimits limits;
    limits.pack = TRY(read_setting(repository, settings::fetch_limit));
    limits.memory = TRY(read_setting(repository, settings::fetch_memory));
    limits.snapshot = TRY(read_setting(repository, settings::fetch_snapshot));
    auto longest = TRY(read_setting(repository, settings::network_timeout));
    return Fetching(repository, remote, std::move(progress), limits, longest);
  }

  /// Fetches the branches of all hosts, and `more`.
  Status take_all(std::vector<RemotePart> more) {
    known_ = read_refused_notes(repository_.state_path(), remote_.name, limits_.word());
    if (known_.empty()) {
      auto parts = more;
      parts.push_back(branch_part(remote_, "*"));
      auto outcome = TRY(fetch(parts));
      if (outcome.ok()) return {};
      if (!may_be_of_few(outcome)) return unreachable(repository_, remote_, outcome);
    }
    TRY(list(more));
    // What came until then has come.
    if (auto taken = take_by_halves(more); !taken)
      refused.push_back({std::string(kRestOfRemote), taken.error().message});
    return {};
  }

  void refuse(const std::string& name, const std::string& hash, const std::string& why) {
    refused.push_back({name, why});
    notes_.push_back({.remote = remote_.name,
                      .name = name,
                      .hash = hash,
                      .time = now().seconds,
                      .limits = limits_.word(),
                      .why = why});
  }

  // Keeps the notes of this fetch alone.
  void keep_notes() const {
    if (const auto noted = write_refused_notes(repository_.state_path(), remote_.name, notes_); !noted)
      log_info("{}", noted.error().message);
  }

  std::vector<RefusedPart> refused{};

 private:
  Fetching(const Repository& repository, const Remote& remote, Progress progress, FetchLimits limits,
           std::chrono::milliseconds longest)
      : repository_(repository),
        remote_(remote),
        progress_(std::move(progress)),
        limits_(limits),
        longest_(longest),
        end_(Clock::now() + longest) {}

  // Whether the other branches may come all the same: the server answered, and what it sent was no good.
  static bool may_be_of_few(const Outcome& outcome) {
    static constexpr std::array<std::string_view, 7> kOfObjects = {
        "index-pack", "necessary objects", "early EOF",           "upload-pack: ",
        "bad object", "lock ref",          "could not be updated"};
    const auto says = [&](std::string_view words) { return outcome.err.find(words) != std::string::npos; };
    return !outcome.timed_out && outcome.signal == 0 &&
           (!refusal_in(outcome).empty() || std::ranges::any_of(kOfObjects, says));
  }

  // Adds a part for each branch that the remote has, but for those that were refused as they are.
  Status list(std::vector<RemotePart>& parts) {
    auto listed =
        TRY(run({.words = {"ls-remote", "--quiet", "--", remote_.name, format("{}*", kHostBranches)},
                 .most_output = kLongestList}));
    if (!listed.ok()) return unreachable(repository_, remote_, listed);
    for (const auto line : split_lines(listed.out)) {
      // "HASH\tNAME", also of names that only end so.
      const auto tab = std::min(line.find('\t'), line.size() - 1);
      const auto name = line.substr(tab + 1);
      // git lets no name have these; who sends one means a refspec of another kind.
      if (!name.starts_with(kHostBranches) || name.find_first_of("*:^ ") != std::string_view::npos) continue;
      auto part = branch_part(remote_, std::string(name.substr(kHostBranches.size())));
      part.hash = line.substr(0, tab);
      const auto known = std::ranges::find_if(
          known_, [&](const RefusedNote& note) { return note.name == part.name && note.hash == part.hash; });
      if (known == known_.end()) {
        parts.push_back(std::move(part));
        continue;
      }
      refused.push_back({known->name, known->why});
      notes_.push_back(*known);
    }
    return {};
  }

  // Fetches halves, and halves of a half that is refused, until each refused part is alone.
  Status take_by_halves(std::span<const RemotePart> parts) {
    if (parts.empty()) return {};
    if (runs_ == kMostRuns)
      return Error{.kind = ErrorKind::remote,
                   .message = format("too many branches are refused: {} more were not tried", parts.size())};
    ++runs_;
    auto outcome = TRY(fetch(parts));
    if (outcome.ok()) return {};
    if (!may_be_of_few(outcome)) return unreachable(repository_, remote_, outcome);
    if (parts.size() == 1) {
      refuse_alone(parts.front(), outcome);
      return {};
    }
    const auto half = parts.size() / 2;
    TRY(take_by_halves(parts.first(half)));
    return take_by_halves(parts.subspan(half));
  }

  // What may be a passing trouble of the server is tried again the next time.
  void refuse_alone(const RemotePart& part, const Outcome& outcome) {
    const auto why = refusal_in(outcome);
    if (why.empty())
      refused.push_back({part.name, reason_of(outcome)});
    else
      refuse(part.name, part.hash, why);
  }

  Result<Outcome> fetch(std::span<const RemotePart> parts) {
    std::string refspecs;
    for (const auto& part : parts) refspecs += part.refspec + "\n";
    auto outcome =
        run({.words = {"-c", "fetch.fsckObjects=true", "-c", "fetch.unpackLimit=1", "-c",
                       "transfer.fsckObjects=true", "-c", "core.fsync=objects", "-c",
                       // What is bigger is not held in memory; each thread has a stack of 8 MiB.
                       "core.bigFileThreshold=32m", "-c", "pack.threads=2", "fetch", "--no-tags",
                       "--no-recurse-submodules", "--no-auto-gc", "--no-write-fetch-head",
                       "--refmap=", "--stdin", progress_ ? "--progress" : "--quiet", "--", remote_.name},
             .input = std::move(refspecs),
             .progress = progress_,
             .biggest_file = limits_.pack});
    if (outcome && !outcome->ok()) remove_refused_packs(repository_);
    return outcome;
  }

  Result<Outcome> run(GitWork work) {
    work.deadline = time_left(end_);
    work.most_memory = limits_.memory;
    auto outcome = run_on_network(repository_, remote_, std::move(work));
    if (outcome) outcome->deadline = longest_;
    return outcome;
  }

  static constexpr int kMostRuns = 100;
  static constexpr std::size_t kLongestList = 16U << 20U;  // bytes; a branch has about 80

  const Repository& repository_;
  Remote remote_;
  Progress progress_;
  FetchLimits limits_;
  std::chrono::milliseconds longest_;
  Clock::time_point end_;
  std::vector<RefusedNote> known_{};
  std::vector<RefusedNote> notes_{};
  int runs_ = 0;
};

}  // namespace

std::string_view limit_in(const RefusedPart& part) {
  for (const std::string_view key :
       {settings::fetch_limit.name, settings::fetch_memory.name, settings::fetch_snapshot.name}) {
    if (part.why.ends_with(format("{} allows", key))) return key;
  }
  return {};
}

std::string matter_of_size(const Repository& repository, const std::string& hash) {
  const auto most = read_setting(repository, settings::fetch_snapshot);
  return most ? Sizes(repository, *most).matter(hash, "") : most.error().message;
}

Result<FetchResult> fetch_parts(Repository& repository, const Remote& remote, std::vector<RemotePart> more,
                                Progress progress) {
  auto network = TRY(begin_network(repository));
  auto before = TRY(branches_of(repository, remote.name));
  auto fetching = TRY(Fetching::begin(repository, remote, std::move(progress)));
  const auto taken = fetching.take_all(std::move(more));
  const auto noted =
      note_fetch_status(repository.state_path(), remote.name, taken ? "" : taken.error().message);
  if (!noted) log_info("{}", noted.error().message);
  if (!taken) return taken.error();
  auto after = TRY(branches_of(repository, remote.name));
  FetchResult fetched{.remote = remote};
  Sizes sizes(repository, TRY(read_setting(repository, settings::fetch_snapshot)));
  for (const auto& [host, hash] : after) {
    const auto known = before.find(host);
    const auto old = known == before.end() ? std::string{} : known->second;
    if (old == hash) continue;
    if (const auto matter = sizes.matter(hash, old); !matter.empty()) {
      TRY(repository.put_back_branch({.host = host, .remote = remote.name, .hash = hash}, old));
      fetching.refuse("hosts/" + host, hash, matter);
      continue;
    }
    fetched.branches.push_back(movement(repository, host, old, hash));
  }
  fetching.keep_notes();
  fetched.refused = std::move(fetching.refused);
  return fetched;
}

Result<FetchResult> fetch(Repository& repository, const std::string& remote, Progress progress) {
  auto from = TRY(find_remote(repository, remote));
  return fetch_parts(repository, from, {}, std::move(progress));
}

}  // namespace rewall

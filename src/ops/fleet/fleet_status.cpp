#include "ops/fleet/fleet_status.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "core/digest.h"
#include "core/parallel.h"
#include "ops/context/settings.h"
#include "ops/fleet/hosts.h"
#include "ops/remote/fetch_status.h"
#include "rules/meaning.h"

namespace rewall {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMeaningsKept = 4096;
constexpr std::size_t kContentsKept = 256;

std::map<std::string, std::string> unreachable_remotes(const fs::path& state) {
  std::map<std::string, std::string> remotes;
  for (auto& [name, status] : read_fetch_status(state)) {
    if (status.is_unreachable()) remotes[name] = status.why.empty() ? "could not be reached" : status.why;
  }
  return remotes;
}

// Opens a repository of its own, as a repository keeps all names that it has read.
Result<std::vector<HostBranch>> listed_hosts(const fs::path& path) {
  const auto repository = TRY(Repository::open(path));
  return fleet_hosts(repository);
}

// Keeps the meanings of rules, as hosts of one fleet share most of their rules. Where they do not, it stops
// keeping them, because a lookup takes longer than it saves.
class RuleMeanings {
 public:
  std::string_view operator()(std::string_view rule, Family family) {
    auto& known = family == Family::ipv4 ? v4_ : v6_;
    if (!shared_) return alone_ = meaning(rule, family).key;
    const auto found = known.find(rule);
    if (found != known.end()) {
      ++found_;
      return found->second;
    }
    if (known.size() >= kMeaningsKept) {
      shared_ = std::exchange(found_, 0) > kMeaningsKept / 4;
      known.clear();
    }
    return known.emplace(rule, meaning(rule, family).key).first->second;
  }

 private:
  // Not a hash table: somebody could make rules that collide.
  using Known = std::map<std::string, std::string, std::less<>>;
  Known v4_{};
  Known v6_{};
  std::size_t found_ = 0;
  bool shared_ = true;
  std::string alone_{};
};

// Reads hosts, one after the other, and makes a digest of the meaning of each host's rules.
class Lane {
 public:
  explicit Lane(FleetReader reader) : reader_(std::move(reader)) {}

  Result<Digest::Value> meaning_of(const Repository& repository, const HostBranch& host,
                                   const Snapshot& snapshot) {
    auto content = TRY(content_of(repository, host, snapshot));
    if (const auto known = by_content_.find(content); known != by_content_.end()) return known->second;
    auto side = TRY(reader_.read(repository, host, snapshot));
    write_meaning(side.ruleset, std::ref(rules_), [this](std::string_view piece) { digest_.add(piece); });
    if (by_content_.size() >= kContentsKept) by_content_.clear();
    return by_content_.emplace(content, digest_.take()).first->second;
  }

  const FleetReader& reader() const { return reader_; }

 private:
  // A digest of the hashes of a host's files: hosts with the same digest have the same meaning.
  Result<Digest::Value> content_of(const Repository& repository, const HostBranch& host,
                                   const Snapshot& snapshot) {
    auto hashes = TRY(repository.file_hashes(host.hash));
    digest_.add(snapshot.trailers.backend);
    for (const auto& [file, hash] : hashes) {
      digest_.add(file);
      digest_.add(hash);
    }
    if (const auto* variables = reader_.variables_of(host)) {
      for (const auto& value : variables->values) {
        digest_.add(value.name);
        digest_.add(to_text(value.address, value.family));
      }
    }
    return digest_.take();
  }

  FleetReader reader_;
  RuleMeanings rules_{};
  Digest digest_{};
  std::map<Digest::Value, Digest::Value> by_content_{};
};

// Reads all hosts, on all processors.
class Survey {
 public:
  Survey(fs::path repository, std::vector<FleetStatus::Host>& hosts)
      : repository_(std::move(repository)), hosts_(hosts), meanings_(hosts.size()) {}

  Status run(FleetReader& reader) {
    std::vector<Lane> lanes;
    while (lanes.size() < lanes_for(hosts_.size())) lanes.emplace_back(reader);
    TRY(share_out("fleet", ErrorKind::repository, hosts_.size(),
                  [&](Items& items, std::size_t lane) { return read_hosts(items, lanes[lane]); }));
    for (const auto& lane : lanes) reader.learn_from(lane.reader());
    return {};
  }

  /// In the order of the hosts; without a value for a host that is unreadable.
  const std::vector<Digest::Value>& meanings() const { return meanings_; }

 private:
  Status read_hosts(Items& items, Lane& lane) {
    const auto repository = TRY(Repository::open(repository_));
    while (const auto i = items.next()) {
      auto& host = hosts_[*i];
      const auto snapshot = repository.snapshot(host.branch.hash);
      if (snapshot) host.time = snapshot->time;
      const auto meaning = snapshot ? lane.meaning_of(repository, host.branch, *snapshot)
                                    : Result<Digest::Value>(snapshot.error());
      if (meaning) {
        meanings_[*i] = *meaning;
      } else {
        host.unreadable = meaning.error().message;
      }
    }
    return {};
  }

  fs::path repository_;
  std::vector<FleetStatus::Host>& hosts_;
  std::vector<Digest::Value> meanings_;
};

// Makes one group of all hosts with the same meaning.
void make_groups(FleetStatus& status, const std::vector<Digest::Value>& meanings) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < status.hosts.size(); ++i) {
    if (status.hosts[i].unreadable.empty()) order.push_back(i);
  }
  std::ranges::stable_sort(order, {}, [&](std::size_t i) -> const Digest::Value& { return meanings[i]; });
  std::vector<std::span<const std::size_t>> groups;
  for (std::size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    while (end < order.size() && meanings[order[end]] == meanings[order[begin]]) ++end;
    groups.push_back(std::span(order).subspan(begin, end - begin));
  }
  std::ranges::sort(groups, [](const auto& a, const auto& b) {
    return std::tuple(b.size(), a.front()) < std::tuple(a.size(), b.front());
  });
  status.groups.reserve(groups.size());
  for (const auto& group : groups) {
    status.groups.push_back({.hosts = group.size(), .example = status.hosts[group.front()].branch.host});
    for (const auto host : group) status.hosts[host].group = status.groups.size();
  }
}

}  // namespace

const std::string* FleetStatus::unreachable_by(const Host& host) const {
  const auto found = unreachable.find(host.branch.remote);
  return found == unreachable.end() ? nullptr : &found->second;
}

bool FleetStatus::is_well(const Host& host) const {
  return !host.differs && !host.stale && host.unreadable.empty() && unreachable_by(host) == nullptr;
}

Result<FleetStatus> fleet_status(Session& session, const FleetScope& scope, const std::string& against,
                                 std::optional<std::chrono::milliseconds> stale) {
  auto reader = TRY(FleetReader::make(session, scope));
  const Repository& repository = **session.repository();
  keep_little();
  auto branches = listed_hosts(repository.path());
  if (!branches) return std::move(branches).error();
  if (!against.empty()) {
    TRY(find_host(*branches, against));
  }
  auto limit = TRY(stale ? Result<std::chrono::milliseconds>(*stale)
                         : read_setting(repository, settings::fleet_stale));
  const auto oldest = now().seconds - std::chrono::duration_cast<std::chrono::seconds>(limit).count();

  FleetStatus status{.unreachable = unreachable_remotes(session.state_path())};
  status.hosts.reserve(branches->size());
  for (auto& branch : *branches) status.hosts.push_back({.branch = std::move(branch)});
  *branches = {};
  Survey survey(repository.path(), status.hosts);
  TRY(survey.run(reader));
  TRY(reader.check_chain());
  make_groups(status, survey.meanings());
  if (!status.groups.empty()) status.baseline = 1;
  for (const auto& host : status.hosts) {
    if (host.branch.host != against) continue;
    if (!host.unreadable.empty()) return unreadable_host(against, host.unreadable);
    status.baseline = host.group;
  }
  for (auto& host : status.hosts) {
    host.stale = host.time && host.time->seconds < oldest;
    host.differs = host.group != 0 && host.group != status.baseline;
  }
  return status;
}

}  // namespace rewall

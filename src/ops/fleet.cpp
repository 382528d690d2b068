#include "ops/fleet.h"

#include <algorithm>
#include <filesystem>
#include <queue>
#include <set>
#include <tuple>
#include <utility>

#include "core/file.h"
#include "core/format.h"
#include "core/text.h"
#include "ops/files.h"
#include "ops/reached.h"
#include "ops/settings.h"
#include "ops/trust.h"
#include "rules/foreign.h"
#include "rules/lines.h"
#include "rules/meaning.h"
#include "rules/print.h"
#include "rules/variables.h"
#include "store/digest.h"

namespace rewall {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMeaningsKept = 4096;
constexpr std::size_t kChainsNamed = 10'000;  // more names than these make no better hint

using VariablesByHost = std::map<std::string, Variables, std::less<>>;

Status take_line(std::string_view line, const Lines& lines, VariablesByHost& hosts) {
  Variables* of_host = nullptr;
  for (const auto word : split(line, ' ')) {
    if (word.empty()) continue;
    if (word.starts_with('#')) break;
    if (of_host == nullptr) {
      of_host = &hosts[std::string(word)];
    } else if (auto added = add_variable(*of_host, word); !added) {
      auto error = lines.error(added.error().message);
      return std::move(error).hinted(added.error().hint);
    }
  }
  return {};
}

Result<VariablesByHost> read_variables(const Repository& repository) {
  VariablesByHost hosts;
  auto path = setting(repository, "fleet.vars");
  if (!path) return std::move(path).error();
  if (path->empty()) return hosts;
  auto text = read_file(*path);
  if (!text) return std::move(text).error().within("fleet.vars");
  std::error_code failed;
  const auto real = fs::canonical(*path, failed);
  if (failed)
    return Error{.kind = ErrorKind::usage, .message = format("fleet.vars: {}: {}", *path, failed.message())};
  if (auto good = check_trust(real); !good) return std::move(good).error();
  std::ranges::replace(*text, '\t', ' ');
  Lines lines(*text, *path);
  while (const auto line = lines.next()) {
    if (auto taken = take_line(*line, lines, hosts); !taken) return std::move(taken).error();
  }
  return hosts;
}

std::map<std::string, std::string> unreachable_remotes(const fs::path& state) {
  std::map<std::string, std::string> remotes;
  for (auto& [name, reached] : read_reached(state)) {
    if (reached.lost()) remotes[name] = reached.why.empty() ? "it could not be reached" : reached.why;
  }
  return remotes;
}

// Lower is better.
int preference(const HostBranch& branch, const std::string& own_host) {
  if (branch.remote.empty()) return branch.host == own_host ? 0 : 3;
  return branch.remote == "origin" ? 1 : 2;
}

void keep_chain(Ruleset& ruleset, const std::string& name) {
  for (auto* tables : {&ruleset.v4, &ruleset.v6, &ruleset.v4_legacy, &ruleset.v6_legacy}) {
    for (auto& table : tables->tables)
      std::erase_if(table.chains, [&](const Chain& chain) { return chain.name != name; });
  }
  ruleset.sets = {};
}

// A host's rules as they are compared.
struct Side {
  Ruleset ruleset{};
  std::optional<OwnParts> own{};  ///< where they stood; absent where foreign parts count
};

// Reads rules of hosts, as they are compared with those of others.
class Reader {
 public:
  static Result<Reader> make(Session& session, const FleetScope& scope) {
    auto repository = session.repository();
    if (!repository) return std::move(repository).error();
    auto variables = read_variables(**repository);
    if (!variables) return std::move(variables).error();
    return Reader(**repository, scope, owners_of(session), *std::move(variables));
  }

  Result<Side> read(const HostBranch& host, const Snapshot& snapshot) {
    auto files = repository_.files(host.hash, Proof::checksum);
    if (!files) return std::move(files).error();
    auto ruleset = ruleset_of(*std::move(files), host.hash.substr(0, 10) + ":", snapshot.trailers.backend);
    if (!ruleset) return Error{.kind = ErrorKind::repository, .message = ruleset.error().message};
    if (!scope_.chain.empty()) note_chains(*ruleset);
    Side side;
    if (scope_.foreign) {
      side.ruleset = *std::move(ruleset);
    } else {
      side.own.emplace(*std::move(ruleset), owners_, expressions_);
      side.ruleset = std::move(side.own->ruleset);
    }
    if (!scope_.chain.empty()) keep_chain(side.ruleset, scope_.chain);
    if (const auto* of_host = variables_of(host))
      side.ruleset = with_variables(std::move(side.ruleset), *of_host);
    return side;
  }

  Result<Side> read(const HostBranch& host) {
    auto snapshot = repository_.snapshot(host.hash);
    if (!snapshot) return std::move(snapshot).error();
    return read(host, *snapshot);
  }

  const Variables* variables_of(const HostBranch& host) const {
    const auto found = variables_.find(host.host);
    return found == variables_.end() ? nullptr : &found->second;
  }

  /// Kind usage: none of the hosts that were read has the chain.
  Status check_chain() const {
    if (scope_.chain.empty() || chain_found_ || !any_read_) return {};
    const std::vector<std::string> names(chains_.begin(), chains_.end());
    const auto near = nearest(scope_.chain, names);
    return Error{.kind = ErrorKind::usage,
                 .message = format("chain '{}': no host has it", scope_.chain),
                 .hint = near.empty() ? "" : format("did you mean '{}'?", near)};
  }

  const Repository& repository() const { return repository_; }
  std::span<const Owner> owners() const { return owners_; }

 private:
  Reader(const Repository& repository, FleetScope scope, std::vector<Owner> owners, VariablesByHost variables)
      : repository_(repository),
        scope_(std::move(scope)),
        owners_(std::move(owners)),
        variables_(std::move(variables)) {
    // The built-in ones are there without being written.
    for (const char* table : {"raw", "mangle", "nat", "filter", "security"}) {
      for (auto& chain : built_in_chains(table)) chains_.insert(std::move(chain));
    }
    chain_found_ = chains_.contains(scope_.chain);
  }

  void note_chains(const Ruleset& ruleset) {
    any_read_ = true;
    if (chain_found_) return;
    for (const auto* tables : {&ruleset.v4, &ruleset.v6, &ruleset.v4_legacy, &ruleset.v6_legacy}) {
      for (const auto& table : tables->tables) {
        for (const auto& chain : table.chains) {
          chain_found_ = chain_found_ || chain.name == scope_.chain;
          if (chains_.size() < kChainsNamed) chains_.insert(chain.name);
        }
      }
    }
  }

  const Repository& repository_;
  FleetScope scope_;
  std::vector<Owner> owners_;
  VariablesByHost variables_;
  OwnerExpressions expressions_{};
  std::set<std::string> chains_{};
  bool chain_found_ = false;
  bool any_read_ = false;
};

// What rules mean, for the next that has them: hosts of one fleet share most of their rules. Where they do
// not, to look takes longer than it saves.
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
  // No hash of theirs: rules that collide could be made.
  using Known = std::map<std::string, std::string, std::less<>>;
  Known v4_{};
  Known v6_{};
  std::size_t found_ = 0;
  bool shared_ = true;
  std::string alone_{};
};

// Puts hosts into groups. Of a group it keeps the digest alone.
class Grouping {
 public:
  explicit Grouping(Reader& reader) : reader_(reader) {}

  /// The number of its group, from 0, in the order they are met.
  Result<std::size_t> group_of(const HostBranch& host, const Snapshot& snapshot) {
    auto content = content_of(host, snapshot);
    if (!content) return std::move(content).error();
    if (const auto known = by_content_.find(*content); known != by_content_.end()) return known->second;
    auto side = reader_.read(host, snapshot);
    if (!side) return std::move(side).error();
    const auto group = by_meaning_.try_emplace(meaning_of(side->ruleset), by_meaning_.size()).first->second;
    by_content_.emplace(*content, group);
    return group;
  }

 private:
  // What tells without reading the files that two hosts mean the same.
  Result<Digest::Value> content_of(const HostBranch& host, const Snapshot& snapshot) {
    auto hashes = reader_.repository().file_hashes(host.hash);
    if (!hashes) return std::move(hashes).error();
    digest_.add(snapshot.trailers.backend);
    for (const auto& [file, hash] : *hashes) {
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

  Digest::Value meaning_of(const Ruleset& ruleset) {
    write_meaning(ruleset, std::ref(meanings_), [this](std::string_view piece) { digest_.add(piece); });
    return digest_.take();
  }

  Reader& reader_;
  RuleMeanings meanings_{};
  Digest digest_{};
  std::map<Digest::Value, std::size_t> by_content_{};
  std::map<Digest::Value, std::size_t> by_meaning_{};
};

// Numbers the groups anew: the largest is 1.
void rank_groups(FleetStatus& status, std::size_t groups) {
  std::vector<FleetStatus::Group> met(groups);
  for (const auto& host : status.hosts) {
    if (host.group == 0) continue;
    auto& group = met[host.group - 1];
    if (group.hosts++ == 0) group.example = host.branch.host;
  }
  std::vector<std::size_t> order(groups);
  for (std::size_t i = 0; i < groups; ++i) order[i] = i;
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) {
    return std::tuple(met[b].hosts, std::string_view(met[a].example)) <
           std::tuple(met[a].hosts, std::string_view(met[b].example));
  });
  std::vector<std::size_t> rank(groups);
  for (std::size_t i = 0; i < groups; ++i) rank[order[i]] = i + 1;
  for (auto& host : status.hosts) {
    if (host.group != 0) host.group = rank[host.group - 1];
  }
  for (const auto i : order) status.groups.push_back(std::move(met[i]));
}

Error unreadable_host(const std::string& host, const Error& why) {
  return Error{.kind = ErrorKind::repository, .message = format("host '{}': {}", host, why.message)};
}

// The name that the older ruleset has for a change's chain.
std::string older_name(const Diff& diff, const Change& change) {
  const auto renamed = std::ranges::find_if(diff.changes, [&](const Change& other) {
    return other.kind == ChangeKind::chain_renamed && other.family == change.family &&
           other.backend == change.backend && other.table == change.table && other.chain == change.chain;
  });
  return renamed == diff.changes.end() ? change.chain : *renamed->from;
}

void number_as_whole(Diff& diff, const OwnParts& from, const OwnParts& to) {
  for (auto& change : diff.changes) {
    if (change.from_pos)
      change.from_pos = from.position(*change.family, *change.backend, change.table, older_name(diff, change),
                                      *change.from_pos);
    if (change.to_pos)
      change.to_pos =
          to.position(*change.family, *change.backend, change.table, change.chain, *change.to_pos);
  }
}

Diff compare_sides(const Side& from, const Side& to, std::span<const Owner> owners) {
  Diff diff = compare(from.ruleset, to.ruleset);
  if (from.own && to.own) {
    number_as_whole(diff, *from.own, *to.own);
  } else {
    mark_foreign(diff, from.ruleset, to.ruleset, owners);
  }
  return diff;
}

// Where the walk along one host's history is.
struct Walker {
  std::int64_t seconds = 0;
  std::size_t host = 0;
  std::string hash{};
  /// Of two the newer one comes first, of one time that of the first host.
  bool operator<(const Walker& other) const {
    return std::pair(seconds, other.host) < std::pair(other.seconds, host);
  }
};

}  // namespace

Result<std::vector<HostBranch>> fleet_hosts(const Repository& repository) {
  auto branches = repository.host_branches();
  if (!branches) return std::move(branches).error();
  const auto own = repository.host();
  std::ranges::stable_sort(*branches, {}, [&own](const HostBranch& branch) {
    return std::pair(std::string_view(branch.host), preference(branch, own));
  });
  const auto same_host = [](const HostBranch& a, const HostBranch& b) { return a.host == b.host; };
  branches->erase(std::unique(branches->begin(), branches->end(), same_host), branches->end());
  return branches;
}

Result<HostBranch> find_host(std::span<const HostBranch> hosts, const std::string& name) {
  const auto found = std::ranges::lower_bound(hosts, name, {}, &HostBranch::host);
  if (found != hosts.end() && found->host == name) return *found;
  std::vector<std::string> names;
  for (const auto& host : hosts) names.push_back(host.host);
  const auto near = nearest(name, names);
  return Error{.kind = ErrorKind::usage,
               .message = format("host '{}': no branch of it here", name),
               .hint = near.empty() ? "'rewall fleet list' shows the hosts, 'rewall fetch' brings new ones"
                                    : format("did you mean '{}'?", near)};
}

const std::string* FleetStatus::unreachable_by(const Host& host) const {
  const auto found = unreachable.find(host.branch.remote);
  return found == unreachable.end() ? nullptr : &found->second;
}

bool FleetStatus::is_well(const Host& host) const {
  return !host.differs && !host.stale && host.unreadable.empty() && unreachable_by(host) == nullptr;
}

Result<FleetStatus> fleet_status(Session& session, const FleetScope& scope, const std::string& against,
                                 std::optional<std::chrono::milliseconds> stale) {
  auto reader = Reader::make(session, scope);
  if (!reader) return std::move(reader).error();
  const Repository& repository = reader->repository();
  keep_little();
  auto branches = fleet_hosts(repository);
  if (!branches) return std::move(branches).error();
  if (!against.empty()) {
    if (auto there = find_host(*branches, against); !there) return std::move(there).error();
  }
  auto limit =
      stale ? Result<std::chrono::milliseconds>(*stale) : duration_setting(repository, "fleet.stale");
  if (!limit) return std::move(limit).error();
  const auto oldest = now().seconds - std::chrono::duration_cast<std::chrono::seconds>(*limit).count();

  FleetStatus status{.unreachable = unreachable_remotes(session.state_path())};
  status.hosts.reserve(branches->size());
  Grouping grouping(*reader);
  std::size_t groups = 0;
  std::size_t baseline = 0;
  for (auto& branch : *branches) {
    auto& host = status.hosts.emplace_back();
    host.branch = std::move(branch);
    const auto snapshot = repository.snapshot(host.branch.hash);
    auto group = snapshot ? grouping.group_of(host.branch, *snapshot) : Result<std::size_t>(snapshot.error());
    if (snapshot) {
      host.time = snapshot->time;
      host.stale = snapshot->time.seconds < oldest;
    }
    if (group) {
      host.group = *group + 1;
      groups = std::max(groups, host.group);
    } else {
      host.unreadable = group.error().message;
    }
    if (host.branch.host != against) continue;
    if (!group) return unreadable_host(against, group.error());
    baseline = status.hosts.size();
  }
  if (auto good = reader->check_chain(); !good) return std::move(good).error();
  rank_groups(status, groups);
  if (!status.groups.empty()) status.wanted = baseline == 0 ? 1 : status.hosts[baseline - 1].group;
  for (auto& host : status.hosts) host.differs = host.group != 0 && host.group != status.wanted;
  return status;
}

Status fleet_diff(Session& session, const FleetScope& scope, const HostBranch& from,
                  std::span<const HostBranch> others,
                  const std::function<void(const HostBranch&, const Result<Diff>&)>& visit) {
  auto reader = Reader::make(session, scope);
  if (!reader) return std::move(reader).error();
  const auto base = reader->read(from);
  if (!base) return unreadable_host(from.host, base.error());
  for (const auto& other : others) {
    const auto side = reader->read(other);
    if (side) {
      visit(other, compare_sides(*base, *side, reader->owners()));
    } else {
      visit(other, unreadable_host(other.host, side.error()));
    }
  }
  return reader->check_chain();
}

Status fleet_log(Session& session, std::span<const HostBranch> hosts, const LogFilter& filter, bool with_diff,
                 const std::function<bool(const HostBranch&, const Result<LogEntry>&)>& visit) {
  auto matcher = LogMatcher::make(filter);
  if (!matcher) return std::move(matcher).error();
  auto opened = session.repository();
  if (!opened) return std::move(opened).error();
  const Repository& repository = **opened;
  std::priority_queue<Walker> walkers;
  bool more = true;
  const auto stop_at = [&](std::size_t host, const Error& why) {
    more = more && visit(hosts[host], unreadable_host(hosts[host].host, why));
  };
  const auto go_to = [&](std::size_t host, const std::string& hash) {
    if (hash.empty()) return;
    const auto snapshot = repository.snapshot(hash);
    if (!snapshot) return stop_at(host, snapshot.error());
    walkers.push({.seconds = snapshot->time.seconds, .host = host, .hash = hash});
  };
  for (std::size_t host = 0; host < hosts.size(); ++host) go_to(host, hosts[host].hash);
  while (more && !walkers.empty()) {
    const auto [seconds, host, hash] = walkers.top();
    walkers.pop();
    const auto snapshot = repository.snapshot(hash);
    if (!snapshot) {
      stop_at(host, snapshot.error());
      continue;
    }
    auto entry = matcher->entry(repository, *snapshot, with_diff);
    if (!entry) {
      stop_at(host, entry.error());
      continue;
    }
    if (*entry) more = visit(hosts[host], **std::move(entry));
    if (more) go_to(host, snapshot->parent);
  }
  return {};
}

}  // namespace rewall

#include "ops/history/verify.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string_view>
#include <utility>

#include "core/file.h"
#include "core/format.h"
#include "core/messages.h"
#include "core/parallel.h"
#include "core/text.h"
#include "diff/diff.h"
#include "ops/context/ruleset_files.h"
#include "ops/context/settings.h"
#include "ops/history/revision.h"
#include "ops/history/signature.h"
#include "rules/print.h"
#include "rules/table_forms.h"

namespace rewall {
namespace {

using Kind = Repository::Entry::Kind;

constexpr std::array<std::string_view, 7> kOurs{"rules.v4",        "rules.v6",  "ipset", "rules.v4.legacy",
                                                "rules.v6.legacy", "rules.nft", "expect"};

constexpr int kDeepest = 64;
constexpr std::uint64_t kBiggestOther = 64U << 20U;
constexpr std::uint64_t kManyAtOnce = 4U << 20U;  // larger ones are read one after the other

bool is_ours(const std::string& name) {
  return std::ranges::find(kOurs, name) != kOurs.end();
}

// A file's content under a name that says how it is parsed, and what is wrong with it.
struct Piece {
  std::string name{};
  std::string hash{};
  bool whole = true;
  std::string matter{};
  std::set<std::string> tables{};  // those of iptables' names that are not empty: "ip filter"
};

void each_once(std::vector<std::size_t>& places) {
  std::ranges::sort(places);
  places.erase(std::unique(places.begin(), places.end()), places.end());
}

struct Checked {
  std::string hash{};
  std::vector<std::string> parents{};
  std::size_t root = 0;               // place in the roots of verify()
  std::vector<std::size_t> pieces{};  // places in Walk::pieces
  std::vector<std::string> lost{};    // objects that are missing or damaged
  std::vector<std::string> odd{};     // what no snapshot of rewall has
  std::vector<Repository::Entry> others{};
};

// An error that begins with the snapshot's name, which stands before it anyway.
std::string without_name(const std::string& message, const std::string& hash) {
  const auto name = format("snapshot {}: ", hash);
  return message.starts_with(name) ? message.substr(name.size()) : message;
}

class Walk {
 public:
  explicit Walk(const Repository& repository) : repository_(repository) {}

  // All that led to `hash`, but for what led to `but` and what was taken before.
  void take(const std::string& hash, const std::string& but, std::size_t root = 0) {
    if (!but.empty()) {
      follow(but, seen_, [&](const std::string& at, const Result<Snapshot>&) { before_.push_back(at); });
    }
    follow(hash, seen_, [&](const std::string& at, const Result<Snapshot>& snapshot) {
      Checked& checked = checked_.emplace_back(Checked{.hash = at, .root = root});
      if (snapshot) checked.parents = snapshot->merged;
      if (snapshot && !snapshot->parent.empty()) checked.parents.push_back(snapshot->parent);
      if (!snapshot) {
        checked.lost.push_back(without_name(snapshot.error().message, at));
      } else if (auto entries = repository_.entries(at)) {
        take_entries(checked, *entries);
      } else {
        checked.lost.push_back(entries.error().message);
      }
    });
  }

  std::vector<Checked>& checked() { return checked_; }
  const std::vector<Checked>& checked() const { return checked_; }
  std::vector<Piece>& pieces() { return pieces_; }
  const std::vector<Piece>& pieces() const { return pieces_; }
  // What led to the beginning of the range, newest first.
  const std::vector<std::string>& before() const { return before_; }

 private:
  template <class Visit>
  void follow(const std::string& from, std::set<std::string>& seen, Visit visit) {
    std::vector<std::string> next{from};
    while (!next.empty()) {
      const std::string hash = std::move(next.back());
      next.pop_back();
      if (hash.empty() || !seen.insert(hash).second) continue;
      auto snapshot = repository_.snapshot(hash);
      visit(hash, snapshot);
      if (!snapshot) continue;
      next.insert(next.end(), snapshot->merged.begin(), snapshot->merged.end());
      next.push_back(snapshot->parent);
    }
  }

  void take_entries(Checked& checked, const std::vector<Repository::Entry>& entries) {
    for (const auto& entry : entries) {
      if (!is_ours(entry.name)) {
        checked.others.push_back(entry);
        take_other(checked, entry, entry.name, 0);
      } else if (entry.kind == Kind::file) {
        checked.pieces.push_back(place_of(entry.name, entry.hash));
      } else {
        checked.odd.push_back(format("{}: not a plain file", entry.name));
      }
    }
    if (std::ranges::none_of(entries,
                             [](const auto& entry) { return is_ours(entry.name) && entry.name != "expect"; }))
      checked.odd.emplace_back("no rules in it");
  }

  // What people keep beside the rules only has to be whole.
  void take_other(Checked& checked, const Repository::Entry& entry, const std::string& path, int depth) {
    if (entry.kind == Kind::submodule) return;
    if (entry.kind != Kind::folder) {
      checked.pieces.push_back(place_of("", entry.hash));
      return;
    }
    const auto [known, fresh] = folders_.try_emplace(entry.hash);
    if (!fresh) {
      checked.pieces.insert(checked.pieces.end(), known->second.begin(), known->second.end());
      return;
    }
    Checked inside;
    auto entries = depth < kDeepest
                       ? repository_.entries(entry.hash)
                       : Error{.kind = ErrorKind::repository,
                               .message = format("{}: more than {} folders deep", path, kDeepest)};
    if (entries) {
      for (const auto& one : *entries) take_other(inside, one, format("{}/{}", path, one.name), depth + 1);
    } else {
      inside.pieces.push_back(pieces_.size());
      pieces_.push_back({.hash = entry.hash, .whole = false, .matter = entries.error().message});
    }
    each_once(inside.pieces);
    checked.pieces.insert(checked.pieces.end(), inside.pieces.begin(), inside.pieces.end());
    folders_[entry.hash] = std::move(inside.pieces);
  }

  std::size_t place_of(const std::string& name, const std::string& hash) {
    const auto [known, fresh] = places_.try_emplace({name, hash}, pieces_.size());
    if (fresh) pieces_.push_back({.name = name, .hash = hash});
    return known->second;
  }

  const Repository& repository_;
  std::set<std::string> seen_{};
  std::vector<std::string> before_{};
  std::vector<Checked> checked_{};
  std::vector<Piece> pieces_{};
  std::map<std::pair<std::string, std::string>, std::size_t> places_{};
  std::map<std::string, std::vector<std::size_t>> folders_{};
};

void check_piece(const Repository& repository, Piece& piece, std::mutex& big) {
  if (!piece.matter.empty()) return;
  const auto size = repository.size(piece.hash);
  // What people keep beside the rules may be of any size.
  if (piece.name.empty() && size > kBiggestOther) return;
  std::unique_lock<std::mutex> alone(big, std::defer_lock);
  if (size > kManyAtOnce) alone.lock();
  auto content = repository.content(piece.hash, piece.name.empty() ? "file" : piece.name);
  if (!content) {
    piece.whole = false;
    piece.matter = content.error().message;
    return;
  }
  if (piece.name.empty() || piece.name == "expect") return;
  auto read = ruleset_of({{piece.name, *std::move(content)}}, "", "");
  if (!read) {
    piece.matter = read.error().message;
    return;
  }
  for (const Family family : {Family::ipv4, Family::ipv6})
    for (const Table& table : (*read)[{family}].tables)
      if (!is_empty(table)) piece.tables.insert(format("{} {}", short_name(family), table.name));
  if (read->native)
    for (const NativeTable& table : read->native->tables)
      if (iptables_family(table)) piece.tables.insert(table.title());
}

// Each file alone can be read, and not both. Empty where the snapshot can be.
std::string table_in_two_files(const Repository& repository, const Walk& walk, const Checked& checked) {
  std::set<std::string> tables;
  bool twice = false;
  for (const auto place : checked.pieces)
    for (const auto& table : walk.pieces()[place].tables) twice = !tables.insert(table).second || twice;
  if (!twice) return {};
  const auto snapshot = repository.snapshot(checked.hash);
  auto files = repository.files(checked.hash);
  if (!snapshot || !files) return {};
  const auto read = ruleset_of(*std::move(files), "", snapshot->trailers.backend);
  return read ? std::string() : read.error().message;
}

// On all processors, each lane with a repository of its own.
Status check_pieces(const std::filesystem::path& path, std::vector<Piece>& pieces) {
  std::mutex big;
  return share_out("verify", ErrorKind::repository, pieces.size(), [&](Items& items, std::size_t) -> Status {
    const auto repository = TRY(Repository::open(path));
    while (const auto at = items.next()) check_piece(repository, pieces[*at], big);
    return {};
  });
}

std::string name_of(const std::string& hash) {
  return format("snapshot {}", hash.substr(0, 10));
}

// What is wrong with a snapshot, in a line.
void add_failures(std::vector<Finding>& findings, const std::string& check, const std::string& hash,
                  const std::vector<std::string>& matters, const std::string& hint) {
  if (matters.empty()) return;
  findings.push_back({.check = check,
                      .ok = false,
                      .message = format("{}: {}", name_of(hash), join(matters, "; ")),
                      .hint = hint});
}

void say_all_is_well(std::vector<Finding>& findings, const std::string& check, std::string message) {
  if (std::ranges::none_of(findings, [&](const Finding& f) { return f.check == check && !f.ok; }))
    findings.push_back({.check = check, .message = std::move(message)});
}

/// The files of objects that are damaged there and nowhere whole, for a shell.
std::string damaged_files(const Repository& repository) {
  std::string files;
  for (const auto& folder : entries_in(repository.path() / ".git/objects"))
    for (const auto& entry : entries_in(folder.path())) {
      const auto hash = folder.path().filename().string() + entry.path().filename().string();
      if (const auto file = repository.damaged_file(hash); !file.empty())
        files.append(1, ' ').append(shell_quote(absolute_path(file).lexically_normal().string()));
    }
  return files;
}

/// What gives lost objects back: a remote, once the damaged files are out of its way.
std::string give_back_hint(const Repository& repository) {
  const auto remotes = repository.remotes();
  if (!remotes || remotes->empty())
    return "no remote is there that could give it back; 'rewall log' lists the older snapshots";
  const auto files = damaged_files(repository);
  const auto moves = files.empty()
                         ? std::string()
                         : format("mkdir -p REPOSITORY/.git/damaged; mv{} REPOSITORY/.git/damaged; ", files);
  return format("a remote that has it gives it back: {}git -C REPOSITORY fetch --refetch --no-tags {}", moves,
                shell_quote(remotes->front().name));
}

void add_objects(std::vector<Finding>& findings, const Repository& repository, Walk& walk) {
  std::string hint;
  for (auto& checked : walk.checked()) {
    auto lost = checked.lost;
    for (const auto place : checked.pieces) {
      const Piece& piece = walk.pieces()[place];
      if (!piece.whole) lost.push_back(piece.matter);
    }
    if (!lost.empty() && hint.empty()) hint = give_back_hint(repository);
    add_failures(findings, "objects", checked.hash, lost, hint);
  }
  say_all_is_well(findings, "objects",
                  format("{} with {} are whole", counted(walk.checked().size(), "snapshot"),
                         counted(walk.pieces().size(), "different file")));
}

bool is_whole(Walk& walk, const Checked& checked) {
  return checked.lost.empty() && std::ranges::all_of(checked.pieces, [&](std::size_t place) {
           const Piece& piece = walk.pieces()[place];
           return piece.whole;
         });
}

void add_snapshots(std::vector<Finding>& findings, const Repository& repository, Walk& walk) {
  std::vector<Finding> said;
  std::size_t whole = 0;
  for (std::size_t i = 0; i < walk.checked().size(); ++i) {
    const Checked& checked = walk.checked()[i];
    if (is_whole(walk, checked)) ++whole;
    auto odd = checked.odd;
    for (const auto place : checked.pieces) {
      const Piece& piece = walk.pieces()[place];
      if (piece.whole && !piece.matter.empty()) odd.push_back(piece.matter);
    }
    if (auto twice = table_in_two_files(repository, walk, checked); !twice.empty() && odd.empty())
      odd.push_back(std::move(twice));
    add_failures(findings, "snapshots", checked.hash, odd,
                 format("rewall did not make it: see git -C REPOSITORY show {}", checked.hash.substr(0, 10)));
    // The next one is mostly the one before in time.
    const bool first = i + 1 == walk.checked().size() || walk.checked()[i + 1].others != checked.others;
    if (!checked.others.empty() && first)
      said.push_back(
          {.check = "snapshots",
           .message = format("{} brings what is no file of a snapshot: {}{}", name_of(checked.hash),
                             checked.others.front().name, checked.others.size() > 1 ? ", ..." : ""),
           .hint = "rewall leaves it alone"});
  }
  if (whole != 0)
    say_all_is_well(findings, "snapshots", format("{} can be read", counted(whole, "snapshot")));
  std::ranges::move(said, std::back_inserter(findings));
}

// A revision that verify() begins at.
struct Root {
  std::string name{};  // "origin/hosts/web1"; empty for what was asked for
  std::string hash{};
  std::string host{};  // for which its signatures have to be; empty: whichever the commit names
};

// Which snapshots a signature that counts stands for: by the hashes in it also all that led there.
class Signed {
 public:
  Signed(const Repository& repository, const Walk& walk, const std::vector<Root>& roots,
         const std::vector<Signature>& signatures)
      : repository_(repository), walk_(walk), roots_(roots) {
    for (const Signature& signature : signatures) signatures_[signature.hash] = &signature;
    for (const Checked& checked : walk.checked()) checked_[checked.hash] = &checked;
    for (const Checked& checked : walk.checked()) {
      if (!counts(checked)) continue;
      first_[checked.root] = checked.hash;
      for (const auto& parent : checked.parents) mark_ancestors(parent);
    }
  }

  bool counts(const Checked& checked) const {
    const auto found = signatures_.find(checked.hash);
    if (found == signatures_.end()) return false;
    return counts_for(*found->second, roots_[checked.root].host);
  }

  // True for one that led to a signature that counts, and that none led to.
  Result<bool> is_older(const Checked& checked) {
    return ancestors_.contains(checked.hash) && !TRY(follows_signature(checked));
  }

  // The oldest snapshot with a signature that counts, of the same root or of another; empty for none.
  std::string first(const Checked& checked) const {
    const auto found = first_.find(checked.root);
    if (found != first_.end()) return found->second;
    return first_.empty() ? "" : first_.begin()->second;
  }

 private:
  void mark_ancestors(const std::string& from) {
    std::vector<std::string> next{from};
    while (!next.empty()) {
      const auto hash = std::move(next.back());
      next.pop_back();
      const auto found = checked_.find(hash);
      if (found == checked_.end() || !ancestors_.insert(hash).second) continue;
      next.insert(next.end(), found->second->parents.begin(), found->second->parents.end());
    }
  }

  Result<bool> follows_signature(const Checked& checked) {
    std::vector<std::string> next = checked.parents;
    std::vector<std::string> seen;
    bool follows = false;
    while (!next.empty() && !follows) {
      const auto hash = std::move(next.back());
      next.pop_back();
      const auto found = checked_.find(hash);
      if (found == checked_.end()) {
        follows = TRY(signed_before());
        continue;
      }
      if (const auto known = follows_.find(hash); known != follows_.end()) {
        follows = known->second;
        continue;
      }
      follows = counts(*found->second);
      // A line of snapshots is long: each is gone through once.
      follows_[hash] = follows;
      seen.push_back(hash);
      next.insert(next.end(), found->second->parents.begin(), found->second->parents.end());
    }
    for (const auto& hash : seen) follows_[hash] = follows;
    return follows;
  }

  // Whether one before the range has a signature that counts.
  Result<bool> signed_before() {
    constexpr std::size_t kPart = 500;
    if (before_ || walk_.before().empty()) return before_.value_or(false);
    before_ = false;
    const std::span<const std::string> all = walk_.before();
    for (std::size_t at = 0; at < all.size() && !*before_; at += kPart) {
      const auto read = TRY(read_signatures(repository_, all.subspan(at, std::min(kPart, all.size() - at))));
      before_ = std::ranges::any_of(
          read, [&](const Signature& signature) { return counts_for(signature, roots_[0].host); });
    }
    return *before_;
  }

  const Repository& repository_;
  const Walk& walk_;
  const std::vector<Root>& roots_;
  std::map<std::string, const Signature*> signatures_{};
  std::map<std::string, const Checked*> checked_{};
  std::map<std::size_t, std::string> first_{};
  std::set<std::string> ancestors_{};
  std::map<std::string, bool> follows_{};
  std::optional<bool> before_{};
};

Status add_signatures(std::vector<Finding>& findings, const Repository& repository, const Walk& walk,
                      const std::vector<Root>& roots) {
  auto required = TRY(read_setting(repository, settings::sign_require));
  std::vector<const Checked*> there;
  std::vector<std::string> hashes;
  for (const auto& checked : walk.checked()) {
    if (!checked.lost.empty()) continue;
    there.push_back(&checked);
    hashes.push_back(checked.hash);
  }
  auto signatures = read_signatures(repository, hashes);
  if (!signatures) {
    findings.push_back({"signatures", false, signatures.error().message, signatures.error().hint});
    return {};
  }
  Signed known(repository, walk, roots, *signatures);
  // Of each root the texts, those that fail last, with how many snapshots have each.
  std::map<std::pair<std::size_t, std::string>, std::size_t> counts;
  std::map<std::pair<std::size_t, std::string>, std::size_t> unsigned_counts;
  for (std::size_t i = 0; i < there.size(); ++i) {
    const Signature& signature = (*signatures)[i];
    const Root& root = roots[there[i]->root];
    auto text = to_text(signature, root.host);
    const bool unchecked = signature.trust == Trust::unchecked;
    const bool bad = signature.trust == Trust::bad || unchecked;
    const bool counts_here = known.counts(*there[i]);
    const bool older = !bad && !counts_here && TRY(known.is_older(*there[i]));
    if (older && signature.trust == Trust::absent)
      text += format(": older than the first signature, which stands for them ({})",
                     name_of(known.first(*there[i])));
    if (bad || (required && !older && !counts_here && !known.first(*there[i]).empty())) {
      if (!root.name.empty()) text += format(" ({})", root.name);
      add_failures(
          findings, "signatures", signature.hash, {text},
          unchecked
              ? "gpg.ssh.program of git's configuration names the program; without it git runs ssh-keygen"
          : bad ? "somebody changed it after it was signed"
                : "sign.require asks for a signature by sign.allowed for this host");
    } else if (required && !older && !counts_here) {
      ++unsigned_counts[{there[i]->root, text}];
    } else {
      ++counts[{there[i]->root, text}];
    }
  }
  const auto line = [&](const auto& entry) {
    const auto& name = roots[entry.first.first].name;
    return format("{}{}: {}", name.empty() ? "" : name + ": ", counted(entry.second, "snapshot"),
                  entry.first.second);
  };
  for (const auto& entry : unsigned_counts)
    findings.push_back({.check = "signatures",
                        .ok = false,
                        .message = line(entry),
                        .hint = "sign.require asks for a signature by sign.allowed for this host"});
  for (const auto& entry : counts) findings.push_back({.check = "signatures", .message = line(entry)});
  return {};
}

// The host of `hosts/NAME` and `REMOTE/hosts/NAME`; else this host.
std::string host_of(const Repository& repository, std::string_view revision) {
  constexpr std::string_view kBranch = "hosts/";
  const auto at = revision.rfind(kBranch);
  if (at == std::string_view::npos || (at > 0 && revision[at - 1] != '/')) return repository.host();
  const auto name = revision.substr(at + kBranch.size());
  return std::string(name.substr(0, name.find_first_of("~^@:")));
}

// What verify --all looks at besides HEAD.
Result<std::vector<Root>> other_roots(const Repository& repository) {
  std::vector<Root> roots;
  for (const auto& branch : TRY(repository.host_branches()))
    roots.push_back({.name = (branch.remote.empty() ? "" : branch.remote + "/") + "hosts/" + branch.host,
                     .hash = branch.hash,
                     .host = branch.host});
  for (const auto& tag : TRY(repository.tags()))
    roots.push_back({.name = "tag " + tag.name, .hash = tag.hash});
  return roots;
}

// A restore, and a boot of the tag good, go by the signature of the very snapshot.
Status add_tags(std::vector<Finding>& findings, const Repository& repository) {
  const auto tags = TRY(repository.tags());
  const bool required = TRY(read_setting(repository, settings::sign_require));
  std::size_t fit = 0;
  for (const Tag& tag : tags) {
    const auto snapshot = read_snapshot_files(repository, tag.hash, Proof::checksum);
    const auto refused = !required || !snapshot ? Result<std::vector<std::string>>(std::vector<std::string>{})
                                                : check_signature(repository, tag.hash);
    if (snapshot && refused) {
      ++fit;
      continue;
    }
    const auto name = escape(tag.name);
    findings.push_back(
        {.check = "tags",
         .ok = false,
         .message = format("the tag '{}': {}", name,
                           snapshot ? "restore refuses it: " + refused.error().message
                                    : without_name(snapshot.error().message, tag.hash)),
         .hint = format("name another snapshot so: rewall tag {} REV", shell_quote(tag.name))});
  }
  say_all_is_well(findings, "tags", format("{} can be restored", counted(fit, "tag")));
  return {};
}

struct Range {
  std::string from{};
  std::string to{};
};

Result<Range> resolve_range(const Repository& repository, const std::string& text) {
  if (text.empty()) {
    auto head = TRY(repository.head());
    return Range{.to = std::move(head)};
  }
  const auto both = TRY(read_range(text));
  Range range;
  if (both) range.from = TRY(repository.resolve(both->first));
  range.to = TRY(repository.resolve(both ? both->second : text));
  return range;
}

}  // namespace

Result<std::vector<Finding>> verify(const Repository& repository, const std::string& text, bool all) {
  auto range = TRY(resolve_range(repository, text));
  std::vector<Root> roots{{.hash = range.to, .host = host_of(repository, text)}};
  if (all) {
    auto others = TRY(other_roots(repository));
    std::ranges::move(others, std::back_inserter(roots));
  }
  Walk walk(repository);
  for (std::size_t i = 0; i < roots.size(); ++i) walk.take(roots[i].hash, range.from, i);
  TRY(check_pieces(repository.path(), walk.pieces()));
  std::vector<Finding> findings;
  add_objects(findings, repository, walk);
  add_snapshots(findings, repository, walk);
  TRY(add_signatures(findings, repository, walk, roots));
  if (all) TRY(add_tags(findings, repository));
  return findings;
}

Result<Finding> stage_snapshot(Session& session, const std::string& hash, const Ruleset& ruleset) {
  Finding finding{
      .check = "restore", .ok = false, .hint = "restore an older one, or what 'rewall edit' makes"};
  const auto staged = session.firewall().stage(ruleset, nullptr);
  if (!staged && staged.error().kind != ErrorKind::kernel) return staged.error();
  if (!staged) {
    finding.message = format("{} cannot be restored: {}", name_of(hash), staged.error().message);
    return finding;
  }
  const Diff diff = compare(ruleset, staged->ruleset);
  const auto rule =
      std::ranges::find_if(diff.changes, [](const Change& change) { return change.set.empty(); });
  if (rule == diff.changes.end())
    return Finding{.check = "restore", .message = format("{} can be restored", name_of(hash))};
  const auto family = rule->native ? name(*rule->native) : short_name(rule->family.value_or(Family::ipv4));
  finding.message =
      format("{} cannot be restored as it is: {} {} {}: of '{}' the kernel makes '{}'", name_of(hash), family,
             rule->table, rule->chain, rule->from.value_or("nothing"), rule->to.value_or("nothing"));
  return finding;
}

Result<std::vector<Finding>> verify_by_staging(Session& session, const Repository& repository,
                                               const std::string& text) {
  auto range = TRY(resolve_range(repository, text));
  std::vector<std::string> hashes{range.to};
  if (!text.empty()) {
    Walk walk(repository);
    walk.take(range.to, range.from);
    hashes.clear();
    for (const Checked& checked : walk.checked()) hashes.push_back(checked.hash);
  }
  std::vector<Finding> findings;
  std::size_t read = 0;
  for (const std::string& hash : hashes) {
    auto files = read_snapshot_files(repository, hash, Proof::checksum);
    if (!files) continue;
    const auto revision = to_revision(*std::move(files));
    if (!revision) continue;
    ++read;
    auto finding = TRY(stage_snapshot(session, hash, revision->ruleset));
    if (!finding.ok) findings.push_back(std::move(finding));
  }
  if (read != 0)
    say_all_is_well(findings, "restore", format("{} can be restored", counted(read, "snapshot")));
  return findings;
}

}  // namespace rewall

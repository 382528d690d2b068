#include "ops/history/blame.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"
#include "diff/diff.h"
#include "ops/context/identity.h"
#include "ops/context/ruleset_files.h"
#include "ops/history/revision.h"
#include "rules/parse.h"
#include "rules/table_forms.h"
#include "rules/text_delta.h"

namespace rewall {
namespace {

constexpr std::array<std::string_view, 5> kFiles{"rules.v4", "rules.v6", "rules.v4.legacy", "rules.v6.legacy",
                                                 kNativeFile};

// Nothing for the file of native tables.
std::optional<Family> family_of_file(std::string_view file) {
  if (file == kNativeFile) return std::nullopt;
  return file.starts_with("rules.v6") ? Family::ipv6 : Family::ipv4;
}

bool is_beside(std::string_view file) {
  return file.ends_with(".legacy");
}

// Of each rule of a chain which of the blamed ones it is.
using Marks = std::vector<BlamedRule*>;
using Place = std::pair<std::string, std::string>;  // table ("filter", "inet f2b-table") and chain

std::string title_of(NativeFamily family, std::string_view table) {
  return format("{} {}", name(family), table);
}

struct File {
  std::string text{};
  std::string hash{};  // empty: it is of no snapshot
  std::map<Place, Marks> marks{};

  // Drops the marks of all rules but these.
  void keep(const std::vector<BlamedRule*>& rules) {
    const std::set<BlamedRule*> kept(rules.begin(), rules.end());
    for (auto& [place, all] : marks) {
      for (auto& mark : all)
        if (!kept.contains(mark)) mark = nullptr;
    }
    std::erase_if(marks, [](const auto& entry) {
      return std::ranges::all_of(entry.second, [](auto* mark) { return mark == nullptr; });
    });
  }

  // The marks of the same file that came here another way.
  void add(File other) {
    if (text.empty()) text = std::move(other.text);
    hash = std::move(other.hash);
    for (auto& [place, all] : other.marks) {
      auto& here = marks[place];
      here.resize(std::max(here.size(), all.size()), nullptr);
      for (std::size_t i = 0; i < all.size(); ++i)
        if (all[i] != nullptr) here[i] = all[i];
    }
  }
};

using FileMap = std::map<std::string, File>;

// The rules of one chain in two texts, paired by what compare() says.
class Pairing {
 public:
  // `before`: rules that both have in front of what was compared.
  explicit Pairing(std::size_t before) : before_(before) {}

  void add(const Change& change) {
    const bool pair = change.kind == ChangeKind::moved || change.kind == ChangeKind::comment;
    if (change.from_pos) from_.emplace_back(*change.from_pos - 1 + before_);
    if (change.to_pos) to_.emplace_back(*change.to_pos - 1 + before_);
    if (pair && change.from_pos && change.to_pos) pairs_.emplace_back(from_.back(), to_.back());
  }

  // The older text's marks for the newer one's; those of rules that came keep theirs there.
  Marks older(Marks& newer) {
    Marks out(newer.size() + from_.size() - std::min(to_.size(), newer.size()), nullptr);
    for (const auto& [from, to] : pairs_) {
      if (from < out.size() && to < newer.size()) out[from] = std::exchange(newer[to], nullptr);
    }
    std::ranges::sort(from_);
    std::ranges::sort(to_);
    // What neither side names is kept, in its order.
    std::size_t from = 0;
    for (std::size_t to = 0; to < newer.size(); ++to) {
      if (std::ranges::binary_search(to_, to)) continue;
      while (std::ranges::binary_search(from_, from)) ++from;
      if (from >= out.size()) break;
      out[from++] = std::exchange(newer[to], nullptr);
    }
    return out;
  }

 private:
  std::size_t before_;
  std::vector<std::size_t> from_{};
  std::vector<std::size_t> to_{};
  std::vector<std::pair<std::size_t, std::size_t>> pairs_{};
};

using MarksByPlace = std::map<Place, Marks>;

// Makes the marks of the newer ruleset of a diff those of the older one; the rules that this does not have
// are given back. `before`: rules that both have of `chain` in front of what was compared.
std::vector<BlamedRule*> carry(MarksByPlace& all, const Diff& diff, const std::string& chain,
                               std::size_t before) {
  std::map<Place, Pairing> pairings;
  std::map<Place, std::string> renamed;
  for (const auto& change : diff.changes) {
    const Place place{change.native ? title_of(*change.native, change.table) : change.table, change.chain};
    if (change.kind == ChangeKind::chain_renamed) renamed[place] = *change.from;
    pairings.try_emplace(place, change.chain == chain ? before : 0).first->second.add(change);
  }
  std::vector<BlamedRule*> came;
  MarksByPlace older;
  for (auto& [place, pairing] : pairings) {
    const auto found = all.find(place);
    if (found == all.end()) continue;
    auto node = all.extract(found);
    Marks marks = pairing.older(node.mapped());
    std::ranges::copy_if(node.mapped(), std::back_inserter(came), [](auto* rule) { return rule != nullptr; });
    if (std::ranges::count(marks, nullptr) == std::ssize(marks)) continue;
    const auto was = renamed.find(place);
    older[was == renamed.end() ? place : Place{place.first, was->second}] = std::move(marks);
  }
  all.merge(older);
  return came;
}

// Carries the marks of a file over to its text in the snapshot before; the rules that were not there stay
// behind, and are given back.
class Step {
 public:
  // Nothing for `family`: a file of native tables.
  Step(File& file, std::string text, std::optional<Family> family)
      : file_(file), text_(std::move(text)), family_(family) {}

  // `by_hand`: one of the two texts may not be canonical. Fails where one is no rules.
  Result<std::vector<BlamedRule*>> run(bool by_hand, const std::string& name) {
    if (!family_) {
      Ruleset from;
      Ruleset to;
      from.native = TRY(parse_native(text_, name));
      to.native = TRY(parse_native(file_.text, name));
      return carry(compare(from, to), "", 0);
    }
    if (!by_hand) {
      if (auto stretch = differing_stretch(text_, file_.text)) {
        Ruleset from;
        Ruleset to;
        slot(from).tables.push_back(std::move(stretch->from));
        slot(to).tables.push_back(std::move(stretch->to));
        return carry(compare(from, to), stretch->chain, stretch->before);
      }
    }
    auto texts = by_hand ? std::pair{text_, file_.text} : differing_chains(text_, file_.text);
    Ruleset from;
    Ruleset to;
    for (auto [text, ruleset] : {std::pair{&texts.first, &from}, std::pair{&texts.second, &to}}) {
      auto read = TRY(parse_saved(std::move(*text), *family_, name));
      slot(*ruleset) = std::move(read);
    }
    return carry(compare(from, to), "", 0);
  }

 private:
  Tables& slot(Ruleset& ruleset) const { return family_ == Family::ipv4 ? ruleset.v4 : ruleset.v6; }

  std::vector<BlamedRule*> carry(const Diff& diff, const std::string& chain, std::size_t before) {
    file_.text = std::move(text_);
    return rewall::carry(file_.marks, diff, chain, before);
  }

  File& file_;
  std::string text_;
  std::optional<Family> family_;
};

// What a file of a snapshot is called in the one before; empty where it is not there. The rules of the
// backend in use are in `rules.v4`, and a host that goes over to the other one takes them along.
std::string name_before(const std::string& file, const std::string& backends, const std::string& before) {
  if (file == kNativeFile) return file;
  if (backends.empty() || before.empty() || (backends == "legacy") == (before == "legacy")) return file;
  const std::string legacy = ".legacy";
  if (backends == "nft+legacy") return is_beside(file) ? file.substr(0, file.size() - legacy.size()) : "";
  if (before == "nft+legacy") return file + legacy;
  return file;
}

class Blame {
 public:
  Blame(const Repository& repository, const BlameFilter& filter) : repository_(repository), filter_(filter) {}

  // The revision's files, and the hashes of those that a snapshot has.
  Status begin(Files texts, const std::map<std::string, std::string>& hashes, const std::string& backends) {
    backends_ = backends;
    if (const auto native = hashes.find(std::string(kNativeFile)); !hashes.empty())
      native_hash_ = native == hashes.end() ? "" : native->second;
    for (const auto file : kFiles) {
      const std::string name(file);
      if (!texts.contains(name) || (filter_.family && family_of_file(name) != filter_.family)) continue;
      const auto hash = hashes.find(name);
      File& begun = files_[name];
      begun = {.text = std::move(texts[name]), .hash = hash == hashes.end() ? "" : hash->second};
      TRY(mark_rules(name, begun));
    }
    if (filter_.chain.empty() || std::ranges::find(chains_, filter_.chain) != chains_.end()) return {};
    const auto near = nearest(filter_.chain, chains_);
    auto error = error_of<messages::no_such_chain>(filter_.chain);
    if (!near.empty()) error.hint = format("did you mean '{}'?", near);
    return error;
  }

  Status walk(const std::string& hash) {
    // A snapshot that was restored is mostly met on the way; one of another host is not.
    for (std::string at = hash; !at.empty(); at = put_back_.empty() ? "" : put_back_.begin()->first) {
      TRY(repository_.walk(at, [this](const Snapshot& before) -> Result<bool> {
        TRY(step(before));
        return !files_.empty() || !put_back_.empty();
      }));
      for (auto& [name, file] : files_) settle(file);
      files_.clear();
    }
    return {};
  }

  std::vector<BlamedRule> take() {
    std::vector<BlamedRule> all;
    for (const auto& rule : rules_) all.push_back(std::move(*rule));
    return all;
  }

 private:
  Status mark_rules(const std::string& name, File& file) {
    const auto family = family_of_file(name);
    if (!family) return mark_native_rules(name, file);
    auto tables = TRY(parse_saved(file.text, *family, name));
    const bool legacy = is_beside(name) || backends_ == "legacy";
    for (const auto& table : tables.tables) {
      for (const auto& chain : table.chains) {
        const BlamedRule like{.family = tables.family,
                              .backend = legacy ? Backend::legacy : Backend::nft,
                              .table = table.name,
                              .chain = chain.name};
        std::vector<std::string_view> rules;
        for (const auto& rule : chain.rules) rules.push_back(rule.words);
        mark_chain(file, table.name, like, rules);
      }
    }
    return {};
  }

  Status mark_native_rules(const std::string& name, File& file) {
    const auto tables = TRY(parse_native(file.text, name));
    for (const auto& table : tables.tables) {
      for (const auto& part : table.parts) {
        const BlamedRule like{.native = table.family, .table = table.name, .chain = std::string(part.name)};
        if (part.is_chain()) mark_chain(file, table.title(), like, part.rules);
      }
    }
    return {};
  }

  // `title`: what the filter and the marks call the table.
  void mark_chain(File& file, const std::string& title, const BlamedRule& like,
                  const std::vector<std::string_view>& rules) {
    const bool wanted = filter_.table.empty() || means_table(filter_.table, title) ||
                        (!like.native && filter_.table == format("{} {}", short_name(like.family), title));
    if (!wanted) return;
    chains_.push_back(like.chain);
    if (!filter_.chain.empty() && like.chain != filter_.chain) return;
    for (const auto rule : rules) {
      auto& marks = file.marks[{title, like.chain}];
      auto& marked = rules_.emplace_back(std::make_unique<BlamedRule>(like));
      marked->rule = rule;
      marks.push_back(marked.get());
      marked->pos = static_cast<std::uint32_t>(marks.size());
    }
  }

  // They came with the snapshot that was looked at last.
  void settle(const std::vector<BlamedRule*>& rules) {
    for (auto* rule : rules) {
      if (rule != nullptr) rule->from = newest_;
    }
  }
  void settle(const File& file) {
    for (const auto& [place, marks] : file.marks) settle(marks);
  }

  Status step(const Snapshot& before) {
    const auto& backends = before.trailers.backend;
    if (!files_.empty()) {
      auto hashes = TRY(repository_.file_hashes(before.hash));
      FileMap there;
      TRY(cross_forms(before, hashes, there));
      for (auto& [name, file] : files_) {
        if (file.marks.empty()) continue;
        const auto was = name_before(name, backends_, backends);
        TRY(carry_over(name, file, before, was, hashes));
        if (!file.marks.empty()) there[was].add(std::move(file));
      }
      files_ = std::move(there);
      const auto native = hashes.find(std::string(kNativeFile));
      native_hash_ = native == hashes.end() ? "" : native->second;
    } else {
      native_hash_.reset();
    }
    if (auto found = put_back_.extract(before.hash)) {
      for (auto& [name, file] : found.mapped()) files_[name].add(std::move(file));
    }
    backends_ = backends;
    newest_ = std::make_shared<const Snapshot>(before);
    return {};
  }

  // The texts of a snapshot and of the one before it in which tables change their form; absent where none
  // does.
  struct Forms {
    Ruleset older{};
    Ruleset newer{};
    std::map<std::string, std::string> texts{};  // of the older one, by file
  };

  // A table that changes its form comes to the file of native tables, or leaves it.
  Result<std::optional<Forms>> read_forms(const Snapshot& before,
                                          const std::map<std::string, std::string>& hashes) {
    const std::string native(kNativeFile);
    const auto hash = hashes.find(native);
    if (native_hash_ && *native_hash_ == (hash == hashes.end() ? "" : hash->second))
      return std::optional<Forms>{};
    Forms forms;
    if (hash != hashes.end())
      forms.texts[native] = TRY(repository_.file(before.hash, native, Proof::checksum));
    const auto newer = files_.find(native);
    if (!holds_in_nft_words(forms.texts[native]) &&
        (newer == files_.end() || !holds_in_nft_words(newer->second.text)))
      return std::optional<Forms>{};
    forms.older.native = TRY(parse_native(forms.texts[native], native));
    if (newer != files_.end()) forms.newer.native = TRY(parse_native(newer->second.text, native));
    for (const Family family : {Family::ipv4, Family::ipv6}) {
      const std::string name(file_name({family}));
      if (hashes.contains(name) && before.trailers.backend != "legacy") {
        forms.texts[name] = TRY(repository_.file(before.hash, name, Proof::checksum));
        forms.older[{family}] = TRY(parse_saved(forms.texts[name], family, name));
      }
      if (const auto file = files_.find(name); file != files_.end() && backends_ != "legacy")
        forms.newer[{family}] = TRY(parse_saved(file->second.text, family, name));
    }
    return std::optional(std::move(forms));
  }

  // A table that the snapshot before has in the other form is in another file there, where its rules are
  // found by what they mean.
  Status cross_forms(const Snapshot& before, const std::map<std::string, std::string>& hashes,
                     FileMap& there) {
    const auto forms = read_forms(before, hashes);
    if (!forms) return unreadable_snapshot(before.hash, forms.error());
    if (!*forms) return {};
    for (const auto& [family, table] : tables_in_different_forms((*forms)->older, (*forms)->newer)) {
      const std::string of_iptables(file_name({family}));
      const bool comes = find_in_nft_words((*forms)->newer, family, table) != nullptr;
      const std::string from = comes ? of_iptables : std::string(kNativeFile);
      const std::string to = comes ? std::string(kNativeFile) : of_iptables;
      const std::string native_title = title_of(native_family(family), table);
      const std::string& title = comes ? native_title : table;
      File newer{.text = files_[to].text, .hash = files_[to].hash};
      std::erase_if(files_[to].marks, [&](auto& entry) {
        if (entry.first.first != title) return false;
        newer.marks.insert(std::move(entry));
        return true;
      });
      Ruleset older_table;
      Ruleset newer_table;
      take_table(older_table, (*forms)->older, family, table);
      take_table(newer_table, (*forms)->newer, family, table);
      auto marks = newer.marks;
      auto came = carry(marks, compare(older_table, newer_table), "", 0);
      File older{.text = (*forms)->texts.at(from), .hash = hashes.at(from)};
      for (auto& [place, of_chain] : marks)
        older.marks[{comes ? table : native_title, place.second}] = std::move(of_chain);
      if (!older.marks.empty()) there[from].add(std::move(older));
      settle(TRY(look_in_restored(to, std::move(newer), std::move(came))));
    }
    return {};
  }

  // The file as the snapshot `before` has it, under the name `was`, with the marks of the rules that it has.
  Status carry_over(const std::string& name, File& file, const Snapshot& before, const std::string& was,
                    const std::map<std::string, std::string>& hashes) {
    const auto hash = hashes.find(was);
    if (hash == hashes.end()) {
      settle(TRY(look_in_restored(name, file, rules_of(file))));
      file.marks.clear();
      return {};
    }
    if (file.hash == hash->second) return {};
    const File newer = restored_by_newest().empty() ? File{} : file;
    auto came = TRY(take_step(file, before.hash, was, backends_, before.trailers.backend));
    file.hash = hash->second;
    settle(TRY(look_in_restored(name, newer, std::move(came))));
    return {};
  }

  // Carries the marks over to the file of another snapshot; the rules that it lacks.
  Result<std::vector<BlamedRule*>> take_step(File& file, const std::string& hash, const std::string& was,
                                             const std::string& backends, const std::string& other) {
    auto text = TRY(repository_.file(hash, was, Proof::checksum));
    const bool by_hand = backends.empty() || other.empty();
    auto came = Step(file, std::move(text), family_of_file(was)).run(by_hand, hash.substr(0, 10) + ":" + was);
    if (!came) return unreadable_snapshot(hash, came.error());
    return came;
  }

  std::string restored_by_newest() const { return newest_ ? newest_->trailers.restores : std::string{}; }

  static std::vector<BlamedRule*> rules_of(const File& file) {
    std::vector<BlamedRule*> rules;
    for (const auto& [place, marks] : file.marks)
      std::ranges::copy_if(marks, std::back_inserter(rules), [](auto* rule) { return rule != nullptr; });
    return rules;
  }

  // Rules that came with the newest snapshot, which has them in the file `newer`, may have been put back by
  // it: those wait for the walk to meet the snapshot that it restored. The others are returned.
  Result<std::vector<BlamedRule*>> look_in_restored(const std::string& name, File newer,
                                                    std::vector<BlamedRule*> came) {
    const auto restored = restored_by_newest();
    if (restored.empty() || came.empty()) return came;
    // Restored from what is gone since: it came with the restore.
    const auto snapshot = repository_.snapshot(restored);
    if (!snapshot) return came;
    const auto& backends = snapshot->trailers.backend;
    const auto was = name_before(name, backends_, backends);
    auto hashes = TRY(repository_.file_hashes(restored));
    const auto hash = hashes.find(was);
    if (hash == hashes.end()) return came;
    newer.keep(came);
    auto new_ones = TRY(take_step(newer, restored, was, backends_, backends));
    newer.hash = hash->second;
    for (auto* rule : rules_of(newer)) {
      if (!rule->put_back_by) rule->put_back_by = newest_;
    }
    if (!newer.marks.empty()) put_back_[restored][was].add(std::move(newer));
    return new_ones;
  }

  const Repository& repository_;
  const BlameFilter& filter_;
  std::vector<std::unique_ptr<BlamedRule>> rules_{};
  std::vector<std::string> chains_{};
  // Of the snapshot that was looked at last, those that still have rules whose origin is not known.
  FileMap files_{};
  // Of snapshots that were restored, by their hash: rules that were put back.
  std::map<std::string, FileMap> put_back_{};
  std::string backends_{};
  // Of the file of native tables, empty for none; absent where nobody knows.
  std::optional<std::string> native_hash_{};
  std::shared_ptr<const Snapshot> newest_{};
};

Result<std::vector<BlamedRule>> blame_unrecorded(Session& session, const Repository& repository,
                                                 const std::string& name, const BlameFilter& filter) {
  auto revision = TRY(read_revision(session, name));
  TRY(check_rules(revision));
  auto head = repository.head();
  if (!head) return std::move(head).error();
  std::string backends = backends_of(revision.ruleset);
  if (revision.by_hand && !head->empty()) {
    auto newest = TRY(repository.snapshot(*head));
    backends = newest.trailers.backend;
  }
  Blame blame(repository, filter);
  TRY(blame.begin(files_of(revision.ruleset), {}, backends));
  TRY(blame.walk(*head));
  return blame.take();
}

}  // namespace

ChainAuthor author_of(const BlamedRule& rule, const Snapshot& snapshot) {
  const auto family = rule.native ? std::string(name(*rule.native))
                                  : format("{}{}", short_name(rule.family),
                                           rule.backend == Backend::legacy ? " (legacy)" : "");
  const auto part = format("{} {} {}", family, rule.table, rule.chain);
  std::vector<const PartAuthor*> authors;
  for (const auto& author : snapshot.trailers.parts)
    if (std::ranges::find(author.parts, part) != author.parts.end()) authors.push_back(&author);
  if (snapshot.trailers.parts.empty()) return {.person = snapshot.author};
  // The chain had another name then.
  if (authors.empty())
    for (const auto& author : snapshot.trailers.parts) authors.push_back(&author);
  if (authors.size() == 1 && !authors.front()->perhaps) return {.person = authors.front()->person};
  ChainAuthor unknown{.person = nobody().person};
  for (const auto* author : authors) unknown.perhaps.push_back(author->person.name);
  return unknown;
}

Result<std::vector<BlamedRule>> blame(Session& session, const std::string& revision,
                                      const BlameFilter& filter) {
  auto repository = TRY(session.repository());
  if (is_unrecorded(revision)) return blame_unrecorded(session, *repository, revision, filter);
  auto recording = TRY(read_snapshot_files(*repository, revision, Proof::checksum));
  auto hashes = TRY(repository->file_hashes(recording.hash));
  Blame blame(*repository, filter);
  TRY(blame.begin(std::move(recording.files), hashes, recording.backends));
  TRY(blame.walk(recording.hash));
  return blame.take();
}

}  // namespace rewall

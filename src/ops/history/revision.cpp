#include "ops/history/revision.h"

#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <tuple>
#include <utility>

#include "core/file.h"
#include "core/format.h"
#include "core/log.h"
#include "core/messages.h"
#include "core/parallel.h"
#include "core/text.h"
#include "kernel/process.h"
#include "ops/context/ruleset_files.h"
#include "ops/context/settings.h"
#include "rules/print.h"
#include "rules/rule.h"
#include "rules/rules_file.h"
#include "rules/table_forms.h"
#include "rules/text_delta.h"

namespace rewall {
namespace {

Result<Revision> from_text(std::string text, const std::string& path, std::optional<Family> asked) {
  Revision revision{.name = path, .has_v4 = false, .has_v6 = false, .has_sets = false, .by_hand = true};
  auto files = TRY(read_rules(std::move(text), path, asked));
  for (auto& file : files) {
    (file.family == Family::ipv4 ? revision.has_v4 : revision.has_v6) = true;
    revision.ruleset[{file.family}] = std::move(file);
  }
  return revision;
}

bool holds_nothing_at_all(const Ruleset& ruleset) {
  return ruleset.v4.tables.empty() && ruleset.v6.tables.empty() && ruleset.native->empty();
}

/// A text or a file of nft speaks of native tables, and of those tables of iptables' names that it has.
Result<Revision> from_nft(Session& session, const std::string& path, const std::string& text,
                          const std::string& name) {
  Revision revision{.name = name, .has_v4 = false, .has_v6 = false, .has_sets = false, .by_hand = true};
  revision.ruleset = TRY(session.firewall().read_written(path, text));
  // A program that failed leaves an empty file, and an empty file must not open a firewall.
  if (holds_nothing_at_all(revision.ruleset) && text.find("flush ruleset") == std::string::npos)
    return error_of<messages::no_table_line>(name);
  return revision;
}

Result<Revision> from_folder(Session& session, const std::filesystem::path& folder, const std::string& name) {
  Files files;
  std::optional<Ruleset> nft;
  for (const auto file : kRulesetFiles) {
    if (!path_exists(folder / file)) continue;
    if (file == kNativeFile) {
      const auto path = absolute_path(folder / file).string();
      const auto text = TRY(read_text(path, Pipes::refused));
      nft = TRY(session.firewall().read_written(path, text));
      continue;
    }
    auto text = TRY(read_text(folder / file, Pipes::refused));
    files.emplace(std::string(file), std::move(text));
  }
  if (files.empty() && !nft) {
    return error_of<messages::no_rules_in_folder>(folder.string());
  }
  // Of what it has no file it does not speak: a folder with rules.v4 alone leaves IPv6 as it is.
  Revision revision{.name = name,
                    .has_v4 = files.contains("rules.v4"),
                    .has_v6 = files.contains("rules.v6"),
                    .has_sets = files.contains("ipset"),
                    .by_hand = true};
  auto written = TRY(written_ruleset_of(std::move(files), folder.string() + "/"));
  for (const auto& note : written.notes) log_warning("{}", escape(note));
  revision.ruleset = std::move(written.ruleset);
  if (nft) {
    revision.ruleset.native = nft->native;
    // What iptables can say of it: in a file of its own words it stands alone.
    for (const Family family : {Family::ipv4, Family::ipv6})
      for (const Table& table : nft->tables(family, Backend::nft).tables) {
        const Table* other = revision.ruleset[{family, false}].find(table.name);
        if (other != nullptr && !is_empty(*other))
          return error_of<messages::table_in_both_forms>((folder / kNativeFile).string(),
                                                         format("{} {}", short_name(family), table.name));
        take_table(revision.ruleset, *nft, family, table.name);
      }
  }
  if (const auto title = table_in_both_forms(revision.ruleset))
    return error_of<messages::table_in_both_forms>((folder / kNativeFile).string(), *title);
  return revision;
}

Result<Revision> from_path(Session& session, const std::string& path, const std::string& name,
                           std::optional<Family> family, Pipes pipes) {
  if (is_folder(path)) return from_folder(session, path, name);
  auto text = TRY(read_text(path, pipes));
  if (is_nft_text(text) || path.ends_with(".nft")) {
    if (family) return error_of<messages::nft_has_no_family>(path);
    // By its path, for later versions of nft look for what it includes beside it; a pipe can be read once.
    const bool plain = is_plain_file(path);
    return from_nft(session, plain ? absolute_path(path).string() : "", text, name);
  }
  auto revision = from_text(std::move(text), path, family);
  if (revision) revision->name = name;
  return revision;
}

}  // namespace

Result<std::string> resolve_snapshot(const Repository& repository, const std::string& name) {
  auto hash = repository.resolve(name);
  std::error_code failed;
  if (hash || hash.error().kind != ErrorKind::usage || !std::filesystem::exists(name, failed)) return hash;
  return std::move(hash).error().hinted(
      format("the file of this name is a revision too: {}", shell_quote("file:" + name)));
}

Result<SnapshotFiles> read_snapshot_files(const Repository& repository, const std::string& name,
                                          Proof proof) {
  auto hash = TRY(resolve_snapshot(repository, name));
  auto snapshot = TRY(repository.snapshot(hash));
  auto files = TRY(repository.files(hash, proof));
  return SnapshotFiles{name, std::move(hash), snapshot.trailers.backend, std::move(files)};
}

Result<Revision> to_revision(SnapshotFiles recording) {
  auto ruleset =
      ruleset_of(std::move(recording.files), recording.hash.substr(0, 10) + ":", recording.backends);
  if (!ruleset) return unreadable_snapshot(recording.hash, ruleset.error());
  return Revision{
      .name = std::move(recording.name), .hash = std::move(recording.hash), .ruleset = *std::move(ruleset)};
}

Result<Repository> open_again(const Session& session) {
  return Repository::open(session.path());
}

namespace {

Result<Revision> from_repository(const Repository& repository, const std::string& name, Proof proof) {
  auto recording = TRY(read_snapshot_files(repository, name, proof));
  return to_revision(std::move(recording));
}

void keep_differing(Files& from, Files& to) {
  for (auto& [name, text] : from) {
    const auto other = to.find(name);
    if (!name.starts_with("rules.") || other == to.end()) continue;
    std::tie(text, other->second) = differing_chains(text, other->second);
  }
}

Result<Revision> read_unrecorded(Session& session, const std::string& name, std::optional<Family> family,
                                 Pipes pipes) {
  if (name == "LIVE") {
    auto capture = TRY(session.capture());
    return Revision{.name = name, .ruleset = std::move(capture.ruleset)};
  }
  if (name == "-") {
    auto text = TRY(read_text(STDIN_FILENO, "standard input"));
    if (is_nft_text(text)) return from_nft(session, "", text, name);
    auto revision = from_text(std::move(text), "standard input", family);
    if (revision) revision->name = name;
    return revision;
  }
  if (name.size() == 5)
    return Error{.message = "file: needs a path", .hint = "write it like file:/etc/iptables/rules.v4"};
  return from_path(session, name.substr(5), name, family, pipes);
}

// The file that the rules of a slot were read from; of a template its name.
std::string path_of(const Revision& revision, Slot slot) {
  if (!revision.name.starts_with("file:")) return revision.name == "-" ? "standard input" : revision.name;
  const auto path = revision.name.substr(5);
  return is_folder(path) ? format("{}/{}", path, file_name(slot)) : path;
}

Status check_rule_at(const std::string& path, const Rule& rule, Family family) {
  auto good = check_rule(rule.words, family);
  if (good) return good;
  return std::move(good).error().within(format("{}:{}", path, rule.line));
}

// Where the rule of a change stands. Not for sets.
Slot slot_of(const Change& change, const Ruleset& ruleset) {
  return {*change.family, change.backend == Backend::legacy && ruleset.backend == Backend::nft};
}

const Rule* rule_at(const Ruleset& ruleset, const Change& change, std::optional<std::uint32_t> position) {
  if (!change.family || !position) return nullptr;
  const Table* table = ruleset[slot_of(change, ruleset)].find(change.table);
  const Chain* chain = table == nullptr ? nullptr : table->find(change.chain);
  return chain != nullptr && *position <= chain->rules.size() ? &chain->rules[*position - 1] : nullptr;
}

// The words before the name of a script that run it: those of its first line, "nft -f" for a file of nft,
// else the shell. None for rules that only lack their table.
std::vector<std::string> interpreter_of(std::string_view text) {
  for (const auto line : split_lines(text)) {
    if (line.starts_with("#!")) {
      std::vector<std::string> words;
      for (const auto word : split(trim(line.substr(2)), ' '))
        if (!word.empty() && word != "/usr/bin/env" && word != "-S") words.emplace_back(word);
      if (words.empty()) return {"sh"};
      auto name = std::filesystem::path(words[0]).filename().string();
      if (!find_program(name).empty()) words[0] = std::move(name);
      return words;
    }
    const auto words = trim(line);
    if (words.empty() || words.starts_with('#')) continue;
    for (const std::string_view begin : {"table ", "add table ", "flush ruleset", "define ", "include "})
      if (words.starts_with(begin)) return {"nft", "-f"};
    // As `iptables -S` prints them.
    if (words.starts_with("-A ") || words.starts_with("-P ") || words.starts_with("-N ")) return {};
    break;
  }
  return {"sh"};
}

// The hint of a reader that does not know which file it reads.
Error naming_file(Error error, std::string_view text, const std::string& path) {
  constexpr std::string_view kFile = " FILE";
  std::error_code failed;
  if (!error.hint.ends_with(kFile) || !std::filesystem::exists(path, failed)) return error;
  auto words = interpreter_of(text);
  if (words.empty())
    return std::move(error).hinted(
        "for rules without a table: put '*filter' before them and COMMIT after them");
  const auto language = words[0] == "sh" ? "shell script" : "script of " + words[0];
  words.push_back(path);
  for (auto& word : words) word = shell_quote(word);
  return std::move(error).hinted(format("for a {} use: rewall try -- {}", language, join(words, " ")));
}

}  // namespace

Error unreadable_snapshot(const std::string& hash, const Error& why) {
  return error_of<messages::not_by_rewall>(why.message, hash.substr(0, 10));
}

bool is_unrecorded(const std::string& name) {
  return name == "LIVE" || name == "-" || name.starts_with("file:");
}

Result<std::optional<std::pair<std::string, std::string>>> read_range(const std::string& text) {
  const auto dots = is_unrecorded(text) ? std::string::npos : text.find("..");
  if (dots == std::string::npos) return std::optional<std::pair<std::string, std::string>>{};
  auto from = text.substr(0, dots);
  auto to = text.substr(dots + 2);
  if (to.starts_with('.')) return error_of<messages::not_a_range>(text);
  if (from.empty()) from = "HEAD";
  if (to.empty()) to = "HEAD";
  return std::optional(std::pair(std::move(from), std::move(to)));
}

Result<std::vector<Tables>> read_rules(std::string text, const std::string& path,
                                       std::optional<Family> asked) {
  FileFamilies found;
  if (asked) {
    found.families = {*asked};
  } else {
    found = TRY(find_families(path, text));
  }
  std::vector<Tables> all;
  std::vector<std::string> notes;
  if (!found.note.empty()) notes.push_back(found.note);
  for (const Family family : found.families) {
    auto file = read_rules_file(text, family, path);
    if (!file) return naming_file(std::move(file).error(), text, path);
    // A program that failed leaves an empty file, and an empty file must not open a firewall.
    if (file->tables.tables.empty()) return error_of<messages::no_table_line>(path);
    all.push_back(std::move(file->tables));
    // Of a file for both families, each leaves out the lines of the other.
    if (found.families.size() == 1) std::ranges::move(file->notes, std::back_inserter(notes));
  }
  for (const auto& note : notes) log_warning("{}", escape(note));
  return all;
}

Result<Revision> read_revision(Session& session, const std::string& name, std::optional<Family> family,
                               Proof proof, Pipes pipes) {
  if (is_unrecorded(name)) return read_unrecorded(session, name, family, pipes);
  auto repository = TRY(session.repository());
  return from_repository(*repository, name, proof);
}

namespace {

Result<std::pair<Revision, Revision>> read_recordings(Session& session, const std::string& from,
                                                      const std::string& to, Extent extent) {
  auto other = beside("read revision", ErrorKind::repository, [&]() -> Result<SnapshotFiles> {
    auto repository = TRY(open_again(session));
    return read_snapshot_files(repository, to, Proof::checksum);
  });
  auto repository = session.repository();
  auto one = repository ? read_snapshot_files(**repository, from, Proof::checksum)
                        : Result<SnapshotFiles>(std::move(repository).error());
  auto two = other.get();
  if (!one) return std::move(one).error();
  if (!two) return std::move(two).error();
  // Files of the same name are rules of the same backend only then.
  if (extent == Extent::differing && one->backends == two->backends) keep_differing(one->files, two->files);
  auto first = TRY(to_revision(*std::move(one)));
  auto second = TRY(to_revision(*std::move(two)));
  const auto cut_too_much = [owners = owners_of(session)](const Revision& revision) {
    return depends_on_interfaces(owners, revision.ruleset);
  };
  if (extent == Extent::differing && (cut_too_much(first) || cut_too_much(second)))
    return read_recordings(session, from, to, Extent::whole);
  return std::pair{std::move(first), std::move(second)};
}

}  // namespace

Result<std::pair<Revision, Revision>> read_revisions(Session& session, const std::string& from,
                                                     const std::string& to, Extent extent) {
  if (from == "-" && to == "-") {
    return error_of<messages::one_standard_input>();
  }
  if (extent == Extent::differing && !is_unrecorded(from) && !is_unrecorded(to)) {
    return read_recordings(session, from, to, extent);
  }
  auto other = beside("read revision", ErrorKind::repository, [&session, &to]() -> Result<Revision> {
    if (is_unrecorded(to)) return read_unrecorded(session, to, {}, Pipes::refused);
    auto repository = TRY(open_again(session));
    return from_repository(repository, to, Proof::checksum);
  });
  auto one = read_revision(session, from, {}, Proof::checksum);
  auto two = other.get();
  if (!one) return std::move(one).error();
  if (!two) return std::move(two).error();
  return std::pair{*std::move(one), *std::move(two)};
}

namespace {

/// A file that speaks of tables whose form it may change is compared as what it makes of the other revision.
bool lay_over(Revision& file, const Revision& other) {
  const bool of_nft = !file.has_v4 && !file.has_v6 && file.ruleset.native;
  if (!file.by_hand || other.by_hand || (!of_nft && !first_in_nft_words(other.ruleset))) return false;
  file.ruleset = overlay(other.ruleset, file);
  file.has_v4 = file.has_v6 = file.has_sets = true;
  return true;
}

}  // namespace

Status keep_common(Revision& from, Revision& to) {
  if (lay_over(from, to) || lay_over(to, from)) return {};
  const bool whole = from.whole() && to.whole();
  from.has_v4 = to.has_v4 = from.has_v4 && to.has_v4;
  from.has_v6 = to.has_v6 = from.has_v6 && to.has_v6;
  from.has_sets = to.has_sets = from.has_sets && to.has_sets;
  // What a file does not speak of is not compared. A snapshot of an older version is: what it lacks is new.
  const auto lacks_native = [](const Revision& one) { return one.by_hand && !one.ruleset.native; };
  const bool any_native = from.ruleset.native || to.ruleset.native;
  const bool native = any_native && !lacks_native(from) && !lacks_native(to);
  if (!native) {
    from.ruleset.native.reset();
    to.ruleset.native.reset();
  }
  if (!from.has_v4 && !from.has_v6 && !from.has_sets && !native) {
    return error_of<messages::families_differ>(from.name, to.name);
  }
  for (Revision* revision : {&from, &to}) {
    Ruleset& ruleset = revision->ruleset;
    if (!revision->has_v4) ruleset.v4 = Tables{.family = Family::ipv4};
    if (!revision->has_v6) ruleset.v6 = Tables{.family = Family::ipv6};
    if (!revision->has_sets) ruleset.sets = {};
    if (whole) continue;
    for (const Slot slot : Ruleset::slots())
      if (slot.beside) ruleset[slot] = Tables{.family = slot.family};
    // A rules file is of no backend: it is held against the one in use.
    if (revision->by_hand) ruleset.backend = (revision == &from ? to : from).ruleset.backend;
  }
  return {};
}

Result<Diff> compare_revisions(const Revision& from, const Revision& to) {
  Diff diff = compare(from.ruleset, to.ruleset);
  for (const auto& change : diff.changes) {
    for (const auto& [revision, position] :
         {std::pair{&from, change.from_pos}, std::pair{&to, change.to_pos}}) {
      if (!revision->by_hand) continue;
      const Rule* rule = rule_at(revision->ruleset, change, position);
      if (rule == nullptr) continue;
      TRY(check_rule_at(path_of(*revision, slot_of(change, revision->ruleset)), *rule, *change.family));
    }
  }
  return diff;
}

FileNames file_names(const Revision& revision) {
  if (!revision.by_hand) return {};
  FileNames names;
  for (const Slot slot : Ruleset::slots())
    if (!slot.beside || revision.whole()) names.tables[slot] = path_of(revision, slot);
  if (revision.name.starts_with("file:") && revision.ruleset.native) {
    const std::filesystem::path path = revision.name.substr(5);
    names.native = is_folder(path) ? (path / names.native).string() : path.string();
  }
  if (revision.whole()) names.sets = std::filesystem::path(revision.name.substr(5)) / names.sets;
  return names;
}

Status check_rules(const Tables& tables, const std::string& path) {
  for (const auto& table : tables.tables) {
    for (const auto& chain : table.chains) {
      for (const auto& rule : chain.rules) {
        TRY(check_rule_at(path, rule, tables.family));
      }
    }
  }
  return {};
}

Status check_rules(const Revision& revision) {
  if (!revision.by_hand) return {};
  for (const Slot slot : Ruleset::slots()) {
    TRY(check_rules(revision.ruleset[slot], path_of(revision, slot)));
  }
  return {};
}

namespace {

bool covers(const Revision& revision, Family family) {
  return family == Family::ipv4 ? revision.has_v4 : revision.has_v6;
}

bool names_table(const Ruleset& ruleset, Family family, std::string_view table) {
  return ruleset[{family, false}].find(table) != nullptr ||
         find_in_nft_words(ruleset, family, table) != nullptr;
}

/// Tables of iptables' names in a family that the revision does not cover: of those it speaks that it has.
void take_native(Ruleset& base, const Revision& revision) {
  NativeTables native = *revision.ruleset.native;
  if (base.native) {
    for (const NativeTable& table : base.native->tables) {
      const auto family = iptables_family(table);
      if (family && !covers(revision, *family) && !names_table(revision.ruleset, *family, table.name))
        native.tables.push_back(table);
    }
    native.texts.insert(native.texts.end(), base.native->texts.begin(), base.native->texts.end());
    native.sort();
  }
  base.native = std::move(native);
  for (const Family family : {Family::ipv4, Family::ipv6}) {
    if (covers(revision, family)) continue;
    for (const Table& table : revision.ruleset[{family, false}].tables)
      take_table(base, revision.ruleset, family, table.name);
    for (const NativeTable& table : revision.ruleset.native->tables)
      if (iptables_family(table) == family) take_table(base, revision.ruleset, family, table.name);
  }
}

}  // namespace

Ruleset overlay(Ruleset base, const Revision& revision) {
  if (revision.has_v4) base.v4 = revision.ruleset.v4;
  if (revision.has_v6) base.v6 = revision.ruleset.v6;
  if (revision.has_sets) base.sets = revision.ruleset.sets;
  // Beside legacy tables those of nft are of no iptables in use.
  const Backend backend = revision.by_hand ? base.backend : revision.ruleset.backend;
  for (const Family family : {Family::ipv4, Family::ipv6})
    if (backend == Backend::nft && covers(revision, family)) remove_in_nft_words(base, family);
  if (revision.ruleset.native) take_native(base, revision);
  if (revision.whole()) {
    for (const Slot slot : Ruleset::slots())
      if (slot.beside) base[slot] = revision.ruleset[slot];
  }
  if (!revision.by_hand) base.backend = revision.ruleset.backend;
  return base;
}

}  // namespace rewall

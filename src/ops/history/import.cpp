#include "ops/history/import.h"

#include <sys/stat.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <filesystem>
#include <iterator>
#include <set>

#include "core/file.h"
#include "core/format.h"
#include "core/log.h"
#include "core/messages.h"
#include "core/text.h"
#include "ops/context/identity.h"
#include "ops/context/ruleset_files.h"
#include "ops/history/revision.h"
#include "rules/parse.h"
#include "rules/print.h"
#include "rules/table_forms.h"
#include "store/foreign_history.h"

namespace rewall {
namespace {

constexpr off_t kBiggest = 64 << 20;

struct Item {
  std::string from{};  ///< for people
  Files files{};       ///< of rewall-repository(5), canonical
  Time time{};
  int rotation = 0;  ///< N of `rules.v4.N`
  std::optional<Person> author{};
  std::string message{};
  bool found = false;  ///< by rewall, not named by a person: it need not be a change
};

bool is_ipset_text(std::string_view text) {
  const auto lines = split_lines(text);
  const auto creates = [](std::string_view line) {
    return line.starts_with("create ") || line.starts_with("--create ") ||
           (line.starts_with("-N ") && line.find(' ', 3) != std::string_view::npos);
  };
  return std::ranges::any_of(lines, creates) &&
         std::ranges::none_of(lines, [](std::string_view line) { return line.starts_with('*'); });
}

// A table of iptables' name in a text of nft, in either form.
std::optional<std::string> first_of_iptables(const Ruleset& written) {
  for (const Family family : {Family::ipv4, Family::ipv6})
    for (const Table& table : written[{family, false}].tables)
      return format("{} {}", short_name(family), table.name);
  return first_in_nft_words(written);
}

// Puts a rules file's text, canonical, to those of an item.
Status add_text(Session& session, Item& item, std::string text, const std::string& path,
                std::optional<Family> asked) {
  if (text.starts_with("\x1f\x8b")) {
    return error_of<messages::compressed>(path);
  }
  if (is_ipset_text(text)) {
    auto sets = TRY(parse_sets(std::move(text), path, SetsText::by_hand));
    item.files["ipset"] = canonical_text(sets);
    return {};
  }
  if (is_nft_text(text)) {
    auto written = session.firewall().read_written("", text);
    if (!written) return std::move(written).error().within(path);
    if (const auto title = first_of_iptables(*written))
      return error_of<messages::import_of_both>(path, *title);
    item.files[std::string(kNativeFile)] = print_native(*written->native);
    return {};
  }
  for (const auto& tables : TRY(read_rules(std::move(text), path, asked))) {
    TRY(check_rules(tables, path));
    item.files[std::string(file_name({tables.family}))] = canonical_text(tables);
  }
  return {};
}

Result<Item> read_item(Session& session, const std::string& path, const ImportOptions& options) {
  auto text = TRY(read_text(path, Pipes::read));
  Item item{.from = path};
  struct stat facts {};
  if (::stat(path.c_str(), &facts) != 0) {
    return Error{.kind = ErrorKind::usage, .message = format("{}: {}", path, errno_text(errno))};
  }
  item.time = options.date ? *options.date : local(facts.st_mtim.tv_sec);
  TRY(add_text(session, item, std::move(text), path, options.family));
  return item;
}

// Digits from `at` on, as many as asked for; moves `at` behind them and one separator.
std::string take_digits(const std::string& name, std::size_t& at, std::size_t count) {
  if (name.find_first_not_of("0123456789", at) < at + count || at + count > name.size()) return {};
  auto digits = name.substr(at, count);
  at += count;
  if (at < name.size() && std::string_view("-_.:T").find(name[at]) != std::string_view::npos) ++at;
  return digits;
}

// `rules.v4-20240131`, `iptables-2024-01-31.save`, `rules_2024-01-31_23:05:00`.
std::optional<Time> date_in(const std::string& name) {
  for (std::size_t start = 0; start < name.size(); ++start) {
    if (start > 0 && std::isdigit(static_cast<unsigned char>(name[start - 1])) != 0) continue;
    std::size_t at = start;
    const auto year = take_digits(name, at, 4);
    const auto month = year.empty() ? "" : take_digits(name, at, 2);
    const auto day = month.empty() ? "" : take_digits(name, at, 2);
    if (day.empty() || (!year.starts_with("19") && !year.starts_with("20"))) continue;
    const auto hour = take_digits(name, at, 2);
    const auto minute = hour.empty() ? "" : take_digits(name, at, 2);
    const auto second = minute.empty() ? "" : take_digits(name, at, 2);
    const auto date = format("{}-{}-{}", year, month, day);
    const auto time = format(" {}:{}:{}", hour, minute, second.empty() ? "00" : second);
    if (auto known = minute.empty() ? parse_time(date, {}) : parse_time(date + time, {})) return *known;
    if (auto known = parse_time(date, {})) return *known;
  }
  return std::nullopt;
}

// 2 of `rules.v4.2`; 0 where there is no such number.
int rotation_of(const std::string& name) {
  const auto dot = name.rfind('.');
  int number = 0;
  if (dot == std::string::npos) return 0;
  const auto* end = name.data() + name.size();
  const auto [stop, failed] = std::from_chars(name.data() + dot + 1, end, number);
  return failed == std::errc{} && stop == end ? number : 0;
}

// The rules files of a folder, oldest first.
Result<std::vector<Item>> read_folder(Session& session, const std::filesystem::path& folder,
                                      const ImportOptions& options) {
  std::vector<std::filesystem::path> paths;
  std::error_code failed;
  for (const auto& entry : entries_in(folder, failed)) {
    struct stat facts {};
    const bool plain = ::lstat(entry.path().c_str(), &facts) == 0 && S_ISREG(facts.st_mode);
    if (!plain || facts.st_size > kBiggest) {
      log_warning("{}: left out: {}", escape(entry.path().string()),
                  plain ? "too big for rules" : "not a plain file");
      continue;
    }
    paths.push_back(entry.path());
  }
  if (failed) {
    return Error{.kind = ErrorKind::usage, .message = format("{}: {}", folder.string(), failed.message())};
  }
  std::ranges::sort(paths);
  std::vector<Item> items;
  for (const auto& path : paths) {
    auto item = read_item(session, path, options);
    if (!item) {
      log_warning("left out: {}", escape(item.error().message));
      continue;
    }
    const auto name = path.filename().string();
    const auto dated = date_in(name);
    if (dated && !options.date) item->time = *dated;
    item->rotation = dated ? 0 : rotation_of(name);
    item->found = true;
    items.push_back(*std::move(item));
  }
  if (items.empty()) {
    return error_of<messages::no_rules_in_folder>(folder.string());
  }
  std::ranges::stable_sort(items, [](const Item& a, const Item& b) {
    return a.time.seconds != b.time.seconds ? a.time.seconds < b.time.seconds : a.rotation > b.rotation;
  });
  return items;
}

// Nothing: no rules there, which is said.
std::optional<Item> item_of(Session& session, const ForeignVersion& version, const ImportOptions& options) {
  const auto from = format("{} {}, commit {}", options.git, options.paths[0], version.hash);
  for (const auto& what : version.left_out) log_warning("{}: left out: {}", escape(from), escape(what));
  Item item{.from = from,
            .time = options.date ? *options.date : version.time,
            .author = version.author,
            .message = version.message,
            .found = true};
  for (const auto& [name, text] : version.files) {
    if (text.empty()) continue;
    if (auto good = add_text(session, item, text, name, options.family); !good)
      log_warning("{}: left out: {}", escape(from), escape(good.error().message));
  }
  return item.files.empty() ? std::nullopt : std::optional(std::move(item));
}

// What the snapshots so far say of where they were imported from.
class Imported {
 public:
  static Result<Imported> read(const Repository& repository) {
    Imported imported;
    auto head = TRY(repository.head());
    TRY(repository.walk(head, [&imported](const Snapshot& snapshot) -> Result<bool> {
      const auto at = snapshot.body.rfind(kFrom);
      if (snapshot.trailers.trigger == "import" && at != std::string::npos) {
        const auto from = trim(std::string_view(snapshot.body).substr(at + kFrom.size()));
        imported.all_.insert(imported.key(std::string(from), snapshot.time));
      }
      return true;
    }));
    return imported;
  }

  bool has(const Item& item) const { return all_.contains(key(escape(item.from), item.time)); }

  static constexpr std::string_view kFrom = "From ";

 private:
  // A commit is known by its hash, wherever the repository lies; a file by its name and date.
  static std::string key(const std::string& from, Time time) {
    const auto commit = from.rfind(kCommit);
    return commit != std::string::npos ? from.substr(commit) : format("{} {}", from, time.seconds);
  }
  static constexpr std::string_view kCommit = ", commit ";

  std::set<std::string> all_{};
};

// Records one after the other, on top of HEAD.
class Importer {
 public:
  Importer(Session& session, Repository& repository, Imported imported, Files files, std::string backends)
      : session_(session),
        repository_(repository),
        imported_(std::move(imported)),
        files_(std::move(files)),
        backends_(std::move(backends)) {}

  Status add(const Item& item) {
    met_ = true;
    Files files = files_;
    for (const auto& [name, text] : item.files) files[name] = text;
    if (item.found && (files == files_ || imported_.has(item))) return {};
    auto recorded = TRY(record(files, item));
    all_.push_back(std::move(recorded));
    files_ = std::move(files);
    return {};
  }

  std::vector<Recorded> take() { return std::move(all_); }
  /// Whether there was anything to add, new or not.
  bool met() const { return met_; }

 private:
  Result<Recorded> record(const Files& files, const Item& item) {
    auto parent = TRY(repository_.head());
    auto from = ruleset_of(files_, "", backends_);
    auto to = ruleset_of(files, "", backends_);
    if (!from) return std::move(from).error();
    if (!to) return std::move(to).error();
    const Diff diff = compare(*from, *to);
    std::string message(trim(item.message));
    Recorded recorded{.subject = escape(message.substr(0, message.find('\n'))), .changed = true};
    message.erase(0, std::min(message.find('\n'), message.size()));
    if (recorded.subject.empty())
      recorded.subject = diff.equal() ? format("import {}", escape(item.from)) : subject(diff);
    recorded.hash = TRY(
        repository_.commit(parent, files,
                           {.subject = recorded.subject,
                            .body = format("{}\n\n{}{}", trim(message), Imported::kFrom, escape(item.from)),
                            .trailers = {.trigger = "import",
                                         .backend = backends_,
                                         .actor = actor_.text(),
                                         .commands = {session_.command_line}}},
                           item.author ? *item.author : actor_.person, item.time));
    return recorded;
  }

  Session& session_;
  Repository& repository_;
  Imported imported_;
  Files files_;
  std::string backends_;
  Actor actor_ = current_actor();
  std::vector<Recorded> all_{};
  bool met_ = false;
};

Result<std::vector<Item>> read_items(Session& session, const ImportOptions& options) {
  std::vector<Item> items;
  for (const auto& path : options.paths) {
    if (is_folder(path)) {
      auto found = TRY(read_folder(session, path, options));
      std::ranges::move(found, std::back_inserter(items));
      continue;
    }
    auto item = TRY(read_item(session, path, options));
    items.push_back(std::move(item));
  }
  const auto back = std::ranges::adjacent_find(
      items, [](const Item& a, const Item& b) { return b.time.seconds < a.time.seconds; });
  if (back != items.end())
    log_warning(
        "the history runs backwards: {} ({}) comes after {} ({}); name the oldest file first, or the "
        "folder, which is sorted by age",
        escape(std::next(back)->from), rfc3339(std::next(back)->time), escape(back->from),
        rfc3339(back->time));
  return items;
}

Status add_history(Session& session, Importer& importer, const ImportOptions& options) {
  return walk_elsewhere(options.git, options.paths[0], [&](const ForeignVersion& version) -> Status {
    const auto item = item_of(session, version, options);
    return item ? importer.add(*item) : Status{};
  });
}

}  // namespace

Result<std::vector<Recorded>> import_files(Session& session, const ImportOptions& options,
                                           const std::function<Result<Lock>()>& lock) {
  std::vector<Item> items;
  if (options.git.empty()) items = TRY(read_items(session, options));
  auto repository = TRY(session.repository());
  const Lock held = TRY(lock());
  auto head = TRY(read_head(*repository));
  auto tip = TRY(repository->snapshot(head.hash));

  // What no file tells of is what HEAD says: a backup of IPv4 rules is no sign that IPv6 was open.
  auto imported = TRY(Imported::read(*repository));
  Importer importer(session, *repository, std::move(imported), head.files, head.backends);
  Status added;
  if (!options.git.empty()) added = add_history(session, importer, options);
  for (const auto& item : items) {
    if (!added) break;
    added = importer.add(item);
  }
  auto all = importer.take();
  if (!added && all.empty()) return std::move(added).error();
  if (all.empty()) {
    if (!importer.met()) return error_of<messages::no_rules_in_history>(options.git, options.paths.at(0));
    return all;
  }
  auto parent = TRY(repository->head());
  const Actor actor = current_actor();
  Recorded back{.subject = "back to the ruleset before the import", .changed = true};
  auto trailers = tip.trailers;
  trailers.trigger = "import";
  trailers.actor = actor.text();
  trailers.commands = {session.command_line};
  trailers.restores = head.hash;
  back.hash = TRY(repository->commit(parent, head.files, {.subject = back.subject, .trailers = trailers},
                                     actor.person, now()));
  all.push_back(back);
  session.notify({.repository = *repository,
                  .files = head.files,
                  .diff = Diff{},
                  .from = parent,
                  .hash = back.hash,
                  .subject = back.subject,
                  .trigger = trailers.trigger,
                  .restores = trailers.restores,
                  .changed = true});
  // HEAD is what it was, whatever came of the rest.
  if (!added) return std::move(added).error();
  return all;
}

}  // namespace rewall

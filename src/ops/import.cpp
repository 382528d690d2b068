#include "ops/import.h"

#include <sys/stat.h>

#include <algorithm>

#include "core/file.h"
#include "core/format.h"
#include "core/text.h"
#include "ops/events.h"
#include "ops/files.h"
#include "ops/person.h"
#include "ops/revision.h"
#include "ops/settle.h"
#include "rules/parse.h"
#include "rules/print.h"

namespace rewall {
namespace {

struct Item {
  std::string path{};
  std::string file{};  ///< of section 4
  std::string text{};  ///< canonical
  Time time{};
};

bool is_ipset_text(std::string_view text) {
  const auto lines = split_lines(text);
  return std::ranges::any_of(lines, [](std::string_view line) { return line.starts_with("create "); }) &&
         std::ranges::none_of(lines, [](std::string_view line) { return line.starts_with('*'); });
}

Result<Item> read_item(const std::string& path, const ImportOptions& options) {
  auto text = read_file(path);
  if (!text) return std::move(text).error();
  Item item{.path = path};
  struct stat facts {};
  if (::stat(path.c_str(), &facts) != 0) {
    return Error{.kind = ErrorKind::usage, .message = format("{}: {}", path, errno_text(errno))};
  }
  item.time = options.date ? *options.date : local(facts.st_mtim.tv_sec);
  if (is_ipset_text(*text)) {
    auto sets = parse_sets(*std::move(text), path);
    if (!sets) return std::move(sets).error();
    item.file = "ipset";
    item.text = canonical_text(*sets);
    return item;
  }
  const Family family = options.family ? *options.family : family_of(path, *text);
  auto tables = parse_tables(*std::move(text), family, path);
  if (!tables) return std::move(tables).error();
  if (tables->tables.empty()) {
    return Error{.kind = ErrorKind::usage, .message = format("{}: no table in it", path)};
  }
  if (auto good = check_rules(*tables, path); !good) return std::move(good).error();
  item.file = file_name(family);
  item.text = canonical_text(*tables);
  return item;
}

Result<Recorded> record_item(Repository& repository, const Files& files, const Files& before,
                             const Item& item, const Actor& actor, const std::string& command,
                             const std::string& backends) {
  auto parent = repository.head();
  if (!parent) return std::move(parent).error();
  auto from = ruleset_of(before, "", backends);
  auto to = ruleset_of(files, "", backends);
  if (!from) return std::move(from).error();
  if (!to) return std::move(to).error();
  const Diff diff = compare(*from, *to);
  Recorded recorded{.subject = diff.equal() ? format("import {}", escape(item.path)) : subject(diff),
                    .changed = true};
  auto hash = repository.commit(
      *parent, files,
      {.subject = recorded.subject,
       .body = format("From {}", escape(item.path)),
       .trailers = {.trigger = "import", .backend = backends, .actor = actor.text(), .commands = {command}}},
      actor.person, item.time);
  if (!hash) return std::move(hash).error();
  recorded.hash = *std::move(hash);
  return recorded;
}

}  // namespace

Result<std::vector<Recorded>> import_files(Session& session, const ImportOptions& options) {
  std::vector<Item> items;
  for (const auto& path : options.paths) {
    auto item = read_item(path, options);
    if (!item) return std::move(item).error();
    items.push_back(*std::move(item));
  }
  auto repository = session.repository();
  if (!repository) return std::move(repository).error();
  auto held = lock(session);
  if (!held) return std::move(held).error();
  auto head = read_head(**repository);
  if (!head) return std::move(head).error();
  auto tip = (*repository)->snapshot(head->hash);
  if (!tip) return std::move(tip).error();

  const Actor actor = current_actor();
  // What no file tells of is what HEAD says: a backup of IPv4 rules is no sign that IPv6 was open.
  Files before = head->files;
  Files files = before;
  std::vector<Recorded> all;
  for (const auto& item : items) {
    files[item.file] = item.text;
    auto recorded =
        record_item(**repository, files, before, item, actor, session.command_line, head->backends);
    if (!recorded) return std::move(recorded).error();
    all.push_back(*std::move(recorded));
    before = files;
  }
  auto parent = (*repository)->head();
  if (!parent) return std::move(parent).error();
  Recorded back{.subject = "back to the ruleset before the import", .changed = true};
  auto trailers = tip->trailers;
  trailers.trigger = "import";
  trailers.actor = actor.text();
  trailers.commands = {session.command_line};
  trailers.restores = head->hash;
  auto hash = (*repository)
                  ->commit(*parent, head->files, {.subject = back.subject, .trailers = trailers},
                           actor.person, now());
  if (!hash) return std::move(hash).error();
  back.hash = *std::move(hash);
  all.push_back(back);
  tell_hooks(session,
             {.name = "post-snapshot",
              .trigger = trailers.trigger,
              .from = *parent,
              .hash = back.hash,
              .subject = back.subject,
              .restores = trailers.restores},
             Diff{});
  return all;
}

}  // namespace rewall

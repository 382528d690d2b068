#include "commands/define.h"
#include "commands/command_output.h"
#include "core/format.h"
#include "core/text.h"
#include "ops/history/revision.h"
#include "ops/context/settings.h"
#include "ui/json.h"

namespace rewall {
namespace {

struct TagOptions {
  std::optional<std::string> name{};
  std::string revision = "HEAD";
  std::optional<std::string> removed{};
};

Result<Answer> list(Context& context, const Repository& repository) {
  auto tags = repository.tags();
  if (!tags) return std::move(tags).error();
  std::size_t width = 0;
  for (const auto& tag : *tags) width = std::max(width, escape(tag.name).size());
  Json json = Json::array();
  for (const auto& tag : *tags) {
    json.push_back({{"name", tag.name}, {"hash", tag.hash}, {"time", rfc3339(tag.time)}});
    if (!context.json) {
      context.terminal.out(
          format("{:<{}}  {}  {}\n", escape(tag.name), width, short_hash(tag.hash), ago(tag.time, now())));
    }
  }
  if (context.json) context.terminal.out(print(json));
  return Answer::same;
}

Result<Answer> set(Context& context, Repository& repository, const std::string& name,
                   const std::string& revision) {
  if (is_unrecorded(revision)) {
    return Error{.kind = ErrorKind::usage, .message = format("'{}' is not a snapshot", revision)}.hinted(
        "record it first ('rewall snapshot'), then tag HEAD");
  }
  auto hash = repository.resolve(revision);
  if (!hash) return std::move(hash).error();
  if (auto done = repository.set_tag(name, *hash); !done) return std::move(done).error();
  if (!context.json) {
    context.terminal.out(format("{} {}\n", escape(name), short_hash(*hash)));
    return Answer::same;
  }
  auto snapshot = repository.snapshot(*hash);
  if (!snapshot) return std::move(snapshot).error();
  context.terminal.out(
      print(Json::array({{{"name", name}, {"hash", *hash}, {"time", rfc3339(snapshot->time)}}})));
  return Answer::same;
}

}  // namespace

Action define_tag(CLI::App& app) {
  auto options = std::make_shared<TagOptions>();
  auto* name =
      app.add_option("NAME", options->name, "The name; without it the tags are listed")->type_name("");
  app.add_option("REV", options->revision, "What it names (HEAD)")->type_name("");
  app.add_option("-d,--delete", options->removed, "Forget this name; the snapshot stays")
      ->type_name("NAME")
      ->excludes(name);
  return [options](Context& context) -> Result<Answer> {
    auto repository = context.session.repository();
    if (!repository) return std::move(repository).error();
    if (!options->name && !options->removed) return list(context, **repository);
    auto held = lock(**repository);
    if (!held) return std::move(held).error();
    if (options->name) return set(context, **repository, *options->name, options->revision);
    if (auto done = (*repository)->remove_tag(*options->removed); !done) return std::move(done).error();
    if (context.json) context.terminal.out(print(Json::array()));
    return Answer::same;
  };
}

}  // namespace rewall

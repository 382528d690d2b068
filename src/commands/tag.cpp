#include "commands/command_output.h"
#include "commands/define.h"
#include "commands/guard.h"
#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"
#include "ops/context/settings.h"
#include "ops/guard/good_tag.h"
#include "ops/history/revision.h"
#include "ui/json.h"

namespace rewall {
namespace {

struct TagOptions {
  std::optional<std::string> name{};
  std::string revision = "HEAD";
  std::optional<std::string> removed{};
  bool list = false;
};

Result<Answer> list_tags(Context& context, const Repository& repository) {
  auto tags = TRY(repository.tags());
  std::size_t width = 0;
  for (const auto& tag : tags) width = std::max(width, escape(tag.name).size());
  Json json = Json::array();
  for (const auto& tag : tags) {
    json.push_back({{"name", tag.name}, {"hash", tag.hash}, {"time", rfc3339(tag.time)}});
    if (!context.json) {
      context.terminal.out(
          format("{:<{}}  {}  {}\n", escape(tag.name), width, short_hash(tag.hash), ago(tag.time, now())));
    }
  }
  if (context.json) context.terminal.out(print(json));
  return Answer::same;
}

Result<std::optional<Tag>> tagged(const Repository& repository, const std::string& name) {
  const auto tags = TRY(repository.tags());
  const auto found = std::ranges::find(tags, name, &Tag::name);
  return found == tags.end() ? std::optional<Tag>{} : std::optional<Tag>{*found};
}

// Of a snapshot that a guard takes back again, and that a boot falls back to.
void warn_of_guard(Context& context, const Repository& repository, const std::string& hash,
                   const std::optional<Tag>& before) {
  const auto guard = read_guard(context.session.state_path());
  if (!guard || !*guard || !takes_back(repository, **guard, hash)) return;
  const auto back = before && before->hash != hash ? "tag good " + short_hash(before->hash) : "tag -d good";
  tell_armed_guard(context,
                   format("'good' names what it takes back, and a boot falls back to 'good'; undo this: {}",
                          rewall_command(context.session, back)));
}

Result<Answer> set(Context& context, Repository& repository, const std::string& name,
                   const std::string& revision) {
  if (is_unrecorded(revision)) {
    return error_of<messages::not_a_snapshot>(revision);
  }
  auto hash = TRY(repository.resolve(revision));
  const auto before = TRY(tagged(repository, name));
  TRY(repository.set_tag(name, hash));
  if (before && before->hash != hash)
    context.terminal.say(format("the tag was at {} before", short_hash(before->hash)));
  if (name == "good") warn_of_guard(context, repository, hash, before);
  if (!context.json) {
    context.terminal.out(format("{} {}\n", escape(name), short_hash(hash)));
    return Answer::same;
  }
  auto snapshot = TRY(repository.snapshot(hash));
  context.terminal.out(print(Json::array({{{"name", name},
                                           {"hash", hash},
                                           {"time", rfc3339(snapshot.time)},
                                           {"changed", !before || before->hash != hash}}})));
  return Answer::same;
}

}  // namespace

Action define_tag(Syntax& syntax) {
  auto options = std::make_shared<TagOptions>();
  syntax.positional("NAME", &options->name, "The name; without it, list the tags");
  syntax.positional("REV", &options->revision, "The revision to name (default HEAD)");
  auto& removed =
      syntax.option("-d,--delete", "NAME", &options->removed, "Delete this name; the snapshot stays");
  removed.excludes = {"NAME"};
  syntax.flag("-l,--list", options->list, "List the tags").excludes = {"NAME", "--delete"};
  return [options](Context& context) -> Result<Answer> {
    auto repository = TRY(context.session.repository());
    const bool lists = options->list || options->name == "list";
    if (lists || (!options->name && !options->removed)) return list_tags(context, *repository);
    auto held = TRY(lock(*repository));
    if (options->name) return set(context, *repository, *options->name, options->revision);
    TRY(repository->remove_tag(*options->removed));
    if (context.json) context.terminal.out(print(Json::array()));
    return Answer::same;
  };
}

}  // namespace rewall

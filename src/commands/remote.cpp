#include "commands/define.h"
#include "core/format.h"
#include "core/text.h"
#include "ops/remote/fetch_status.h"
#include "ops/remote/remote_address.h"
#include "ops/restore/recovery.h"
#include "ui/json.h"

namespace rewall {
namespace {

struct RemoteOptions {
  std::string action{};
  std::string name{};
  std::string url{};
};

Result<Answer> list(Context& context, const Repository& repository) {
  auto remotes = TRY(repository.remotes());
  Json json = Json::array();
  for (const auto& remote : remotes) {
    json.push_back({{"name", remote.name}, {"url", remote.url}});
    if (!context.json)
      context.terminal.out(format("{}  {}\n", escape(remote.name), escape(shown_address(remote.url))));
  }
  if (context.json) context.terminal.out(print(json));
  return Answer::same;
}

Error wrong_words(const RemoteOptions& options) {
  const bool removes = options.action == "remove";
  return Error{.kind = ErrorKind::usage,
               .message = format("remote {}: it takes {}", options.action, removes ? "NAME" : "NAME and URL")}
      .hinted(format("rewall remote {} origin{}", options.action,
                     removes ? "" : " ssh://git@backup.example.org/firewalls.git"));
}

Status change(Repository& repository, const RemoteOptions& options) {
  const bool removes = options.action == "remove";
  if (options.name.empty() || options.url.empty() != removes) return wrong_words(options);
  if (options.action == "add") return repository.add_remote(options.name, options.url);
  auto changed =
      removes ? repository.remove_remote(options.name) : repository.set_remote_url(options.name, options.url);
  return changed ? forget_fetch_status(repository.state_path(), options.name) : changed;
}

}  // namespace

Action define_remote(CLI::App& app) {
  auto options = std::make_shared<RemoteOptions>();
  app.add_option("ACTION", options->action, "add, set-url or remove; without one the remotes are listed")
      ->type_name("")
      ->check(CLI::IsMember({"add", "set-url", "remove"}));
  app.add_option("NAME", options->name, "Of the remote; origin is the one that is meant where none is named")
      ->type_name("");
  app.add_option("URL", options->url, "What git takes: ssh://, https://, host:path, or a folder")
      ->type_name("");
  return [options](Context& context) -> Result<Answer> {
    auto repository = TRY(context.session.repository());
    if (options->action.empty()) return list(context, *repository);
    auto held = TRY(lock(context.session));
    TRY(change(*repository, *options));
    return context.json ? list(context, *repository) : Answer::same;
  };
}

}  // namespace rewall

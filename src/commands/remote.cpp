#include <algorithm>
#include <optional>
#include <vector>

#include "commands/define.h"
#include "core/format.h"
#include "core/messages.h"
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

// `before`: what the remotes were, where a command changed one.
Result<Answer> list_remotes(Context& context, const Repository& repository,
                            const std::optional<std::vector<Remote>>& before = {}) {
  auto remotes = TRY(repository.remotes());
  Json json = Json::array();
  for (const auto& remote : remotes) {
    json.push_back({{"name", remote.name}, {"url", shown_address(remote.url)}});
    if (before)
      json.back()["changed"] = std::ranges::none_of(
          *before, [&](const Remote& old) { return old.name == remote.name && old.url == remote.url; });
    if (!context.json)
      context.terminal.out(format("{}  {}\n", escape(remote.name), escape(shown_address(remote.url))));
  }
  if (context.json) context.terminal.out(print(json));
  return Answer::same;
}

Error wrong_words(const RemoteOptions& options) {
  if (options.action == "remove") return error_of<messages::remote_remove_arguments>();
  return error_of<messages::remote_address_arguments>(options.action);
}

Status change(Repository& repository, const RemoteOptions& options) {
  const bool removes = options.action == "remove";
  if (options.name.empty() || options.url.empty() != removes) return wrong_words(options);
  if (options.action == "add") {
    auto added = repository.add_remote(options.name, options.url);
    // The hint of an address that is shown without its secret would not help.
    if (!added && shown_address(options.url) != options.url)
      return std::move(added).error().hinted("give it the new address: rewall remote set-url " +
                                             shell_quote(options.name) + " ADDRESS");
    return added;
  }
  auto changed =
      removes ? repository.remove_remote(options.name) : repository.set_remote_url(options.name, options.url);
  return changed ? forget_fetch_status(repository.state_path(), options.name) : changed;
}

}  // namespace

Action define_remote(Syntax& syntax) {
  auto options = std::make_shared<RemoteOptions>();
  auto& action = syntax.positional("ACTION", &options->action, "list (default), add, set-url or remove (rm)");
  action.words = {"list", "add", "set-url", "remove", "rm"};
  syntax.positional("NAME", &options->name, "Name of the remote, usually origin");
  syntax.positional("URL", &options->url, "Its address: ssh://, https://, host:path, or a folder");
  return [options](Context& context) -> Result<Answer> {
    auto repository = TRY(context.session.repository());
    if (options->action == "rm") options->action = "remove";
    if (options->action.empty() || options->action == "list") return list_remotes(context, *repository);
    auto held = TRY(lock_history(context.session));
    const auto before = TRY(repository->remotes());
    TRY(change(*repository, *options));
    return context.json ? list_remotes(context, *repository, before) : Answer::same;
  };
}

}  // namespace rewall

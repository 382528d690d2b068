#include "ops/remote/clone.h"

#include <algorithm>

#include "commands/command_output.h"
#include "commands/define.h"
#include "core/format.h"
#include "core/text.h"
#include "ui/json.h"

namespace rewall {
namespace {

// The remote's tags are no word of this host until a person takes them.
void say_tags(Context& context, const CloneResult& cloned) {
  if (cloned.tags.empty()) return;
  const auto good = cloned.host + "/good";
  const bool has_good = std::ranges::find(cloned.tags, good) != cloned.tags.end();
  context.terminal.say(for_repository(
      format("{} of {}, below its name: see 'rewall tag'{}", counted(cloned.tags.size(), "tag"), cloned.host,
             has_good ? format("; 'rewall tag good {}' takes its good snapshot as yours", good) : ""),
      context.session.path()));
}

void say_next(Context& context, const CloneResult& cloned) {
  context.terminal.say(format("created the repository {} with {}", context.session.path().string(),
                              counted(cloned.hosts.size(), "host")));
  if (cloned.hash.empty())
    context.terminal.say(for_repository(
        format(
            "no host is named {}: 'rewall snapshot' starts its history, 'rewall fleet list' lists the hosts",
            cloned.host),
        context.session.path()));
  else
    context.terminal.say(for_repository(
        "next: 'rewall restore --dry-run HEAD' shows what would change, 'rewall restore HEAD' applies it",
        context.session.path()));
}

}  // namespace

Action define_clone(Syntax& syntax) {
  auto url = std::make_shared<std::string>();
  auto host = std::make_shared<std::string>();
  syntax.positional("URL", url.get(), "The address of the remote").required = true;
  syntax.option("--host", "NAME", host.get(),
                "The host to rebuild (default: this machine's name, if the remote has it)");
  return [url, host](Context& context) -> Result<Answer> {
    auto cloned = clone(context.session.path(), *url, *host, context.terminal.progress());
    if (!cloned) return std::move(cloned).error();
    const Json refused = print_refused("origin", cloned->refused);
    if (context.json)
      context.terminal.out(print({{"host", cloned->host},
                                  {"hash", or_null(cloned->hash)},
                                  {"hosts", cloned->hosts},
                                  {"tags", cloned->tags},
                                  {"refused", refused}}));
    else if (!cloned->hash.empty())
      context.terminal.out(format("{} {}\n", cloned->hash.substr(0, 10), cloned->host));
    say_tags(context, *cloned);
    say_next(context, *cloned);
    return Answer::same;
  };
}

}  // namespace rewall

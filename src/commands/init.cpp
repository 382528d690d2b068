#include "commands/command_output.h"
#include "commands/define.h"
#include "core/format.h"

namespace rewall {

Action define_init(CLI::App& app) {
  auto url = std::make_shared<std::string>();
  app.add_option("--remote", *url, "Where backups will be pushed: kept as the remote 'origin'")
      ->type_name("URL");
  return [url](Context& context) -> Result<Answer> {
    auto recorded = TRY(make_repository(context.session, *url));
    context.terminal.say(format("made the repository {}", context.session.path().string()));
    print_recorded(context, recorded);
    return Answer::same;
  };
}

}  // namespace rewall

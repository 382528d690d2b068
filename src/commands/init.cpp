#include "commands/command_output.h"
#include "commands/define.h"
#include "core/format.h"

namespace rewall {

Action define_init(Syntax& syntax) {
  auto url = std::make_shared<std::string>();
  syntax.option("--remote", "URL", url.get(),
                "Add URL as the remote 'origin'; 'rewall push' sends the history");
  return [url](Context& context) -> Result<Answer> {
    auto recorded = TRY(make_repository(context.session, *url));
    context.terminal.say(format("created the repository {}", context.session.path().string()));
    print_recorded(context, recorded);
    return Answer::same;
  };
}

}  // namespace rewall

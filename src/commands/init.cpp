#include <algorithm>
#include <filesystem>

#include "commands/command_output.h"
#include "commands/define.h"
#include "core/format.h"
#include "core/text.h"
#include "ops/context/machine.h"
#include "ops/context/settings.h"
#include "ops/restore/recovery.h"

namespace rewall {
namespace {

// Of a repository that is there: notes the settings and the remote, and takes the first snapshot where there
// is none yet.
Result<Recorded> take_up(Session& session, Repository& repository, const std::string& url,
                         const std::vector<Assignment>& assignments) {
  const Lock held = TRY(lock(session));
  TRY(assign(repository, assignments));
  note_machine(repository.state_path());
  if (!url.empty()) {
    const auto remotes = TRY(repository.remotes());
    const bool known = std::ranges::any_of(remotes, [&](const Remote& remote) {
      return remote.name == "origin" && remote.url == absolute_address(url);
    });
    if (!known) TRY(repository.add_remote("origin", url));
  }
  const auto head = TRY(repository.head());
  if (head.empty()) return record_live(session, held, {});
  auto snapshot = TRY(repository.snapshot(head));
  return Recorded{.hash = head, .subject = std::move(snapshot.subject)};
}

}  // namespace

Action define_init(Syntax& syntax) {
  auto url = std::make_shared<std::string>();
  syntax.option("--remote", "URL", url.get(),
                "Add URL as the remote 'origin'; 'rewall push' sends the history");
  auto set = std::make_shared<std::vector<std::string>>();
  syntax
      .option("-c", "KEY=VALUE", set.get(),
              "Make this setting first: 'sign.key=FILE' signs the first snapshot (several -c are allowed)")
      .most = Argument::kMany;
  return [url, set](Context& context) -> Result<Answer> {
    Session& session = context.session;
    std::vector<Assignment> assignments;
    for (const auto& text : *set) assignments.push_back(TRY(read_assignment(text)));
    std::error_code failed;
    const bool exists = std::filesystem::exists(session.path() / ".git", failed);
    auto recorded = exists ? take_up(session, *TRY(session.repository()), *url, assignments)
                           : make_repository(session, *url, assignments);
    if (!recorded) return std::move(recorded).error();
    context.terminal.say((exists ? "there is a repository already: " : "created the repository ") +
                         session.path().string());
    print_recorded(context, *recorded);
    return Answer::same;
  };
}

}  // namespace rewall

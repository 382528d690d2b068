#include <algorithm>
#include <array>
#include <filesystem>

#include "commands/define.h"
#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"
#include "ops/context/rewall_command.h"
#include "ops/host/integrations.h"
#include "ui/json.h"

namespace rewall {
namespace {

struct HooksOptions {
  std::string action = "list";
  std::string name{};
  std::string root = "/";
};

Json hook_json(const Integration& hook) {
  Json files = Json::array();
  for (const auto& file : hook.files) files.push_back({{"path", file.path}, {"state", name(file.state)}});
  return {{"name", hook.name}, {"what", hook.what}, {"state", name(hook.state)}, {"files", files}};
}

Answer list(Context& context, const std::string& root) {
  Json json = Json::array();
  for (const auto& hook : list_integrations(context.session, root)) {
    json.push_back(hook_json(hook));
    if (!context.json)
      context.terminal.out(format("{:<20}  {:<9}  {}\n", hook.name, name(hook.state), hook.what));
  }
  if (context.json) context.terminal.out(print(json));
  return Answer::same;
}

// cron, systemd and other callers search only these folders.
bool is_found(const std::string& program) {
  static constexpr std::array<std::string_view, 4> kFolders{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin",
                                                            "/usr/bin"};
  const auto folder = std::filesystem::path(program).parent_path().string();
  return std::ranges::find(kFolders, folder) != kFolders.end();
}

Result<Answer> change(Context& context, const HooksOptions& options) {
  const bool install = options.action == "install";
  auto hook = install ? install_integration(context.session, options.name, options.root)
                      : remove_integration(context.session, options.name, options.root);
  if (!hook) return std::move(hook).error();
  const auto wanted = install ? Integration::State::installed : Integration::State::absent;
  const bool packaged = hook->state == Integration::State::packaged;
  bool changed = false;
  for (auto& file : hook->files) {
    const bool done = file.state != wanted && file.state != Integration::State::packaged;
    changed = changed || done;
    if (done) file.state = wanted;
    const auto* word = install ? (done ? "wrote" : "unchanged:")
                               : (done                   ? "removed"
                                  : file.state == wanted ? "not found:"
                                                         : "of the package:");
    if (!context.json) context.terminal.out(format("{} {}\n", word, escape(file.path)));
  }
  if (!packaged) hook->state = wanted;
  if (context.json) {
    auto json = hook_json(*hook);
    json["changed"] = changed;
    context.terminal.out(print(json));
  }
  if (install && !hook->in_repository && !is_found(context.session.program))
    context.terminal.say(format(
        "warning: installed scripts run /usr/sbin/rewall or /usr/local/sbin/rewall, but you are running {}",
        escape(context.session.program)));
  if (install && !hook->in_repository && !is_default_repository(context.session.path()))
    context.terminal.say(format("warning: the installed files work on {}, not on {}: set REWALL_REPO there",
                                kDefaultRepository, escape(context.session.path().string())));
  if (install && (changed || packaged) && !hook->next.empty())
    context.terminal.say(
        format("next{}: {}", options.root == "/" ? "" : ", on the host that gets these files", hook->next));
  return Answer::same;
}

}  // namespace

Action define_hooks(Syntax& syntax) {
  auto options = std::make_shared<HooksOptions>();
  auto& action =
      syntax.positional("ACTION", &options->action, "list (default), install or remove (uninstall)");
  action.words = {"list", "install", "remove", "uninstall"};
  syntax.positional("NAME", &options->name, "Name of an integration (see 'rewall hooks list')");
  syntax.option("--root", "DIR", &options->root, "Use DIR as the root directory (for packaging)");
  return [options](Context& context) -> Result<Answer> {
    if (options->action == "uninstall") options->action = "remove";
    const bool lists = options->action == "list";
    if (lists == options->name.empty())
      return lists ? list(context, options->root) : change(context, *options);
    if (lists) return error_of<messages::hooks_list_takes_no_name>();
    return error_of<messages::hooks_needs_name>(options->action);
  };
}

}  // namespace rewall

#include "ops/host/doctor_host.h"

#include <filesystem>
#include <utility>

#include "core/format.h"
#include "core/text.h"
#include "core/trust.h"
#include "ops/context/event_hooks.h"
#include "ops/context/identity.h"
#include "ops/context/machine.h"
#include "ops/context/settings.h"
#include "ops/history/signature.h"
#include "store/message.h"

namespace rewall {
namespace {

namespace fs = std::filesystem;

/// The commands that give the branch another name. A signature counts for the host that it names, so the next
/// snapshot is the first that counts.
std::string rename_to(const Repository& repository, const std::string& name) {
  return format("git -C {} branch -m hosts/{} hosts/{}; rewall snapshot --allow-empty",
                shell_quote(repository.path().string()), repository.host(), name);
}

Finding examine_name(const Repository& repository) {
  const auto own = clean_host(host_name());
  if (repository.host() == own)
    return {.check = "name", .message = format("the branch hosts/{} has this machine's name", own)};
  const bool nameless = repository.host() == "localhost" || repository.host().starts_with("localhost.");
  return {.check = "name",
          .ok = !nameless,
          .message = format("this machine is named {}, and its snapshots are those of hosts/{}", own,
                            repository.host()),
          .hint = rename_to(repository, own)};
}

std::vector<Finding> examine_machine(const Repository& repository) {
  const auto noted = noted_machine(repository.state_path());
  const auto here = machine_here();
  if (noted.empty() || here.empty()) return {};
  if (noted == here) return {{.check = "machine", .message = "the history is this machine's own"}};
  return {
      {.check = "machine",
       .ok = false,
       .message = format("the history was begun on another machine: is this a copy of it? Both would push "
                         "to hosts/{}",
                         repository.host()),
       .hint = format("a copy: {}; then, and where it is the same machine: rewall init",
                      rename_to(repository, "NAME"))}};
}

Status check_export(const fs::path& folder) {
  std::error_code failed;
  if (!fs::is_directory(folder, failed))
    return Error{.kind = ErrorKind::repository,
                 .message = format("{}: {}", folder.string(), failed ? failed.message() : "not a folder"),
                 .hint = format("install -d -m 755 {}", shell_quote(folder.string()))};
  return check_trust(folder);
}

Status check_metrics(const fs::path& file) {
  TRY(open_own_folder(file.parent_path()));
  return {};
}

/// Of a path in a setting: what is wrong with it.
template <class Check>
void add_path(std::vector<Finding>& checks, const Repository& repository, const Setting<std::string>& setting,
              const Check& check) {
  const auto path = read_setting(repository, setting);
  if (path && path->empty()) return;
  const std::string name(setting.name);
  const auto good = path ? check(fs::path(*path)) : Status(path.error());
  checks.push_back(good ? Finding{.check = name, .message = format("{}: nobody else can write there", *path)}
                        : failed(name, good.error()));
}

Finding examine_trial(const Repository& repository, bool required) {
  constexpr const char* kName = "signing";
  const auto tried = sign_as_service(repository);
  if (!tried) {
    auto finding = failed(kName, tried.error());
    const auto key = read_setting(repository, settings::sign_key);
    if (key && lacks_key_file(*key))
      finding.hint = format("make it: mkdir -p {}; ssh-keygen -q -t ed25519 -N '' -f {}",
                            shell_quote(fs::path(*key).parent_path().string()), shell_quote(*key));
    if (finding.hint.empty())
      finding.hint =
          "a service has no agent and no passphrase: give it a key without one (mkdir -p /etc/rewall; "
          "ssh-keygen -t ed25519 -N '' -f /etc/rewall/key), and 'rewall config sign.key' its name";
    return finding;
  }
  if (tried->trust == Trust::allowed)
    return {.check = kName, .message = "a service can sign snapshots: " + to_text(*tried)};
  if (!required) return {.check = kName, .message = "a service can sign snapshots with " + tried->key};
  return {.check = kName,
          .ok = false,
          .message = format("what this host signs does not count: {}", to_text(*tried)),
          .hint = "add the host's own public key to the file of sign.allowed"};
}

Finding examine_head_signature(const Repository& repository, const std::string& head, bool required) {
  constexpr const char* kName = "signature";
  const auto read = read_signatures(repository, std::vector{head});
  if (!read) return failed(kName, read.error());
  const Signature& signature = read->front();
  const bool counts = counts_for(signature, repository.host());
  const bool is_signed = signature.trust == Trust::allowed || signature.trust == Trust::unknown;
  auto text = format("HEAD (snapshot {}) is {}", head.substr(0, 10), to_text(signature, repository.host()));
  if (required ? counts : is_signed) return {.check = kName, .message = std::move(text)};
  return {.check = kName,
          .ok = false,
          .message = text + (required ? ": a boot passes it over" : ""),
          .hint = "when signing works: rewall snapshot --allow-empty"};
}

}  // namespace

Finding failed(std::string check, const Error& error) {
  return {.check = std::move(check), .ok = false, .message = error.message, .hint = error.hint};
}

std::vector<Finding> examine_host_files(const Repository& repository) {
  std::vector<Finding> checks;
  const auto passed_over = settings_passed_over(repository);
  if (!passed_over)
    checks.push_back(failed("settings", passed_over.error()));
  else if (passed_over->empty())
    checks.push_back(
        {.check = "settings", .message = "every key that is set is known and has a value of its type"});
  else
    checks.push_back(
        {.check = "settings",
         .ok = false,
         .message = format("not used: {}", join(*passed_over, "; ")),
         .hint = "rewall-config(5) has the keys and their values; 'rewall config --list' those in use"});
  const auto ignored = ignored_hooks(repository);
  if (!ignored || ignored->empty()) return checks;
  std::vector<std::string> whys;
  std::vector<std::string> commands;
  for (const auto& hook : *ignored) {
    whys.push_back(format("{}: {}", escape(hook.path), hook.why));
    if (!hook.mend.empty()) commands.push_back(hook.mend);
  }
  checks.push_back({.check = "hooks",
                    .ok = false,
                    .message = format("not run: {}", join(whys, "; ")),
                    .hint = commands.empty() ? "remove what is not to run" : join(commands, "; ")});
  return checks;
}

std::vector<Finding> examine_host(const Repository& repository) {
  std::vector<Finding> checks{examine_name(repository)};
  for (auto& check : examine_machine(repository)) checks.push_back(std::move(check));
  add_path(checks, repository, settings::export_path, check_export);
  add_path(checks, repository, settings::watch_metrics, check_metrics);
  return checks;
}

std::vector<Finding> examine_signing(const Repository& repository, const std::string& head) {
  const auto key = read_setting(repository, settings::sign_key);
  if (!key) return {failed("signing", key.error())};
  const auto required = read_setting(repository, settings::sign_require);
  if (!required) return {failed("signing", required.error())};
  if (key->empty() && !*required) return {};
  std::vector<Finding> checks;
  if (key->empty())
    checks.push_back({.check = "signing",
                      .ok = false,
                      .message = "sign.require is true, and sign.key is not set: a boot and a restore pass "
                                 "over what this host records",
                      .hint = "mkdir -p /etc/rewall; ssh-keygen -t ed25519 -N '' -f /etc/rewall/key; rewall "
                              "config sign.key /etc/rewall/key"});
  else
    checks.push_back(examine_trial(repository, *required));
  if (!head.empty()) checks.push_back(examine_head_signature(repository, head, *required));
  return checks;
}

}  // namespace rewall

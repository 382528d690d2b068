#include "ops/remote/clone.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <vector>

#include "commands/command_output.h"
#include "commands/define.h"
#include "core/file.h"
#include "core/format.h"
#include "core/text.h"
#include "ops/history/revision.h"
#include "ops/history/signature.h"
#include "ops/remote/remote_address.h"
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

// The signer of the snapshot that a restore puts in force; nothing where the remote has no such host.
Result<std::optional<Signature>> signer_of(const CloneResult& cloned, const std::filesystem::path& path) {
  if (cloned.hash.empty()) return std::optional<Signature>{};
  const auto repository = TRY(Repository::open(path));
  auto signatures = TRY(read_signatures(repository, std::vector{cloned.hash}));
  return std::optional(std::move(signatures.at(0)));
}

// Why the host's newest snapshot cannot be put in force; empty where it can be read.
std::string trouble_with(const CloneResult& cloned, const std::filesystem::path& path) {
  if (cloned.hash.empty()) return {};
  const auto repository = Repository::open(path);
  if (!repository) return repository.error().message;
  auto files = read_snapshot_files(*repository, cloned.hash, Proof::hash);
  if (!files) return files.error().message;
  const auto revision = to_revision(*std::move(files));
  return revision ? std::string{} : revision.error().message;
}

void say_next(Context& context, const CloneResult& cloned, const std::string& url) {
  const auto place = shell_quote(absolute_path(context.session.path()).string());
  context.terminal.say(format("created the repository {} with {}", context.session.path().string(),
                              counted(cloned.hosts.size(), "host")));
  constexpr std::size_t kSome = 8;
  std::vector<std::string> some(
      cloned.hosts.begin(),
      cloned.hosts.begin() + static_cast<std::ptrdiff_t>(std::min(kSome, cloned.hosts.size())));
  if (some.size() < cloned.hosts.size()) some.emplace_back("...");
  if (cloned.hash.empty() && !cloned.hosts.empty())
    // Not for_repository(): the clone is of the same place.
    context.terminal.say(format(
        "no host is named {}: '{}' starts its history; the hosts are {}: to be one of them: mv {} {}.old; "
        "{} --host {}",
        escape(cloned.host), rewall_command(context.session, "snapshot"), escape(join(some, ", ")), place,
        place, rewall_command(context.session, "clone " + shell_quote(shown_address(url))),
        cloned.hosts.size() == 1 ? escape(shell_quote(cloned.hosts[0])) : "NAME"));
  else if (cloned.hash.empty())
    context.terminal.say(format("the remote has no hosts yet: '{}' starts the history of {}",
                                rewall_command(context.session, "snapshot"), escape(cloned.host)));
  else if (const auto trouble = trouble_with(cloned, context.session.path()); !trouble.empty())
    context.terminal.say(for_repository(
        format("HEAD cannot be restored: {}; 'rewall log' lists the older snapshots", escape(trouble)),
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
    const auto signer = signer_of(*cloned, context.session.path());
    std::string signature;
    if (!signer)
      signature = format("nobody knows who signed it: {}", signer.error().message);
    else if (*signer)
      signature = to_text(**signer);
    const Json refused = print_refused(context, "origin", cloned->refused);
    if (context.json)
      context.terminal.out(print({{"host", cloned->host},
                                  {"hash", or_null(cloned->hash)},
                                  {"hosts", cloned->hosts},
                                  {"tags", cloned->tags},
                                  {"signature", or_null(signature)},
                                  {"refused", refused},
                                  {"changed", true}}));
    else if (!cloned->hash.empty())
      context.terminal.out(format("{} {}\n", cloned->hash.substr(0, 10), cloned->host));
    if (!signature.empty())
      context.terminal.say(format("HEAD, {}: {}", cloned->hash.substr(0, 10), signature));
    say_tags(context, *cloned);
    say_next(context, *cloned, *url);
    return Answer::same;
  };
}

}  // namespace rewall

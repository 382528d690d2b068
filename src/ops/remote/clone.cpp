#include "ops/remote/clone.h"

#include <algorithm>
#include <filesystem>

#include "core/file.h"
#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"
#include "ops/context/identity.h"
#include "ops/context/machine.h"
#include "ops/context/network_place.h"
#include "ops/remote/clone_folder.h"
#include "ops/remote/fetch.h"
#include "ops/remote/remote_address.h"

namespace rewall {
namespace {

namespace fs = std::filesystem;

// "web1, web2, web3 and 47 more".
std::string some_of(const std::vector<std::string>& names) {
  constexpr std::size_t kSome = 8;
  const std::vector<std::string> first(
      names.begin(), names.begin() + static_cast<std::ptrdiff_t>(std::min(names.size(), kSome)));
  return join(first, ", ") + (names.size() > kSome ? format(" and {} more", names.size() - kSome) : "");
}

// What the remote calls a short hash or a branch would be taken for one.
Result<std::vector<std::string>> keep_plain_tags(Repository& repository) {
  auto tags = TRY(repository.tags());
  std::vector<std::string> kept;
  for (const auto& tag : tags) {
    const auto own = std::string_view(tag.name).substr(tag.name.find('/') + 1);
    if (is_misleading_tag(own) || is_misleading_tag(tag.name) || !repository.snapshot(tag.hash) ||
        !matter_of_size(repository, tag.hash).empty())
      TRY(repository.remove_tag(tag.name));
    else
      kept.push_back(tag.name);
  }
  return kept;
}

/// The command that sets what holds for every repository of this host: of a clone that failed none is left.
std::string set_for_host(std::string_view words) {
  return format("mkdir -p {}; git config --file {} {}",
                std::filesystem::path(kHostSettings).parent_path().string(), kHostSettings, words);
}

/// A hint of a fetch for a clone that failed, of which no repository is left.
std::string hint_of_clone(const std::string& hint) {
  constexpr std::string_view kConfig = "rewall config ";
  if (const auto at = hint.find(kConfig); at != std::string::npos)
    return hint.substr(0, at) + set_for_host(hint.substr(at + kConfig.size()));
  if (hint.find("rewall remote ") != std::string::npos || hint.starts_with("your history"))
    return "is the address right, and is the server there? Nothing was made here (-vv shows details)";
  return hint;
}

Result<CloneResult> clone_into(Repository& repository, const std::string& url, bool must_be_there,
                               Progress progress) {
  const Remote remote{.name = "origin", .url = absolute_address(url)};
  TRY(repository.add_remote(remote.name, remote.url));
  const auto host = repository.host();
  auto fetched =
      fetch_parts(repository, remote, {{"tags/" + host, format("+refs/tags/{0}/*:refs/tags/{0}/*", host)}},
                  std::move(progress));
  if (!fetched) {
    auto error = std::move(fetched).error();
    auto hint = hint_of_clone(error.hint);
    return std::move(error).hinted(std::move(hint));
  }
  for (const auto& part : fetched->refused) {
    if (part.name != "hosts/" + host && (part.name != kRestOfRemote || !must_be_there)) continue;
    auto error = error_of<messages::remote_part_refused>(shown_address(url), part.name, part.why);
    const auto limit = limit_in(part);
    if (limit.empty()) return error;
    return std::move(error).hinted(
        format("if you trust the remote, allow more: {}", set_for_host(format("{} 4G", limit))));
  }
  CloneResult cloned{.host = host, .refused = std::move(fetched->refused)};
  cloned.tags = TRY(keep_plain_tags(repository));
  for (const auto& branch : fetched->branches) cloned.hosts.push_back(branch.host);
  const auto found = std::ranges::find(fetched->branches, host, &FetchedBranch::host);
  if (found == fetched->branches.end()) {
    if (!must_be_there) return cloned;
    const auto near = nearest(host, cloned.hosts);
    return error_of<messages::remote_has_no_host>(shown_address(url), host)
        .hinted(!near.empty()          ? format("did you mean '{}'?", near)
                : cloned.hosts.empty() ? "it has no hosts at all: is the address right?"
                                       : format("its hosts: {}", some_of(cloned.hosts)));
  }
  TRY(repository.begin_at(found->hash));
  cloned.hash = found->hash;
  return cloned;
}

}  // namespace

Result<CloneResult> clone(const fs::path& path, const std::string& url, const std::string& host,
                          Progress progress) {
  auto begun = CloneFolder::begin(path);
  if (!begun && path_exists(path / ".git"))
    return std::move(begun).error().hinted(
        format("'rewall -C {0} status' shows what is there; to clone in its place: mv {0} {0}.old",
               shell_quote(absolute_path(path).string())));
  if (!begun) return std::move(begun).error();
  auto folder = *std::move(begun);
  auto repository = TRY(Repository::init(folder.path(), host.empty() ? host_name() : host));
  note_network(repository.state_path());
  note_machine(repository.state_path());
  auto cloned = TRY(clone_into(repository, url, !host.empty(), std::move(progress)));
  TRY(folder.take_place());
  return cloned;
}

}  // namespace rewall

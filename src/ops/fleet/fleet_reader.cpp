#include "ops/fleet/fleet_reader.h"

#include <algorithm>
#include <filesystem>

#include "core/file.h"
#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"
#include "core/trust.h"
#include "ops/context/ruleset_files.h"
#include "ops/context/settings.h"
#include "rules/lines.h"
#include "rules/print.h"

namespace rewall {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kChainsNamed = 10'000;  // more names make no better hint

Status take_line(std::string_view line, const Lines& lines,
                 std::map<std::string, Variables, std::less<>>& hosts) {
  Variables* of_host = nullptr;
  for (const auto word : split(line, ' ')) {
    if (word.empty()) continue;
    if (word.starts_with('#')) break;
    if (of_host == nullptr) {
      of_host = &hosts[std::string(word)];
    } else if (auto added = add_variable(*of_host, word); !added) {
      auto error = lines.error(added.error().message);
      return std::move(error).hinted(added.error().hint);
    }
  }
  return {};
}

void keep_chain(Ruleset& ruleset, const std::string& name) {
  for (const Slot slot : Ruleset::slots()) {
    for (auto& table : ruleset[slot].tables)
      std::erase_if(table.chains, [&](const Chain& chain) { return chain.name != name; });
  }
  ruleset.sets = {};
  if (!ruleset.native) return;
  for (NativeTable& table : ruleset.native->tables)
    std::erase_if(table.parts, [&](const NativePart& part) { return !part.is_chain() || part.name != name; });
  std::erase_if(ruleset.native->tables, [](const NativeTable& table) { return table.parts.empty(); });
}

}  // namespace

FleetReader::FleetReader(FleetScope scope, std::vector<Owner> owners, VariablesByHost variables)
    : scope_(std::move(scope)), owners_(std::move(owners)), variables_(std::move(variables)) {
  // Built-in chains exist without being in a file.
  for (const char* table : {"raw", "mangle", "nat", "filter", "security"}) {
    for (auto& chain : built_in_chains(table)) chains_.insert(std::move(chain));
  }
  chain_found_ = chains_.contains(scope_.chain);
}

Result<FleetReader> FleetReader::make(Session& session, const FleetScope& scope) {
  auto repository = TRY(session.repository());
  auto variables = TRY(read_variables(*repository));
  return FleetReader(scope, owners_of(session), std::move(variables));
}

Result<FleetReader::VariablesByHost> FleetReader::read_variables(const Repository& repository) {
  VariablesByHost hosts;
  auto path = TRY(read_setting(repository, settings::fleet_vars));
  if (path.empty()) return hosts;
  auto text = read_file(path);
  if (!text) return std::move(text).error().within("fleet.vars");
  TRY(check_trust(path));
  std::ranges::replace(*text, '\t', ' ');
  Lines lines(*text, path);
  while (const auto line = lines.next()) {
    TRY(take_line(*line, lines, hosts));
  }
  return hosts;
}

Result<FleetSide> FleetReader::read(const Repository& repository, const HostBranch& host,
                                    const Snapshot& snapshot) {
  auto files = TRY(repository.files(host.hash, Proof::checksum));
  auto ruleset = ruleset_of(std::move(files), host.hash.substr(0, 10) + ":", snapshot.trailers.backend);
  if (!ruleset) return Error{.kind = ErrorKind::repository, .message = ruleset.error().message};
  if (!scope_.chain.empty()) note_chains(*ruleset);
  FleetSide side;
  if (scope_.foreign) {
    side.ruleset = *std::move(ruleset);
  } else {
    side.own.emplace(*std::move(ruleset), owners_, expressions_);
    side.ruleset = std::move(side.own->ruleset);
  }
  if (!scope_.chain.empty()) keep_chain(side.ruleset, scope_.chain);
  if (const auto* of_host = variables_of(host))
    side.ruleset = with_variables(std::move(side.ruleset), *of_host);
  return side;
}

const Variables* FleetReader::variables_of(const HostBranch& host) const {
  const auto found = variables_.find(host.host);
  return found == variables_.end() ? nullptr : &found->second;
}

void FleetReader::note_chains(const Ruleset& ruleset) {
  any_read_ = true;
  if (chain_found_) return;
  const auto note = [this](const std::string& chain) {
    chain_found_ = chain_found_ || chain == scope_.chain;
    if (chains_.size() < kChainsNamed) chains_.insert(chain);
  };
  for (const Slot slot : Ruleset::slots())
    for (const auto& table : ruleset[slot].tables)
      for (const auto& chain : table.chains) note(chain.name);
  if (!ruleset.native) return;
  for (const NativeTable& table : ruleset.native->tables)
    for (const NativePart& part : table.parts)
      if (part.is_chain()) note(std::string(part.name));
}

void FleetReader::learn_from(const FleetReader& other) {
  chains_.insert(other.chains_.begin(), other.chains_.end());
  chain_found_ = chain_found_ || other.chain_found_;
  any_read_ = any_read_ || other.any_read_;
}

Status FleetReader::check_chain() const {
  if (scope_.chain.empty() || chain_found_ || !any_read_) return {};
  const std::vector<std::string> names(chains_.begin(), chains_.end());
  const auto near = nearest(scope_.chain, names);
  return error_of<messages::no_host_has_chain>(scope_.chain)
      .hinted(near.empty() ? "" : format("did you mean '{}'?", near));
}

}  // namespace rewall

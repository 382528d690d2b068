#include "ops/history/open_ports.h"

#include <algorithm>
#include <map>

#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"
#include "kernel/listening_sockets.h"
#include "ops/context/host_facts.h"

namespace rewall {
namespace {

std::vector<Listener> listeners_of(const std::vector<ListeningSocket>& sockets, Family family) {
  std::vector<Listener> listeners;
  for (const auto& socket : sockets) {
    if (socket.family != family) continue;
    Listener listener{.protocol = socket.protocol,
                      .port = socket.port,
                      .interface = socket.interface,
                      .program = join(socket.programs, ", ")};
    if (!socket.any_address()) listener.addresses = NumberSet::one(address_number(socket.address, family));
    listeners.push_back(std::move(listener));
  }
  return listeners;
}

bool is_covered(const Revision& revision, Family family) {
  return family == Family::ipv4 ? revision.has_v4 : revision.has_v6;
}

NumberSet numbers_of(const PortRow& row) {
  return row.numbers.empty() ? NumberSet::one(0) : row.numbers;
}

std::map<std::pair<Family, std::string>, NumberSet> world_of(const std::vector<FamilyPorts>& all) {
  std::map<std::pair<Family, std::string>, NumberSet> out;
  for (const auto& [family, rows] : all)
    for (const auto& row : rows)
      if (row.world) {
        auto& ports = out[{family, row.protocol}];
        ports = either(ports, numbers_of(row));
      }
  return out;
}

}  // namespace

Result<std::vector<FamilyPorts>> open_ports(const Revision& revision, const HostFacts& facts,
                                            const OpenPortsOptions& options) {
  std::vector<ListeningSocket> sockets;
  if (options.listening) sockets = TRY(listening_sockets());
  std::vector<FamilyPorts> out;
  for (const auto family : {Family::ipv4, Family::ipv6}) {
    if (!is_covered(revision, family) || (options.family && *options.family != family)) continue;
    const Model model(revision.ruleset, family, facts);
    PortsQuestion question{.forward = options.forward, .progress = options.progress};
    if (options.listening) question.listeners = listeners_of(sockets, family);
    auto rows = ports(model, question);
    if (!rows) return error_of<messages::rules_too_entangled>(short_name(family));
    out.push_back({family, *std::move(rows)});
  }
  return out;
}

Result<HostFacts> facts_of(const std::string& revision, const std::vector<std::string>& local) {
  if (local == std::vector<std::string>{"LIVE"} || (revision == "LIVE" && local.empty()))
    return live_host_facts();
  return local.empty() ? HostFacts{} : given_host_facts(local);
}

std::vector<WorldPorts> newly_open(const std::vector<FamilyPorts>& before,
                                   const std::vector<FamilyPorts>& now) {
  const auto old = world_of(before);
  std::vector<WorldPorts> out;
  for (const auto& [key, ports] : world_of(now)) {
    const auto found = old.find(key);
    // A row "other" stands for the protocols that no rule names.
    auto rest = found == old.end() ? ports : without(ports, found->second);
    if (!rest.empty()) out.push_back({key.first, key.second, std::move(rest)});
  }
  return out;
}

}  // namespace rewall

#include "ops/history/open_ports.h"

#include <algorithm>
#include <iterator>

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

bool has_too_many_rules(const Ruleset& ruleset) {
  std::size_t count = 0;
  for (const Slot slot : Ruleset::slots())
    for (const auto& table : ruleset[slot].tables)
      for (const auto& chain : table.chains) count += chain.rules.size();
  return count > kMostRulesAtOnce;
}

std::optional<std::vector<PortChange>> port_changes(const Ruleset& before, const Ruleset& now,
                                                    const HostFacts& facts) {
  if (has_too_many_rules(before) || has_too_many_rules(now)) return std::nullopt;
  std::vector<PortChange> out;
  for (const auto family : {Family::ipv4, Family::ipv6}) {
    const auto old = ports(Model(before, family, facts));
    const auto fresh = ports(Model(now, family, facts));
    if (!old || !fresh) return std::nullopt;
    std::ranges::move(port_changes(family, *old, *fresh), std::back_inserter(out));
  }
  return out;
}

}  // namespace rewall

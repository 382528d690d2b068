#include "ops/guard/lockdown.h"

#include <set>
#include <string_view>

#include "core/format.h"
#include "core/text.h"
#include "kernel/process.h"
#include "ops/context/state_file.h"
#include "ops/guard/guard_ending.h"
#include "ops/history/change_stack.h"
#include "ops/template/templates.h"

namespace rewall {
namespace {

constexpr std::chrono::seconds kDeadline{5};

void add_port(std::set<std::uint16_t>& ports, std::string_view text) {
  std::uint16_t port = 0;
  if (read_number(text, port) && port != 0) ports.insert(port);
}

std::set<std::uint16_t> ssh_ports(const std::string& login) {
  std::set<std::uint16_t> ports{22};
  // "ssh CLIENT PORT SERVER PORT"
  if (const auto words = split(login, ' '); words.size() == 5 && words[0] == "ssh") add_port(ports, words[4]);
  const auto sshd = find_program("sshd");
  if (sshd.empty()) return ports;
  const auto outcome = run({.words = {sshd, "-T"}, .deadline = kDeadline}, ErrorKind::usage);
  if (!outcome || !outcome->ok()) return ports;
  for (const auto line : split_lines(outcome->out))
    if (line.starts_with("port ")) add_port(ports, line.substr(5));
  return ports;
}

std::string list_of(const std::set<std::uint16_t>& ports) {
  std::string list;
  for (const auto port : ports) list += format("{}{}", list.empty() ? "" : ",", port);
  return list;
}

std::string newest_readable(const Repository& repository, std::string at) {
  constexpr int kOlderOnes = 20;
  for (int i = 0; i < kOlderOnes && !at.empty(); ++i, at = repository.parent(at))
    if (repository.snapshot(at) && repository.files(at)) return at;
  return {};
}

}  // namespace

Revision lockdown(const std::string& login) {
  const auto rules = built_in_template("lockdown");
  const auto values = read_place_values(rules, {{"ssh_ports=" + list_of(ssh_ports(login))}}).value();
  return {.name = "the template lockdown",
          .ruleset = {.v4 = tables_of_template(rules, values, Family::ipv4).value(),
                      .v6 = tables_of_template(rules, values, Family::ipv6).value()},
          .by_hand = true};
}

std::optional<std::string> before_lockdown(const Repository& repository) {
  constexpr int kFarBack = 1000;
  const auto head = repository.head();
  auto at = head ? *head : std::string{};
  for (int i = 0; i < kFarBack && !at.empty(); ++i) {
    const auto snapshot = repository.snapshot(at);
    if (!snapshot) return std::nullopt;
    at = snapshot->parent;
    if (is_background(*snapshot)) continue;
    // All else that these put in force is a snapshot.
    const auto& trailers = snapshot->trailers;
    const bool is_way_back = trailers.trigger == "rollback" || trailers.trigger == "boot";
    if (!is_way_back || !trailers.restores.empty()) return std::nullopt;
    const auto guard = last_ending(repository.state_path());
    if (guard && guard->result == snapshot->hash) return newest_readable(repository, guard->guard.before);
    const auto before = in_force_before(repository, *snapshot);
    return newest_readable(repository, before && *before ? (*before)->hash : "");
  }
  return std::nullopt;
}

}  // namespace rewall

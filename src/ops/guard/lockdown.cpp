#include "ops/guard/lockdown.h"

#include <set>
#include <string_view>

#include "core/format.h"
#include "core/text.h"
#include "kernel/process.h"
#include "lockdown_text.h"
#include "ops/context/state_file.h"
#include "rules/parse.h"

namespace rewall {
namespace {

constexpr std::chrono::seconds kDeadline{5};
constexpr std::size_t kMostPorts = 15;  // of one multiport match (iptables-extensions(8))

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

std::string rule_of(const std::set<std::uint16_t>& ports) {
  if (ports.size() == 1) return format("-p tcp -m tcp --dport {}", *ports.begin());
  std::string list;
  std::size_t n = 0;
  for (const auto port : ports)
    if (n++ < kMostPorts) list += format("{}{}", list.empty() ? "" : ",", port);
  return format("-p tcp -m multiport --dports {}", list);
}

Tables tables_of(Family family, const std::string& ssh) {
  constexpr std::string_view kPlace = "-p tcp -m tcp --dport 22";
  const std::string_view ours = family == Family::ipv4 ? "-4 " : "-6 ";
  const std::string_view others = family == Family::ipv4 ? "-6 " : "-4 ";
  std::string text;
  for (std::string_view line : split_lines(kLockdownText)) {
    if (line.starts_with(others)) continue;
    if (line.starts_with(ours)) line.remove_prefix(ours.size());
    const auto place = line.find(kPlace);
    text += place == std::string_view::npos
                ? std::string(line)
                : format("{}{}{}", line.substr(0, place), ssh, line.substr(place + kPlace.size()));
    text += '\n';
  }
  return parse_saved(std::move(text), family, "lockdown.rules").value();
}

}  // namespace

Revision lockdown(const std::string& login) {
  const auto ssh = rule_of(ssh_ports(login));
  return {.name = "the template lockdown",
          .ruleset = {.v4 = tables_of(Family::ipv4, ssh), .v6 = tables_of(Family::ipv6, ssh)},
          .by_hand = true};
}

}  // namespace rewall

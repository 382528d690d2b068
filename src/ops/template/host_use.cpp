#include "ops/template/host_use.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <set>
#include <string_view>

#include "analysis/model.h"
#include "analysis/ports.h"
#include "core/file.h"
#include "core/format.h"
#include "core/text.h"
#include "kernel/listening_sockets.h"
#include "ops/context/caller_session.h"
#include "ops/context/host_facts.h"
#include "ops/context/socket_table.h"
#include "rules/value_parse.h"

namespace rewall {
namespace {

std::vector<std::string_view> words_of_line(std::string_view line) {
  std::vector<std::string_view> words;
  for (const auto word : split(line, ' '))
    if (!word.empty()) words.push_back(word);
  return words;
}

std::string text_of_file(const std::string& path) {
  auto text = read_file(path);
  return text ? *std::move(text) : std::string{};
}

bool is_loopback(Family family, const AddressBits& address) {
  if (family == Family::ipv4) return address[0] == 127;
  AddressBits one{};
  one[15] = 1;
  return address == one;
}

/// The program that serves: systemd holds the sockets of others open.
std::string serving_program(const std::vector<std::string>& programs) {
  const auto found = std::ranges::find_if(programs, [](const auto& name) { return name != "systemd"; });
  if (found != programs.end()) return *found;
  return programs.empty() ? std::string{} : programs.front();
}

Status add_listeners(HostUse& use) {
  for (const auto& socket : TRY(listening_sockets())) {
    const bool tcp = socket.protocol == IPPROTO_TCP;
    if ((!tcp && socket.protocol != IPPROTO_UDP) || socket.interface == "lo" ||
        is_loopback(socket.family, socket.address))
      continue;
    HostUse::Listener listener{
        .tcp = tcp,
        .address = socket.any_address() ? "" : text_of_address(socket.family, socket.address),
        .port = socket.port,
        .program = serving_program(socket.programs)};
    // One that takes packets of both families is there for each.
    if (std::ranges::find(use.listeners, listener) == use.listeners.end())
      use.listeners.push_back(std::move(listener));
  }
  return {};
}

void add_connections(HostUse& use) {
  for (const auto& [ends, established, listening, inode] : socket_table(::getpid(), IPPROTO_TCP))
    if (established && !is_loopback(ends.family, ends.there.address))
      use.connections.push_back(
          {text_of_address(ends.family, ends.there.address), ends.there.port, ends.here.port});
}

void add_caller(HostUse& use) {
  const auto caller = caller_session();
  use.caller_unknown = caller.unknown;
  // Of mosh the client is known, and its next login begins with ssh.
  auto way = std::ranges::find(caller.ways, "ssh", &SessionWay::name);
  if (way == caller.ways.end()) way = std::ranges::find(caller.ways, false, &SessionWay::outgoing);
  if (way == caller.ways.end() || is_loopback(way->ends.family, way->ends.there.address)) return;
  use.ssh_client = text_of_address(way->ends.family, way->ends.there.address);
  if (way->name == "ssh") use.ssh_port = way->ends.here.port;
}

/// The interfaces of default routes.
std::set<std::string> interfaces_out() {
  std::set<std::string> names;
  const auto four = text_of_file("/proc/thread-self/net/route");
  for (const auto line : split_lines(four)) {
    const auto words = split(line, '\t');
    if (words.size() > 7 && words[1] == "00000000" && words[7] == "00000000") names.emplace(words[0]);
  }
  const auto six = text_of_file("/proc/thread-self/net/ipv6_route");
  for (const auto line : split_lines(six)) {
    const auto words = words_of_line(line);
    const bool whole =
        words.size() > 9 && words[1] == "00" && words[0].find_first_not_of('0') == std::string_view::npos;
    if (whole && words[9] != "lo") names.emplace(words[9]);
  }
  return names;
}

unsigned prefix_length(const sockaddr* mask, Family family) {
  const auto* bytes =
      family == Family::ipv4
          ? reinterpret_cast<const unsigned char*>(&reinterpret_cast<const sockaddr_in*>(mask)->sin_addr)
          : reinterpret_cast<const unsigned char*>(&reinterpret_cast<const sockaddr_in6*>(mask)->sin6_addr);
  unsigned length = 0;
  for (std::size_t i = 0; i < (family == Family::ipv4 ? 4U : 16U); ++i)
    for (unsigned bit = 0x80; bit != 0 && (bytes[i] & bit) != 0; bit >>= 1) ++length;
  return length;
}

std::optional<std::string> network_of_entry(const ifaddrs& entry) {
  if (entry.ifa_addr == nullptr || entry.ifa_netmask == nullptr) return std::nullopt;
  const int kind = entry.ifa_addr->sa_family;
  if (kind != AF_INET && kind != AF_INET6) return std::nullopt;
  const Family family = kind == AF_INET ? Family::ipv4 : Family::ipv6;
  std::array<char, INET6_ADDRSTRLEN> printed{};
  const void* bits =
      family == Family::ipv4
          ? static_cast<const void*>(&reinterpret_cast<const sockaddr_in*>(entry.ifa_addr)->sin_addr)
          : &reinterpret_cast<const sockaddr_in6*>(entry.ifa_addr)->sin6_addr;
  ::inet_ntop(kind, bits, printed.data(), printed.size());
  const auto text = format("{}/{}", printed.data(), prefix_length(entry.ifa_netmask, family));
  if (text.starts_with("fe80:")) return std::nullopt;
  const auto network = read_address(text, family);
  return network ? std::optional(to_text(*network, family)) : std::nullopt;
}

std::vector<HostUse::Interface> read_interfaces() {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return {};
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(list, &::freeifaddrs);
  const auto out = interfaces_out();
  std::vector<HostUse::Interface> interfaces;
  for (const auto* entry = list; entry != nullptr; entry = entry->ifa_next) {
    const std::string name = entry->ifa_name;
    if ((entry->ifa_flags & IFF_UP) == 0 || (entry->ifa_flags & IFF_LOOPBACK) != 0) continue;
    auto found = std::ranges::find(interfaces, name, &HostUse::Interface::name);
    if (found == interfaces.end())
      found = interfaces.insert(interfaces.end(), {.name = name, .leads_out = out.contains(name)});
    if (auto network = network_of_entry(*entry)) found->networks.push_back(*std::move(network));
  }
  return interfaces;
}

bool is_set(const std::string& path) {
  return trim(text_of_file(path)) == "1";
}

}  // namespace

Result<HostUse> read_host_use() {
  HostUse use;
  TRY(add_listeners(use));
  add_connections(use);
  use.interfaces = read_interfaces();
  use.forwards = is_set("/proc/sys/net/ipv4/ip_forward") || is_set("/proc/sys/net/ipv6/conf/all/forwarding");
  add_caller(use);
  use.apt_user = ::getpwnam("_apt") != nullptr;
  return use;
}

void add_published(HostUse& use, const Ruleset& live) {
  constexpr std::size_t kMost = 1000;
  const auto facts = host_facts_if_known();
  for (const auto family : {Family::ipv4, Family::ipv6}) {
    const auto rows = ports(Model(live, family, facts));
    for (const auto& row : rows ? *rows : std::vector<PortRow>{}) {
      const bool tcp = row.protocol == "tcp";
      if (!row.is_sent_on() || !row.world || (!tcp && row.protocol != "udp")) continue;
      for (const auto& [first, last] : row.numbers.ranges())
        for (auto number = first; number <= last && use.published.size() < kMost; ++number) {
          const HostUse::Listener one{.tcp = tcp, .port = static_cast<std::uint16_t>(number)};
          if (std::ranges::find(use.published, one) == use.published.end()) use.published.push_back(one);
        }
    }
  }
}

}  // namespace rewall

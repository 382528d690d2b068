#include "ops/context/caller_session.h"

#include <arpa/inet.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <set>
#include <string_view>
#include <utility>

#include "core/file.h"
#include "core/format.h"
#include "core/proc.h"
#include "core/text.h"
#include "ops/context/identity.h"
#include "ops/context/socket_table.h"

namespace rewall {
namespace {

constexpr std::uint8_t kTcp = 6;
constexpr std::uint8_t kUdp = 17;

std::optional<std::uint16_t> port_in_words(std::string_view digits) {
  std::uint16_t number{};
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return error == std::errc{} && end == digits.data() + digits.size() ? std::optional(number) : std::nullopt;
}

struct ReadAddress {
  Family family = Family::ipv4;
  AddressBits bits{};
};

std::optional<ReadAddress> address_in_words(std::string_view words) {
  const std::string text(words.substr(0, words.find('%')));
  ReadAddress address;
  if (::inet_pton(AF_INET, text.c_str(), address.bits.data()) == 1) return address;
  address.family = Family::ipv6;
  if (::inet_pton(AF_INET6, text.c_str(), address.bits.data()) != 1) return std::nullopt;
  // ::ffff:0:0/96: what a socket of IPv6 calls an address of IPv4.
  static constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (!std::equal(kMapped.begin(), kMapped.end(), address.bits.begin())) return address;
  ReadAddress mapped;
  std::copy(address.bits.begin() + kMapped.size(), address.bits.end(), mapped.bits.begin());
  return mapped;
}

/// The sockets of a process, of one protocol.
std::vector<ListedSocket> sockets_of(pid_t process, std::uint8_t protocol) {
  const auto inodes = sockets_of_process(process);
  auto sockets = socket_table(process, protocol);
  std::erase_if(sockets, [&](const ListedSocket& socket) { return !inodes.contains(socket.inode); });
  return sockets;
}

/// "CLIENT PORT SERVER PORT".
std::optional<ConnectionEnds> ends_in_words(const std::string& connection, std::string& interface) {
  const auto words = split(connection, ' ');
  if (words.size() != 4) return std::nullopt;
  const auto there = address_in_words(words[0]);
  const auto here = address_in_words(words[2]);
  const auto there_port = port_in_words(words[1]);
  const auto here_port = port_in_words(words[3]);
  if (!there || !here || !there_port || !here_port || there->family != here->family) return std::nullopt;
  // Of a link-local address it says the interface.
  if (const auto scope = words[2].find('%'); scope != std::string_view::npos)
    interface = words[2].substr(scope + 1);
  return ConnectionEnds{.family = here->family,
                        .protocol = kTcp,
                        .here = {here->bits, *here_port},
                        .there = {there->bits, *there_port}};
}

bool is_unspecified(const AddressBits& address) {
  return address == AddressBits{};
}

// [::] takes IPv4 too, unless another socket does.
bool listens_everywhere(const ConnectionEnds& ends) {
  bool same_family = false;
  bool wildcard = false;
  bool wildcard_v6 = false;
  for (const auto& socket : socket_table(::getpid(), ends.protocol)) {
    if (!socket.listening || socket.ends.here.port != ends.here.port) continue;
    const bool all = is_unspecified(socket.ends.here.address);
    same_family = same_family || socket.ends.family == ends.family;
    wildcard = wildcard || (all && socket.ends.family == ends.family);
    wildcard_v6 = wildcard_v6 || (all && socket.ends.family == Family::ipv6);
  }
  return wildcard || (wildcard_v6 && !same_family);
}

void look_up_way(SessionWay& way) {
  way.listens_everywhere = !way.outgoing && listens_everywhere(way.ends);
  if (way.interface.empty() && !is_unspecified(way.ends.there.address))
    way.interface = interface_towards(way.ends);
  const auto tracking = tracking_of(way.ends);
  way.is_untracked = tracking.known && !tracking.connection;
  way.tracked = tracking.connection;
}

/// The nearest process above this one that serves a session, by its name.
struct Server {
  pid_t process = 0;
  std::string name{};
};

std::optional<Server> nearest_server() {
  for (pid_t process = ::getppid(); process > 1; process = parent_of(process)) {
    const auto seen = look_at_process(process);
    if (!seen) return std::nullopt;
    if (seen->name.starts_with("sshd") || seen->name == "mosh-server" || seen->name == "tailscaled" ||
        seen->name == "dropbear")
      return Server{process, seen->name};
  }
  return std::nullopt;
}

bool is_in_other_network(pid_t process) {
  const auto there = network_of(process);
  return there != 0 && there != network_of(::getpid());
}

CallerSession elsewhere(std::string_view what) {
  return {.note = format("your {} session does not end in this network namespace: nothing is checked for it",
                         what)};
}

// A new login of a mosh session begins with ssh, as the first did.
std::optional<SessionWay> way_of_ssh(const std::string& connection) {
  SessionWay way{.name = "ssh"};
  const auto ends = ends_in_words(connection, way.interface);
  if (!ends) return std::nullopt;
  way.ends = *ends;
  way.is_open = has_socket(way.ends).value_or(true);
  look_up_way(way);
  return way;
}

CallerSession session_of_mosh(pid_t process, const std::optional<SessionWay>& ssh) {
  CallerSession session;
  for (const auto& socket : sockets_of(process, kUdp)) {
    SessionWay way{.name = "mosh", .ends = socket.ends, .any_port_there = true};
    if (ssh && ssh->ends.family == socket.ends.family) {
      way.ends.there.address = ssh->ends.there.address;
      if (is_unspecified(way.ends.here.address)) way.ends.here.address = ssh->ends.here.address;
      way.interface = ssh->interface;
    }
    if (is_unspecified(way.ends.there.address)) continue;
    session.ways.push_back(std::move(way));
  }
  if (session.ways.empty()) session.note = "the client of your mosh session is not known: it is not checked";
  session.unknown = session.ways.empty() && !ssh;
  if (ssh) session.ways.push_back(*ssh);
  return session;
}

// What this host sends to a relay of tailscale, and gets from there.
CallerSession session_of_tailscale(pid_t process) {
  constexpr std::uint16_t kHttps = 443;
  CallerSession session;
  for (const auto& socket : sockets_of(process, kTcp)) {
    if (!socket.established || socket.ends.there.port != kHttps) continue;
    SessionWay way{.name = "tailscale", .ends = socket.ends, .outgoing = true};
    look_up_way(way);
    session.ways.push_back(std::move(way));
  }
  if (session.ways.empty())
    session.note = "the connections of your tailscale session are not known: it is not checked";
  return session;
}

}  // namespace

std::string text_of_address(Family family, const AddressBits& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  ::inet_ntop(family == Family::ipv4 ? AF_INET : AF_INET6, address.data(), text.data(), text.size());
  return text.data();
}

std::string SessionWay::there() const {
  const auto address = text_of_address(ends.family, ends.there.address);
  return any_port_there ? address : format("{} port {}", address, ends.there.port);
}

std::string SessionWay::here() const {
  return format("{} port {}", text_of_address(ends.family, ends.here.address), ends.here.port);
}

CallerSession caller_session() {
  const auto server = nearest_server();
  const auto connection = ssh_connection();
  const bool mosh = server && server->name == "mosh-server";
  const bool tailscale = server && server->name == "tailscaled";
  if (server && is_in_other_network(server->process))
    return elsewhere(mosh || tailscale ? server->name : "ssh");
  if (tailscale) return session_of_tailscale(server->process);
  auto ssh = way_of_ssh(connection);
  const bool ours = ssh && is_own_address(ssh->ends.family, ssh->ends.here.address);
  if (mosh) return session_of_mosh(server->process, ours ? ssh : std::nullopt);
  if (ssh) return ours ? CallerSession{.ways = {*std::move(ssh)}} : elsewhere("ssh");
  if (!server && !trim(connection).empty())
    return {.note = "SSH_CONNECTION names no connection: no session is checked"};
  if (!server) return {};
  for (const auto& socket : sockets_of(server->process, kTcp)) {
    if (!socket.established) continue;
    SessionWay way{.name = "ssh", .ends = socket.ends};
    look_up_way(way);
    return {.ways = {std::move(way)}};
  }
  return {.note = "the connection of your ssh session is not known: it is not checked", .unknown = true};
}

}  // namespace rewall

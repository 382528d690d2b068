#include "ops/template/host_use.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <pwd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string_view>

#include "core/file.h"
#include "core/format.h"
#include "core/proc.h"
#include "core/text.h"
#include "ops/context/identity.h"
#include "rules/value_parse.h"

namespace rewall {
namespace {

namespace fs = std::filesystem;

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

template <class Number>
std::optional<Number> read_hex(std::string_view text) {
  Number number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number, 16);
  if (read.ec != std::errc{} || read.ptr != text.data() + text.size()) return std::nullopt;
  return number;
}

/// An address and a port of /proc/net/tcp: words of 32 bits in the order of the host, in hex.
struct Endpoint {
  std::string address{};
  std::uint16_t port = 0;
  bool everywhere = false;
  bool loopback = false;
};

std::optional<Endpoint> read_endpoint(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos || (colon != 8 && colon != 32)) return std::nullopt;
  const auto port = read_hex<std::uint16_t>(text.substr(colon + 1));
  if (!port) return std::nullopt;
  std::array<unsigned char, 16> bytes{};
  for (std::size_t i = 0; i < colon / 8; ++i) {
    const auto word = read_hex<std::uint32_t>(text.substr(i * 8, 8));
    if (!word) return std::nullopt;
    std::memcpy(bytes.data() + i * 4, &*word, 4);
  }
  bool four = colon == 8;
  constexpr std::array<unsigned char, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (!four && std::equal(kMapped.begin(), kMapped.end(), bytes.begin())) {
    std::copy(bytes.begin() + 12, bytes.end(), bytes.begin());
    four = true;
  }
  std::array<char, INET6_ADDRSTRLEN> printed{};
  ::inet_ntop(four ? AF_INET : AF_INET6, bytes.data(), printed.data(), printed.size());
  Endpoint end{.address = printed.data(), .port = *port};
  end.everywhere = end.address == "0.0.0.0" || end.address == "::";
  end.loopback = four ? bytes[0] == 127 : end.address == "::1";
  return end;
}

using Inodes = std::map<std::uint64_t, std::size_t>;  ///< of sockets, and their listeners

/// The programs that hold the sockets.
void name_programs(const Inodes& inodes, std::vector<HostUse::Listener>& listeners) {
  std::error_code failed;
  for (fs::directory_iterator process("/proc", failed); !failed && process != fs::directory_iterator();
       process.increment(failed)) {
    pid_t number = 0;
    const auto name = process->path().filename().string();
    const auto read = std::from_chars(name.data(), name.data() + name.size(), number);
    if (read.ec != std::errc{} || read.ptr != name.data() + name.size()) continue;
    std::error_code gone;
    for (fs::directory_iterator file(process->path() / "fd", gone); !gone && file != fs::directory_iterator();
         file.increment(gone)) {
      std::error_code ignored;
      const auto target = fs::read_symlink(file->path(), ignored).string();
      constexpr std::string_view kSocket = "socket:[";
      if (!target.starts_with(kSocket)) continue;
      std::uint64_t inode = 0;
      std::from_chars(target.data() + kSocket.size(), target.data() + target.size(), inode);
      const auto found = inodes.find(inode);
      if (found == inodes.end() || !listeners[found->second].program.empty()) continue;
      if (const auto facts = look_at_process(number)) listeners[found->second].program = facts->name;
    }
  }
}

// The columns are in proc(5), /proc/net/tcp; the states in net/tcp_states.h of the kernel.
void read_sockets(std::string_view file, HostUse& use, Inodes& inodes) {
  constexpr std::string_view kEstablished = "01";
  constexpr std::string_view kUnconnected = "07";
  constexpr std::string_view kListening = "0A";
  const bool tcp = file.starts_with("tcp");
  const auto text = text_of_file(format("/proc/thread-self/net/{}", file));
  for (const auto line : split_lines(text)) {
    const auto words = words_of_line(line);
    if (words.size() < 10) continue;
    const auto own = read_endpoint(words[1]);
    const auto peer = read_endpoint(words[2]);
    if (!own || !peer) continue;
    if (tcp && words[3] == kEstablished && !peer->loopback)
      use.connections.push_back({peer->address, peer->port, own->port});
    if (words[3] != (tcp ? kListening : kUnconnected) || own->loopback || own->port == 0) continue;
    std::uint64_t inode = 0;
    std::from_chars(words[9].data(), words[9].data() + words[9].size(), inode);
    if (inode != 0) inodes.emplace(inode, use.listeners.size());
    use.listeners.push_back({.tcp = tcp, .address = own->everywhere ? "" : own->address, .port = own->port});
  }
}

void read_all_sockets(HostUse& use) {
  Inodes inodes;
  for (const std::string_view file : {"tcp", "tcp6", "udp", "udp6"}) read_sockets(file, use, inodes);
  name_programs(inodes, use.listeners);
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

HostUse read_host_use() {
  HostUse use;
  read_all_sockets(use);
  use.interfaces = read_interfaces();
  use.forwards = is_set("/proc/sys/net/ipv4/ip_forward") || is_set("/proc/sys/net/ipv6/conf/all/forwarding");
  // "CLIENT PORT SERVER PORT"
  const auto connection = ssh_connection();
  if (const auto words = split(connection, ' '); words.size() == 4) {
    use.ssh_client = words[0];
    std::from_chars(words[3].data(), words[3].data() + words[3].size(), use.ssh_port);
  }
  use.apt_user = ::getpwnam("_apt") != nullptr;
  return use;
}

}  // namespace rewall

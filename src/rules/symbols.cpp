#include "rules/symbols.h"

#include <grp.h>
#include <netdb.h>
#include <pwd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <map>
#include <mutex>
#include <vector>

#include "core/file.h"
#include "core/text.h"
#include "rules/tokenizer.h"

namespace rewall {
namespace {

char lower_letter(char c) {
  return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
}

template <class Value, std::size_t N>
std::optional<Value> look_up(const std::array<std::pair<std::string_view, Value>, N>& table,
                             std::string_view name) {
  for (const auto& [entry, value] : table) {
    if (equal_ignoring_case(entry, name)) return value;
  }
  return std::nullopt;
}

using Number8 = std::pair<std::string_view, std::uint8_t>;

// The databases of the host are files that are read through at every question: remember their answers.
template <class Value>
class Remembered {
 public:
  template <class Ask>
  std::optional<Value> get(const std::string& name, Ask ask) {
    const std::lock_guard lock(mutex_);
    const auto known = answers_.find(name);
    if (known != answers_.end()) return known->second;
    return answers_.emplace(name, ask(name)).first->second;
  }

 private:
  std::mutex mutex_{};
  std::map<std::string, std::optional<Value>> answers_{};
};

// Calls one of the _r functions of the name databases with room enough.
template <class Entry, class Call>
std::optional<Entry> ask_database(std::vector<char>& room, Call call) {
  room.resize(1 << 14);
  Entry entry{};
  Entry* found = nullptr;
  if (call(&entry, room.data(), room.size(), &found) != 0 || found == nullptr) return std::nullopt;
  return entry;
}

std::optional<std::uint8_t> protocol_of_host(const std::string& name) {
  std::vector<char> room;
  const auto entry =
      ask_database<protoent>(room, [&](protoent* result, char* buffer, std::size_t size, protoent** found) {
        return getprotobyname_r(name.c_str(), result, buffer, size, found);
      });
  if (!entry || entry->p_proto < 0 || entry->p_proto > 255) return std::nullopt;
  return static_cast<std::uint8_t>(entry->p_proto);
}

std::optional<std::uint16_t> port_of_host(const std::string& name) {
  std::vector<char> room;
  const auto entry =
      ask_database<servent>(room, [&](servent* result, char* buffer, std::size_t size, servent** found) {
        return getservbyname_r(name.c_str(), nullptr, result, buffer, size, found);
      });
  if (!entry) return std::nullopt;
  return ntohs(static_cast<std::uint16_t>(entry->s_port));
}

// Lines of NUMBER NAME, as xtables_lmap_init() of iptables reads them.
std::optional<std::uint32_t> number_in_file(const char* path, std::string_view name) {
  const auto text = read_file(path);
  if (!text) return std::nullopt;
  for (const auto line : split_lines(*text)) {
    Tokenizer words(line);
    const auto number = words.next();
    const auto found = words.next();
    if (!number || !found || found->raw != name) continue;
    const auto id = read_number(number->raw, 255);
    if (id) return static_cast<std::uint32_t>(*id);
  }
  return std::nullopt;
}

struct IcmpName {
  std::string_view name;
  IcmpType type;
};

// libxt_icmp.h of iptables.
constexpr std::array kIcmp4 = std::to_array<IcmpName>({
    {"any", {255, 0, 255, true}},
    {"echo-reply", {0, 0, 255}},
    {"pong", {0, 0, 255}},
    {"destination-unreachable", {3, 0, 255}},
    {"network-unreachable", {3, 0, 0}},
    {"host-unreachable", {3, 1, 1}},
    {"protocol-unreachable", {3, 2, 2}},
    {"port-unreachable", {3, 3, 3}},
    {"fragmentation-needed", {3, 4, 4}},
    {"source-route-failed", {3, 5, 5}},
    {"network-unknown", {3, 6, 6}},
    {"host-unknown", {3, 7, 7}},
    {"network-prohibited", {3, 9, 9}},
    {"host-prohibited", {3, 10, 10}},
    {"TOS-network-unreachable", {3, 11, 11}},
    {"TOS-host-unreachable", {3, 12, 12}},
    {"communication-prohibited", {3, 13, 13}},
    {"host-precedence-violation", {3, 14, 14}},
    {"precedence-cutoff", {3, 15, 15}},
    {"source-quench", {4, 0, 255}},
    {"redirect", {5, 0, 255}},
    {"network-redirect", {5, 0, 0}},
    {"host-redirect", {5, 1, 1}},
    {"TOS-network-redirect", {5, 2, 2}},
    {"TOS-host-redirect", {5, 3, 3}},
    {"echo-request", {8, 0, 255}},
    {"ping", {8, 0, 255}},
    {"router-advertisement", {9, 0, 255}},
    {"router-solicitation", {10, 0, 255}},
    {"time-exceeded", {11, 0, 255}},
    {"ttl-exceeded", {11, 0, 255}},
    {"ttl-zero-during-transit", {11, 0, 0}},
    {"ttl-zero-during-reassembly", {11, 1, 1}},
    {"parameter-problem", {12, 0, 255}},
    {"ip-header-bad", {12, 0, 0}},
    {"required-option-missing", {12, 1, 1}},
    {"timestamp-request", {13, 0, 255}},
    {"timestamp-reply", {14, 0, 255}},
    {"address-mask-request", {17, 0, 255}},
    {"address-mask-reply", {18, 0, 255}},
});

constexpr std::array kIcmp6 = std::to_array<IcmpName>({
    {"destination-unreachable", {1, 0, 255}},
    {"no-route", {1, 0, 0}},
    {"communication-prohibited", {1, 1, 1}},
    {"beyond-scope", {1, 2, 2}},
    {"address-unreachable", {1, 3, 3}},
    {"port-unreachable", {1, 4, 4}},
    {"failed-policy", {1, 5, 5}},
    {"reject-route", {1, 6, 6}},
    {"packet-too-big", {2, 0, 255}},
    {"time-exceeded", {3, 0, 255}},
    {"ttl-exceeded", {3, 0, 255}},
    {"ttl-zero-during-transit", {3, 0, 0}},
    {"ttl-zero-during-reassembly", {3, 1, 1}},
    {"parameter-problem", {4, 0, 255}},
    {"bad-header", {4, 0, 0}},
    {"unknown-header-type", {4, 1, 1}},
    {"unknown-option", {4, 2, 2}},
    {"echo-request", {128, 0, 255}},
    {"ping", {128, 0, 255}},
    {"echo-reply", {129, 0, 255}},
    {"pong", {129, 0, 255}},
    {"router-solicitation", {133, 0, 255}},
    {"router-advertisement", {134, 0, 255}},
    {"neighbour-solicitation", {135, 0, 255}},
    {"neighbor-solicitation", {135, 0, 255}},
    {"neighbour-advertisement", {136, 0, 255}},
    {"neighbor-advertisement", {136, 0, 255}},
    {"redirect", {137, 0, 255}},
});

// iptables takes any unambiguous beginning of a name.
template <std::size_t N>
std::optional<IcmpType> icmp_by_name(const std::array<IcmpName, N>& names, std::string_view text) {
  std::optional<IcmpType> found;
  for (const auto& [name, type] : names) {
    if (!equal_ignoring_case(name.substr(0, text.size()), text)) continue;
    if (name.size() == text.size()) return type;
    if (found) return std::nullopt;
    found = type;
  }
  return found;
}

}  // namespace

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return lower_letter(x) == lower_letter(y); });
}

std::optional<std::uint64_t> read_number(std::string_view text, std::uint64_t greatest) {
  int base = 10;
  if (text.starts_with("0x") || text.starts_with("0X")) {
    base = 16;
    text.remove_prefix(2);
  } else if (text.size() > 1 && text[0] == '0') {
    base = 8;
    text.remove_prefix(1);
  }
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (error != std::errc{} || end != text.data() + text.size() || number > greatest) return std::nullopt;
  return number;
}

std::optional<std::uint8_t> protocol_number(std::string_view text) {
  static constexpr std::array<Number8, 17> kProtocols = {{{"tcp", 6},
                                                          {"udp", 17},
                                                          {"icmp", 1},
                                                          {"all", 0},
                                                          {"ipv6-icmp", 58},
                                                          {"icmpv6", 58},
                                                          {"sctp", 132},
                                                          {"esp", 50},
                                                          {"ah", 51},
                                                          {"udplite", 136},
                                                          {"dccp", 33},
                                                          {"ipcomp", 108},
                                                          {"gre", 47},
                                                          {"ospf", 89},
                                                          {"mobility-header", 135},
                                                          {"ipv6-mh", 135},
                                                          {"mh", 135}}};
  static Remembered<std::uint8_t> host;
  if (const auto known = look_up(kProtocols, text)) return known;
  if (const auto number = read_number(text, 255)) return static_cast<std::uint8_t>(*number);
  return host.get(lower(text), protocol_of_host);
}

std::optional<std::uint16_t> port_number(std::string_view text) {
  static Remembered<std::uint16_t> host;
  if (const auto number = read_number(text, 65535)) return static_cast<std::uint16_t>(*number);
  return host.get(std::string(text), port_of_host);
}

std::optional<std::uint32_t> user_number(const std::string& name) {
  static Remembered<std::uint32_t> host;
  return host.get(name, [](const std::string& user) -> std::optional<std::uint32_t> {
    std::vector<char> room;
    const auto entry =
        ask_database<passwd>(room, [&](passwd* result, char* buffer, std::size_t size, passwd** found) {
          return getpwnam_r(user.c_str(), result, buffer, size, found);
        });
    return entry ? std::optional(entry->pw_uid) : std::nullopt;
  });
}

std::optional<std::uint32_t> group_number(const std::string& name) {
  static Remembered<std::uint32_t> host;
  return host.get(name, [](const std::string& wanted) -> std::optional<std::uint32_t> {
    std::vector<char> room;
    const auto entry =
        ask_database<group>(room, [&](group* result, char* buffer, std::size_t size, group** found) {
          return getgrnam_r(wanted.c_str(), result, buffer, size, found);
        });
    return entry ? std::optional(entry->gr_gid) : std::nullopt;
  });
}

std::optional<std::uint32_t> device_group_number(const std::string& name) {
  static Remembered<std::uint32_t> host;
  return host.get(name,
                  [](const std::string& group) { return number_in_file("/etc/iproute2/group", group); });
}

std::optional<std::uint32_t> realm_number(const std::string& name) {
  static Remembered<std::uint32_t> host;
  return host.get(name,
                  [](const std::string& realm) { return number_in_file("/etc/iproute2/rt_realms", realm); });
}

std::optional<IcmpType> icmp_type(std::string_view text, Family family) {
  if (text.empty()) return std::nullopt;
  const auto named = family == Family::ipv4 ? icmp_by_name(kIcmp4, text) : icmp_by_name(kIcmp6, text);
  if (named) return named;
  const auto slash = text.find('/');
  const auto type = read_number(text.substr(0, slash), 255);
  if (!type) return std::nullopt;
  IcmpType icmp{.type = static_cast<std::uint8_t>(*type)};
  // The kernel takes type 255 of IPv4 for any type, whatever the code (icmp_type_code_match in ip_tables.c).
  icmp.any = family == Family::ipv4 && icmp.type == 255;
  if (slash == std::string_view::npos) return icmp;
  const auto code = read_number(text.substr(slash + 1), 255);
  if (!code) return std::nullopt;
  icmp.first_code = icmp.last_code = static_cast<std::uint8_t>(*code);
  return icmp;
}

std::optional<std::uint8_t> dscp_class(std::string_view text) {
  static constexpr std::array<Number8, 22> kClasses = {
      {{"CS0", 0},   {"CS1", 8},   {"CS2", 16},  {"CS3", 24},  {"CS4", 32},  {"CS5", 40},
       {"CS6", 48},  {"CS7", 56},  {"BE", 0},    {"AF11", 10}, {"AF12", 12}, {"AF13", 14},
       {"AF21", 18}, {"AF22", 20}, {"AF23", 22}, {"AF31", 26}, {"AF32", 28}, {"AF33", 30},
       {"AF41", 34}, {"AF42", 36}, {"AF43", 38}, {"EF", 46}}};
  return look_up(kClasses, text);
}

std::optional<std::uint8_t> log_level(std::string_view text) {
  static constexpr std::array<Number8, 11> kLevels = {{{"emerg", 0},
                                                       {"panic", 0},
                                                       {"alert", 1},
                                                       {"crit", 2},
                                                       {"error", 3},
                                                       {"err", 3},
                                                       {"warning", 4},
                                                       {"warn", 4},
                                                       {"notice", 5},
                                                       {"info", 6},
                                                       {"debug", 7}}};
  if (const auto named = look_up(kLevels, text)) return named;
  if (const auto number = read_number(text, 7)) return static_cast<std::uint8_t>(*number);
  return std::nullopt;
}

std::optional<std::string_view> reject_type(std::string_view text, Family family) {
  using Type = std::pair<std::string_view, std::string_view>;
  static constexpr std::array<Type, 8> kFour = {{{"icmp-net-unreachable", "net-unreach"},
                                                 {"icmp-host-unreachable", "host-unreach"},
                                                 {"icmp-proto-unreachable", "proto-unreach"},
                                                 {"icmp-port-unreachable", "port-unreach"},
                                                 {"icmp-net-prohibited", "net-prohib"},
                                                 {"icmp-host-prohibited", "host-prohib"},
                                                 {"tcp-reset", "tcp-rst"},
                                                 {"icmp-admin-prohibited", "admin-prohib"}}};
  static constexpr std::array<Type, 7> kSix = {{{"icmp6-no-route", "no-route"},
                                                {"icmp6-adm-prohibited", "adm-prohibited"},
                                                {"icmp6-addr-unreachable", "addr-unreach"},
                                                {"icmp6-port-unreachable", "port-unreach"},
                                                {"tcp-reset", "tcp-reset"},
                                                {"icmp6-policy-fail", "policy-fail"},
                                                {"icmp6-reject-route", "reject-route"}}};
  const auto begins = [text](std::string_view name) {
    return equal_ignoring_case(name.substr(0, text.size()), text);
  };
  const auto pick = [begins](const auto& types) -> std::optional<std::string_view> {
    for (const auto& [name, alias] : types) {
      if (begins(name) || begins(alias)) return name;
    }
    return std::nullopt;
  };
  return family == Family::ipv4 ? pick(kFour) : pick(kSix);
}

std::string_view default_reject_type(Family family) {
  return family == Family::ipv4 ? "icmp-port-unreachable" : "icmp6-port-unreachable";
}

std::optional<std::uint8_t> tos_value(std::string_view name) {
  static constexpr std::array<Number8, 5> kValues = {{{"Minimize-Delay", 0x10},
                                                      {"Maximize-Throughput", 0x08},
                                                      {"Maximize-Reliability", 0x04},
                                                      {"Minimize-Cost", 0x02},
                                                      {"Normal-Service", 0x00}}};
  return look_up(kValues, name);
}

}  // namespace rewall

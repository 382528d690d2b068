#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <map>
#include <set>

#include "core/format.h"
#include "core/text.h"
#include "rules/normalize_parts.h"
#include "rules/symbols.h"
#include "rules/value_parse.h"

namespace rewall {
namespace {

void normalize_connlimit(Match& match, Family family) {
  for (auto& option : match.options) {
    if (!option.negated || (option.name != "--connlimit-above" && option.name != "--connlimit-upto"))
      continue;
    option.name = option.name == "--connlimit-above" ? "--connlimit-upto" : "--connlimit-above";
    option.negated = false;
  }
  add_default(match.options, "--connlimit-mask", family == Family::ipv4 ? "32" : "128");
  auto* mask = find_option(match.options, "--connlimit-mask");
  const auto whole = read_address((family == Family::ipv4 ? "0.0.0.0/" : "::/") + mask->values[0], family);
  if (whole) mask->values = {to_text(*whole, family)};
  if (find_option(match.options, "--connlimit-daddr") == nullptr &&
      find_option(match.options, "--connlimit-saddr") == nullptr) {
    add_flag(match.options, "--connlimit-saddr");
  }
}

void normalize_recent(Match& match, Family family) {
  add_default(match.options, "--name", "DEFAULT");
  add_default(match.options, "--mask",
              family == Family::ipv4 ? "255.255.255.255" : "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
  if (find_option(match.options, "--rdest") == nullptr &&
      find_option(match.options, "--rsource") == nullptr) {
    add_flag(match.options, "--rsource");
  }
}

void normalize_statistic(Match& match, Family) {
  auto* probability = find_option(match.options, "--probability");
  if (probability == nullptr) return;
  const auto& text = probability->values[0];
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 0 || value > 1) return;
  // libxt_statistic.c: the kernel compares 31 bits.
  set_value(probability, format("{}", std::lround(0x80000000 * value)));
}

// As parse_hex_string in libxt_string.c: bytes between bars are hexadecimal, elsewhere a backslash keeps the
// next.
std::optional<std::string> read_hex_string(std::string_view text) {
  std::string out;
  bool hexadecimal = false;
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (c == '|') {
      hexadecimal = !hexadecimal;
      ++i;
      while (hexadecimal && i < text.size() && text[i] == ' ') ++i;
    } else if (hexadecimal) {
      unsigned byte = 0;
      if (i + 2 > text.size()) return std::nullopt;
      const auto [end, error] = std::from_chars(text.data() + i, text.data() + i + 2, byte, 16);
      if (error != std::errc{} || end != text.data() + i + 2) return std::nullopt;
      out += static_cast<char>(byte);
      i += 2;
      if (i < text.size() && text[i] == ' ') ++i;
    } else if (c == '\\') {
      if (i + 1 >= text.size()) return std::nullopt;
      out += text[i + 1];
      i += 2;
    } else {
      out += c;
      ++i;
    }
  }
  return out;
}

std::string in_hexadecimal(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) out += format("{:02x}", static_cast<unsigned char>(c));
  return out;
}

void normalize_string(Match& match, Family) {
  for (auto& option : match.options) {
    std::optional<std::string> bytes;
    if (option.name == "--string") bytes = option.values[0];
    if (option.name == "--hex-string") bytes = read_hex_string(option.values[0]);
    if (bytes)
      option = Option{.name = "bytes", .negated = option.negated, .values = {in_hexadecimal(*bytes)}};
  }
  add_default(match.options, "--from", "0");
  add_default(match.options, "--to", "65535");
}

// iptables takes the beginning of a state's name (libxt_conntrack.c).
void normalize_conntrack(Match& match, Family) {
  static constexpr std::array<std::string_view, 7> kStates = {"INVALID",   "NEW",  "ESTABLISHED", "RELATED",
                                                              "UNTRACKED", "SNAT", "DNAT"};
  auto* states = find_option(match.options, "--ctstate");
  if (states == nullptr) return;
  std::vector<std::string> full;
  for (const auto word : split(states->values[0], ',')) {
    const auto begins = [word](std::string_view state) {
      return equal_ignoring_case(state.substr(0, word.size()), word);
    };
    const auto found = word.empty() ? kStates.end() : std::ranges::find_if(kStates, begins);
    full.emplace_back(found == kStates.end() ? word : *found);
  }
  states->values = {join(full, ",")};
}

void normalize_state(Match& match, Family family) {
  match.name = "conntrack";
  for (auto& option : match.options) option.name = "--ctstate";
  normalize_conntrack(match, family);
}

std::optional<unsigned> read_tcp_flags(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, unsigned>, 8> kFlags = {
      {{"FIN", 1}, {"SYN", 2}, {"RST", 4}, {"PSH", 8}, {"ACK", 16}, {"URG", 32}, {"ALL", 63}, {"NONE", 0}}};
  unsigned flags = 0;
  for (const auto word : split(text, ',')) {
    const auto found = std::ranges::find_if(
        kFlags, [word](const auto& flag) { return equal_ignoring_case(flag.first, word); });
    if (found == kFlags.end()) return std::nullopt;
    flags |= found->second;
  }
  return flags;
}

void normalize_tcp(Match& match, Family) {
  for (auto& option : match.options) {
    if (option.name == "--syn")
      option = Option{.name = "--tcp-flags", .negated = option.negated, .values = {"FIN,SYN,RST,ACK", "SYN"}};
    if (option.name != "--tcp-flags") continue;
    const auto mask = read_tcp_flags(option.values[0]);
    const auto wanted = read_tcp_flags(option.values[1]);
    if (mask && wanted) option.values = {format("{:#04x}", *mask), format("{:#04x}", *wanted)};
  }
  // None of no flags is no condition.
  std::erase_if(match.options, [](const Option& option) {
    return option.name == "--tcp-flags" && !option.negated && option.values[0] == "0x00" &&
           option.values[1] == "0x00";
  });
}

void normalize_icmp(Match& match, Family) {
  const auto family = match.name == "icmp" ? Family::ipv4 : Family::ipv6;
  for (auto& option : match.options) {
    const auto type = icmp_type(option.values[0], family);
    if (!type) continue;
    option.values = {type->any ? "any" : format("{}/{}-{}", type->type, type->first_code, type->last_code)};
  }
}

std::optional<std::string> read_tos(std::string_view text) {
  if (const auto named = tos_value(text)) return to_text(Mark{*named, 0x3f});
  const auto mark = read_mark(text, 0xff);
  return mark ? std::optional(to_text(*mark)) : std::nullopt;
}

void normalize_tos(Match& match, Family) {
  for (auto& option : match.options) set_value(&option, read_tos(option.values[0]));
}

void normalize_dscp_match(Match& match, Family) {
  name_of_class_to_number(match.options, "--dscp-class", "--dscp");
}

void normalize_pkttype(Match& match, Family) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kOther = {
      {{"BCAST", "BROADCAST"}, {"MCAST", "MULTICAST"}, {"HOST", "UNICAST"}, {"MULTIC", "MULTICAST"}}};
  for (auto& option : match.options) {
    auto type = upper(option.values[0]);
    const auto found = std::ranges::find(kOther, type, &std::pair<std::string_view, std::string_view>::first);
    option.values = {found == kOther.end() ? type : std::string(found->second)};
  }
}

// FROM:TO, FROM: and FROM alone, which goes without end.
void normalize_connbytes(Match& match, Family) {
  auto* option = find_option(match.options, "--connbytes");
  if (option == nullptr) return;
  const auto& text = option->values[0];
  const auto colon = std::min(text.find(':'), text.size());
  const auto from = colon == 0 ? std::optional<std::uint64_t>(0) : read_number(text.substr(0, colon));
  const auto to_words = colon < text.size() ? text.substr(colon + 1) : std::string{};
  const auto to = to_words.empty() ? std::optional<std::uint64_t>(UINT64_MAX) : read_number(to_words);
  if (from && to) option->values = {format("{}:{}", *from, *to)};
}

// The kernel keeps a mask of nodes; node 1 is bit 0.
void normalize_cluster(Match& match, Family) {
  for (auto& option : match.options) {
    if (option.name != "--cluster-local-node") continue;
    const auto node = read_number(option.values[0], 32);
    if (!node || *node == 0) continue;
    option = Option{.name = "--cluster-local-nodemask",
                    .negated = option.negated,
                    .values = {format("{}", std::uint64_t{1} << (*node - 1))}};
  }
}

// The parts of one transformation have no order; `--next` begins another one.
void normalize_policy(Match& match, Family) {
  const auto is_next = [](const Option& option) { return option.name == "--next"; };
  for (auto begin = match.options.begin(); begin != match.options.end();) {
    const auto end = std::find_if(begin, match.options.end(), is_next);
    std::sort(begin, end, [](const Option& a, const Option& b) { return a.name < b.name; });
    begin = end == match.options.end() ? end : end + 1;
  }
}

// The flags behind a chunk's name are set in upper case and clear in lower case, in any order.
std::string read_chunk(std::string_view text) {
  const auto colon = std::min(text.find(':'), text.size());
  std::string flags(text.substr(colon));
  const auto by_letter = [](char a, char b) { return upper({&a, 1}) < upper({&b, 1}); };
  std::sort(flags.begin() + (flags.empty() ? 0 : 1), flags.end(), by_letter);
  return upper(text.substr(0, colon)) + flags;
}

void normalize_sctp(Match& match, Family) {
  auto* chunks = find_option(match.options, "--chunk-types");
  if (chunks == nullptr) return;
  std::vector<std::string> types;
  for (const auto type : split(chunks->values[1], ',')) types.push_back(read_chunk(type));
  std::ranges::sort(types);
  chunks->values = {upper(chunks->values[0]), join(types, ",")};
}

// libip6t_mh.c takes the beginning of a name.
std::string mh_type(std::string_view text) {
  using Type = std::pair<std::string_view, int>;
  static constexpr std::array<Type, 16> kTypes = {{{"binding-refresh-request", 0},
                                                   {"brr", 0},
                                                   {"home-test-init", 1},
                                                   {"hoti", 1},
                                                   {"careof-test-init", 2},
                                                   {"coti", 2},
                                                   {"home-test", 3},
                                                   {"hot", 3},
                                                   {"careof-test", 4},
                                                   {"cot", 4},
                                                   {"binding-update", 5},
                                                   {"bu", 5},
                                                   {"binding-acknowledgement", 6},
                                                   {"ba", 6},
                                                   {"binding-error", 7},
                                                   {"be", 7}}};
  const auto whole = [text](const Type& type) { return equal_ignoring_case(type.first, text); };
  const auto begins = [text](const Type& type) {
    return equal_ignoring_case(type.first.substr(0, text.size()), text);
  };
  if (text.empty()) return {};
  auto found = std::ranges::find_if(kTypes, whole);
  if (found == kTypes.end()) found = std::ranges::find_if(kTypes, begins);
  return found == kTypes.end() ? std::string(text) : format("{}", found->second);
}

void normalize_mh(Match& match, Family) {
  for (auto& option : match.options) {
    const std::string_view text = option.values[0];
    const auto colon = text.find(':');
    auto types = mh_type(text.substr(0, colon));
    if (colon != std::string_view::npos) types += ':' + mh_type(text.substr(colon + 1));
    option.values = {types};
  }
}

// The names of libip6t_ipv6header.c.
std::optional<std::uint64_t> ipv6_header(std::string_view text) {
  using Header = std::pair<std::string_view, std::uint64_t>;
  static constexpr std::array<Header, 14> kHeaders = {{{"hop-by-hop", 0},
                                                       {"hop", 0},
                                                       {"dst", 60},
                                                       {"ipv6-opts", 60},
                                                       {"route", 43},
                                                       {"ipv6-route", 43},
                                                       {"frag", 44},
                                                       {"ipv6-frag", 44},
                                                       {"auth", 51},
                                                       {"esp", 50},
                                                       {"none", 59},
                                                       {"ipv6-nonxt", 59},
                                                       {"prot", 255},
                                                       {"protocol", 255}}};
  const auto found = std::ranges::find(kHeaders, text, &Header::first);
  if (found != kHeaders.end()) return found->second;
  return protocol_number(text);
}

void normalize_ipv6header(Match& match, Family) {
  auto* option = find_option(match.options, "--header");
  if (option == nullptr) return;
  std::set<std::uint64_t> headers;
  for (const auto word : split(option->values[0], ',')) {
    const auto header = ipv6_header(word);
    if (!header) return;
    headers.insert(*header);
  }
  std::vector<std::string> numbers;
  for (const auto header : headers) numbers.push_back(format("{}", header));
  option->values = {join(numbers, ",")};
}

// TYPE[:LENGTH], in the order written.
std::string read_header_options(std::string_view text) {
  std::vector<std::string> out;
  for (const auto item : split(text, ',')) {
    std::vector<std::string> numbers;
    for (const auto word : split(item, ':')) {
      const auto number = read_number(word);
      numbers.push_back(number ? format("{}", *number) : std::string(word));
    }
    out.push_back(join(numbers, ":"));
  }
  return join(out, ",");
}

void normalize_header_options(Match& match, Family) {
  for (auto& option : match.options) {
    if (option.name.ends_with("-opts")) option.values = {read_header_options(option.values[0])};
  }
}

// A length of 0 is no condition to the kernel (ip6t_ah.c).
void normalize_ah(Match& match, Family) {
  remove_default(match.options, "--ahlen", 0);
}

void normalize_rt(Match& match, Family) {
  auto* option = find_option(match.options, "--rt-0-addrs");
  if (option == nullptr) return;
  std::vector<std::string> addresses;
  for (const auto word : split(option->values[0], ','))
    addresses.push_back(read_address_range(word, Family::ipv6).value_or(std::string(word)));
  option->values = {join(addresses, ",")};
}

// Names for numbers are in files of iproute2.
void normalize_devgroup(Match& match, Family) {
  for (auto& option : match.options) {
    if (const auto number = device_group_number(option.values[0])) option.values = {format("{}", *number)};
  }
}

void normalize_realm(Match& match, Family) {
  for (auto& option : match.options) {
    if (const auto number = realm_number(option.values[0])) option.values = {format("{}", *number)};
  }
}

// A number as sscanf(3) takes it by %u, cut to its type.
std::optional<std::uint32_t> read_cut(std::string_view& text, unsigned bits) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())) != 0) text.remove_prefix(1);
  const bool minus = text.starts_with('-');
  if (minus || text.starts_with('+')) text.remove_prefix(1);
  const auto digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto number = leading_number(text.substr(0, digits));
  if (!number) return std::nullopt;
  text.remove_prefix(digits);
  const auto whole = minus ? std::uint64_t{0} - *number : *number;
  return static_cast<std::uint32_t>(whole & ((std::uint64_t{1} << bits) - 1));
}

// LENGTH,CODE JT JF K,..., as bpf_parse_string() of libxt_bpf.c reads it.
void normalize_bpf(Match& match, Family) {
  auto* code = find_option(match.options, "--bytecode");
  if (code == nullptr) return;
  std::string out;
  for (auto part : split(code->values[0], ',')) {
    std::vector<std::string> numbers;
    const auto take = [&](unsigned bits) {
      const auto number = read_cut(part, bits);
      if (number) numbers.push_back(format("{}", *number));
      return number.has_value();
    };
    if (out.empty() ? !take(16) : !(take(16) && take(8) && take(8) && take(32))) {
      if (out.empty() || !part.empty()) return;
      continue;  // nothing behind the last comma
    }
    if (!out.empty()) out += ',';
    out += join(numbers, " ");
  }
  code->values = {out};
}

// Every number in one base, and no blanks, signs and ranges of one number (libxt_u32.c).
void normalize_u32(Match& match, Family) {
  for (auto& option : match.options) {
    std::string text = option.values[0];
    std::erase_if(text, [](unsigned char c) { return std::isspace(c) != 0 || c == '+'; });
    std::string out;
    std::string first;  // of a range
    for (std::string_view rest = text; !rest.empty();) {
      const bool is_number = rest[0] >= '0' && rest[0] <= '9';
      const auto digits = is_number ? rest.find_first_not_of("0123456789abcdefABCDEFxX") : 0;
      const auto length = std::min(digits, rest.size());
      const auto number = is_number ? read_number(rest.substr(0, length)) : std::nullopt;
      const auto taken = std::max<std::size_t>(length, 1);
      auto word = number ? format("{:#x}", *number) : std::string(rest.substr(0, taken));
      rest.remove_prefix(taken);
      if (number && !first.empty() && out.ends_with(':') && first == word) {
        out.pop_back();
        continue;
      }
      if (number) first = word;
      out += word;
    }
    option.values = {out};
  }
}

}  // namespace

MatchRule match_rule(std::string_view name) {
  static const std::map<std::string_view, MatchRule> rules = {{"ah", normalize_ah},
                                                              {"bpf", normalize_bpf},
                                                              {"cluster", normalize_cluster},
                                                              {"connbytes", normalize_connbytes},
                                                              {"connlimit", normalize_connlimit},
                                                              {"conntrack", normalize_conntrack},
                                                              {"devgroup", normalize_devgroup},
                                                              {"dscp", normalize_dscp_match},
                                                              {"dst", normalize_header_options},
                                                              {"hashlimit", normalize_hashlimit},
                                                              {"hbh", normalize_header_options},
                                                              {"icmp", normalize_icmp},
                                                              {"icmp6", normalize_icmp},
                                                              {"ipv6header", normalize_ipv6header},
                                                              {"limit", normalize_limit},
                                                              {"mh", normalize_mh},
                                                              {"pkttype", normalize_pkttype},
                                                              {"policy", normalize_policy},
                                                              {"rateest", normalize_rateest_match},
                                                              {"realm", normalize_realm},
                                                              {"recent", normalize_recent},
                                                              {"rt", normalize_rt},
                                                              {"sctp", normalize_sctp},
                                                              {"state", normalize_state},
                                                              {"statistic", normalize_statistic},
                                                              {"string", normalize_string},
                                                              {"tcp", normalize_tcp},
                                                              {"time", normalize_time},
                                                              {"tos", normalize_tos},
                                                              {"u32", normalize_u32}};
  const auto found = rules.find(name);
  return found == rules.end() ? nullptr : found->second;
}

}  // namespace rewall

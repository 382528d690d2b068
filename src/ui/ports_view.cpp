#include "ui/ports_view.h"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <tuple>
#include <utility>

#include "core/format.h"
#include "core/text.h"

namespace rewall {
namespace {

constexpr std::size_t kWidestPorts = 24;

std::string programs_of(const PortRow& row) {
  std::set<std::string> programs;
  for (const auto& listener : row.listeners)
    programs.insert(listener.program.empty() ? "?" : listener.program);
  return join(std::vector<std::string>(programs.begin(), programs.end()), ", ");
}

std::vector<std::string> addresses_of(const PortRow& row, Family family) {
  std::set<std::string> addresses;
  for (const auto& listener : row.listeners) {
    auto address = listener.addresses.empty() ? std::string(family == Family::ipv4 ? "0.0.0.0" : "::")
                                              : addresses_text(listener.addresses, family);
    if (!listener.interface.empty()) address += "%" + listener.interface;
    addresses.insert(std::move(address));
  }
  return {addresses.begin(), addresses.end()};
}

// iptables' names of the types that open connections.
std::string icmp_text(const NumberSet& numbers) {
  static const std::map<unsigned, std::string> kNames{
      {8, "echo-request"}, {13, "timestamp-request"}, {17, "address-mask-request"}, {128, "echo-request"}};
  std::vector<std::string> words;
  for (const auto& [first, last] : numbers.ranges())
    for (auto number = first; number <= last; ++number) {
      const auto found = kNames.find(static_cast<unsigned>(number));
      words.push_back(found != kNames.end() ? found->second : format("{}", static_cast<unsigned>(number)));
    }
  return join(words, ",");
}

bool is_rest(const PortRow& row) {
  return row.open == Open::none && row.listeners.empty() && ports_text(row) != "all";
}

std::string which(const PortRow& row) {
  if (is_rest(row)) return "others";
  if (!row.has_ports) return row.numbers.empty() ? "" : icmp_text(row.numbers);
  return ports_text(row);
}

std::string who(const PortRow& row, Paint paint) {
  std::string text = row.open == Open::none ? "closed" : row.from;
  text = row.world ? paint.changed(text) : row.open == Open::none ? paint.quiet(text) : text;
  if (row.to.empty()) return text;
  text += paint.heading(" -> " + row.to);
  if (row.input == Open::none) text += paint.changed(", though INPUT says no");
  return text;
}

std::string what_listens(const PortRow& row, Family family, Paint paint) {
  if (!row.to.empty() || !row.has_ports) return "";
  if (row.listeners.empty()) return row.open == Open::none ? "" : "  nobody listens";
  auto text = "  " + escape(programs_of(row));
  const auto addresses = addresses_of(row, family);
  const auto all = addresses.size() == 1 && (addresses[0] == "0.0.0.0" || addresses[0] == "::");
  if (!all) text += " on " + escape(join(addresses, ", "));
  if (row.open == Open::none) return text + paint.changed(": listens, and is closed");
  if (row.reachable == Open::none) return text + ": not reached by these";
  return row.world ? text + paint.changed(": open to the world") : text;
}

constexpr std::size_t kShownRanges = 8;

std::string ranges_text(const NumberSet& numbers) {
  std::vector<std::string> words;
  for (const auto& [first, last] : numbers.ranges()) {
    if (words.size() == kShownRanges)
      return join(words, ",") + format(" and {} more", numbers.ranges().size() - kShownRanges);
    words.push_back(first == last
                        ? format("{}", static_cast<unsigned>(first))
                        : format("{}-{}", static_cast<unsigned>(first), static_cast<unsigned>(last)));
  }
  return join(words, ",");
}

// "tcp 22", "all ports of tcp", "tcp all but 22", "icmp echo-request", "protocol 47", "other protocols".
std::string numbers_words(const std::string& protocol, const NumberSet& numbers) {
  const PortChange change{.protocol = protocol, .numbers = numbers};
  if (change.is_icmp()) return format("{} {}", protocol, icmp_text(numbers));
  if (!change.has_ports()) {
    if (protocol == "other") return "other protocols";
    return protocol.find_first_not_of("0123456789") == std::string::npos ? "protocol " + protocol : protocol;
  }
  const auto missing = without(NumberSet::range(1, 65535), numbers);
  if (missing.empty()) return "all ports of " + protocol;
  if (missing.ranges().size() < numbers.ranges().size())
    return format("{} all but {}", protocol, ranges_text(missing));
  return format("{} {}", protocol, ranges_text(numbers));
}

// "tcp 22 (ip, ip6), tcp 80 (ip)".
std::string of_families(const std::string& protocol,
                        const std::vector<std::pair<NumberSet, std::string_view>>& families) {
  std::vector<std::string> words;
  for (const auto& [numbers, names] : families)
    if (!numbers.empty()) words.push_back(format("{} ({})", numbers_words(protocol, numbers), names));
  return join(words, ", ");
}

}  // namespace

Json to_json(const std::vector<PortChange>& changes) {
  Json json = Json::array();
  for (const auto& change : changes)
    json.push_back({{"family", name(change.family)},
                    {"protocol", change.protocol},
                    {"ports", or_null(ports_text(change))},
                    {"from", name(change.from)},
                    {"to", name(change.to)}});
  return json;
}

std::string changed_ports_text(const std::vector<PortChange>& changes) {
  std::vector<std::string> protocols;
  std::map<std::pair<std::string, Family>, NumberSet> found;
  for (const auto& change : changes) {
    if (std::ranges::find(protocols, change.protocol) == protocols.end())
      protocols.push_back(change.protocol);
    auto& numbers = found[{change.protocol, change.family}];
    numbers = either(numbers, change.numbers);
  }
  std::vector<std::string> words;
  for (const auto& protocol : protocols) {
    const auto& four = found[{protocol, Family::ipv4}];
    const auto& six = found[{protocol, Family::ipv6}];
    auto common = of_families(
        protocol, {{both(four, six), "ip, ip6"}, {without(four, six), "ip"}, {without(six, four), "ip6"}});
    auto apart = of_families(protocol, {{four, "ip"}, {six, "ip6"}});
    words.push_back(apart.size() < common.size() ? std::move(apart) : std::move(common));
  }
  return join(words, ", ");
}

Json to_json(const PortRow& row, Family family, bool compared) {
  Json listening_on = nullptr;
  if (compared && !row.listeners.empty()) listening_on = addresses_of(row, family);
  return {{"family", name(family)},
          {"protocol", row.protocol},
          {"ports", or_null(ports_text(row))},
          {"from", row.from},
          {"open", name(row.open)},
          {"world", row.world},
          {"depends_on", row.depends_on},
          {"to", or_null(row.to)},
          {"input", row.input ? Json(name(*row.input)) : Json(nullptr)},
          {"listening", row.listeners.empty() ? Json(nullptr) : Json(programs_of(row))},
          {"listening_on", listening_on},
          {"reachable", row.reachable ? Json(name(*row.reachable)) : Json(nullptr)}};
}

std::string ports_table(const std::vector<PortRow>& rows, Family family, bool compared, Paint paint) {
  // What is open comes first, then what is closed, in each protocol.
  auto sorted = rows;
  std::vector<std::string> order;
  for (const auto& row : rows)
    if (std::ranges::find(order, row.protocol) == order.end()) order.push_back(row.protocol);
  std::ranges::stable_sort(sorted, {}, [&](const PortRow& row) {
    const auto protocol = std::ranges::find(order, row.protocol) - order.begin();
    const auto first = row.numbers.empty() ? Number{0} : row.numbers.ranges().front().first;
    return std::tuple(protocol, is_rest(row), first);
  });
  std::size_t width = 6;
  for (const auto& row : sorted) width = std::max(width, std::min(which(row).size(), kWidestPorts));
  std::string text;
  std::string before;
  for (const auto& row : sorted) {
    const auto family_words = text.empty() ? format("{:<5}", short_name(family)) : std::string(5, ' ');
    const auto protocol = row.protocol == before ? "" : row.protocol;
    text += format("{}{:<5} {:<{}}  {}", paint.heading(family_words), protocol, which(row), width,
                   who(row, paint));
    if (compared) text += what_listens(row, family, paint);
    text += "\n";
    before = row.protocol;
  }
  return text;
}

}  // namespace rewall

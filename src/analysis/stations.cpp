#include "analysis/stations.h"

#include <algorithm>
#include <climits>
#include <set>

#include "core/text.h"
#include "rules/print.h"
#include "rules/symbols.h"

namespace rewall {
namespace {

constexpr std::array<std::string_view, 5> kChainsOfHooks = {"PREROUTING", "INPUT", "FORWARD", "OUTPUT",
                                                            "POSTROUTING"};

// The words of nft's text, with quoted ones and comments left out.
std::vector<std::string_view> words_of_text(std::string_view text) {
  std::vector<std::string_view> out;
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (c == '"') {
      i = std::min(text.find('"', i + 1), text.size() - 1) + 1;
    } else if (c == '#') {
      i = std::min(text.find('\n', i), text.size());
    } else if (std::string_view(" \t\n{}:;,").find(c) != std::string_view::npos) {
      ++i;
    } else {
      const auto end = std::min(text.find_first_of(" \t\n{}:;,\"", i), text.size());
      out.push_back(text.substr(i, end - i));
      i = end;
    }
  }
  return out;
}

// What the rules of a native base chain, of the chains that they jump to, and of the sets and maps that they
// ask can do: told by the words of nft(8) for a statement that ends a packet's way, changes it or hands it to
// others. `set` is that of meta, ct and payloads.
class NativeReach {
 public:
  explicit NativeReach(const NativeTable& table) : table_(table) {}

  void read(const NativePart& part, Station& station) {
    if (!seen_.insert(&part).second) return;
    const auto words = words_of_text(part.text);
    for (std::size_t i = 0; i < words.size(); ++i) {
      const auto word = words[i];
      station.drops = station.drops || word == "drop";
      station.rejects = station.rejects || word == "reject";
      station.changes = station.changes || changes(word) || (word == "set" && i > 1);
      if ((word == "jump" || word == "goto") && i + 1 < words.size())
        follow(table_.find("chain", words[i + 1]), station);
      if (word.starts_with('@')) {
        follow(table_.find("map", word.substr(1)), station);
        follow(table_.find("set", word.substr(1)), station);
      }
    }
  }

 private:
  static bool changes(std::string_view word) {
    static constexpr std::array<std::string_view, 14> kWords = {
        "queue",    "dnat", "snat", "masquerade", "redirect", "tproxy", "notrack",
        "synproxy", "fwd",  "flow", "offload",    "xt",       "reset",  "devices"};
    return std::ranges::find(kWords, word) != kWords.end();
  }
  void follow(const NativePart* part, Station& station) {
    if (part != nullptr) read(*part, station);
  }

  const NativeTable& table_;
  std::set<const NativePart*> seen_{};
};

// "filter", "filter + 10", "-150", "dstnat - 5" (nft(8), CHAINS).
int native_priority(const std::vector<std::string_view>& words, std::size_t at) {
  static constexpr std::array<std::pair<std::string_view, int>, 6> kNames = {
      {{"raw", -300}, {"mangle", -150}, {"dstnat", -100}, {"filter", 0}, {"security", 50}, {"srcnat", 100}}};
  if (at >= words.size()) return 0;
  const auto read = [](std::string_view text) {
    const bool minus = text.starts_with('-');
    const auto number = read_number(minus ? text.substr(1) : text, INT_MAX).value_or(0);
    return minus ? -static_cast<int>(number) : static_cast<int>(number);
  };
  const auto named = std::ranges::find(kNames, words[at], &std::pair<std::string_view, int>::first);
  if (named == kNames.end()) return read(words[at]);
  if (at + 2 >= words.size()) return named->second;
  const auto more = read(words[at + 2]);
  if (words[at + 1] == "+") return named->second + more;
  return words[at + 1] == "-" ? named->second - more : named->second;
}

// The hook and the priority of a base chain: of bridge, netdev and ingress the nearest one on the way of a
// packet of IP.
std::optional<std::pair<Hook, int>> native_place(const NativeTable& table, const NativePart& chain) {
  const auto words = words_of_text(chain.hook());
  const auto at_hook = std::ranges::find(words, "hook");
  const auto at_priority = std::ranges::find(words, "priority");
  if (at_hook == words.end() || at_hook + 1 == words.end()) return std::nullopt;
  const auto name = *(at_hook + 1);
  const auto priority =
      at_priority == words.end()
          ? 0
          : native_priority(words, static_cast<std::size_t>(at_priority - words.begin()) + 1);
  if (name == "ingress") return std::pair{Hook::prerouting, INT_MIN};
  if (name == "egress") return std::pair{Hook::postrouting, INT_MAX};
  for (std::size_t i = 0; i < kChainsOfHooks.size(); ++i) {
    if (lower(kChainsOfHooks[i]) != name) continue;
    const auto hook = static_cast<Hook>(i);
    if (table.family != NativeFamily::bridge) return std::pair{hook, priority};
    if (hook == Hook::output || hook == Hook::postrouting) return std::pair{Hook::postrouting, INT_MAX};
    return std::pair{Hook::prerouting, INT_MIN};
  }
  return std::nullopt;
}

bool is_dormant(const NativeTable& table) {
  return std::ranges::any_of(table.facts, [](std::string_view fact) {
    return fact.starts_with("flags") && fact.find("dormant") != std::string_view::npos;
  });
}

// Absent for a chain that no packet comes to by itself, and for one that changes nothing.
std::optional<Station> native_station(const NativeTable& table, const NativePart& chain) {
  const auto place = native_place(table, chain);
  if (!place) return std::nullopt;
  Station station{.hook = place->first, .priority = place->second};
  NativeReach(table).read(chain, station);
  station.drops = station.drops || chain.policy() == "drop";
  if (!station.drops && !station.rejects && !station.changes) return std::nullopt;
  station.native = "nft " + table.title() + " " + std::string(chain.name);
  return station;
}

bool meets(const NativeTable& table, Family family) {
  if (is_dormant(table)) return false;
  switch (table.family) {
    case NativeFamily::ip:
      return family == Family::ipv4;
    case NativeFamily::ip6:
      return family == Family::ipv6;
    default:
      return table.family != NativeFamily::arp;
  }
}

void add_native(const Ruleset& ruleset, Family family, std::array<std::vector<Station>, 5>& stations) {
  if (!ruleset.native) return;
  for (const auto& table : ruleset.native->tables) {
    if (!meets(table, family)) continue;
    for (const auto& part : table.parts) {
      if (!part.is_chain()) continue;
      auto station = native_station(table, part);
      if (!station) continue;
      auto& of_hook = stations[static_cast<std::size_t>(station->hook)];
      of_hook.push_back(*std::move(station));
    }
  }
}

}  // namespace

std::optional<Hook> hook_of_chain(std::string_view chain) {
  const auto found = std::ranges::find(kChainsOfHooks, chain);
  if (found == kChainsOfHooks.end()) return std::nullopt;
  return static_cast<Hook>(found - kChainsOfHooks.begin());
}

std::optional<int> priority_of(std::string_view table, Hook hook, Backend backend) {
  return built_in_priority(table, kChainsOfHooks[static_cast<std::size_t>(hook)], backend);
}

std::vector<std::string> chains_of_arp(const Ruleset& ruleset) {
  std::vector<std::string> out;
  if (!ruleset.native) return out;
  for (const auto& table : ruleset.native->tables) {
    if (table.family != NativeFamily::arp || is_dormant(table)) continue;
    for (const auto& part : table.parts)
      if (const auto station = part.is_chain() ? native_station(table, part) : std::nullopt)
        out.push_back(station->native);
  }
  return out;
}

std::array<std::vector<Station>, 5> find_stations(const std::vector<ModelTable>& tables,
                                                  const Ruleset& ruleset, Family family) {
  std::array<std::vector<Station>, 5> stations;
  for (std::size_t t = 0; t < tables.size(); ++t) {
    const auto& chains = tables[t].table->chains;
    for (std::size_t c = 0; c < chains.size(); ++c) {
      const auto hook = chains[c].built_in() ? hook_of_chain(chains[c].name) : std::nullopt;
      const auto priority = hook ? priority_of(tables[t].name(), *hook, tables[t].backend) : std::nullopt;
      if (!priority) continue;
      stations[static_cast<std::size_t>(*hook)].push_back(
          Station{.hook = *hook, .priority = *priority, .table = t, .chain = c});
    }
  }
  add_native(ruleset, family, stations);
  for (auto& at_hook : stations) std::ranges::stable_sort(at_hook, {}, &Station::priority);
  return stations;
}

}  // namespace rewall

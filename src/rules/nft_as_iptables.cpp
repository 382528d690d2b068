#include "rules/nft_as_iptables.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <system_error>
#include <utility>

#include "core/format.h"
#include "core/text.h"
#include "rules/native_meaning.h"
#include "rules/table_forms.h"

namespace rewall {
namespace {

/// What a match is held against.
struct Held {
  bool equal = true;
  std::string_view value{};
};

/// Absent for a set, a map, a mask or an order.
std::optional<Held> held_against(std::string_view value) {
  constexpr std::string_view kNot = "!= ";
  Held held{.equal = !value.starts_with(kNot), .value = value};
  if (!held.equal) held.value.remove_prefix(kNot.size());
  if (held.value.empty() || held.value.find_first_of(" {}@<>&|^,") != std::string_view::npos)
    return std::nullopt;
  return held;
}

/// nft ends a name that stands for many with a star, iptables with a plus.
std::optional<std::string> interface_word(std::string_view value) {
  if (value.size() < 3 || !value.starts_with('"') || !value.ends_with('"')) return std::nullopt;
  std::string name(value.substr(1, value.size() - 2));
  if (name.ends_with("\\*")) return std::nullopt;
  if (name.ends_with('*')) name.back() = '+';
  return name;
}

std::optional<std::string> address_word(std::string_view value) {
  if (value.find('-') != std::string_view::npos) return std::nullopt;
  if (value.find('/') != std::string_view::npos) return std::string(value);
  return format("{}/{}", value, value.find(':') == std::string_view::npos ? 32 : 128);
}

std::string port_word(std::string_view value) {
  std::string word(value);
  std::ranges::replace(word, '-', ':');
  return word;
}

/// As iptables-save quotes.
std::string comment_word(std::string_view comment) {
  constexpr std::string_view kPlain = "_-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  if (!comment.empty() && comment.find_first_not_of(kPlain) == std::string_view::npos)
    return std::string(comment);
  std::string word = "\"";
  for (const char c : comment) {
    if (c == '"' || c == '\\' || c == '\'') word += '\\';
    word += c;
  }
  return word + '"';
}

std::optional<std::string> target_word(std::string_view verdict) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kPlain{
      {{"accept", "ACCEPT"}, {"drop", "DROP"}, {"return", "RETURN"}}};
  for (const auto& [words, target] : kPlain)
    if (verdict == words) return format("-j {}", target);
  for (const auto& [word, option] : {std::pair{"jump ", "-j"}, std::pair{"goto ", "-g"}})
    if (verdict.starts_with(word) && verdict.find_first_of("{ ", 5) == std::string_view::npos)
      return format("{} {}", option, verdict.substr(5));
  return std::nullopt;
}

std::optional<std::uint64_t> number_of(std::string_view word) {
  const bool hex = word.starts_with("0x");
  if (hex) word.remove_prefix(2);
  std::uint64_t value = 0;
  const auto read = std::from_chars(word.data(), word.data() + word.size(), value, hex ? 16 : 10);
  if (read.ec != std::errc{} || read.ptr != word.data() + word.size()) return std::nullopt;
  return value;
}

/// Of "rate 3/minute burst 5 packets".
std::optional<std::string> limit_word(std::string_view value) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kUnits{
      {{"second", "sec"}, {"minute", "min"}, {"hour", "hour"}, {"day", "day"}}};
  const auto words = split(value, ' ');
  if (words.size() < 2 || words[0] != "rate") return std::nullopt;
  if (words.size() != 2 && (words.size() != 5 || words[2] != "burst" || words[4] != "packets"))
    return std::nullopt;
  const std::string_view rate = words[1];
  const auto slash = std::min(rate.find('/'), rate.size());
  const auto unit = std::ranges::find(kUnits, rate.substr(std::min(slash + 1, rate.size())),
                                      [](const auto& one) { return one.first; });
  if (unit == kUnits.end() || !number_of(rate.substr(0, slash))) return std::nullopt;
  auto out = format(" -m limit --limit {}/{}", rate.substr(0, slash), unit->second);
  if (words.size() == 5 && words[3] != "5") out += format(" --limit-burst {}", words[3]);
  return out;
}

/// Of "0x00000005", "!= 0x00000005" or "& 0x000000ff == 0x00000005".
std::optional<std::string> mark_word(std::string_view value) {
  auto words = split(value, ' ');
  std::string mask;
  if (words.size() == 4 && words[0] == "&" && (words[2] == "==" || words[2] == "!=")) {
    const auto number = number_of(words[1]);
    if (!number) return std::nullopt;
    mask = format("/0x{:x}", *number);
    words.erase(words.begin(), words.begin() + (words[2] == "==" ? 3 : 2));
  }
  const bool equal = words.front() != "!=";
  if (!equal) words.erase(words.begin());
  const auto mark = words.size() == 1 ? number_of(words.front()) : std::nullopt;
  if (!mark) return std::nullopt;
  return format(" -m mark{} --mark 0x{:x}{}", equal ? "" : " !", *mark, mask);
}

/// Of "syn / fin,syn,rst,ack", without "--tcp-flags".
std::optional<std::string> flags_word(std::string_view value) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kFlags{
      {{"fin", "FIN"}, {"syn", "SYN"}, {"rst", "RST"}, {"psh", "PSH"}, {"ack", "ACK"}, {"urg", "URG"}}};
  const auto sides = split(value, ' ');
  if (sides.size() != 3 || sides[1] != "/") return std::nullopt;
  const auto upper = [&](std::string_view side) -> std::optional<std::string> {
    if (number_of(side) == 0U) return "NONE";
    std::vector<std::string> names;
    for (const auto word : split(side, ',')) {
      const auto flag = std::ranges::find(kFlags, word, [](const auto& one) { return one.first; });
      if (flag == kFlags.end()) return std::nullopt;
      names.emplace_back(flag->second);
    }
    return join(names, ",");
  };
  const auto set = upper(sides[0]);
  const auto mask = upper(sides[2]);
  if (!set || !mask) return std::nullopt;
  return format("--tcp-flags {} {}", *mask, *set);
}

/// Of "prefix \"x\" group 5": NFLOG, which alone has a group.
std::optional<std::string> nflog_word(std::string_view value) {
  std::string prefix;
  std::string_view rest = value;
  constexpr std::string_view kPrefix = "prefix \"";
  if (rest.starts_with(kPrefix)) {
    const auto end = rest.find('"', kPrefix.size());
    if (end == std::string_view::npos) return std::nullopt;
    prefix = format(" --nflog-prefix {}", comment_word(rest.substr(kPrefix.size(), end - kPrefix.size())));
    rest.remove_prefix(std::min(end + 2, rest.size()));
  }
  const auto words = split(rest, ' ');
  if (words.size() % 2 != 0 || words[0] != "group") return std::nullopt;
  std::string out = format(" -j NFLOG{}", prefix);
  for (std::size_t i = 0; i < words.size(); i += 2) {
    const auto option = words[i] == "group"             ? "--nflog-group"
                        : words[i] == "snaplen"         ? "--nflog-size"
                        : words[i] == "queue-threshold" ? "--nflog-threshold"
                                                        : "";
    if (option[0] == '\0' || !number_of(words[i + 1])) return std::nullopt;
    if (words[i] != "group" || words[i + 1] != "0") out += format(" {} {}", option, words[i + 1]);
  }
  return out;
}

/// The words of a rule, in the order of iptables-save.
class PlainRule {
 public:
  /// False for a part that has no plain words.
  bool add(const NamedPart& part) {
    if (part.name == "counter") return part.value.empty();
    if (part.name == "verdict") return put(target_, target_word(part.value));
    if (part.name == "log") return put_whole(target_, nflog_word(part.value));
    // What stands behind a limit does not use it up.
    if (limited_) return false;
    if (part.name == "limit") {
      limited_ = true;
      return add_match(limit_word(part.value));
    }
    if (part.name == "meta mark") return add_match(mark_word(part.value));
    if (part.name == "ip frag-off") return put(fragment_, fragment_word(part.value));
    if (part.name == "tcp flags") return add_of_protocol("tcp", flags_word(part.value), true);
    const auto held = held_against(part.value);
    if (!held) return false;
    if (part.name == "iifname") return put(in_, option(*held, "-i", interface_word(held->value)));
    if (part.name == "oifname") return put(out_, option(*held, "-o", interface_word(held->value)));
    if (part.name == "ip saddr" || part.name == "ip6 saddr")
      return put(source_, option(*held, "-s", address_word(held->value)));
    if (part.name == "ip daddr" || part.name == "ip6 daddr")
      return put(destination_, option(*held, "-d", address_word(held->value)));
    if (part.name == "meta l4proto" || part.name == "ip protocol" || part.name == "ip6 nexthdr")
      return put(protocol_, option(*held, "-p", std::string(held->value)));
    return add_port(part.name, *held);
  }

  std::string words(std::string_view comment) const {
    std::string out = source_ + destination_ + in_ + out_ + protocol_ + fragment_ + ports_ + matches_;
    if (!comment.empty()) out += format(" -m comment --comment {}", comment_word(comment));
    out += target_;
    return out.empty() ? out : out.substr(1);
  }

 private:
  static std::optional<std::string> option(const Held& held, std::string_view name,
                                           const std::optional<std::string>& value) {
    if (!value) return std::nullopt;
    return format("{}{} {}", held.equal ? "" : "! ", name, *value);
  }

  static bool put(std::string& place, const std::optional<std::string>& words) {
    if (!words || !place.empty()) return false;
    place = " " + *words;
    return true;
  }

  static bool put_whole(std::string& place, const std::optional<std::string>& words) {
    return words && put(place, words->substr(1));
  }

  static std::optional<std::string> fragment_word(std::string_view value) {
    if (value == "& 8191 != 0" || value == "& 0x1fff != 0") return "-f";
    if (value == "& 8191 == 0" || value == "& 0x1fff == 0") return "! -f";
    return std::nullopt;
  }

  bool add_match(const std::optional<std::string>& words) {
    if (words) matches_ += *words;
    return words.has_value();
  }

  /// An option of the match that is called as the protocol.
  bool add_of_protocol(std::string_view protocol, const std::optional<std::string>& option, bool equal) {
    const auto words = format(" -p {}", protocol);
    if (!option || (!protocol_.empty() && protocol_ != words)) return false;
    protocol_ = words;
    if (ports_.empty()) ports_ = format(" -m {}", protocol);
    ports_ += format("{} {}", equal ? "" : " !", *option);
    return true;
  }

  bool add_port(std::string_view name, const Held& held) {
    const auto blank = name.find(' ');
    const auto protocol = name.substr(0, blank);
    const auto which = blank == std::string_view::npos ? std::string_view{} : name.substr(blank + 1);
    constexpr std::array<std::string_view, 3> kProtocols{"tcp", "udp", "sctp"};
    if (std::ranges::find(kProtocols, protocol) == kProtocols.end() || (which != "dport" && which != "sport"))
      return false;
    return add_of_protocol(protocol, format("--{} {}", which, port_word(held.value)), held.equal);
  }

  std::string source_{};
  std::string destination_{};
  std::string in_{};
  std::string out_{};
  std::string protocol_{};
  std::string fragment_{};
  std::string ports_{};
  std::string matches_{};
  bool limited_ = false;
  std::string target_{};
};

}  // namespace

std::optional<std::string> in_words_of_iptables(std::string_view rule) {
  const auto noted = split_note(rule);
  if (!noted.iptables.empty()) return std::string(noted.iptables);
  PlainRule plain;
  for (const NamedPart& part : native_parts(rule))
    if (!plain.add(part)) return std::nullopt;
  const bool commented = rule.find("comment \"") != std::string_view::npos;
  auto words = plain.words(commented ? native_meaning(rule).comment : "");
  if (words.empty()) return std::nullopt;
  return words;
}

Table in_words_of_iptables(const NativeTable& table, std::vector<std::shared_ptr<const std::string>>& texts) {
  Table out{.name = table.name};
  for (const NativePart& part : table.parts) {
    if (!part.is_chain()) continue;
    const auto policy = part.hook().empty() ? "-" : part.policy() == "drop" ? "DROP" : "ACCEPT";
    Chain chain{.name = std::string(part.name), .policy = policy};
    for (const auto rule : part.rules) {
      const auto words = in_words_of_iptables(rule);
      if (words) texts.push_back(std::make_shared<const std::string>(*words));
      chain.rules.push_back({.words = words ? std::string_view(*texts.back()) : rule});
    }
    out.chains.push_back(std::move(chain));
  }
  return out;
}

void say_in_words_of_iptables(Ruleset& ruleset, Family family, std::string_view table) {
  const NativeTable* native = find_in_nft_words(ruleset, family, table);
  if (native == nullptr) return;
  Ruleset said;
  Tables& tables = said[{family}];
  tables.tables.push_back(in_words_of_iptables(*native, tables.texts));
  // Where a rule kept its words.
  tables.texts.insert(tables.texts.end(), ruleset.native->texts.begin(), ruleset.native->texts.end());
  take_table(ruleset, said, family, table);
}

}  // namespace rewall

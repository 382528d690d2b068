#include "rules/nft_as_iptables.h"

#include <algorithm>
#include <array>
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

/// The words of a rule, in the order of iptables-save.
class PlainRule {
 public:
  /// False for a part that has no plain words.
  bool add(const NamedPart& part) {
    if (part.name == "counter") return part.value.empty();
    if (part.name == "verdict") return put(target_, target_word(part.value));
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
    std::string out = source_ + destination_ + in_ + out_ + protocol_ + ports_;
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

  bool add_port(std::string_view name, const Held& held) {
    const auto blank = name.find(' ');
    const auto protocol = name.substr(0, blank);
    const auto which = blank == std::string_view::npos ? std::string_view{} : name.substr(blank + 1);
    constexpr std::array<std::string_view, 3> kProtocols{"tcp", "udp", "sctp"};
    if (std::ranges::find(kProtocols, protocol) == kProtocols.end() || (which != "dport" && which != "sport"))
      return false;
    const auto words = format(" -p {}", protocol);
    if (!protocol_.empty() && protocol_ != words) return false;
    protocol_ = words;
    if (ports_.empty()) ports_ = format(" -m {}", protocol);
    ports_ += format("{} --{} {}", held.equal ? "" : " !", which, port_word(held.value));
    return true;
  }

  std::string source_{};
  std::string destination_{};
  std::string in_{};
  std::string out_{};
  std::string protocol_{};
  std::string ports_{};
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

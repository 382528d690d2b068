#include "rules/meaning.h"

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <optional>
#include <utility>

#include "core/format.h"
#include "core/text.h"
#include "rules/extensions.h"
#include "rules/native_meaning.h"
#include "rules/normalize.h"
#include "rules/print.h"
#include "rules/rule.h"
#include "rules/sets.h"
#include "rules/value_parse.h"

namespace rewall {
namespace {

template <std::size_t N>
bool is_one_of(std::string_view name, const std::array<std::string_view, N>& names) {
  return std::ranges::find(names, name) != names.end();
}

bool has(const Match& match, std::string_view option, bool negated = false) {
  return std::ranges::any_of(match.options,
                             [&](const Option& one) { return one.name == option && one.negated == negated; });
}

// A set match asks the counters of the member that it finds, or counts the packet there, unless it is told
// not to.
bool asks_counters(const Match& match) {
  return std::ranges::any_of(match.options, [](const Option& option) {
    return option.name.starts_with("--packets-") || option.name.starts_with("--bytes-");
  });
}
bool touches_counters(const Match& match) {
  return match.name == "set" && (asks_counters(match) || !has(match, "--update-counters", true));
}

// Nothing may move across it.
bool is_barrier(const Match& match) {
  const auto* spec = match.known ? find_match(match.name) : nullptr;
  return spec == nullptr || spec->stateful || writes(match) || touches_counters(match);
}

bool takes_ports(std::string_view match) {
  static constexpr std::array<std::string_view, 6> kMatches = {"tcp",  "udp",  "udplite",
                                                               "sctp", "dccp", "multiport"};
  return is_one_of(match, kMatches);
}

// A range that leaves nothing out is no condition of these; `--length 0:65535` is kept, as iptables-save
// keeps it.
bool is_nothing_when_full(std::string_view match, ValueKind kind) {
  static constexpr std::array<std::string_view, 6> kMatches = {"ah", "esp", "frag", "ipcomp", "mh", "rt"};
  return (kind == ValueKind::range32 || kind == ValueKind::range8) && is_one_of(match, kMatches);
}

// `--dports` of multiport and `--dport` of tcp are one condition.
std::string_view port_name(std::string_view option) {
  if (option == "--sport" || option == "--sports") return "sport";
  if (option == "--dport" || option == "--dports") return "dport";
  return "";
}

constexpr std::uint32_t kGreatestPort = 65535;

// The ports that satisfy an option of tcp, udp, ... or multiport; nothing when it asks for something else.
std::optional<Intervals> ports_of(const Match& match, const Option& option) {
  if (!takes_ports(match.name) || port_name(option.name).empty() || option.values.size() != 1)
    return std::nullopt;
  auto ports = read_ports(option.values[0]);
  if (ports && option.negated) ports = complement(*ports, kGreatestPort);
  return ports;
}

// The conditions of one match as lines; none of them when its options leave nothing out.
std::vector<std::string> conditions_of(const Match& match, Family family) {
  const auto* spec = match.known ? find_match(match.name) : nullptr;
  std::vector<std::string> out;
  for (const auto& option : match.options) {
    if (const auto ports = ports_of(match, option)) {
      if (*ports == Intervals{{0, kGreatestPort}}) continue;
      out.push_back(format("{} {}", port_name(option.name), to_text(*ports)));
      continue;
    }
    const auto* option_spec = spec == nullptr ? nullptr : spec->find(option.name);
    auto value = normal_value(option_spec, option, family);
    if (option_spec != nullptr && !option.negated && is_nothing_when_full(match.name, option_spec->kind)) {
      if (value == "0-255" || value == "0-4294967295") continue;
    }
    out.push_back(format("{}{} {}", option.negated ? "! " : "", option.name, value));
  }
  return out;
}

bool keeps_order(const Match& match) {
  return !match.known || match.name == "policy";
}

// Where a rule is read from the first word to the last, in lines: what comes first are the conditions of the
// packet's header, then those of the matches, in any order as far as no match with a state of its own stands
// between.
class KeyWriter {
 public:
  explicit KeyWriter(Family family) : family_(family) {}

  void add_option(const Option& option) {
    const auto* spec = base_options().find(option.name);
    const auto value = normal_value(spec, option, family_);
    if (!option.negated && leaves_nothing_out(option, value)) return;
    lines_.push_back(format("{}{} {}", option.negated ? "! " : "", option.name, value));
  }

  void add_match(const Match& written) {
    if (written.known && written.name == "comment") return;
    const auto match = normal_form(written, family_);
    auto conditions = conditions_of(match, family_);
    const auto* spec = match.known ? find_match(match.name) : nullptr;
    if (!keeps_order(match)) std::ranges::sort(conditions);
    if (spec != nullptr && spec->independent && !conditions.empty()) {
      for (auto& condition : conditions) {
        const bool ports = condition.starts_with("sport ") || condition.starts_with("dport ");
        lines_.push_back(ports ? std::move(condition) : format("{} {}", match.name, condition));
      }
      return;
    }
    auto line = format("{}m {}", match.known ? "" : "?", quote_word(match.name));
    for (const auto& condition : conditions) line += "; " + condition;
    if (!is_barrier(match)) {
      lines_.push_back(std::move(line));
      return;
    }
    end_segment();
    key_ += line + '\n';
  }

  void end_segment() {
    std::ranges::sort(lines_);
    lines_.erase(std::unique(lines_.begin(), lines_.end()), lines_.end());
    for (const auto& line : lines_) key_ += line + '\n';
    lines_.clear();
    key_ += "--\n";
  }

  void add_target(const Target& written) {
    const auto target = normal_form(written, family_);
    const auto* spec = target.known ? find_target(target.name) : nullptr;
    std::vector<std::string> options;
    for (const auto& option : target.options) {
      const auto value = normal_value(spec == nullptr ? nullptr : spec->find(option.name), option, family_);
      options.push_back(format("{}{} {}", option.negated ? "! " : "", option.name, value));
    }
    if (target.known) std::ranges::stable_sort(options);
    key_ += format("{} {}", target.go_to ? "-g" : "-j", quote_word(target.name));
    for (const auto& option : options) key_ += "; " + option;
    key_ += '\n';
  }

  void add_unknown(const std::vector<std::string>& words) {
    for (const auto& word : words) key_ += "? " + word + '\n';
  }

  std::string take() { return std::move(key_); }

 private:
  static bool leaves_nothing_out(const Option& option, std::string_view value) {
    if (option.name == "-s" || option.name == "-d") return value == "0.0.0.0/0" || value == "::/0";
    if (option.name == "-p") return value == "0";
    if (option.name == "-i" || option.name == "-o") return option.values[0] == "+";
    return false;
  }

  Family family_;
  std::vector<std::string> lines_{};
  std::string key_{};
};

std::string key_of(const ParsedRule& rule, Family family) {
  KeyWriter key(family);
  for (const auto& option : rule.options) key.add_option(option);
  for (const auto& match : rule.matches) key.add_match(match);
  key.end_segment();
  key.add_unknown(rule.unknown);
  if (rule.target) key.add_target(*rule.target);
  return key.take();
}

// Part by part, for people.
class NamedPartsWriter {
 public:
  explicit NamedPartsWriter(Family family) : family_(family) {}

  void add_rule(const ParsedRule& rule) {
    for (const auto& option : rule.options)
      add(option, normal_value(base_options().find(option.name), option, family_));
    for (const auto& match : rule.matches) add_match(match);
    for (const auto& word : rule.unknown) add(word, "", "");
    if (rule.target) add_target(*rule.target);
  }

  std::vector<NamedPart> take() { return std::move(parts_); }

 private:
  void add_match(const Match& match) {
    if (match.known && match.name == "comment") return;
    if (match.options.empty() || !match.known) add("-m", match.name, match.name);
    for (const auto& option : match.options) {
      const Match alone{.name = match.name, .options = {option}, .known = match.known};
      auto conditions = conditions_of(normal_form(alone, family_), family_);
      std::ranges::sort(conditions);
      add(option, join(conditions, "; "));
    }
  }

  void add_target(const Target& target) {
    add(target.go_to ? "-g" : "-j", quote_word(target.name), target.name);
    for (const auto& option : target.options) {
      KeyWriter key(family_);
      key.add_target(Target{.name = target.name, .options = {option}, .known = target.known});
      add(option, key.take());
    }
  }

  void add(const Option& option, std::string key) {
    std::vector<std::string> values;
    for (const auto& value : option.values) values.push_back(is_plain(value) ? value : quote_word(value));
    add((option.negated ? "! " : "") + option.name, join(values, " "), std::move(key));
  }

  void add(std::string name, std::string value, std::string key) {
    const auto [found, fresh] = places_.try_emplace(name, parts_.size());
    if (fresh) {
      parts_.push_back(NamedPart{.name = std::move(name), .value = std::move(value), .key = std::move(key)});
      return;
    }
    auto& part = parts_[found->second];
    part.value += ' ' + value;
    part.key += '\n' + key;
  }

  // iptables-save quotes texts, and never addresses, ports and the like.
  static bool is_plain(std::string_view value) {
    return !value.empty() && value.find_first_of(" \t\"\\'") == std::string_view::npos;
  }

  Family family_;
  std::vector<NamedPart> parts_{};
  std::map<std::string, std::size_t, std::less<>> places_{};  // of each name in parts_
};

constexpr std::array<std::string_view, 5> kStateBits = {"INVALID", "NEW", "ESTABLISHED", "RELATED",
                                                        "UNTRACKED"};

// What a packet must be to reach the first match of a rule that has a state of its own: enough to tell two
// apart.
struct Needs {
  std::optional<Address> source{}, destination{};
  std::optional<Address> not_source{}, not_destination{};
  std::string in{}, out{}, not_in{}, not_out{};
  std::optional<unsigned> protocol{}, not_protocol{};
  std::vector<Intervals> source_ports{}, destination_ports{};
  std::optional<unsigned> states{};  // bits in the order of kStateBits
  std::string icmp{};
  bool stateless = true;
};

// More conditions of one rule are not needed to be sure that two rules exclude each other.
constexpr std::size_t kPortsAsked = 16;

std::optional<unsigned> states_of(const Option& option) {
  unsigned states = 0;
  for (const auto word : split(option.values[0], ',')) {
    const auto found = std::ranges::find(kStateBits, word);
    if (found == kStateBits.end()) return std::nullopt;
    states |= 1U << (found - kStateBits.begin());
  }
  return option.negated ? ~states & 0x1fU : states;
}

void note_option(Needs& needs, const Option& option, Family family) {
  const auto& value = option.values.empty() ? std::string{} : option.values[0];
  if (option.name == "-s") (option.negated ? needs.not_source : needs.source) = read_address(value, family);
  if (option.name == "-d")
    (option.negated ? needs.not_destination : needs.destination) = read_address(value, family);
  if (option.name == "-i") (option.negated ? needs.not_in : needs.in) = value;
  if (option.name == "-o") (option.negated ? needs.not_out : needs.out) = value;
  if (option.name != "-p") return;
  const auto number = normal_value(base_options().find("-p"), option, family);
  if (number.starts_with('?') || number == "0") return;
  (option.negated ? needs.not_protocol : needs.protocol) = static_cast<unsigned>(std::stoul(number));
}

void note_match(Needs& needs, const Match& match) {
  for (const auto& option : match.options) {
    if (const auto ports = ports_of(match, option)) {
      auto& all = port_name(option.name) == "sport" ? needs.source_ports : needs.destination_ports;
      if (all.size() < kPortsAsked) all.push_back(*ports);
    }
    if (option.name == "--ctstate") {
      const auto states = states_of(option);
      if (states) needs.states = needs.states.value_or(0x1fU) & *states;
    }
    if ((option.name == "--icmp-type" || option.name == "--icmpv6-type") && !option.negated)
      needs.icmp = option.values[0];
  }
}

Needs needs_of(const ParsedRule& rule, Family family) {
  Needs needs;
  for (const auto& option : rule.options) note_option(needs, option, family);
  for (const auto& match : rule.matches) {
    if (is_barrier(match)) needs.stateless = false;
    if (needs.stateless) note_match(needs, normal_form(match, family));
  }
  if (!rule.unknown.empty()) needs.stateless = false;
  return needs;
}

bool disjoint_ports(const std::vector<Intervals>& a, const std::vector<Intervals>& b) {
  return std::ranges::any_of(a, [&b](const Intervals& x) {
    return std::ranges::any_of(b, [&x](const Intervals& y) { return !overlap(x, y); });
  });
}

// `eth+` is every name that begins with eth.
bool covers(std::string_view pattern, std::string_view name) {
  if (!pattern.ends_with('+')) return pattern == name;
  pattern.remove_suffix(1);
  return name.substr(0, name.ends_with('+') ? name.size() - 1 : name.size()).starts_with(pattern);
}

bool disjoint_interfaces(std::string_view a, std::string_view b) {
  return !a.empty() && !b.empty() && !covers(a, b) && !covers(b, a);
}

bool disjoint_addresses(const std::optional<Address>& a, const std::optional<Address>& b) {
  return a && b && disjoint(*a, *b);
}

// One wants what the other does not.
bool excluded(const std::optional<Address>& wanted, const std::optional<Address>& unwanted) {
  return wanted && unwanted && within(*wanted, *unwanted);
}
bool excluded(std::string_view wanted, std::string_view unwanted) {
  return !wanted.empty() && !unwanted.empty() && covers(unwanted, wanted);
}
bool excluded(const std::optional<unsigned>& wanted, const std::optional<unsigned>& unwanted) {
  return wanted && unwanted && *wanted == *unwanted;
}

bool one_excludes(const Needs& a, const Needs& b) {
  return excluded(a.source, b.not_source) || excluded(a.destination, b.not_destination) ||
         excluded(a.in, b.not_in) || excluded(a.out, b.not_out) || excluded(a.protocol, b.not_protocol);
}

// TYPE/FIRST-LAST of normal_form; different types never meet, codes of one type are not looked at.
bool disjoint_icmp(const std::string& a, const std::string& b) {
  const auto type = [](const std::string& text) { return text.substr(0, text.find('/')); };
  const bool readable = a.find('/') != std::string::npos && b.find('/') != std::string::npos;
  return readable && type(a) != type(b);
}

// By what stays as it is while a packet is on its way through a table.
bool disjoint_by_header(const Needs& a, const Needs& b) {
  return disjoint_addresses(a.source, b.source) || disjoint_addresses(a.destination, b.destination) ||
         (a.protocol && b.protocol && *a.protocol != *b.protocol) || disjoint_interfaces(a.in, b.in) ||
         disjoint_interfaces(a.out, b.out) || disjoint_ports(a.source_ports, b.source_ports) ||
         disjoint_ports(a.destination_ports, b.destination_ports) || disjoint_icmp(a.icmp, b.icmp) ||
         one_excludes(a, b) || one_excludes(b, a);
}

bool disjoint_by_state(const Needs& a, const Needs& b) {
  return a.states && b.states && (*a.states & *b.states) == 0;
}

// Ends the packet's way through the chain, and does nothing else.
bool is_verdict(const ParsedRule& rule) {
  static constexpr std::array<std::string_view, 4> kVerdicts = {"ACCEPT", "DROP", "REJECT", "RETURN"};
  return rule.target && !rule.target->go_to && is_one_of(rule.target->name, kVerdicts);
}

// Prefix translation changes a packet and lets it go on to the next rule; so may any chain.
bool may_rewrite(const ParsedRule& rule, Family family) {
  if (family == Family::ipv4 || !rule.target) return false;
  return !rule.target->known || rule.target->name == "SNPT" || rule.target->name == "DNPT";
}

std::string key_of_target(const ParsedRule& rule, Family family) {
  KeyWriter key(family);
  key.add_target(*rule.target);
  return key.take();
}

// One line for people of a key's lines.
std::string one_line(const Meaning& meaning) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kProtocols{
      {{"-p 1", "-p icmp"}, {"-p 6", "-p tcp"}, {"-p 17", "-p udp"}, {"-p 58", "-p ipv6-icmp"}}};
  std::string out;
  for (const auto line : split_lines(meaning.key)) {
    if (line == "--") continue;
    const auto* protocol = std::ranges::find(kProtocols, line, [](const auto& pair) { return pair.first; });
    if (protocol != kProtocols.end()) {
      out += format(" {}", protocol->second);
    } else {
      const bool ports = line.starts_with("sport ") || line.starts_with("dport ");
      out += format(" {}{}", ports ? "--" : line.starts_with("m ") ? "-" : "", line);
    }
  }
  if (!meaning.comment.empty()) out += format("  # {}", quote_word(meaning.comment));
  return out;
}

// Their order in a ruleset is none of its meaning.
template <class Named>
std::vector<const Named*> by_name(const std::vector<Named>& all) {
  std::vector<const Named*> sorted;
  for (const auto& one : all) sorted.push_back(&one);
  std::ranges::stable_sort(sorted, {}, [](const Named* one) -> const std::string& { return one->name; });
  return sorted;
}

void write_tables(const Tables& tables, std::string_view backend, const RuleMeaning& of_rule,
                  const std::function<void(std::string_view)>& write) {
  for (const auto* table : by_name(tables.tables)) {
    for (const auto* chain : by_name(table->chains)) {
      // One that the kernel makes by itself need not be there.
      if (chain->policy == "ACCEPT" && chain->rules.empty()) continue;
      write("chain");
      write(backend);
      write(short_name(tables.family));
      write(table->name);
      write(chain->name);
      write(chain->policy);
      write(format("{}", chain->rules.size()));
      for (const auto& rule : chain->rules) write(of_rule(rule.words, tables.family));
    }
  }
}

}  // namespace

bool writes(const Match& match) {
  return (match.name == "socket" && has(match, "--restore-skmark")) ||
         (match.name == "bpf" && has(match, "--object-pinned"));
}

Meaning meaning(std::string_view words, Family family) {
  const auto rule = parse_rule(words, family);
  if (!rule) return Meaning{.key = format("?? {}", words)};
  return Meaning{.key = key_of(*rule, family), .comment = rule->comment};
}

std::string meaning_text(const Tables& tables) {
  std::string out;
  const auto text = canonical_text(tables);
  for (const auto line : split_lines(text)) {
    const auto chain = line.starts_with("-A ") ? line.find(' ', 3) : std::string_view::npos;
    out += line.substr(0, chain);
    if (chain != std::string_view::npos) out += one_line(meaning(line.substr(chain + 1), tables.family));
    out += '\n';
  }
  return out;
}

void write_meaning(const Ruleset& ruleset, const RuleMeaning& of_rule,
                   const std::function<void(std::string_view)>& write) {
  const auto in_use = [&](bool beside) {
    return std::ranges::any_of(Ruleset::slots(), [&](Slot slot) {
      return slot.beside == beside && !std::ranges::all_of(ruleset[slot].tables, is_empty);
    });
  };
  // Legacy tables beside empty ones count as those in use, as legacy tables alone do.
  const bool both = in_use(false) && in_use(true);
  for (const Slot slot : Ruleset::slots())
    write_tables(ruleset[slot], slot.beside && both ? "legacy" : "", of_rule, write);
  std::deque<std::string> kept;
  for (const auto* set : by_name(ruleset.sets.sets)) {
    auto members = set->members;
    for (auto& member : members) member = meaning_of_member(member, kept);
    if (!is_list(*set)) sort_members(members);
    write("set");
    write(set->name);
    write(meaning_of_options(*set));
    write(format("{}", members.size()));
    for (const auto member : members) write(member);
  }
  if (ruleset.native) write_native_meaning(*ruleset.native, write);
}

std::vector<NamedPart> named_parts(std::string_view words, Family family) {
  const auto rule = parse_rule(words, family);
  if (!rule) return {NamedPart{.name = "", .value = std::string(words), .key = std::string(words)}};
  NamedPartsWriter writer(family);
  writer.add_rule(*rule);
  return writer.take();
}

std::string target_of(std::string_view words, Family family) {
  const auto rule = parse_rule(words, family);
  return rule && rule->target ? rule->target->name : std::string{};
}

bool disjoint(std::string_view a, std::string_view b, Family family) {
  const auto first = parse_rule(a, family);
  const auto second = parse_rule(b, family);
  if (!first || !second) return false;
  const auto x = needs_of(*first, family);
  const auto y = needs_of(*second, family);
  return disjoint_by_header(x, y) || disjoint_by_state(x, y);
}

bool interchangeable(std::string_view a, std::string_view b, Family family) {
  const auto first = parse_rule(a, family);
  const auto second = parse_rule(b, family);
  if (!first || !second || may_rewrite(*first, family) || may_rewrite(*second, family)) return false;
  const auto x = needs_of(*first, family);
  const auto y = needs_of(*second, family);
  const bool verdicts = is_verdict(*first) && is_verdict(*second);
  // Other targets may change what the rule after them sees of a packet: its state, its addresses, its mark.
  if (disjoint_by_header(x, y)) return true;
  if (!verdicts) return false;
  if (disjoint_by_state(x, y)) return true;
  return x.stateless && y.stateless && key_of_target(*first, family) == key_of_target(*second, family);
}

}  // namespace rewall

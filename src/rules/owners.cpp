#include "rules/owners.h"

#include <fnmatch.h>

#include <algorithm>
#include <functional>
#include <set>

#include "core/messages.h"
#include "core/text.h"
#include "rules/nft_as_iptables.h"
#include "rules/rule.h"
#include "rules/sets.h"
#include "rules/table_forms.h"
#include "rules/tokenizer.h"

namespace rewall {
namespace {

// What docker (moby, libnetwork's bridge driver) puts outside its chains, exactly so: a rule of a person that
// names a bridge too must not look like one.
std::string docker_rule() {
  const std::string bridge = "(docker0|docker_gwbridge|br-[0-9a-f]{12}|%i)";
  const std::string port = "-p (tcp|udp|sctp) -m (tcp|udp|sctp) --dport [0-9]+";
  const std::string source = "(MASQUERADE|SNAT --to-source [^ ]+)";
  // \2 and \4 are the second and the fourth group: the same address, the same bridge.
  return "^-A (POSTROUTING -s ([^ ]+/(32|128)) -d \\2 -p [a-z]+ -m [a-z]+ --dport [0-9]+ -j MASQUERADE"
         "|FORWARD -i " +
         bridge + " (! )?-o \\4 -j (ACCEPT|DROP)" + "|FORWARD -o " + bridge +
         " -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT" + "|POSTROUTING -s [^ ]+ ! -o " + bridge +
         " -j " + source + "|POSTROUTING -o " + bridge + " -m addrtype --src-type LOCAL -j " + source +
         "|PREROUTING -d [^ ]+/(32|128) ! -i " + bridge + " -j DROP" +
         "|PREROUTING -d 127\\.0\\.0\\.1/32 ! -i lo " + port + " -j DROP" +
         "|PREROUTING -d 127\\.0\\.0\\.1/32 -i loopback0 " + port + " -j ACCEPT" + "|DOCKER-USER -j RETURN)$";
}

// libvirt before 5.1 has no chains. Its NAT rules name no interface: those of its default network are known.
std::string libvirt_rule() {
  const std::string bridge = "virbr[0-9]+";
  return "^-A (FORWARD -i (" + bridge + ") -o \\2 -j ACCEPT" + "|FORWARD -d [^ ]+ -o " + bridge +
         " -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT" + "|FORWARD -s [^ ]+ -i " + bridge +
         " -j ACCEPT" + "|FORWARD -[io] " + bridge + " -j REJECT --reject-with icmp6?-port-unreachable" +
         "|INPUT -i " + bridge + " -p (tcp|udp) -m (tcp|udp) --dport (53|67|547) -j ACCEPT" + "|OUTPUT -o " +
         bridge + " -p udp -m udp --dport (68|546) -j ACCEPT" + "|POSTROUTING -o " + bridge +
         " -p udp -m udp --dport 68 -j CHECKSUM --checksum-fill" +
         "|POSTROUTING -s 192\\.168\\.122\\.0/24 -d (224\\.0\\.0\\.0/24|255\\.255\\.255\\.255/32) -j RETURN" +
         "|POSTROUTING -s 192\\.168\\.122\\.0/24 ! -d 192\\.168\\.122\\.0/24 (-p (tcp|udp) )?-j MASQUERADE"
         "( --to-ports 1024-65535)?)$";
}

bool matches_any(const std::vector<std::string>& globs, const std::string& name) {
  return std::ranges::any_of(globs, [&name](const std::string& glob) {
    const bool literal = !glob.empty() && std::string_view("*?[\\").find(glob[0]) == std::string_view::npos;
    if (literal && (name.empty() || name[0] != glob[0])) return false;
    return ::fnmatch(glob.c_str(), name.c_str(), 0) == 0;
  });
}

const Owner* find_owner(std::span<const Owner> owners, std::vector<std::string> Owner::*globs,
                        std::unordered_map<std::string, const Owner*>& known, std::string_view name) {
  const std::string text(name);
  const auto met = known.find(text);
  if (met != known.end()) return met->second;
  const auto found =
      std::ranges::find_if(owners, [&](const Owner& o) { return matches_any(o.*globs, text); });
  return known[text] = found == owners.end() ? nullptr : &*found;
}

bool is_interface_option(const Tokenizer::Word& word) {
  return word.is("-i") || word.is("-o") || word.is("--in-interface") || word.is("--out-interface");
}

void add_interfaces(std::string_view words, std::set<std::string>& interfaces) {
  Tokenizer reader(words);
  while (const auto word = reader.next()) {
    if (!is_interface_option(*word)) continue;
    const auto name = reader.next();
    if (name && !name->is("lo")) interfaces.insert(name->text());
  }
}

constexpr std::string_view kPlace = "%i";
constexpr std::size_t kExpressionsKept = 64;

// Without parentheses: the groups of the expression keep their numbers.
std::string as_expression(const std::set<std::string>& interfaces) {
  std::string out;
  for (const auto& interface : interfaces) {
    if (!out.empty()) out += '|';
    for (const char c : interface) {
      if (std::string_view(".[]()*+?{}|^$\\").find(c) != std::string_view::npos) out += '\\';
      out += c;
    }
  }
  return out.empty() ? std::string(kPlace) : out;
}

std::string with_place(std::string rule, const std::string& text) {
  for (auto at = rule.find(kPlace); at != std::string::npos; at = rule.find(kPlace, at + text.size())) {
    rule.replace(at, kPlace.size(), text);
  }
  return rule;
}

std::string line_of(std::string_view chain, std::string_view words) {
  std::string line = "-A ";
  line += chain;
  line += ' ';
  line += words;
  return line;
}

/// Walks an expression from one of its characters to the next: over what is escaped, and over brackets.
std::size_t after(std::string_view rule, std::size_t at) {
  if (rule[at] == '\\') return at + 2;
  if (rule[at] != '[') return at + 1;
  ++at;
  if (at < rule.size() && rule[at] == '^') ++at;
  return rule.find(']', at + 1) + 1;  // 0, and so no progress, where there is none
}

constexpr std::size_t kLongestExpression = 4096;
/// regcomp(3) copies what is repeated: 150 MB for 65,000 places, and nobody needs a thousand.
constexpr std::size_t kBiggestRule = 4096;

/// What decides how long regcomp(3) and regexec(3) take.
struct RuleShape {
  std::size_t size = 0;  ///< characters to match, each as often as it is repeated by a number
  bool refers_back = false;
  bool has_open_repeat = false;  ///< `.*`, `.+`, `(...)*` or `(...)+`
};

/// The largest number of `{n,m}` at `at`, which moves behind it; 1 where none is there.
std::size_t read_times(std::string_view rule, std::size_t& at) {
  std::size_t most = 1;
  std::size_t number = 0;
  for (++at; at < rule.size() && rule[at] != '}'; ++at) {
    const bool digit = rule[at] >= '0' && rule[at] <= '9';
    number = digit ? std::min(number * 10 + static_cast<std::size_t>(rule[at] - '0'), kBiggestRule) : 0;
    most = std::max(most, number);
  }
  ++at;
  return most;
}

RuleShape shape_of(std::string_view rule) {
  RuleShape shape;
  std::vector<std::size_t> before;  // the size where each open group begins
  std::size_t last = 0;             // the size before what a repetition repeats
  bool any = false;                 // that is `.` or a group
  for (std::size_t at = 0; at < rule.size() && shape.size <= kBiggestRule;) {
    const char c = rule[at];
    if (c == '{') {
      shape.size = last + (shape.size - last) * read_times(rule, at);
      shape.has_open_repeat = shape.has_open_repeat || any;
      continue;
    }
    if (c == '*' || c == '+') shape.has_open_repeat = shape.has_open_repeat || any;
    if (c == '*' || c == '+' || c == '?') {
      ++at;
      continue;
    }
    if (c == '(') before.push_back(shape.size);
    last = c == ')' && !before.empty() ? before.back() : shape.size;
    if (c == ')' && !before.empty()) before.pop_back();
    any = c == '.' || c == ')';
    if (c == '\\' && at + 1 < rule.size() && rule[at + 1] >= '1' && rule[at + 1] <= '9')
      shape.refers_back = true;
    ++shape.size;
    at = std::max(after(rule, at), at + 1);
  }
  return shape;
}

/// A space that must be there.
bool ends_word(std::string_view rule, std::size_t at) {
  const bool repeated =
      at + 1 < rule.size() && std::string_view("?*+{").find(rule[at + 1]) != std::string_view::npos;
  return rule[at] == ' ' && !repeated;
}

/// The chains of which an expression like `^-A (FORWARD -i .*|INPUT .*)$` or `^-A (FORWARD|INPUT) .*` can
/// know rules; none where it is not written so. Most rules are in chains of other names, and to match them
/// takes longer than all else that is asked of them.
std::vector<std::string> chains_of(std::string_view rule) {
  constexpr std::string_view kStart = "^-A (";
  constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
  if (!rule.starts_with(kStart)) return {};
  std::vector<std::string> chains;
  std::size_t depth = 0;
  bool closed = false;
  for (std::size_t at = kStart.size() - 1; at < rule.size();) {
    const char c = rule[at];
    const std::size_t next = after(rule, at);
    // Classes like [:digit:] end otherwise.
    if (next <= at || (c == '[' && rule.substr(at + 1, next - at - 1).find('[') != std::string_view::npos))
      return {};
    if (c == '(') ++depth;
    if (c == ')' && depth-- == 0) return {};
    if (c == '|' && depth == 0) return {};
    if ((c == '(' || c == '|') && depth == 1 && !closed) {
      const std::size_t end = rule.find_first_not_of(kLetters, next);
      if (end == std::string_view::npos || end == next) return {};
      if (!ends_word(rule, end) && rule[end] != '|' && rule[end] != ')') return {};
      chains.emplace_back(rule.substr(next, end - next));
    }
    if (c == ')' && depth == 0 && !closed) {
      closed = true;
      if (next == rule.size() || (!ends_word(rule, next) && rule[next] != '$')) return {};
    }
    at = next;
  }
  return closed && depth == 0 ? chains : std::vector<std::string>{};
}

/// False where an expression with these chains_of() matches no rule of `chain`.
bool may_match(const std::vector<std::string>& chains, std::string_view chain) {
  return chains.empty() || chain.find(' ') != std::string_view::npos ||
         std::ranges::find(chains, chain) != chains.end();
}

/// Asks of the lines of the rules that an expression with these chains_of() may match.
bool any_rule(const Ruleset& ruleset, const std::vector<std::string>& chains,
              const std::function<bool(const std::string&)>& is) {
  for (const Slot slot : Ruleset::slots()) {
    for (const auto& table : ruleset[slot].tables) {
      for (const auto& chain : table.chains) {
        if (!may_match(chains, chain.name)) continue;
        for (const auto& rule : chain.rules) {
          if (is(line_of(chain.name, rule.words))) return true;
        }
      }
    }
  }
  return false;
}

}  // namespace

std::vector<Owner> default_owners() {
  return {
      {.name = "docker",
       .chains = {"DOCKER", "DOCKER-*", "DOCKER_*"},
       .rule = docker_rule(),
       .sets = {"docker-ext-bridges-*"},
       .shared = {"DOCKER-USER"},
       .tables = {"ip docker-bridges", "ip6 docker-bridges"}},
      {.name = "podman",  // CNI-*: the network plugins that podman used before netavark, and containerd does
       .chains = {"NETAVARK-*", "NETAVARK_*", "CNI-*"},
       .shared = {"CNI-ADMIN"},
       .tables = {"inet netavark", "inet cni_plugins_masquerade", "inet cni_hostport"}},
      {.name = "kubernetes",
       .chains = {"KUBE-*"},
       .sets = {"KUBE-*"},
       .tables = {"ip kube-proxy", "ip6 kube-proxy"}},
      {.name = "calico",
       .chains = {"cali-*", "felix-*"},
       .rule = "^-A [^ ]+ -m comment --comment \"cali:",
       .sets = {"cali4*", "cali6*"},
       .tables = {"ip calico", "ip6 calico", "arp calico-arp"}},
      {.name = "cilium", .chains = {"CILIUM_*", "OLD_CILIUM_*"}, .sets = {"cilium_node_set_v*"}},
      {.name = "flannel",
       .chains = {"FLANNEL-*"},
       .rule = "^-A (FORWARD|POSTROUTING) .*-m comment --comment \"flanneld (masq|forward)\"",
       .tables = {"ip flannel-ipv4", "ip6 flannel-ipv6"}},
      {.name = "fail2ban",
       .chains = {"f2b-*", "fail2ban-*"},
       .sets = {"f2b-*", "fail2ban-*"},
       .tables = {"f2b-*", "fail2ban-*"}},
      {.name = "libvirt",
       .chains = {"LIBVIRT_*", "libvirt-*", "F[IJOP]-vnet*", "H[IJ]-vnet*"},
       .rule = libvirt_rule(),
       .tables = {"libvirt_network", "libvirt_nwfilter_*"}},
      {.name = "tailscale", .chains = {"ts-input", "ts-forward", "ts-postrouting"}},
      {.name = "crowdsec",
       .chains = {"CROWDSEC_*"},
       .sets = {"crowdsec-blacklists*", "crowdsec6-blacklists*"},
       .tables = {"ip crowdsec", "ip6 crowdsec6"}},
      {.name = "sshguard",
       .chains = {"sshguard"},
       .sets = {"sshguard4", "sshguard6"},
       .tables = {"ip sshguard", "ip6 sshguard"}},
      {.name = "firewalld", .tables = {"firewalld", "firewalld_*"}},
  };
}

Status check_owner_rule(const std::string& rule) {
  if (rule.size() > kLongestExpression)
    return error_of<messages::owner_rule_too_long>(rule.size(), kLongestExpression);
  // Before it is compiled: that takes the time and the memory.
  const RuleShape shape = shape_of(rule);
  if (shape.size > kBiggestRule) return error_of<messages::owner_rule_repeats>(rule);
  if (shape.refers_back && (!rule.starts_with('^') || shape.has_open_repeat))
    return error_of<messages::owner_rule_refers_back>(rule);
  TRY(Expression::make(rule, Expression::Case::exact));
  return {};
}

std::shared_ptr<const Expression> OwnerExpressions::find(const std::string& text) {
  if (const auto known = compiled_.find(text); known != compiled_.end()) return known->second;
  auto made = Expression::make(text, Expression::Case::exact);
  auto compiled = made ? std::make_shared<const Expression>(*std::move(made)) : nullptr;
  if (compiled_.size() >= kExpressionsKept) compiled_.clear();
  return compiled_.emplace(text, std::move(compiled)).first->second;
}

Ownership::Ownership(std::span<const Owner> owners, std::span<const Ruleset* const> rulesets)
    : owners_(owners) {
  OwnerExpressions expressions;
  *this = Ownership(owners, rulesets, expressions);
}

Ownership::Ownership(std::span<const Owner> owners, std::span<const Ruleset* const> rulesets,
                     OwnerExpressions& expressions)
    : owners_(owners) {
  for (const auto& owner : owners) {
    if (owner.rule.empty()) continue;
    std::set<std::string> interfaces;
    const auto look = [&](const Tables& tables) {
      for (const auto& table : tables.tables) {
        for (const auto& chain : table.chains) {
          if (chain.built_in() || of_chain(chain.name) != &owner) continue;
          for (const auto& rule : chain.rules) add_interfaces(rule.words, interfaces);
        }
      }
    };
    if (owner.rule.find(kPlace) != std::string::npos) {
      for (const auto* ruleset : rulesets) {
        for (const Slot slot : Ruleset::slots()) look((*ruleset)[slot]);
        if (!ruleset->native) continue;
        Tables said;
        for (const NativeTable& table : ruleset->native->tables)
          if (iptables_family(table)) said.tables.push_back(in_words_of_iptables(table, said.texts));
        look(said);
      }
    }
    auto compiled = expressions.find(with_place(owner.rule, as_expression(interfaces)));
    if (compiled) expressions_.push_back({&owner, std::move(compiled), chains_of(owner.rule)});
  }
}

const Owner* Ownership::of_chain(std::string_view chain) const {
  return of_shared(chain) != nullptr ? nullptr : find_owner(owners_, &Owner::chains, chains_, chain);
}

const Owner* Ownership::of_shared(std::string_view chain) const {
  return find_owner(owners_, &Owner::shared, shared_, chain);
}

const Owner* Ownership::of_set(std::string_view set) const {
  return find_owner(owners_, &Owner::sets, sets_, set);
}

const Owner* Ownership::of_table(NativeFamily family, std::string_view table) const {
  auto title = std::string(name(family)) + ' ';
  title += table;
  const auto known = tables_.find(title);
  if (known != tables_.end()) return known->second;
  const std::string alone(table);
  const auto owns = [&](const Owner& owner) {
    return std::ranges::any_of(owner.tables, [&](const std::string& glob) {
      const auto& text = glob.find(' ') == std::string::npos ? alone : title;
      return ::fnmatch(glob.c_str(), text.c_str(), 0) == 0;
    });
  };
  const auto found = std::ranges::find_if(owners_, owns);
  return tables_[title] = found == owners_.end() ? nullptr : &*found;
}

const Owner* Ownership::of_rule(std::string_view chain, std::string_view words) const {
  if (is_in_words_of_nft(words))
    if (const auto said = in_words_of_iptables(words)) return of_rule(chain, *said);
  if (const auto target = jump_in_either_words(words); !target.empty()) {
    if (const auto* owner = of_chain(target)) return owner;
    if (const auto* owner = of_shared(target)) return owner;
  }
  const Owner* of_sets = nullptr;
  const bool own_set = names_set(words, [&](std::string_view set) {
    const auto* owner = of_set(set);
    if (of_sets == nullptr) of_sets = owner;
    return owner == nullptr;
  });
  if (own_set) return nullptr;
  if (of_sets != nullptr) return of_sets;
  if (expressions_.empty()) return nullptr;
  const std::string line = line_of(chain, words);
  for (const auto& [owner, expression, chains] : expressions_)
    if (may_match(chains, chain) && expression->matches(line)) return owner;
  return nullptr;
}

bool depends_on_interfaces(std::span<const Owner> owners, const Ruleset& part) {
  return std::ranges::any_of(owners, [&](const Owner& owner) {
    if (owner.rule.find(kPlace) == std::string::npos) return false;
    std::optional<Result<Expression>> any;
    return any_rule(part, chains_of(owner.rule), [&](const std::string& line) {
      if (!any) any = Expression::make(with_place(owner.rule, "[^ ]+"), Expression::Case::exact);
      return !*any || (*any)->matches(line);
    });
  });
}

std::string jump_of(std::string_view words) {
  std::string target;
  bool sure = true;
  std::size_t jumps = 0;
  Tokenizer reader(words);
  while (const auto word = reader.next()) {
    if (word->quoted) continue;
    const auto raw = word->raw;
    if (raw == "--comment") {
      reader.next();
    } else if (raw == "-j" || raw == "-g" || raw == "--jump" || raw == "--goto") {
      const auto next = reader.next();
      target = next ? next->text() : std::string{};
      ++jumps;
    } else if (raw.starts_with("-j") || raw.starts_with("-g") || raw.starts_with("--jump=") ||
               raw.starts_with("--goto=")) {
      sure = false;
    }
  }
  // A value may look like it: -i -jx, --name -j.
  if (sure && jumps < 2) return target;
  const auto rule = parse_rule(words, Family::ipv4);
  return rule && rule->target ? rule->target->name : std::string{};
}

std::string jump_in_either_words(std::string_view rule) {
  if (!is_in_words_of_nft(rule)) return jump_of(rule);
  const auto noted = split_note(rule);
  if (!noted.iptables.empty()) return jump_of(noted.iptables);
  bool jumps = false;
  bool quoted = false;
  for (const auto word : split(rule, ' ')) {
    if (jumps && !quoted && !word.starts_with('{')) return std::string(word);
    jumps = !quoted && (word == "jump" || word == "goto");
    if (std::ranges::count(word, '"') % 2 == 1) quoted = !quoted;
  }
  return {};
}

}  // namespace rewall

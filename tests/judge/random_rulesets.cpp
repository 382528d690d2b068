#include "judge/random_rulesets.h"

#include <algorithm>

#include "rules/parse.h"

namespace rewall::judge {

namespace {

std::string text(std::size_t number) {
  return std::to_string(number);
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const auto& word : words) out += (out.empty() ? "" : ",") + word;
  return out;
}

const std::vector<std::string> kLocal4{"10.1.0.1", "10.2.0.1", "198.51.100.1", "192.168.7.1"};
const std::vector<std::string> kLocal6{"2001:db8:1::1", "2001:db8:2::1", "2001:db8:3::1", "fd00:7::1"};

std::vector<std::string> built_in_chains(const std::string& table) {
  if (table == "nat") return {"PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"};
  if (table == "raw") return {"PREROUTING", "OUTPUT"};
  if (table == "mangle") return {"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"};
  return {"INPUT", "FORWARD", "OUTPUT"};
}

}  // namespace

std::string empty_table(const std::string& name) {
  std::string out = "*" + name + "\n";
  for (const auto& chain : built_in_chains(name)) out += ":" + chain + " ACCEPT [0:0]\n";
  return out + "COMMIT\n";
}

std::vector<std::string> parts_of(const ParsedRule& rule, const Sets* sets) {
  std::vector<std::string> out;
  for (const auto& option : rule.options) out.push_back((option.negated ? "! " : "") + option.name);
  for (const auto& match : rule.matches) {
    if (match.options.empty()) out.push_back("-m " + match.name);
    for (const auto& option : match.options) {
      std::string part = "-m " + match.name + (option.negated ? " ! " : " ") + option.name;
      out.push_back(std::move(part));
      const auto* set = sets != nullptr && match.name == "set" && option.name == "--match-set"
                            ? sets->find(option.values[0])
                            : nullptr;
      if (set != nullptr) out.push_back("-m set " + set->type);
    }
  }
  if (rule.target) {
    std::string target =
        rule.target->go_to ? "-g" : "-j " + (rule.target->known ? rule.target->name : std::string("chain"));
    out.push_back(target);
    for (const auto& option : rule.target->options) out.push_back(target + " " + option.name);
  } else {
    out.emplace_back("no target");
  }
  return out;
}

void RandomRulesets::new_palette() {
  v4_ = kLocal4;
  v6_ = kLocal6;
  for (int i = 0; i < 3; ++i) {
    v4_.push_back("10.1." + text(chance_.below(3)) + "." + text(chance_.between(2, 254)));
    v4_.push_back("10.2." + text(chance_.below(3)) + "." + text(chance_.between(2, 254)));
    v4_.push_back(text(chance_.between(1, 223) == 127 ? 126 : chance_.between(11, 100)) + "." +
                  text(chance_.below(256)) + "." + text(chance_.below(256)) + "." + text(chance_.below(256)));
    v6_.push_back("2001:db8:1::" + text(chance_.between(2, 99)));
    v6_.push_back("2001:db8:2:0:" + text(chance_.between(1, 9)) + "::" + text(chance_.between(2, 99)));
    v6_.push_back("2a0" + text(chance_.between(1, 9)) + ":" + text(chance_.below(9999)) +
                  "::" + text(chance_.below(9999)));
  }
  v4_.push_back("192.168.7." + text(chance_.between(2, 254)));
  v6_.push_back("fd00:7::" + text(chance_.between(2, 254)));
  ports_ = {
      "22", "80", "443", "53", "0", "65535", "1024", text(chance_.below(65536)), text(chance_.below(65536))};
  marks_ = {"0x1", "0x2", "0xff", "0x0", "0x80000000", text(chance_.below(1U << 16))};
  macs_ = {"02:00:00:00:09:09", "02:00:00:00:09:0a", "00:11:22:33:44:55"};
}

std::string RandomRulesets::address(Family family) {
  return chance_.any(family == Family::ipv4 ? v4_ : v6_);
}

std::string RandomRulesets::masked(Family family) {
  const auto base = address(family);
  if (chance_.one_in(3)) return base;
  if (family == Family::ipv4) {
    if (chance_.one_in(10))
      return base + "/" +
             chance_.word(
                 {"255.0.255.0", "0.0.0.255", "255.255.0.255", "0.0.0.1", "255.255.255.254", "0.255.0.0"});
    return base + "/" + text(chance_.one_in(12) ? 0 : chance_.between(1, 32));
  }
  if (chance_.one_in(10))
    return base + "/" + chance_.word({"ffff::ffff", "::ffff", "::1", "ffff:ffff:ffff::ff"});
  return base + "/" +
         text(chance_.one_in(12)  ? 0
              : chance_.one_in(2) ? 16 * chance_.between(1, 8)
                                  : chance_.between(1, 128));
}

std::string RandomRulesets::range(Family family) {
  const auto base = address(family);
  const auto dot = base.rfind(family == Family::ipv4 ? '.' : ':');
  if (family == Family::ipv4) {
    const auto low = std::min<std::size_t>(std::stoul(base.substr(dot + 1)), 250);
    return base.substr(0, dot + 1) + text(low) + "-" + base.substr(0, dot + 1) +
           text(chance_.between(low, 255));
  }
  return base.substr(0, dot + 1) + "1-" + base.substr(0, dot + 1) +
         chance_.word({"1", "f", "99", "9999", "ffff"});
}

std::string RandomRulesets::port() {
  return chance_.any(ports_);
}

std::string RandomRulesets::ports() {
  if (!chance_.one_in(3)) return port();
  auto low = std::stoul(port());
  auto high = std::stoul(port());
  if (low > high) std::swap(low, high);
  if (chance_.one_in(6)) return ":" + text(high);
  if (chance_.one_in(6)) return text(low) + ":";
  return text(low) + ":" + text(high);
}

std::string RandomRulesets::mark() {
  return chance_.any(marks_) +
         (chance_.one_in(2) ? "/" + chance_.word({"0xff", "0x1", "0xffffffff", "0xf0", "0x80000001", "0x0"})
                            : "");
}

/// `! -i +` matches nothing, and iptables-save does not print it.
std::string RandomRulesets::some_interface(const std::string& option) {
  const auto name = interface();
  return (name == "+" ? "" : no(4)) + option + name + " ";
}

std::string RandomRulesets::interface() {
  return chance_.word(
      {"eth0", "eth1", "wan0", "tun1", "eth+", "e+", "+", "lo", "wan0+", "tun", "eth01", "dummy+"});
}

std::string RandomRulesets::mac() {
  return chance_.any(macs_);
}

// --- sets

std::string RandomRulesets::member(const KnownSet& set) {
  const auto family = set.family;
  const bool is_four = family == Family::ipv4;
  const auto net = [&] {
    const auto base = address(family);
    return base + "/" +
           text(is_four             ? chance_.between(8, 32)
                : chance_.one_in(2) ? 16 * chance_.between(1, 8)
                                    : chance_.between(8, 128));
  };
  const auto proto_port = [&]() -> std::string {
    switch (chance_.below(8)) {
      case 0:
        return "udp:" + port();
      case 1:
        return is_four ? "icmp:8/0" : "icmpv6:128/0";
      case 2:
        return "sctp:" + port();
      case 3:
        return "udplite:" + port();
      case 4:
        return is_four ? "47:0" : "udp:" + port();
      default:
        return "tcp:" + port();
    }
  };
  std::string out;
  if (set.type == "bitmap:ip") return "10.1.0." + text(chance_.below(256));
  if (set.type == "bitmap:port")
    return text(chance_.one_in(3) ? chance_.below(1025) : std::min(1024UL, std::stoul(port())));
  if (set.type == "bitmap:ip,mac")
    return "10.1.0." + text(chance_.below(256)) + "," +
           mac();  // one without would take that of the first packet
  if (set.type == "hash:mac") return mac();
  const auto colon = set.type.find(':');
  std::string kinds = set.type.substr(colon + 1) + ",";
  while (!kinds.empty()) {
    const auto kind = kinds.substr(0, kinds.find(','));
    kinds.erase(0, kind.size() + 1);
    if (!out.empty()) out += ',';
    if (kind == "ip") out += address(family);
    if (kind == "net") out += net();
    if (kind == "port") out += proto_port();
    if (kind == "iface") out += chance_.word({"eth0", "eth1", "wan0", "lo", "tun1"});
    if (kind == "mac") out += mac();
    if (kind == "mark") out += chance_.any(marks_);
  }
  if (set.type.find("net") != std::string::npos && chance_.one_in(5)) out += " nomatch";
  return out;
}

void RandomRulesets::make_sets(RulesetText& out) {
  sets_.clear();
  const std::string prefix = "j" + text(count_) + "_";
  sink_ = prefix + "sink";
  out.sets += "create " + sink_ + " hash:ip family inet\ncreate " + sink_ + "6 hash:ip family inet6\n";
  out.set_names = {sink_, sink_ + "6"};
  const auto count = chance_.below(7);
  for (std::size_t i = 0; i < count; ++i) {
    auto type = set_types_.begin();
    std::advance(type, chance_.below(set_types_.size()));
    if (*type == "list:set") continue;
    KnownSet set{prefix + text(i), *type, chance_.one_in(2) ? Family::ipv4 : Family::ipv6};
    if (type->starts_with("bitmap")) set.family = Family::ipv4;
    std::string options;
    if (*type == "bitmap:port")
      options = " range 0-1024";
    else if (type->starts_with("bitmap"))
      options = " range 10.1.0.0-10.1.0.255";
    else if (*type != "hash:mac")
      options = set.family == Family::ipv4 ? " family inet" : " family inet6";
    if (*type == "hash:ip" && chance_.one_in(4))
      options +=
          " netmask " + text(set.family == Family::ipv4 ? chance_.between(20, 32) : chance_.between(60, 128));
    if (*type == "hash:ip,mark" && chance_.one_in(3)) options += " markmask 0xff";
    if (chance_.one_in(6)) options += " comment";
    if (chance_.one_in(6)) options += " counters";
    out.sets += "create " + set.name + " " + *type + options + "\n";
    out.set_names.push_back(set.name);
    for (auto n = chance_.below(9); n > 0; --n)
      out.sets += "add -exist " + set.name + " " + member(set) + "\n";
    sets_.push_back(set);
  }
  if (set_types_.contains("list:set") && !sets_.empty() && chance_.one_in(2)) {
    const auto name = prefix + "list";
    out.sets += "create " + name + " list:set\n";
    out.set_names.insert(out.set_names.begin(), name);  // the first to go
    std::set<std::string> in;
    for (auto n = chance_.between(1, 3); n > 0; --n) in.insert(chance_.any(sets_).name);
    for (const auto& one : in) out.sets += "add " + name + " " + one + "\n";
    sets_.push_back({name, "list:set", Family::ipv4});
  }
}

std::string RandomRulesets::match_set(const Place& at) {
  if (sets_.empty()) return "";
  std::vector<KnownSet> fitting;
  for (const auto& one : sets_)
    if (one.type == "list:set" || one.type == "bitmap:port" || one.type == "hash:mac" ||
        one.family == at.family)
      fitting.push_back(one);
  if (fitting.empty()) return "";
  const auto& set = chance_.any(fitting);
  const auto dims = static_cast<std::size_t>(1 + std::count(set.type.begin(), set.type.end(), ','));
  std::vector<std::string> flags;
  const auto wanted = set.type == "list:set" ? chance_.between(1, 3)
                      : chance_.one_in(12)   ? chance_.between(1, 3)
                                             : dims;
  for (std::size_t i = 0; i < wanted; ++i) flags.push_back(chance_.word({"src", "dst"}));
  // An interface as the source exists where packets come in alone; the kernel takes both everywhere.
  if (set.type.find("mac") != std::string::npos &&
      (at.shared() || at.base == "OUTPUT" || at.base == "POSTROUTING"))
    return "";
  return "-m set " + no(4) + "--match-set " + set.name + " " + joined(flags) +
         (chance_.one_in(10) ? " --return-nomatch" : "") + " ";
}

// --- matches

std::string RandomRulesets::protocol(const Place& at, std::string& name) {
  name = chance_.word({"tcp", "tcp", "tcp", "udp", "udp", "icmp", "icmp", "sctp", "udplite", "dccp", "47",
                       "50", "51", "89", "all", "132", "17"});
  if (name == "icmp" && !four(at)) name = "ipv6-icmp";
  if (name == "all") return "-p all ";
  if (chance_.one_in(10)) {
    const std::string out = "! -p " + name + " ";
    name = "";
    return out;
  }
  const std::string out = "-p " + name + " ";
  if (name == "132") name = "sctp";
  if (name == "17") name = "udp";
  return out;
}

std::string RandomRulesets::match_conntrack(const Place& at) {
  const auto family = at.family;
  std::string out;
  if (chance_.one_in(5)) {
    std::vector<std::string> states;
    for (const auto* state : {"NEW", "ESTABLISHED", "RELATED", "INVALID", "UNTRACKED"})
      if (chance_.one_in(3)) states.emplace_back(state);
    return "-m state " + no(5) + "--state " + (states.empty() ? "NEW" : joined(states)) + " ";
  }
  if (!chance_.one_in(3)) {
    std::vector<std::string> states;
    for (const auto* state : {"NEW", "ESTABLISHED", "RELATED", "INVALID", "UNTRACKED"})
      if (chance_.one_in(3)) states.emplace_back(state);
    for (const auto* state : {"SNAT", "DNAT"})
      if (chance_.one_in(8)) states.emplace_back(state);
    out += no(5) + "--ctstate " + (states.empty() ? "NEW" : joined(states)) + " ";
  }
  if (chance_.one_in(6)) {
    std::vector<std::string> all;
    for (const auto* status : {"EXPECTED", "SEEN_REPLY", "ASSURED", "CONFIRMED"})
      if (chance_.one_in(3)) all.emplace_back(status);
    out += no(4) + "--ctstatus " + (all.empty() ? "NONE" : joined(all)) + " ";
  }
  if (chance_.one_in(6)) out += "--ctdir " + chance_.word({"ORIGINAL", "REPLY"}) + " ";
  const bool proto = chance_.one_in(6);
  if (proto) out += no(4) + "--ctproto " + chance_.word({"tcp", "udp", "1", "58", "132"}) + " ";
  if (chance_.one_in(10)) out += no(4) + "--ctorigsrc " + masked(family) + " ";
  if (chance_.one_in(10)) out += no(4) + "--ctorigdst " + masked(family) + " ";
  if (chance_.one_in(12)) out += no(4) + "--ctreplsrc " + masked(family) + " ";
  if (chance_.one_in(12)) out += no(4) + "--ctrepldst " + masked(family) + " ";
  if (chance_.one_in(proto ? 3 : 16)) out += no(4) + "--ctorigdstport " + ports() + " ";
  if (chance_.one_in(proto ? 6 : 30)) out += no(4) + "--ctorigsrcport " + ports() + " ";
  if (chance_.one_in(proto ? 6 : 30)) out += no(4) + "--ctreplsrcport " + ports() + " ";
  if (chance_.one_in(proto ? 6 : 30)) out += no(4) + "--ctrepldstport " + ports() + " ";
  if (out.empty()) out = "--ctstate NEW,ESTABLISHED ";
  return "-m conntrack " + out;
}

std::string RandomRulesets::match_unknown() {
  return chance_.word(
      {"-m limit --limit 1/hour --limit-burst 1 ", "-m statistic --mode random --probability 0.5 ",
       "-m recent --name r --rcheck ", "-m u32 --u32 0=0 ", "-m string --algo bm --string xyzzy ",
       "-m connbytes --connbytes 1: --connbytes-dir both --connbytes-mode packets ", "-m cpu --cpu 0 "});
}

std::string RandomRulesets::match_extension() {
  switch (chance_.below(6)) {
    case 0:
      return "-m rt ";
    case 1:
      return "-m hbh ";
    case 2:
      return "-m dst ";
    case 3:
      return "-m frag --fragfirst ";
    default:
      return "-m ipv6header " + no(3) + "--header " +
             chance_.word({"none", "frag", "hop,dst", "prot", "hop", "dst,prot", "route,prot", "dst",
                           "hop,prot", "hop,dst,route,prot"}) +
             (chance_.one_in(2) ? " --soft " : " ");
  }
}

std::string RandomRulesets::match(const Place& at, const std::string& protocol) {
  const bool is_four = four(at);
  const bool in = at.own || at.base == "PREROUTING" || at.base == "INPUT" || at.base == "FORWARD";
  const bool out = at.own || at.base == "POSTROUTING" || at.base == "OUTPUT" || at.base == "FORWARD";
  const bool link = !at.shared() && (at.base == "PREROUTING" || at.base == "INPUT" || at.base == "FORWARD");
  const bool has_ports = protocol == "tcp" || protocol == "udp" || protocol == "sctp" ||
                         protocol == "udplite" || protocol == "dccp";
  if (has_ports && chance_.one_in(3)) {
    if (chance_.one_in(3)) {
      std::vector<std::string> list;
      for (auto n = chance_.between(1, 5); n > 0; --n) {
        auto one = ports();
        if (one.front() == ':') one = "0" + one;
        if (one.back() == ':') one += "65535";
        if (const auto colon = one.find(':');
            colon != std::string::npos && std::stoul(one) >= std::stoul(one.substr(colon + 1)))
          one.erase(colon);
        list.push_back(one);
      }
      return "-m multiport " + no(4) + chance_.word({"--dports ", "--sports ", "--ports "}) + joined(list) +
             " ";
    }
    if (protocol == "udplite") return "";  // it has no extension
    std::string match = "-m " + protocol + " ";
    const bool source = chance_.one_in(4);
    const auto side = [&](const std::string& option) {
      const auto wanted = ports();
      // iptables-save does not print that no port is meant.
      const bool all = wanted == "0:65535" || wanted == ":65535" || wanted == "0:";
      return (all ? "" : no(4)) + option + wanted + " ";
    };
    if (source) match += side("--sport ");
    if (!source || chance_.one_in(3)) match += side("--dport ");
    return match;
  }
  if (protocol == "tcp" && chance_.one_in(4)) {
    switch (chance_.below(6)) {
      case 0:
        return "-m tcp " + no(3) + "--syn ";
      case 1:
        return "-m tcp " + no(3) + "--tcp-option " + text(chance_.between(1, 8)) + " ";
      case 2:
        return "-m tcp --tcp-flags ALL NONE ";
      default: {
        std::string mask, value;
        for (const auto* flag : {"FIN", "SYN", "RST", "PSH", "ACK", "URG"}) {
          if (chance_.one_in(2)) continue;
          mask += std::string(mask.empty() ? "" : ",") + flag;
          if (chance_.one_in(2)) value += std::string(value.empty() ? "" : ",") + flag;
        }
        return "-m tcp " + no(3) + "--tcp-flags " + (mask.empty() ? "ALL" : mask) + " " +
               (value.empty() ? "NONE" : value) + " ";
      }
    }
  }
  if (protocol == "icmp" && chance_.one_in(2))
    return "-m icmp " + no(4) + "--icmp-type " +
           chance_.word({"8", "0", "3", "3/1", "3/3", "any", "11/0", "5", "echo-request", "13/0", "255"}) +
           " ";
  if (protocol == "ipv6-icmp" && chance_.one_in(2))
    return "-m icmp6 " + no(4) + "--icmpv6-type " +
           chance_.word(
               {"128", "129", "1", "1/4", "2", "3/0", "135", "136/0", "134", "echo-request", "4/1"}) +
           " ";
  switch (chance_.below(30)) {
    case 0:
    case 1:
      return no(5) + "-s " + masked(at.family) + " ";
    case 2:
    case 3:
      return no(5) + "-d " + masked(at.family) + " ";
    case 4:
      return in ? some_interface("-i ") : "";
    case 5:
      return out ? some_interface("-o ") : "";
    case 6:
    case 7:
    case 8:
      return match_conntrack(at);
    case 9: {
      const bool source = chance_.one_in(2);
      return "-m iprange " + (source ? no(4) + "--src-range " + range(at.family) + " " : "") +
             (!source || chance_.one_in(4) ? no(4) + "--dst-range " + range(at.family) + " " : "");
    }
    case 10:
    case 11:
      return "-m mark " + no(4) + "--mark " + mark() + " ";
    case 12:
      return "-m connmark " + no(4) + "--mark " + mark() + " ";
    case 13:
      return link ? "-m mac " + no(3) + "--mac-source " + mac() + " " : "";
    case 14: {
      const std::string types =
          is_four ? chance_.word({"LOCAL", "UNICAST", "LOCAL,UNICAST", "MULTICAST", "BROADCAST",
                                  "BROADCAST,MULTICAST"})
                  : chance_.word({"LOCAL", "UNICAST", "LOCAL,UNICAST", "MULTICAST", "UNICAST,MULTICAST"});
      std::string limit;
      if (!at.shared() && chance_.one_in(8)) {
        if (at.base == "PREROUTING" || at.base == "INPUT") limit = "--limit-iface-in ";
        if (at.base == "POSTROUTING" || at.base == "OUTPUT") limit = "--limit-iface-out ";
      }
      const bool source = chance_.one_in(3);
      return "-m addrtype " + (source ? no(4) + "--src-type " + types + " " : "") +
             (!source || chance_.one_in(4) ? no(4) + "--dst-type " + types + " " : "") + limit;
    }
    case 15:
    case 16:
    case 17:
      return match_set(at);
    case 18:
      return "-m pkttype " + no(4) + "--pkt-type " + chance_.word({"unicast", "broadcast", "multicast"}) +
             " ";
    case 19:
    case 20: {
      const auto value = text(chance_.one_in(4) ? chance_.below(256) : chance_.between(62, 66));
      const std::string name = is_four ? "ttl" : "hl";
      const auto how = chance_.word({"eq", "lt", "gt"});
      return "-m " + name + " " + (how == "eq" ? no(4) : "") + "--" + name + "-" + how + " " + value + " ";
    }
    case 21:
      return "-m dscp " + no(4) +
             (chance_.one_in(3) ? "--dscp-class " + chance_.word({"EF", "AF11", "CS1", "BE"})
                                : "--dscp " + chance_.word({"0x00", "0x2e", "10", "0x3f"})) +
             " ";
    case 22:
      return "-m tos " + no(4) + "--tos " +
             chance_.word({"0x10", "0x08/0x3f", "0x00/0xff", "Minimize-Delay", "0xb8/0xfc"}) + " ";
    case 23: {
      const auto low = chance_.between(20, 120);
      return "-m length " + no(4) + "--length " +
             (chance_.one_in(2) ? text(low) : text(low) + ":" + text(low + chance_.below(80))) + " ";
    }
    case 24: {
      const auto group = chance_.word({"0", "7", "9", "0x1/0x1", "0x0/0x0", "0x8/0x8"});
      if (in && (link || at.shared()))
        return link ? "-m devgroup " + no(4) + "--src-group " + group + " " : "";
      return !at.shared() && (at.base == "OUTPUT" || at.base == "POSTROUTING")
                 ? "-m devgroup " + no(4) + "--dst-group " + group + " "
                 : "";
    }
    case 25:
      return "-m comment --comment \"no words of weight\" ";
    case 26:
      return is_four ? (chance_.one_in(3) ? "-f " : "! -f ") : match_extension();
    case 27:
      if (at.shared()) return "";
      if (at.base == "PREROUTING" || at.base == "INPUT" || at.base == "FORWARD")
        return "-m policy --dir in --pol " + chance_.word({"none", "ipsec"}) + " ";
      return "-m policy --dir out --pol " + chance_.word({"none", "ipsec"}) + " ";
    case 28:
      if (at.base == "PREROUTING" && at.table != "nat" && !at.shared())
        return "-m rpfilter " + chance_.word({"", "--invert ", "--loose ", "--validmark "});
      if (link && chance_.one_in(4))
        return "-m physdev " + no(3) +
               chance_.word({"--physdev-in eth0 ", "--physdev-is-in ", "--physdev-is-bridged "});
      return "";
    default:
      return with_unknowns_ && chance_.one_in(2) ? match_unknown() : "";
  }
}

// --- targets

std::string RandomRulesets::mark_target() {
  switch (chance_.below(12)) {
    case 0:
      return "MARK --and-mark " + chance_.any(marks_);
    case 1:
      return "MARK --or-mark " + chance_.any(marks_);
    case 2:
      return "MARK --xor-mark " + chance_.any(marks_);
    case 3:
      return "MARK --set-mark " + mark();
    case 4:
    case 5:
      return "MARK --set-xmark " + mark();
    case 6:
      return "CONNMARK --set-xmark " + mark();
    case 7:
      return "CONNMARK --save-mark" + std::string(chance_.one_in(3) ? " --nfmask 0xff --ctmask 0xf0" : "");
    case 8:
      return "CONNMARK --restore-mark" + std::string(chance_.one_in(3) ? " --nfmask 0xff --ctmask 0x0f" : "");
    case 9:
      return "CONNMARK --set-mark " + mark();
    case 10:
      return chance_.word({"CONNMARK --and-mark ", "CONNMARK --or-mark ", "CONNMARK --xor-mark "}) +
             chance_.any(marks_);
    default:
      return "MARK --set-mark " + chance_.any(marks_);
  }
}

std::string RandomRulesets::target_filter(const Place& at, const std::string& protocol) {
  switch (chance_.below(10)) {
    case 0:
    case 1:
    case 2:
      return "-j ACCEPT";
    case 3:
    case 4:
      return "-j DROP";
    case 5:
    case 6:
      break;
    default:
      return "";
  }
  if (protocol == "tcp" && chance_.one_in(2)) return "-j REJECT --reject-with tcp-reset";
  if (chance_.one_in(2)) return "-j REJECT";
  return "-j REJECT --reject-with " +
         (four(at) ? chance_.word({"icmp-net-unreachable", "icmp-host-unreachable", "icmp-proto-unreachable",
                                   "icmp-admin-prohibited", "icmp-host-prohibited"})
                   : chance_.word({"icmp6-no-route", "icmp6-adm-prohibited", "icmp6-addr-unreachable",
                                   "icmp6-policy-fail"}));
}

std::string RandomRulesets::target_mangle(const Place& at, const std::string& protocol) {
  if (chance_.one_in(2)) return "-j " + mark_target();
  switch (chance_.below(8)) {
    case 0:
    case 1:
      return (four(at) ? "-j TTL --ttl-" : "-j HL --hl-") + chance_.word({"set ", "inc ", "dec "}) +
             text(chance_.one_in(4) ? chance_.between(1, 255) : chance_.between(1, 3));
    case 2:
      return "-j DSCP --set-dscp " + chance_.word({"0x00", "0x2e", "10", "0x3f"});
    case 3:
      return "-j DSCP --set-dscp-class " + chance_.word({"EF", "AF11", "CS1"});
    case 4:
      return "-j TOS " + chance_.word({"--set-tos 0x10", "--set-tos 0x08/0x3f", "--and-tos 0xf0",
                                       "--or-tos 0x04", "--xor-tos 0xff", "--set-tos 0xb8/0xfc"});
    case 5:
      return protocol == "tcp" && at.base != "PREROUTING" && at.base != "INPUT" && !at.shared()
                 ? (chance_.one_in(2) ? "-m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu"
                                      : "-j CLASSIFY --set-class 1:2")
                 : "";
    case 6:
      return chance_.one_in(2) ? "-j CHECKSUM --checksum-fill"
             : four(at)        ? "-j TEE --gateway 10.2.0.77"
                               : "-j TEE --gateway 2001:db8:2::77";
    default:
      return chance_.one_in(4) ? "-j DROP" : "-j ACCEPT";
  }
}

std::string RandomRulesets::target_nat(const Place& at, const std::string& protocol) {
  const bool has_ports = protocol == "tcp" || protocol == "udp" || protocol == "sctp" || protocol == "dccp";
  const bool destination = at.base == "PREROUTING" || at.base == "OUTPUT";
  const auto to_ports = [&] {
    auto low = 1 + chance_.below(65000);
    return chance_.one_in(3) ? text(low) + "-" + text(low + chance_.below(500)) : text(low);
  };
  switch (chance_.below(8)) {
    case 0:
      return "-j NETMAP --to " + address(at.family) + "/" +
             text(four(at) ? chance_.between(16, 32) : 16 * chance_.between(3, 8));
    case 1:
    case 2:
      if (destination)
        return "-j REDIRECT" +
               std::string(has_ports && !chance_.one_in(3) ? " --to-ports " + to_ports() : "");
      if (at.base == "POSTROUTING")
        return "-j MASQUERADE" +
               std::string(has_ports && chance_.one_in(3) ? " --to-ports " + to_ports() : "");
      break;
    case 3:
      return chance_.word({"-j ACCEPT", "-j RETURN"});
    default:
      break;
  }
  std::string to = chance_.one_in(4) ? range(at.family) : address(at.family);
  if (chance_.one_in(4) && to.find('-') == std::string::npos && !has_ports) to = address(at.family);
  if (has_ports && chance_.one_in(2)) to = (four(at) ? to : "[" + to + "]") + ":" + to_ports();
  if (has_ports && destination && chance_.one_in(6)) to = ":" + to_ports();
  const std::string extra = chance_.one_in(8) ? chance_.word({" --random", " --persistent"}) : "";
  return (destination ? "-j DNAT --to-destination " : "-j SNAT --to-source ") + to + extra;
}

std::string RandomRulesets::target(const Place& at, const std::string& protocol) {
  switch (chance_.below(24)) {
    case 0:
      return "-j LOG --log-prefix x";
    case 1:
      return "-j NFLOG --nflog-group 5";
    case 2:
      return "-j RETURN";
    case 3:
      return "";
    case 4:
      return "-j SET " + chance_.word({"--add-set ", "--del-set "}) + sink_ + (four(at) ? "" : "6") + " src" +
             "";
    case 5:
      return with_unknowns_ && chance_.one_in(3)
                 ? "-j NFQUEUE --queue-num 9" + std::string(chance_.one_in(2) ? " --queue-bypass" : "")
                 : "";
    case 6:
      return at.table == "nat" ? "" : "-j " + mark_target();
    case 7:
      return "-j " + (chance_.one_in(2) ? "RETURN" : mark_target());
    default:
      break;
  }
  if (at.table == "filter" || at.table == "security") {
    const auto said = target_filter(at, protocol);
    return at.table == "security" && said.starts_with("-j REJECT") ? "-j ACCEPT" : said;
  }
  if (at.table == "mangle") return target_mangle(at, protocol);
  if (at.table == "nat") return target_nat(at, protocol);
  // raw
  switch (chance_.below(6)) {
    case 0:
      return "-j CT --notrack";
    case 1:
      return "-j NOTRACK";
    case 2:
      return "-j ACCEPT";
    case 3:
      return chance_.one_in(3) ? "-j DROP" : "";
    default:
      return "-j " + mark_target();
  }
}

// --- tables

/// The rarest of some: by what the parts have decided, and, as some never can, by how often they were
/// written.
std::string RandomRulesets::rule(const Place& at, const std::vector<std::string>& jumps) {
  constexpr std::size_t kOfOnePart = 30;  // a rule that asks for little is met by more packets
  std::string best;
  std::size_t rarest = SIZE_MAX;
  std::vector<std::string> parts;
  for (auto n = chance_.one_in(3) ? 1 : chance_.between(4, 16); n > 0; --n) {
    auto words = any_rule(at, jumps);
    const auto parsed = parse_rule(words, at.family);
    auto of = parsed ? parts_of(*parsed) : std::vector<std::string>{};
    std::size_t rare = kEnough;
    for (const auto& part : of) {
      const auto decided = decided_.find(part);
      rare = std::min(rare, (decided == decided_.end() ? 0 : decided->second) + written_[part] / 16);
    }
    rare += kOfOnePart * of.size();
    if (rare >= rarest) continue;
    rarest = rare;
    best = std::move(words);
    parts = std::move(of);
  }
  for (const auto& part : parts) ++written_[part];
  return best;
}

std::string RandomRulesets::any_rule(const Place& at, const std::vector<std::string>& jumps) {
  std::string name;
  std::string out;
  if (chance_.one_in(2)) out += protocol(at, name);
  for (auto n = chance_.below(4); n > 0; --n) {
    const auto one = match(at, name);
    // -s, -d, -i, -o and some matches of which a rule takes one alone.
    const auto option = one.substr(one.starts_with("! ") ? 2 : 0,
                                   one.starts_with("-m") || one.starts_with("! -m") ? one.find(' ', 3) : 2);
    if (!one.empty() && out.find(option) == std::string::npos) out += one;
  }
  if (!jumps.empty() && chance_.one_in(3))
    return out + (chance_.one_in(4) ? "-g " : "-j ") + chance_.any(jumps);
  const auto to = target(at, name);
  // iptables-nft-save prints the flags of one of two -m tcp.
  if (to.starts_with("-m tcp ") && out.find("-m tcp ") != std::string::npos) return out;
  return out + to;
}

std::string RandomRulesets::table(Family family, const std::string& name) {
  const auto bases = built_in_chains(name);
  std::vector<Place> own;
  for (auto n = chance_.below(name == "filter" ? 7 : 4); n > 0; --n) {
    const auto base = name == "filter" && chance_.one_in(2) ? "" : chance_.any(bases);
    own.push_back({family, name, base, "c" + text(n) + (base.empty() ? "" : "-" + base), true});
  }
  std::string out = "*" + name + "\n";
  for (const auto& base : bases) {
    const bool drops = name == "filter" ? chance_.one_in(2) : name != "nat" && chance_.one_in(25);
    out += ":" + base + (drops ? " DROP [0:0]\n" : " ACCEPT [0:0]\n");
  }
  for (const auto& chain : own) out += ":" + chain.chain + " - [0:0]\n";
  // A chain jumps only to chains behind it.
  const auto jumps = [&](const Place& from, std::size_t behind) {
    std::vector<std::string> to;
    for (std::size_t i = behind; i < own.size(); ++i)
      if (own[i].shared() || own[i].base == from.base) to.push_back(own[i].chain);
    return to;
  };
  for (const auto& base : bases) {
    const Place at{family, name, base, base, false};
    for (auto n = chance_.below(name == "filter" ? 8 : 5); n > 0; --n)
      out += "-A " + base + " " + rule(at, jumps(at, 0)) + "\n";
  }
  for (std::size_t i = 0; i < own.size(); ++i)
    for (auto n = chance_.below(6); n > 0; --n)
      out += "-A " + own[i].chain + " " + rule(own[i], jumps(own[i], i + 1)) + "\n";
  return out + "COMMIT\n";
}

std::string RandomRulesets::tables(Family family, const std::set<std::string>& which) {
  std::string out;
  for (const auto* name : {"raw", "mangle", "nat", "filter", "security"}) {
    out += which.contains(name) ? table(family, name) : empty_table(name);
  }
  return out;
}

RulesetText RandomRulesets::next(bool nft, bool legacy) {
  ++count_;
  new_palette();
  with_unknowns_ = chance_.one_in(6);
  RulesetText out;
  make_sets(out);
  for (const auto family : {Family::ipv4, Family::ipv6}) {
    std::map<Backend, std::set<std::string>> which;
    for (const auto* name : {"raw", "mangle", "nat", "filter", "security"}) {
      if (std::string(name) != "filter" && chance_.one_in(std::string(name) == "security" ? 2 : 4)) continue;
      which[nft && legacy ? (chance_.one_in(2) ? Backend::nft : Backend::legacy)
            : nft         ? Backend::nft
                          : Backend::legacy]
          .insert(name);
    }
    if (nft) out.tables[{family, Backend::nft}] = tables(family, which[Backend::nft]);
    if (legacy) out.tables[{family, Backend::legacy}] = tables(family, which[Backend::legacy]);
  }
  return out;
}

}  // namespace rewall::judge

// Whether a change locks its author out: what rewall says before it, in a real ssh session, and what becomes
// of that session and of a new one when the rules are in force.
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "share/servers.h"
#include "support/guarded_host.h"

using namespace rewall;

namespace {

/// What rewall says of a ruleset: nothing, that it locks out, or that nobody can prove it.
enum class Says { open, locks, doubt };

/// A ruleset, loaded in place of another one.
struct Variation {
  std::string name{};
  Says says = Says::open;  ///< for `locks` and `open` the real connections agree
  std::string rules{};     ///< lines of iptables-save; a line "*nat" begins another table than filter
  std::string sets{};      ///< lines of ipset
  std::string before{};    ///< the rules in force before, as `rules`
  int port = 2222;         ///< that the client connects to
};

// The server is 192.0.2.1, its sshd listens on port 2222; the client is 192.0.2.7, behind eth0 of the server.
const std::string kTracked = "-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT\n";
const std::string kStateful = ":INPUT DROP\n-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n";
const std::string kSsh = "-A INPUT -p tcp -m tcp --dport 2222 -j ACCEPT\n";
const std::string kClosed = ":INPUT DROP\n";
const std::string kClient = "create friends hash:ip\nadd friends 192.0.2.7\n";
const std::string kOther = "create friends hash:ip\nadd friends 192.0.2.8\n";

const std::vector<Variation>& by_order() {
  static const std::vector<Variation> all{
      {"policy drop alone", Says::locks, kClosed},
      {"policy accept alone", Says::open, "-A INPUT -p icmp -j DROP\n"},
      {"drop before accept", Says::locks, "-A INPUT -s 192.0.2.0/24 -j DROP\n" + kSsh},
      {"accept before drop", Says::open, kSsh + "-A INPUT -s 192.0.2.0/24 -j DROP\n"},
      {"reject before accept", Says::locks, "-A INPUT -p tcp -j REJECT --reject-with tcp-reset\n" + kSsh},
      {"reject after accept", Says::open, kSsh + "-A INPUT -p tcp -j REJECT --reject-with tcp-reset\n"},
      {"reject by icmp", Says::locks, "-A INPUT -s 192.0.2.7/32 -j REJECT\n"},
      {"another is rejected", Says::open, "-A INPUT -s 192.0.2.8/32 -j REJECT\n"},
      {"the guide's rules", Says::open, kStateful + kSsh},
      {"the guide's rules for another port", Says::locks,
       kStateful + "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n"},
      {"a chain that returns", Says::locks,
       kClosed + ":ssh -\n-A INPUT -j ssh\n-A ssh -p tcp -j RETURN\n-A ssh -j ACCEPT\n"},
      {"a chain that accepts", Says::open,
       kClosed + ":ssh -\n-A INPUT -j ssh\n-A ssh -p udp -j RETURN\n-A ssh -j ACCEPT\n"},
      {"a chain behind a drop", Says::locks,
       ":ssh -\n-A INPUT -p tcp -j DROP\n-A INPUT -j ssh\n-A ssh -j ACCEPT\n"},
      {"a goto comes back to the policy", Says::locks,
       kClosed + ":ssh -\n-A INPUT -g ssh\n" + kSsh + "-A ssh -p udp -j ACCEPT\n"},
      {"a jump comes back to the next rule", Says::open,
       kClosed + ":ssh -\n-A INPUT -j ssh\n" + kSsh + "-A ssh -p udp -j ACCEPT\n"},
      {"a list of ports without it", Says::locks,
       kStateful + "-A INPUT -p tcp -m multiport --dports 22,80,443 -j ACCEPT\n"},
      {"a list of ports with it", Says::open,
       kStateful + "-A INPUT -p tcp -m multiport --dports 22,80,2200:2300 -j ACCEPT\n"},
      {"a range of clients without this one", Says::locks,
       kStateful + "-A INPUT -p tcp -m iprange --src-range 192.0.2.8-192.0.2.20 -j ACCEPT\n"},
      {"a range of clients with this one", Says::open,
       kStateful + "-A INPUT -p tcp -m iprange --src-range 192.0.2.1-192.0.2.20 -j ACCEPT\n"},
      {"all but this client", Says::locks, kStateful + "-A INPUT ! -s 192.0.2.7/32 -j ACCEPT\n"},
      {"all but another client", Says::open, kStateful + "-A INPUT ! -s 192.0.2.8/32 -j ACCEPT\n"},
      {"another address of the server", Says::locks, kStateful + "-A INPUT -d 192.0.2.2/32 -j ACCEPT\n"},
      {"the address of the server", Says::open, kStateful + "-A INPUT -d 192.0.2.1/32 -j ACCEPT\n"},
      {"ports of privileged clients", Says::locks,
       kStateful + "-A INPUT -p tcp -m tcp --sport 1:1023 --dport 2222 -j ACCEPT\n"},
      {"ports of clients", Says::open,
       kStateful + "-A INPUT -p tcp -m tcp --sport 1024:65535 --dport 2222 -j ACCEPT\n"},
      {"a table that comes before", Says::locks, "*raw\n-A PREROUTING -p tcp -j DROP\n"},
      {"a table that comes before drops udp", Says::open, "*raw\n-A PREROUTING -p udp -j DROP\n"},
      {"mangle comes before filter", Says::locks, kSsh + "*mangle\n-A INPUT -s 192.0.2.7/32 -j DROP\n"},
      {"an accept of mangle is no accept of filter", Says::locks,
       kClosed + "*mangle\n-A INPUT -s 192.0.2.7/32 -j ACCEPT\n"},
  };
  return all;
}

const std::vector<Variation>& by_interface() {
  static const std::vector<Variation> all{
      {"another interface", Says::locks, kStateful + "-A INPUT -i eth1 -p tcp -j ACCEPT\n"},
      {"this interface", Says::open, kStateful + "-A INPUT -i eth0 -p tcp -j ACCEPT\n"},
      {"loopback alone", Says::locks, kClosed + "-A INPUT -i lo -j ACCEPT\n"},
      {"all interfaces of a name", Says::open, kStateful + "-A INPUT -i eth+ -p tcp -j ACCEPT\n"},
      {"all interfaces of another name", Says::locks, kStateful + "-A INPUT -i en+ -p tcp -j ACCEPT\n"},
      {"not this interface", Says::locks, kStateful + "-A INPUT ! -i eth0 -j ACCEPT\n"},
      {"not another interface", Says::open, kStateful + "-A INPUT ! -i eth1 -j ACCEPT\n"},
      {"drop what comes by this one", Says::locks, "-A INPUT -i eth0 -j DROP\n"},
      {"drop what comes by another", Says::open, "-A INPUT -i eth1 -j DROP\n"},
      {"nothing leaves by this one", Says::locks, "-A OUTPUT -o eth0 -j DROP\n"},
      {"nothing leaves by another", Says::open, "-A OUTPUT -o eth1 -j DROP\n"},
      {"nothing leaves after routing", Says::locks, "*mangle\n-A POSTROUTING -o eth0 -p tcp -j DROP\n"},
      {"broadcasts alone", Says::locks, kStateful + "-A INPUT -m pkttype --pkt-type broadcast -j ACCEPT\n"},
      {"no broadcasts", Says::open, "-A INPUT -m pkttype --pkt-type broadcast -j DROP\n"},
      {"to this host alone", Says::open,
       kStateful + "-A INPUT -m addrtype --dst-type LOCAL -p tcp -j ACCEPT\n"},
      {"not to this host", Says::locks,
       kStateful + "-A INPUT -m addrtype ! --dst-type LOCAL -p tcp -j ACCEPT\n"},
  };
  return all;
}

const std::vector<Variation>& by_state() {
  static const std::vector<Variation> all{
      {"no new ones", Says::locks, kStateful},
      {"new ones to this port", Says::open,
       kStateful + "-A INPUT -p tcp -m conntrack --ctstate NEW -m tcp --dport 2222 -j ACCEPT\n"},
      {"new ones alone", Says::locks,
       kClosed + "-A INPUT -p tcp -m conntrack --ctstate NEW -m tcp --dport 2222 -j ACCEPT\n"},
      {"both states in one rule", Says::open,
       kClosed + "-A INPUT -p tcp -m conntrack --ctstate NEW,ESTABLISHED -m tcp --dport 2222 -j ACCEPT\n"},
      {"a syn alone", Says::locks,
       kClosed + "-A INPUT -p tcp -m tcp --dport 2222 --tcp-flags FIN,SYN,RST,ACK SYN -j ACCEPT\n"},
      {"a syn, and the rest by state", Says::open,
       kStateful + "-A INPUT -p tcp -m tcp --dport 2222 --tcp-flags FIN,SYN,RST,ACK SYN -j ACCEPT\n"},
      {"invalid is dropped", Says::open, "-A INPUT -m conntrack --ctstate INVALID -j DROP\n"},
      {"established is dropped", Says::locks, "-A INPUT -m conntrack --ctstate ESTABLISHED -j DROP\n"},
      {"related alone", Says::locks,
       kClosed + "-A INPUT -m conntrack --ctstate RELATED -j ACCEPT\n" + kTracked},
      {"new without syn is dropped", Says::open,
       "-A INPUT -p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN -m conntrack --ctstate NEW -j DROP\n"},
      {"no replies", Says::locks, kSsh + ":OUTPUT DROP\n"},
      {"replies by state", Says::open,
       kSsh + ":OUTPUT DROP\n-A OUTPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT\n"},
      {"replies by port", Says::open,
       kSsh + ":OUTPUT DROP\n-A OUTPUT -p tcp -m tcp --sport 2222 -j ACCEPT\n"},
      {"replies by another port", Says::locks,
       kSsh + ":OUTPUT DROP\n-A OUTPUT -p tcp -m tcp --sport 22 -j ACCEPT\n"},
      {"replies are no new ones", Says::locks,
       kSsh + ":OUTPUT DROP\n-A OUTPUT -m conntrack --ctstate NEW -j ACCEPT\n"},
      {"no tracking, and by state", Says::locks,
       kStateful + "-A INPUT -p tcp -m conntrack --ctstate NEW -j ACCEPT\n*raw\n-A PREROUTING -p tcp -j CT "
                   "--notrack\n"},
      {"no tracking, and untracked is let in", Says::open,
       kStateful +
           "-A INPUT -p tcp -m conntrack --ctstate UNTRACKED -j ACCEPT\n*raw\n-A PREROUTING -p tcp -j "
           "CT --notrack\n-A OUTPUT -p tcp -j CT --notrack\n"},
      {"replies in the direction of replies", Says::open,
       kSsh + ":OUTPUT DROP\n-A OUTPUT -m conntrack --ctstate ESTABLISHED --ctdir REPLY -j ACCEPT\n"},
      {"replies in the other direction", Says::locks,
       kSsh + ":OUTPUT DROP\n-A OUTPUT -m conntrack --ctstate ESTABLISHED --ctdir ORIGINAL -j ACCEPT\n"},
      {"no answer to a syn", Says::locks, "-A OUTPUT -p tcp -m tcp --tcp-flags SYN,ACK SYN,ACK -j DROP\n"},
      {"no syn of this host", Says::open, "-A OUTPUT -p tcp -m tcp --tcp-flags SYN,ACK SYN -j DROP\n"},
      {"an answer that is not tracked", Says::locks,
       kClosed +
           "-A INPUT -p tcp -m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT\n*raw\n-A OUTPUT -p tcp -m tcp "
           "--tcp-flags SYN SYN -j CT --notrack\n"},
      {"an answer that is not tracked, and what follows is let in", Says::open,
       kClosed + "-A INPUT -p tcp -m conntrack --ctstate INVALID,NEW,ESTABLISHED -j ACCEPT\n*raw\n-A OUTPUT "
                 "-p tcp -m "
                 "tcp --tcp-flags SYN SYN -j CT --notrack\n"},
      {"first tracked by these rules", Says::open, kStateful + kSsh, "", "-A INPUT -p icmp -j DROP\n"},
      {"first tracked by these rules, replies by state", Says::locks,
       kStateful + "-A INPUT -p tcp -m tcp --dport 2222 --tcp-flags FIN,SYN,RST,ACK SYN -j ACCEPT\n:OUTPUT "
                   "DROP\n-A OUTPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT\n",
       "", "-A INPUT -p icmp -j DROP\n"},
  };
  return all;
}

const std::vector<Variation>& by_set() {
  static const std::vector<Variation> all{
      {"friends without this client", Says::locks,
       kStateful + "-A INPUT -p tcp -m set --match-set friends src -j ACCEPT\n", kOther},
      {"friends with this client", Says::open,
       kStateful + "-A INPUT -p tcp -m set --match-set friends src -j ACCEPT\n", kClient},
      {"banned", Says::locks, "-A INPUT -m set --match-set friends src -j DROP\n", kClient},
      {"another is banned", Says::open, "-A INPUT -m set --match-set friends src -j DROP\n", kOther},
      {"all but members", Says::locks, "-A INPUT -m set ! --match-set friends src -j DROP\n", kOther},
      {"a network", Says::open, kStateful + "-A INPUT -m set --match-set nets src -j ACCEPT\n",
       "create nets hash:net\nadd nets 192.0.2.0/28\n"},
      {"a network with an exception", Says::locks,
       kStateful + "-A INPUT -m set --match-set nets src -j ACCEPT\n",
       "create nets hash:net\nadd nets 192.0.2.0/28\nadd nets 192.0.2.7 nomatch\n"},
      {"address and port", Says::open, kStateful + "-A INPUT -m set --match-set doors src,dst -j ACCEPT\n",
       "create doors hash:ip,port\nadd doors 192.0.2.7,tcp:2222\n"},
      {"address and another port", Says::locks,
       kStateful + "-A INPUT -m set --match-set doors src,dst -j ACCEPT\n",
       "create doors hash:ip,port\nadd doors 192.0.2.7,tcp:22\n"},
      {"a bitmap of ports", Says::open,
       kStateful + "-A INPUT -p tcp -m set --match-set ports dst -j ACCEPT\n",
       "create ports bitmap:port range 2000-3000\nadd ports 2222\n"},
      {"a bitmap of other ports", Says::locks,
       kStateful + "-A INPUT -p tcp -m set --match-set ports dst -j ACCEPT\n",
       "create ports bitmap:port range 2000-3000\nadd ports 2223-2300\n"},
      {"a list of sets", Says::locks, "-A INPUT -m set --match-set all src -j DROP\n",
       kClient + "create others hash:net\ncreate all list:set\nadd all others\nadd all friends\n"},
      {"network and interface", Says::open,
       kStateful + "-A INPUT -m set --match-set ways src,src -j ACCEPT\n",
       "create ways hash:net,iface\nadd ways 192.0.2.0/24,eth0\n"},
      {"network and another interface", Says::locks,
       kStateful + "-A INPUT -m set --match-set ways src,src -j ACCEPT\n",
       "create ways hash:net,iface\nadd ways 192.0.2.0/24,eth1\n"},
  };
  return all;
}

const std::vector<Variation>& by_mark() {
  const auto mark = [](const std::string& table, const std::string& value) {
    return "*mangle\n-A " + table + " -s 192.0.2.7/32 -j MARK --set-xmark " + value + "\n";
  };
  static const std::vector<Variation> all{
      {"marked, and let in", Says::open,
       kClosed + "-A INPUT -m mark --mark 0x1 -j ACCEPT\n" + mark("PREROUTING", "0x1/0xffffffff")},
      {"marked otherwise", Says::locks,
       kClosed + "-A INPUT -m mark --mark 0x1 -j ACCEPT\n" + mark("PREROUTING", "0x2/0xffffffff")},
      {"marked, and dropped", Says::locks,
       "-A INPUT -m mark --mark 0x10/0xf0 -j DROP\n" + mark("PREROUTING", "0x12/0xffffffff")},
      {"marked outside the mask", Says::open,
       "-A INPUT -m mark --mark 0x10/0xf0 -j DROP\n" + mark("PREROUTING", "0x102/0xffffffff")},
      {"the mark is taken away again", Says::open,
       "-A INPUT -m mark --mark 0x1 -j DROP\n" + mark("PREROUTING", "0x1/0xffffffff") +
           "-A INPUT -j MARK --set-xmark 0x0/0xffffffff\n"},
      {"no mark", Says::locks, kClosed + "-A INPUT -m mark ! --mark 0x0 -j ACCEPT\n"},
      {"the connection's mark", Says::open,
       kClosed + "-A INPUT -m connmark --mark 0x7 -j ACCEPT\n*mangle\n-A PREROUTING -j CONNMARK --set-xmark "
                 "0x7/0xffffffff\n"},
      {"another mark of the connection", Says::locks,
       kClosed + "-A INPUT -m connmark --mark 0x7 -j ACCEPT\n*mangle\n-A PREROUTING -j CONNMARK --set-xmark "
                 "0x8/0xffffffff\n"},
      {"the mark of the connection is restored", Says::locks,
       "-A INPUT -m mark --mark 0x3 -j DROP\n*mangle\n-A PREROUTING -j CONNMARK --set-xmark "
       "0x3/0xffffffff\n-A "
       "INPUT -j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff\n"},
      {"replies by the mark of the connection", Says::open,
       kSsh + ":OUTPUT DROP\n-A OUTPUT -m connmark --mark 0x5 -j ACCEPT\n*mangle\n-A PREROUTING -j CONNMARK "
              "--set-xmark 0x5/0xffffffff\n"},
  };
  return all;
}

const std::vector<Variation>& by_nat() {
  const std::string redirect = "*nat\n-A PREROUTING -p tcp -m tcp --dport 2200 -j REDIRECT --to-ports 2222\n";
  static const std::vector<Variation> all{
      {"the port leads elsewhere", Says::locks,
       "*nat\n-A PREROUTING -p tcp -m tcp --dport 2222 -j REDIRECT --to-ports 2223\n"},
      {"another port leads elsewhere", Says::open,
       "*nat\n-A PREROUTING -p tcp -m tcp --dport 22 -j REDIRECT --to-ports 2223\n"},
      {"another host", Says::locks,
       "*nat\n-A PREROUTING -p tcp -m tcp --dport 2222 -j DNAT --to-destination 192.0.2.9\n"},
      {"the same host", Says::open,
       "*nat\n-A PREROUTING -p tcp -m tcp --dport 2222 -j DNAT --to-destination 192.0.2.1\n"},
      {"through a redirected port", Says::open, kSsh + redirect, "", redirect, 2200},
      {"through a port that is redirected no more", Says::locks, kSsh, "", redirect, 2200},
      {"by the port before", Says::locks,
       kStateful + "-A INPUT -p tcp -m tcp --dport 2200 -j ACCEPT\n" + redirect, "", redirect, 2200},
      {"by the port behind", Says::open, kStateful + kSsh + redirect, "", redirect, 2200},
      {"raw sees the port before", Says::locks,
       redirect + "*raw\n-A PREROUTING -p tcp -m tcp --dport 2200 -j DROP\n", "", redirect, 2200},
      {"raw does not see the port behind", Says::open,
       redirect + "*raw\n-A PREROUTING -p tcp -m tcp --dport 2222 -j DROP\n", "", redirect, 2200},
      {"what was rewritten", Says::open,
       kStateful + "-A INPUT -m conntrack --ctstate DNAT -j ACCEPT\n" + redirect, "", redirect, 2200},
      {"the port as it was", Says::open,
       kStateful + "-A INPUT -p tcp -m conntrack --ctorigdstport 2200 -j ACCEPT\n" + redirect, "", redirect,
       2200},
      {"another port as it was", Says::locks,
       kStateful + "-A INPUT -p tcp -m conntrack --ctorigdstport 2222 -j ACCEPT\n" + redirect, "", redirect,
       2200},
      {"masquerade", Says::open, "*nat\n-A POSTROUTING -o eth0 -j MASQUERADE\n"},
  };
  return all;
}

const std::vector<Variation>& by_rate() {
  static const std::vector<Variation> all{
      {"a rate of what is logged", Says::open,
       kStateful + "-A INPUT -m limit --limit 3/min -j LOG --log-prefix new\n" + kSsh},
      {"a rate of others", Says::open,
       kStateful + kSsh + "-A INPUT -p tcp -m tcp --dport 80 -m limit --limit 3/min -j ACCEPT\n"},
      {"a rate, then a drop", Says::doubt,
       kStateful + "-A INPUT -p tcp -m tcp --dport 2222 -m limit --limit 3/min -j ACCEPT\n"},
      {"a rate, then an accept", Says::open,
       kStateful + "-A INPUT -p tcp -m tcp --dport 2222 -m limit --limit 3/min -j ACCEPT\n" + kSsh},
      {"a rate of drops", Says::doubt,
       kStateful +
           "-A INPUT -p tcp -m tcp --dport 2222 -m hashlimit --hashlimit-above 5/min "
           "--hashlimit-mode srcip --hashlimit-name ssh -j DROP\n" +
           kSsh},
      {"a rate, and closed either way", Says::locks,
       kStateful + "-A INPUT -p tcp -m tcp --dport 2222 -m limit --limit 3/min -j DROP\n"},
      {"too many connections", Says::doubt,
       kStateful +
           "-A INPUT -p tcp -m tcp --dport 2222 -m connlimit --connlimit-above 3 "
           "--connlimit-mask 32 --connlimit-saddr -j REJECT --reject-with tcp-reset\n" +
           kSsh},
      {"a part of the packets", Says::doubt,
       kStateful + kSsh + "*mangle\n-A INPUT -p tcp -m statistic --mode random --probability 0.5 -j DROP\n"},
      {"who came before", Says::doubt,
       kStateful + "-A INPUT -p tcp -m recent --rcheck --seconds 60 --name knock --mask 255.255.255.255 "
                   "--rsource -j ACCEPT\n"},
      {"a rate of replies", Says::doubt,
       kSsh + ":OUTPUT DROP\n-A OUTPUT -m limit --limit 1000/sec -j ACCEPT\n"},
  };
  return all;
}

/// Of a session to the server's own address: each packet leaves by lo, and comes in again.
const std::vector<Variation>& by_loopback() {
  const std::string translated =
      "*nat\n-A OUTPUT -p tcp -m tcp --dport 2200 -j DNAT --to-destination 192.0.2.1:2222\n";
  static const std::vector<Variation> all{
      {"what leaves for the port is dropped", Says::locks, "-A OUTPUT -p tcp -m tcp --dport 2222 -j DROP\n"},
      {"answers are dropped as they come in", Says::locks, "-A INPUT -p tcp -m tcp --sport 2222 -j DROP\n"},
      {"ssh comes in, and its answers do not", Says::locks, kClosed + kSsh},
      {"ssh comes in, and its answers by state", Says::open, kStateful + kSsh},
      {"no new ones", Says::locks, kStateful},
      {"new ones may not leave", Says::locks, "-A OUTPUT -m conntrack --ctstate NEW -j DROP\n"},
      {"loopback alone", Says::open, kClosed + "-A INPUT -i lo -j ACCEPT\n"},
      {"not by loopback", Says::locks, "-A INPUT -i lo -j DROP\n"},
      {"nothing leaves by loopback", Says::locks, "-A OUTPUT -o lo -j DROP\n"},
      {"nothing leaves by the cable", Says::open, "-A OUTPUT -o eth0 -j DROP\n"},
      {"nothing comes by the cable", Says::open, "-A INPUT -i eth0 -j DROP\n"},
      {"raw on the way in", Says::locks, "*raw\n-A PREROUTING -i lo -p tcp -m tcp --dport 2222 -j DROP\n"},
      {"mangle behind the routing", Says::locks, "*mangle\n-A POSTROUTING -o lo -p tcp -j DROP\n"},
      {"a mark of the way out, on the way in", Says::open,
       kClosed + "-A INPUT -m mark --mark 0x1 -j ACCEPT\n*mangle\n-A OUTPUT -j MARK --set-xmark "
                 "0x1/0xffffffff\n"},
      {"another mark of the way out", Says::locks,
       kClosed + "-A INPUT -m mark --mark 0x1 -j ACCEPT\n*mangle\n-A OUTPUT -j MARK --set-xmark "
                 "0x2/0xffffffff\n"},
      {"not tracked on the way out", Says::open,
       kClosed + "-A INPUT -m conntrack --ctstate UNTRACKED -j ACCEPT\n*raw\n-A OUTPUT -p tcp -j CT "
                 "--notrack\n"},
      {"not tracked on the way in alone", Says::open,
       kStateful + kSsh + "*raw\n-A PREROUTING -p tcp -j CT --notrack\n"},
      {"NAT on the way in is not asked", Says::open,
       "*nat\n-A PREROUTING -p tcp -m tcp --dport 2222 -j REDIRECT --to-ports 2223\n"},
      {"NAT on the way out leads elsewhere", Says::locks,
       "*nat\n-A OUTPUT -p tcp -m tcp --dport 2222 -j DNAT --to-destination 192.0.2.1:2223\n"},
      {"NAT on the way out leads to another host", Says::locks,
       "*nat\n-A OUTPUT -p tcp -m tcp --dport 2222 -j DNAT --to-destination 192.0.2.9\n"},
      {"through a translated port", Says::open, kStateful + kSsh + translated, "", translated, 2200},
      {"by the port before NAT", Says::locks,
       kStateful + "-A INPUT -p tcp -m tcp --dport 2200 -j ACCEPT\n" + translated, "", translated, 2200},
  };
  return all;
}

/// The tables as iptables-restore takes them.
std::string whole_text(const std::string& rules) {
  const std::vector<std::pair<std::string, std::vector<std::string>>> tables{
      {"raw", {"PREROUTING", "OUTPUT"}},
      {"mangle", {"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"}},
      {"nat", {"PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"}},
      {"filter", {"INPUT", "FORWARD", "OUTPUT"}}};
  std::map<std::string, std::vector<std::string>> chains;
  std::map<std::string, std::string> lines;
  std::string table = "filter";
  for (const auto line : split_lines(rules)) {
    if (line.starts_with('*'))
      table = line.substr(1);
    else if (line.starts_with(':'))
      chains[table].push_back(std::string(line));
    else
      lines[table] += std::string(line) + "\n";
  }
  std::string text;
  for (const auto& [name, built_in] : tables) {
    if (chains[name].empty() && lines[name].empty()) continue;
    text += "*" + name + "\n";
    for (const auto& chain : built_in) {
      const auto said = std::ranges::find_if(
          chains[name], [&](const auto& line) { return line.starts_with(":" + chain + " "); });
      text += (said == chains[name].end() ? ":" + chain + " ACCEPT" : *said) + " [0:0]\n";
    }
    for (const auto& line : chains[name])
      if (line.ends_with(" -")) text += line + " [0:0]\n";
    text += lines[name] + "COMMIT\n";
  }
  return text;
}

// drive.py CLIENT REWALL FOLDER...: for each folder loads its rules `before`, logs in over its port, asks
// rewall there about rules.v4 and ipset, puts these in force from elsewhere, and sees whether that session
// and a new one work.
constexpr const char* kDriver = R"PY(
import os, select, subprocess, sys, time
client, rewall, folders = sys.argv[1], sys.argv[2], sys.argv[3:]
there = ['nsenter', '-n', '-t', client]
def clear():
    # The kernel lets go of sets a little after the rules.
    subprocess.run('nft flush ruleset; for i in $(seq 100); do ipset flush; ipset destroy 2>/dev/null && exit 0; sleep 0.05; done; '
                   'exit 1', shell=True, check=True)
def hears(stream, words, seconds):
    end, seen = time.time() + seconds, b''
    while words not in seen:
        ready, _, _ = select.select([stream], [], [], max(0, end - time.time()))
        piece = os.read(stream.fileno(), 4096) if ready else b''
        if not piece: return None
        seen += piece
    return seen.decode()
for folder in folders:
    port = open(folder + '/port').read()
    clear()
    subprocess.run('iptables-restore <%s/before' % folder, shell=True, check=True)
    remote = ('cd %s; %s -C repo restore --dry-run file:%s >%s/out 2>%s/said </dev/null; echo checked $? end; '
              '(while sleep 0.1; do echo tick || exit; done) & while read l; do echo got $l; done; kill %%1'
              % (os.getcwd(), rewall, folder, folder, folder))
    ssh = subprocess.Popen(there + ['ssh', '-F', 'ssh_config', '-o', 'StrictHostKeyChecking=no', '-o',
        'UserKnownHostsFile=/dev/null', '-o', 'LogLevel=ERROR', '-p', port, 'root@192.0.2.1', remote],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    said = hears(ssh.stdout, b' end', 120)
    if said is None: sys.exit(folder + ': no session')
    status = said.split('checked ')[1].split()[0]
    subprocess.run([rewall, '-q', '-C', 'repo', 'restore', '--force', '--yes', 'file:' + folder],
        stdout=subprocess.DEVNULL, check=True)
    new = subprocess.Popen(there + ['timeout', '2', 'bash', '-c',
        'exec 3<>/dev/tcp/192.0.2.1/%s && head -c 4 <&3' % port], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        ssh.stdin.write(b'hello\n')
        ssh.stdin.flush()
    except BrokenPipeError: pass
    lives = hears(ssh.stdout, b'got hello', 2) is not None
    banner = new.communicate()[0]
    clear()
    ssh.kill(); ssh.wait()
    print(folder, status, 'lives' if lives else 'dead', 'new' if banner == b'SSH-' else 'none', flush=True)
)PY";

/// A server with a real sshd, and a client behind a cable.
class Reached : public Host {
 public:
  Reached() {
    ok("unshare -n sleep 100000 >/dev/null 2>&1 & echo $! >client; "
       "for i in $(seq 100); do [ \"$(readlink /proc/$!/ns/net)\" != \"$(readlink /proc/self/ns/net)\" ] && "
       "break; sleep 0.02; done");
    ok("ip link set lo up; ip link add eth0 type veth peer name eth0 netns $(cat client); "
       "ip address add 192.0.2.1/24 dev eth0; ip link set eth0 up; ip link add eth1 type veth peer name "
       "other1; "
       "ip link set eth1 up; nsenter -n -t $(cat client) sh -c 'ip link set lo up; "
       "ip address add 192.0.2.7/24 dev eth0; ip link set eth0 up'");
    write_text(folder() / "drive.py", kDriver);
    ok("rewall init");
  }
  Reached(const Reached&) = delete;
  Reached& operator=(const Reached&) = delete;
  ~Reached() { sh("kill $(cat client)"); }
};

/// `client` is a shell's word for a process that is where the client is.
void hold_against_the_kernel(const std::vector<Variation>& variations,
                             const std::string& client = "$(cat client)") {
  const Reached host;
  const SshServer server(host, "192.0.2.1");
  std::string folders;
  for (std::size_t i = 0; i < variations.size(); ++i) {
    const auto name = "v" + std::to_string(i);
    const auto& variation = variations[i];
    std::filesystem::create_directory(host.folder() / name);
    write_text(host.folder() / name / "rules.v4", whole_text(variation.rules));
    write_text(host.folder() / name / "ipset", variation.sets);
    write_text(host.folder() / name / "before",
               whole_text(variation.before.empty() ? kTracked : variation.before));
    write_text(host.folder() / name / "port", std::to_string(variation.port));
    folders += " " + name;
  }
  const auto printed = host.ok("python3 drive.py " + client + " " REWALL_PROGRAM + folders);
  const auto lines = split_lines(printed);
  REQUIRE(lines.size() == variations.size());
  for (std::size_t i = 0; i < variations.size(); ++i) {
    const auto& variation = variations[i];
    const auto name = "v" + std::to_string(i);
    const auto said = host.ok("cat " + name + "/said");
    INFO(variation.name << "\n" << lines[i] << "\n" << said);
    const bool locked = !has(lines[i], "lives new");
    const bool says_locked = has(said, "this would lock you out: ");
    const bool says_doubt = has(said, "nobody can prove that you still get in: ");
    CHECK(has(lines[i], says_locked ? name + " 3 " : name + " 1 "));
    CHECK(says_locked == (variation.says == Says::locks));
    CHECK(says_doubt == (variation.says == Says::doubt));
    if (variation.says != Says::doubt) CHECK(locked == (variation.says == Says::locks));
  }
}

}  // namespace

TEST_CASE("a lockout by the order of the rules is known before, and nothing else is called one") {
  hold_against_the_kernel(by_order());
}

TEST_CASE("a lockout by the interface is known before, and nothing else is called one") {
  hold_against_the_kernel(by_interface());
}

TEST_CASE("a lockout by the state is known before, and nothing else is called one") {
  hold_against_the_kernel(by_state());
}

TEST_CASE("a lockout by a set is known before, and nothing else is called one") {
  hold_against_the_kernel(by_set());
}

TEST_CASE("a lockout by a mark is known before, and nothing else is called one") {
  hold_against_the_kernel(by_mark());
}

TEST_CASE("a lockout by NAT is known before, and nothing else is called one") {
  hold_against_the_kernel(by_nat());
}

TEST_CASE("what hangs on a rate is no lockout, and no proof of the contrary") {
  hold_against_the_kernel(by_rate());
}

TEST_CASE("a lockout of a session over loopback is known before, by the rules of both ways") {
  hold_against_the_kernel(by_loopback(), "$$");
}

namespace {

/// The server has 2001:db8:1::1 and 198.51.100.1 too, and takes connections to port 2222 for all its
/// addresses.
class ReachedByBoth : public Reached {
 public:
  ReachedByBoth() {
    ok("ip -6 address add 2001:db8:1::1/64 dev eth0 nodad; ip address add 198.51.100.1/32 dev eth0; "
       "nsenter -n -t $(cat client) sh -c 'ip -6 address add 2001:db8:1::7/64 dev eth0 nodad; "
       "ip route add 198.51.100.1 dev eth0'; "
       "(exec timeout 600 python3 -c 'import socket, time\n"
       "s = socket.socket(socket.AF_INET6); s.bind((\"::\", 2222)); s.listen(64)\n"
       "open(\"ready\", \"w\").close(); time.sleep(600)' >/dev/null 2>&1 </dev/null &)");
    until("test -e ready");
  }

  /// What a dry run says to who is connected to `address`.
  Outcome asked(const std::string& address, const std::string& file) const {
    const std::string peer = address.find(':') == std::string::npos ? "192.0.2.7" : "2001:db8:1::7";
    return sh("SSH_CONNECTION='" + peer + " 40000 " + address + " 2222' rewall apply --dry-run " + file +
              " </dev/null");
  }
  /// Whether the client gets a new connection to `address` while neither knows the other.
  bool connects(const std::string& address) const {
    ok("ip neigh flush dev eth0; nsenter -n -t $(cat client) ip neigh flush dev eth0; ip -6 neigh flush dev "
       "eth0; "
       "nsenter -n -t $(cat client) ip -6 neigh flush dev eth0");
    return sh("nsenter -n -t $(cat client) timeout 4 bash -c 'exec 3<>/dev/tcp/" + address + "/2222'")
               .status == 0;
  }
};

}  // namespace

TEST_CASE("a session of IPv6 is locked out where its neighbour cannot be found") {
  const std::string guide =
      ":INPUT DROP\n-A INPUT -i lo -j ACCEPT\n-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j "
      "ACCEPT\n" +
      kSsh;
  const std::vector<Variation> variations{
      {"the guide of IPv4", Says::locks, guide},
      {"with icmpv6", Says::open, guide + "-A INPUT -p ipv6-icmp -j ACCEPT\n"},
      {"with what neighbours need", Says::open,
       guide + "-A INPUT -p ipv6-icmp -m icmp6 --icmpv6-type 135 -j ACCEPT\n"
               "-A INPUT -p ipv6-icmp -m icmp6 --icmpv6-type 136 -j ACCEPT\n"},
      {"no replies but those of connections", Says::locks,
       ":OUTPUT DROP\n-A OUTPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT\n"},
      {"no icmpv6", Says::locks, "-A INPUT -p ipv6-icmp -j DROP\n"},
      {"nothing untracked", Says::locks, "-A INPUT -m conntrack --ctstate UNTRACKED -j DROP\n"},
      {"no groups", Says::locks, "-A INPUT -d ff00::/8 -j DROP\n"},
      {"no addresses of the link", Says::open, "-A INPUT -s fe80::/10 -j DROP\n"},
      {"another interface", Says::open, "-A INPUT -i eth1 -p ipv6-icmp -j DROP\n"},
      {"it asks nobody", Says::doubt, "-A OUTPUT -p ipv6-icmp -m icmp6 --icmpv6-type 135 -j DROP\n"},
      {"nobody answers it", Says::doubt, "-A INPUT -p ipv6-icmp -m icmp6 --icmpv6-type 136 -j DROP\n"},
  };
  const ReachedByBoth host;
  for (const auto& variation : variations) {
    write_text(host.folder() / "rules.v6", whole_text(variation.rules));
    const auto outcome = host.asked("2001:db8:1::1", "--family ipv6 rules.v6");
    INFO(variation.name << "\n" << outcome.out << outcome.err);
    const bool closed = has(outcome.err, "this would lock you out: the neighbour on eth0 cannot be found: ");
    CHECK(closed == (variation.says == Says::locks));
    CHECK(has(outcome.err, "nobody can prove that you still get in: ") == (variation.says == Says::doubt));
    if (closed) CHECK(has(outcome.err, " by ip6 filter "));
    host.ok("ip6tables-restore <rules.v6");
    if (variation.says != Says::doubt)
      CHECK(host.connects("2001:db8:1::1") == (variation.says == Says::open));
    host.ok("ip6tables -P INPUT ACCEPT; ip6tables -P OUTPUT ACCEPT; ip6tables -F");
  }
}

TEST_CASE("rules of ARP are no proof that a session of IPv4 lives, and none of the contrary") {
  const ReachedByBoth host;
  write_text(host.folder() / "arp.nft",
             "table arp fw {\n  chain i { type filter hook input priority 0; policy drop; }\n}\n");
  const auto outcome = host.asked("192.0.2.1", "arp.nft");
  INFO(outcome.out << outcome.err);
  CHECK(has(outcome.err, "nobody can prove that you still get in: "));
  CHECK(has(outcome.err, "packets of ARP depend on nft arp fw i"));
  CHECK(host.connects("192.0.2.1"));
  host.ok("nft -f arp.nft");
  CHECK_FALSE(host.connects("192.0.2.1"));
}

TEST_CASE("a redirection to another address of the host is no lockout where the server listens on all") {
  const ReachedByBoth host;
  write_text(host.folder() / "rules.v4",
             whole_text("*nat\n-A PREROUTING -p tcp -m tcp --dport 2222 -j REDIRECT\n"));
  const auto outcome = host.asked("198.51.100.1", "--family ipv4 rules.v4");
  INFO(outcome.out << outcome.err);
  CHECK(outcome.status == 1);
  CHECK_FALSE(has(outcome.err, "lock you out"));
  host.ok("iptables-restore <rules.v4");
  CHECK(host.connects("198.51.100.1"));
}

TEST_CASE("a session of IPv4 that a socket of IPv6 names is one of IPv4, and words that name none are told") {
  const ReachedByBoth host;
  write_text(host.folder() / "rules.v4", whole_text(kClosed));
  const std::string apply = " rewall apply --dry-run --family ipv4 rules.v4 </dev/null";
  CHECK(has(host.ends(3, "SSH_CONNECTION='::ffff:192.0.2.7 40000 ::ffff:192.0.2.1 2222'" + apply),
            "this would lock you out: a new ssh connection from 192.0.2.7 to 192.0.2.1 port 2222: "));
  for (const auto* words : {"nonsense", "192.0.2.7 40000 192.0.2.1", "192.0.2.7 99999 192.0.2.1 2222",
                            "UNKNOWN 65535 UNKNOWN 65535"})
    CHECK(has(host.ends(1, "SSH_CONNECTION='" + std::string(words) + "'" + apply),
              "SSH_CONNECTION names no connection: no session is checked"));
}

#pragma once

#include <random>
#include <string>
#include <vector>

namespace rewall {

/// Rules at random, of the matches and targets that the model knows, with values that meet each other often.
class RandomRules {
 public:
  explicit RandomRules(unsigned seed) : random_(seed) {}

  std::size_t below(std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random_); }
  bool one_in(std::size_t n) { return below(n) == 0; }
  const std::string& any(const std::vector<std::string>& words) { return words[below(words.size())]; }

  std::string address() {
    return any({"10.0.0.1", "10.0.0.2", "10.0.0.0/24", "10.0.0.0/25", "10.0.1.0/24", "10.0.0.0/8",
                "192.0.2.1", "192.0.2.0/30", "172.17.0.2", "0.0.0.2/0.0.0.2", "127.0.0.1"});
  }
  std::string port() { return any({"22", "80", "443", "53", "1024:65535", "8080", "0:79"}); }
  std::string states() {
    return any({"NEW", "ESTABLISHED", "RELATED,ESTABLISHED", "INVALID", "NEW,RELATED", "UNTRACKED", "DNAT",
                "NEW,SNAT"});
  }
  std::string no() { return one_in(4) ? "! " : ""; }

  std::string sets() {
    const std::string few =
        "create one hash:net family inet\nadd one 10.0.0.0/24\nadd one 10.0.0.2 nomatch\nadd one "
        "192.0.2.1\n"
        "create two hash:ip,port family inet\nadd two 10.0.0.1,tcp:22\nadd two 10.0.0.2,udp:53\n"
        "add two 10.0.0.1,icmp:echo-request\n"
        "create ports bitmap:port range 0-1000\nadd ports 22\nadd ports 80\n"
        "create in hash:net,iface family inet\nadd in 10.0.0.0/8,eth0\nadd in 10.0.0.0/24,lo\n"
        "create both list:set size 8\nadd both one\nadd both ports\n"
        "create six hash:ip family inet6\nadd six 2001:db8::1\n"
        "create marks hash:ip,mark family inet\nadd marks 10.0.0.1,0x00000001\n";
    if (!wider) return few;
    return few +
           "create links hash:net,iface family inet\nadd links 10.0.0.0/8,eth0\nadd links "
           "10.0.0.0/24,eth1\nadd links 10.0.0.2,eth0 nomatch\nadd links 10.0.0.2,lo\n"
           "add links 192.0.2.0/24,lo\nadd links 127.0.0.0/8,eth wildcard\n"
           "create masked hash:ip,mark family inet markmask 0x0000000f\nadd masked "
           "10.0.0.2,0x00000001\nadd masked 10.0.0.1,0x00000000\n"
           "create gre hash:ip,port family inet\nadd gre 10.0.0.1,gre:0\nadd gre 10.0.0.2,tcp:22\n";
  }

  std::string rarer_match() {
    return any({"-p tcp -m tcp",
                "-p udp -m udp",
                "-m devgroup --src-group 1",
                "-m devgroup ! --dst-group 1",
                "-m physdev --physdev-is-in",
                "-m physdev ! --physdev-out eth+",
                "-m addrtype --dst-type LOCAL",
                "-m addrtype ! --dst-type BROADCAST",
                "-m addrtype --src-type UNICAST --limit-iface-in",
                "-m set " + no() + "--match-set links " + any({"src,src", "dst,dst", "src,dst"}),
                "-m set " + no() + "--match-set masked " + any({"src,src", "dst,src"}),
                "-m set --match-set gre src,dst",
                "-m pkttype ! --pkt-type broadcast",
                "-m conntrack --ctstate DNAT",
                "-m conntrack ! --ctstate SNAT",
                "-m conntrack --ctreplsrc 10.0.0.2",
                "-m conntrack --ctrepldstport 22",
                "-m ecn --ecn-ip-ect 1",
                "-m rpfilter --loose",
                "-m mac --mac-source 00:00:00:00:00:02"});
  }

  std::string match() {
    if (wider && one_in(5)) return rarer_match();
    switch (below(17)) {
      case 0:
        return no() + "-s " + address();
      case 1:
        return no() + "-d " + address();
      case 2:
        if (wider && one_in(3)) return no() + "-o " + any({"lo", "eth0", "eth+", "eth1", "wg0"});
        return no() + "-i " + any({"lo", "eth0", "eth+", "eth1"});
      case 3:
        return any({"-p tcp -m tcp ", "-p udp -m udp "}) + no() + any({"--dport ", "--sport "}) + port();
      case 4:
        return "-m conntrack " + no() + "--ctstate " + states();
      case 5:
        return "-m mark " + no() + "--mark " + any({"0x0", "0x1", "0x10/0xf0", "0x1/0x1", "0x0/0xff"});
      case 6:
        return "-p tcp -m multiport " + no() + any({"--dports ", "--sports ", "--ports "}) +
               any({"22,80", "53,1024:65535", "22,443,8080"});
      case 7:
        return "-m iprange " + no() + any({"--src-range ", "--dst-range "}) + "10.0.0.1-10.0.0.5";
      case 8:
        return "-p icmp -m icmp " + no() + "--icmp-type " + any({"8", "0/0", "3/1", "any"});
      case 9:
        return "-p tcp -m tcp " + no() +
               any({"--tcp-flags FIN,SYN,RST,ACK SYN", "--tcp-flags SYN SYN", "--tcp-flags ACK,FIN FIN"});
      case 10:
        return "-m connmark " + no() + "--mark " + any({"0x0", "0x1/0x3", "0x10/0xf0"});
      case 11:
        return "-m set " + no() + "--match-set " +
               any({"one src", "one dst", "two src,dst", "two dst,dst", "ports dst", "in src,src", "both dst",
                    "six src", "marks src,src", "two src"});
      case 12:
        return "-m ttl " + any({"--ttl-eq 64", "--ttl-lt 10", "--ttl-gt 63"});
      case 13:
        return no() + any({"-p tcp", "-p udp", "-p icmp", "-p 47"});
      case 14:
        return "-m conntrack " + any({"--ctdir ORIGINAL", "--ctdir REPLY", "--ctstatus SEEN_REPLY",
                                      "--ctorigdst 10.0.0.1", "--ctstate NEW --ctorigdstport 80",
                                      "--ctstatus ASSURED,EXPECTED", "--ctreplsrc 172.17.0.2"});
      case 15:
        return "-m dscp " + no() + "--dscp " + any({"0x00", "0x0a"});
      default:
        return any({"-m length --length 0:100", no() + "-f", "-m pkttype --pkt-type unicast",
                    "-m comment --comment \"it is -j DROP\"", "-m tos --tos 0x10/0x3f"});
    }
  }

  std::string unknown() {
    return any(
        {"-m limit --limit 3/min", "-m cpu --cpu 1", "-m time --weekdays Sat", "-m owner --uid-owner 0"});
  }

  std::string verdict() {
    return any({"-j ACCEPT", "-j DROP", "-j REJECT --reject-with icmp-port-unreachable", "-j ACCEPT"});
  }
  std::string change() {
    return any({"-j MARK --set-xmark 0x1/0xffffffff", "-j MARK --set-xmark 0x10/0xf0",
                "-j MARK --set-xmark 0x3/0x0", "-j CONNMARK --set-xmark 0x1/0x3",
                "-j CONNMARK --save-mark --nfmask 0xff --ctmask 0xff",
                "-j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff", "-j TTL --ttl-set 5",
                "-j TTL --ttl-dec 1", "-j DSCP --set-dscp 0x0a", "-j TOS --set-tos 0x10/0x3f"});
  }

  // As the host may have them: of interfaces, and of a network with a broadcast address.
  std::string to_address() {
    return any({"172.17.0.2", "10.0.0.2", "10.0.0.1", "10.0.0.255", "192.0.2.1", "127.0.0.1", "8.8.8.8"});
  }
  std::string destination_nat() {
    switch (below(6)) {
      case 0:
        return "-j DNAT --to-destination " + to_address() + ":20-90" + (one_in(2) ? " --random" : "");
      case 1:
        return "-j DNAT --to-destination " + to_address() + ":80";
      case 2:
        return "-j DNAT --to-destination " + to_address();
      case 3:
        return "-j DNAT --to-destination " +
               any({"10.0.0.1-10.0.0.2", "10.0.0.1-172.17.0.2", ":443", ":443"});
      case 4:
        return "-j REDIRECT" + any({"", " --to-ports 8080", " --to-ports 22-90", " --random"});
      default:
        return any(
            {"-d 10.0.0.0/24 -j NETMAP --to 192.0.2.0/24", "-d 192.0.2.0/30 -j NETMAP --to 10.0.0.0/30"});
    }
  }
  std::string source_nat() {
    return any({"-j MASQUERADE", "-j MASQUERADE --random", "-j SNAT --to-source 192.0.2.1",
                "-j NETMAP --to 10.0.0.0/24"});
  }

  std::string rule(const std::string& chain, const std::string& target) {
    std::string out = "-A " + chain;
    bool has_protocol = false;
    for (std::size_t i = below(4); i > 0; --i) {
      auto one = match();
      const bool protocol = one.find("-p ") != std::string::npos;
      if (protocol && has_protocol) continue;
      has_protocol = has_protocol || protocol;
      out += ' ' + one;
    }
    if (unknowns && one_in(8)) out += ' ' + unknown();
    return out + (target.empty() ? "" : " " + target) + '\n';
  }

  std::string target(const std::vector<std::string>& chains, bool mangles) {
    if (!chains.empty() && one_in(3)) return (one_in(4) ? "-g " : "-j ") + any(chains);
    if (mangles && one_in(2)) return change();
    return one_in(6) ? any({"-j RETURN", "-j LOG", ""}) : verdict();
  }

  std::string table(const std::string& name, const std::vector<std::string>& built_in, std::size_t rules) {
    std::string out = "*" + name + '\n';
    for (const auto& chain : built_in)
      out += ":" + chain + (one_in(2) && name == "filter" ? " DROP" : " ACCEPT") + " [0:0]\n";
    const std::vector<std::string> chains = {"a", "b", "c"};
    for (const auto& chain : chains) out += ":" + chain + " - [0:0]\n";
    const bool mangles = name == "mangle";
    for (const auto& chain : built_in)
      for (std::size_t i = below(rules + 1); i > 0; --i) out += rule(chain, target(chains, mangles));
    for (std::size_t c = 0; c < chains.size(); ++c)
      for (std::size_t i = below(rules / 2 + 1); i > 0; --i)
        out += rule(chains[c],
                    target({chains.begin() + static_cast<std::ptrdiff_t>(c) + 1, chains.end()}, mangles));
    return out + "COMMIT\n";
  }

  std::string nat() {
    if (wider) return wider_nat();
    std::string out = "*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n";
    for (std::size_t i = below(3); i > 0; --i)
      out += rule("PREROUTING -p tcp",
                  any({"-j DNAT --to-destination 172.17.0.2:80", "-j DNAT --to-destination 10.0.0.2",
                       "-j REDIRECT --to-ports 8080", "-j ACCEPT"}));
    for (std::size_t i = below(2); i > 0; --i)
      out += rule("POSTROUTING", any({"-j MASQUERADE", "-j SNAT --to-source 192.0.2.1"}));
    for (std::size_t i = below(2); i > 0; --i)
      out += rule("OUTPUT -p tcp", any({"-j DNAT --to-destination 172.17.0.2:80", "-j ACCEPT"}));
    return out + "COMMIT\n";
  }

  std::string wider_nat() {
    std::string out =
        "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT "
        "[0:0]\n"
        ":a - [0:0]\n";
    for (const std::string chain : {"PREROUTING", "OUTPUT", "a"})
      for (std::size_t i = below(4); i > 0; --i)
        out += rule(chain + any({"", " -p tcp", " -p udp", " -p icmp"}), one_in(5) ? "-j ACCEPT"
                                                                         : one_in(5) && chain != "a"
                                                                             ? "-j a"
                                                                             : destination_nat());
    for (const std::string chain : {"INPUT", "POSTROUTING"})
      for (std::size_t i = below(3); i > 0; --i) out += rule(chain, one_in(5) ? "-j ACCEPT" : source_nat());
    return out + "COMMIT\n";
  }

  std::string ruleset(std::size_t rules) {
    std::string out;
    if (one_in(2)) {
      out += "*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n";
      for (std::size_t i = below(3); i > 0; --i)
        out += rule(one_in(2) ? "PREROUTING" : "OUTPUT",
                    wider && one_in(2)
                        ? any({"-j CONNMARK --set-xmark 0x1/0x3", "-j MARK --set-xmark 0x1/0xff",
                               "-j CONNMARK --save-mark --nfmask 0xff --ctmask 0xff", "-j CT --notrack"})
                        : any({"-j CT --notrack", "-j DROP", "-j ACCEPT"}));
      out += "COMMIT\n";
    }
    if (one_in(2))
      out += table("mangle", {"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"}, rules / 3 + 1);
    if (translations && one_in(2)) out += nat();
    return out + table("filter", {"INPUT", "FORWARD", "OUTPUT"}, rules);
  }

  bool unknowns = true;
  bool translations = true;
  bool wider = false;  // more kinds of rules

 private:
  std::mt19937 random_;
};

}  // namespace rewall

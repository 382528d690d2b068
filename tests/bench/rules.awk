# Random rules, the same ones each time: of use with a second file, `awk -f rules.awk -f FILE`.
function pick(n) { return int(rand() * n) }

# A rule of one of eight kinds, without its chain. `port` stays what the rule has.
function rule(kind, net) {
  net = "10." pick(256) "." pick(256) ".0/24"
  port = 1024 + pick(60000)
  kind = pick(8)
  if (kind == 0) return "-s " net " -p tcp -m tcp --dport " port " -j ACCEPT"
  if (kind == 1) return "-s " net " -p udp -m udp --dport " port " -j DROP"
  if (kind == 2) return "-s " net " -d 192.0.2." pick(256) "/32 -i eth" pick(8) " -j ACCEPT"
  if (kind == 3) return "-p tcp -m conntrack --ctstate NEW -m tcp --dport " port " -j ACCEPT"
  if (kind == 4) return "-p tcp -m multiport --dports 80,443," port " -m comment --comment \"web " port "\" -j ACCEPT"
  if (kind == 5) return "-s " net " -m limit --limit 5/min -j LOG --log-prefix \"zone " port ": \""
  if (kind == 6) return "-s " net " -p icmp -m icmp --icmp-type 8 -j ACCEPT"
  return "! -s " net " -p tcp -m tcp --dport " port " -j REJECT --reject-with icmp-port-unreachable"
}

BEGIN { srand(20240229) }

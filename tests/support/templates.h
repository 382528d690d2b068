#pragma once

#include <string>
#include <vector>

namespace rewall {

/// The templates, each with what it needs, and with other values for each of its places.
struct FilledTemplate {
  std::string name{};
  std::string needed{};
  std::string given{};
};

inline const std::vector<FilledTemplate>& filled_templates() {
  static const std::string kSsh =
      " --set ssh_from=198.51.100.7,2001:db8:7::/48,203.0.113.0/24 --set ssh_ports=2222,22";
  static const std::vector<FilledTemplate> all{
      {"web-server", "",
       "--set web_ports=8080:8090,80 --set mail_ports=none --set other_ports=9000,9001" + kSsh},
      {"ssh-from-one-address", "--set ssh_from=198.51.100.7",
       "--set ssh_from=198.51.100.7,2001:db8::7 --set ssh_ports=2222"},
      {"database", "--set app_servers=10.0.0.11",
       "--set app_servers=10.0.0.0/28,fd00::11 --set db_addresses=10.0.0.5,fd00::5 "
       "--set db_ports=1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,3300:3310" +
           kSsh},
      {"mail-server", "", "--set mail_ports=25 --set web_ports=80,443" + kSsh},
      {"router-nat", "--set outside=eth0 --set inside=eth1",
       "--set outside=ppp+ --set inside=eth1,eth2 --set inside_networks=10.1.0.0/24,10.2.0.0/24,fd00:1::/64 "
       "--set ssh_from=198.51.100.7 --set ssh_ports=2222 --set inside_tcp=none --set inside_udp=any "
       "--set forward_ports=80,443 --set forward_to=10.1.0.5,fd00:1::5"},
      {"docker-host", "--set outside=eth0",
       "--set outside=eth0,eth1 --set published_tcp=80,8000:8010 --set published_udp=514 "
       "--set published_from=198.51.100.0/24,2001:db8::/32 --set host_ports=9100" +
           kSsh},
      {"kubernetes-node", "--set node_networks=10.0.0.0/24 --set pod_networks=10.244.0.0/16",
       "--set node_networks=10.0.0.0/24,fd00::/64 --set pod_networks=10.244.0.0/16,fd00:244::/56 "
       "--set api_from=198.51.100.0/24 --set api_port=443 --set nodeport_from=none" +
           kSsh},
      {"vpn-gateway", "--set outside=eth0 --set vpn_networks=10.8.0.0/24",
       "--set outside=eth0 --set vpn=wg1 --set vpn_port=443 --set vpn_networks=10.8.0.0/24,fd00:8::/64 "
       "--set inside=eth1,eth2 --set vpn_tcp=none --set vpn_udp=53,123" +
           kSsh},
      {"bastion", "--set inside=10.0.0.0/24",
       "--set inside=10.0.0.0/24,fd00::/64 --set inside_ports=22,2222 --set resolvers=10.0.0.2,fd00::2 "
       "--set time_servers=none --set update_users=root,65534" +
           kSsh},
      {"workstation", "", "--set open_ports=22,631 --set open_from=192.0.2.0/24,fe80::/10"},
      {"lockdown", "", "--set ssh_ports=22,2222"},
      {"open", "", ""}};
  return all;
}

}  // namespace rewall

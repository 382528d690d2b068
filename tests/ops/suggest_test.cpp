// Which templates fit a host: on arranged hosts, without a kernel.
#include "ops/template/suggest.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "ops/template/templates.h"

using namespace rewall;

namespace {

using Listener = HostUse::Listener;

Listener tcp(std::uint16_t port, const std::string& program = "", const std::string& address = "") {
  return {.tcp = true, .address = address, .port = port, .program = program};
}
Listener udp(std::uint16_t port, const std::string& program = "") {
  return {.tcp = false, .port = port, .program = program};
}

/// A host with sshd and a way out, to which an administrator is connected.
HostUse host_with(const std::vector<Listener>& listeners) {
  HostUse use;
  use.listeners = {tcp(22, "sshd")};
  use.listeners.insert(use.listeners.end(), listeners.begin(), listeners.end());
  use.connections = {{.peer = "198.51.100.7", .peer_port = 50000, .own_port = 22}};
  use.interfaces = {{.name = "eth0", .leads_out = true, .networks = {"203.0.113.0/24", "2001:db8:1::/64"}}};
  return use;
}

std::string names_of(const std::vector<Suggestion>& all) {
  std::string names;
  for (const auto& one : all) names += (names.empty() ? "" : " ") + one.name;
  return names;
}

std::string first(const HostUse& use) {
  const auto all = suggest_templates(use);
  REQUIRE_FALSE(all.empty());
  return suggested_words(all[0]);
}

/// What people run can be run: every value has the type of its place.
void check_values(const HostUse& use) {
  for (const auto& suggestion : suggest_templates(use)) {
    INFO(suggested_words(suggestion));
    const auto found = find_template(suggestion.name);
    REQUIRE(found);
    std::vector<std::string> settings;
    for (const auto& [place, value] : suggestion.values) settings.push_back(place + "=" + value);
    const auto values = read_place_values(found->rules, settings);
    if (suggestion.missing.empty()) CHECK(values);
    if (!values) CHECK(values.error().message.find("needs a value") != std::string::npos);
  }
}

}  // namespace

TEST_CASE("a web server is told by what listens on 80 and 443") {
  const auto use =
      host_with({tcp(80, "nginx"), tcp(443, "nginx"), udp(68, "dhclient"), tcp(9100, "node_exporter")});
  const auto all = suggest_templates(use);
  CHECK(names_of(all) == "web-server");
  CHECK(first(use) == "template apply web-server --set mail_ports=none --set ssh_from=198.51.100.7");
  CHECK(all[0].because == "tcp 80, 443 (nginx)");
  REQUIRE(all[0].closes.size() == 1);
  CHECK(all[0].closes[0].program == "node_exporter");
  check_values(use);
}

TEST_CASE("a web and mail server is the one of the guide, or a mail server with web mail") {
  const auto use = host_with({tcp(80, "nginx"), tcp(25, "master"), tcp(993, "dovecot")});
  CHECK(names_of(suggest_templates(use)) == "web-server mail-server");
  CHECK(first(use) ==
        "template apply web-server --set web_ports=80 --set mail_ports=25,993 --set ssh_from=198.51.100.7");
  check_values(use);
}

TEST_CASE("a mail server without a web server is one") {
  const auto use = host_with({tcp(25, "master"), tcp(587, "master"), tcp(993, "dovecot")});
  CHECK(first(use) == "template apply mail-server --set mail_ports=25,587,993 --set ssh_from=198.51.100.7");
  check_values(use);
}

TEST_CASE("a database is for those that are connected to it") {
  auto use = host_with({tcp(5432, "postgres", "10.0.0.5")});
  use.connections.push_back({.peer = "10.0.0.11", .peer_port = 40000, .own_port = 5432});
  use.connections.push_back({.peer = "10.0.0.12", .peer_port = 40001, .own_port = 5432});
  use.connections.push_back({.peer = "10.0.0.11", .peer_port = 40002, .own_port = 5432});
  CHECK(first(use) ==
        "template apply database --set app_servers=10.0.0.11,10.0.0.12 --set db_ports=5432 "
        "--set db_addresses=10.0.0.5 --set ssh_from=198.51.100.7");
  check_values(use);
  use.connections.clear();
  CHECK(first(use) ==
        "template apply database --set db_ports=5432 --set db_addresses=10.0.0.5 --set app_servers=? --set "
        "ssh_from=?");
  check_values(use);
}

TEST_CASE("a docker host publishes what docker-proxy listens on") {
  auto use = host_with({tcp(8080, "docker-proxy"), udp(514, "docker-proxy"), tcp(80, "nginx")});
  use.interfaces.push_back({.name = "docker0", .networks = {"172.17.0.0/16"}});
  use.forwards = true;
  CHECK(names_of(suggest_templates(use)) == "docker-host web-server");
  CHECK(first(use) ==
        "template apply docker-host --set outside=eth0 --set published_tcp=8080 --set published_udp=514 "
        "--set host_ports=80 --set ssh_from=198.51.100.7");
  CHECK(suggest_templates(use)[0].closes.empty());
  check_values(use);
}

TEST_CASE("a node of kubernetes is told by kubelet, and asks for the network of the pods") {
  auto use = host_with({tcp(10250, "kubelet"), tcp(6443, "kube-apiserver"), udp(8472)});
  use.interfaces.push_back({.name = "cni0", .networks = {"10.244.1.0/24"}});
  use.connections.push_back({.peer = "203.0.113.9", .peer_port = 40000, .own_port = 6443});
  use.connections.push_back({.peer = "192.0.2.50", .peer_port = 40001, .own_port = 6443});
  use.forwards = true;
  CHECK(first(use) ==
        "template apply kubernetes-node --set node_networks=203.0.113.0/24,2001:db8:1::/64 "
        "--set api_from=192.0.2.50 --set ssh_from=198.51.100.7 --set pod_networks=?");
  check_values(use);
}

TEST_CASE("a gateway of WireGuard is told by its interface, with the networks there") {
  auto use = host_with({udp(51821)});
  use.interfaces.push_back({.name = "wg0", .networks = {"10.8.0.0/24", "fd00:8::/64"}});
  use.interfaces.push_back({.name = "eth1", .networks = {"10.1.0.0/24"}});
  CHECK(first(use) ==
        "template apply vpn-gateway --set outside=eth0 --set vpn_port=51821 "
        "--set vpn_networks=10.8.0.0/24,fd00:8::/64 --set inside=eth1 --set ssh_from=198.51.100.7");
  check_values(use);
}

TEST_CASE("a router forwards between the way out and other networks; who comes from inside needs no rule") {
  auto use = host_with({tcp(53, "dnsmasq"), udp(53, "dnsmasq"), udp(67, "dnsmasq")});
  use.interfaces.push_back({.name = "eth1", .networks = {"10.1.0.0/24"}});
  use.interfaces.push_back({.name = "veth7", .networks = {"10.2.0.0/24"}});
  use.forwards = true;
  CHECK(first(use) ==
        "template apply router-nat --set outside=eth0 --set inside=eth1 --set ssh_from=198.51.100.7");
  use.connections = {{.peer = "10.1.0.9", .peer_port = 50000, .own_port = 22}};
  CHECK(first(use) == "template apply router-nat --set outside=eth0 --set inside=eth1");
  CHECK(suggest_templates(use)[0].closes.empty());
  check_values(use);
}

TEST_CASE("a bastion has ssh in and ssh out, and nothing else") {
  auto use = host_with({});
  use.connections.push_back({.peer = "10.1.0.9", .peer_port = 22, .own_port = 51000});
  use.apt_user = true;
  CHECK(first(use) ==
        "template apply bastion --set inside=10.1.0.9 --set update_users=root,_apt --set "
        "ssh_from=198.51.100.7");
  check_values(use);
}

TEST_CASE("a host with nothing but ssh is for who is connected, the caller's own address first") {
  auto use = host_with({udp(123, "chronyd")});
  use.connections.push_back({.peer = "2001:db8::7", .peer_port = 50000, .own_port = 22});
  CHECK(first(use) == "template apply ssh-from-one-address --set ssh_from=198.51.100.7,2001:db8::7");
  use.ssh_client = "192.0.2.1";
  use.ssh_port = 2222;
  CHECK(first(use) ==
        "template apply ssh-from-one-address --set ssh_from=192.0.2.1,2001:db8::7 --set ssh_ports=22,2222");
  check_values(use);
  use.connections.clear();
  use.ssh_client.clear();
  CHECK(first(use) == "template apply ssh-from-one-address --set ssh_ports=22,2222 --set ssh_from=?");
  check_values(use);
}

TEST_CASE("where nobody knows from where the caller is connected, no list of addresses is suggested") {
  auto use = host_with({tcp(80, "nginx")});
  use.caller_unknown = true;
  CHECK(first(use) == "template apply web-server --set web_ports=80 --set mail_ports=none --set ssh_from=?");
  use = host_with({});
  use.caller_unknown = true;
  CHECK(first(use) == "template apply ssh-from-one-address --set ssh_from=?");
  use.forwards = true;
  use.interfaces.push_back({.name = "eth1", .networks = {"10.1.0.0/24"}});
  CHECK(first(use) == "template apply router-nat --set outside=eth0 --set inside=eth1 --set ssh_from=?");
  check_values(use);
}

TEST_CASE("a host on which nothing listens is a workstation") {
  HostUse use;
  use.listeners = {udp(5353, "avahi-daemon"), udp(68, "dhclient"), tcp(5355, "systemd-resolve")};
  CHECK(first(use) == "template apply workstation");
  check_values(use);
}

TEST_CASE("what serves on other ports keeps them") {
  const auto use = host_with({tcp(9000, "minio"), tcp(9001, "minio")});
  CHECK(first(use) ==
        "template apply web-server --set web_ports=none --set mail_ports=none --set other_ports=9000,9001 "
        "--set ssh_from=198.51.100.7");
  CHECK(suggest_templates(use)[0].closes.empty());
  check_values(use);
}

TEST_CASE("names of interfaces that no template takes are left to people") {
  auto use = host_with({});
  use.interfaces = {{.name = "eth0;reboot", .leads_out = true, .networks = {"203.0.113.0/24"}},
                    {.name = "docker0", .networks = {"172.17.0.0/16"}}};
  CHECK(first(use) ==
        "template apply docker-host --set published_tcp=none --set ssh_from=198.51.100.7 --set outside=?");
  check_values(use);
}

TEST_CASE("where nobody is connected by ssh, who may is left to people") {
  auto use = host_with({tcp(80, "nginx")});
  use.connections.clear();
  CHECK(first(use) == "template apply web-server --set web_ports=80 --set mail_ports=none --set ssh_from=?");
  use = host_with({});
  use.connections.clear();
  use.forwards = true;
  use.interfaces.push_back({.name = "eth1", .networks = {"10.1.0.0/24"}});
  CHECK(first(use) == "template apply router-nat --set outside=eth0 --set inside=eth1 --set ssh_from=?");
  // Without sshd nobody may, and nobody asks.
  use = host_with({tcp(80, "nginx")});
  use.connections.clear();
  use.listeners.erase(use.listeners.begin());
  CHECK(first(use) == "template apply web-server --set web_ports=80 --set mail_ports=none");
}

TEST_CASE("a gateway of which no way out is known has no inside that is known") {
  auto use = host_with({udp(51820)});
  use.interfaces = {{.name = "eth0", .networks = {"203.0.113.0/24"}},
                    {.name = "wg0", .networks = {"10.8.0.0/24"}}};
  CHECK(first(use) ==
        "template apply vpn-gateway --set vpn_networks=10.8.0.0/24 --set ssh_from=198.51.100.7 "
        "--set outside=? --set inside=?");
}

TEST_CASE("ports that docker sends on without a program of its own are published") {
  auto use = host_with({});
  use.interfaces.push_back({.name = "docker0", .networks = {"172.17.0.0/16"}});
  use.published = {{.tcp = true, .port = 8080}, {.tcp = false, .port = 53}};
  CHECK(first(use) ==
        "template apply docker-host --set outside=eth0 --set published_tcp=8080 --set published_udp=53 "
        "--set ssh_from=198.51.100.7");
  check_values(use);
}

#include "ops/template/suggest.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>
#include <string_view>

#include "core/format.h"
#include "core/text.h"
#include "ops/template/templates.h"
#include "rules/value_parse.h"

namespace rewall {
namespace {

using Ports = std::set<std::uint16_t>;

const Ports& web_ports() {
  static const Ports ports{80, 443, 8080, 8443};
  return ports;
}
const Ports& mail_ports() {
  static const Ports ports{25, 110, 143, 465, 587, 993, 995, 4190};
  return ports;
}
// MySQL, PostgreSQL, Oracle, SQL Server, MongoDB, Redis, Cassandra, Elasticsearch, memcached.
const Ports& database_ports() {
  static const Ports ports{1433, 1521, 3306, 5432, 6379, 9042, 9200, 11211, 27017};
  return ports;
}

constexpr std::uint16_t kSsh = 22;
constexpr std::uint16_t kKubelet = 10250;
constexpr std::uint16_t kApiServer = 6443;
constexpr std::uint16_t kWireGuard = 51820;

/// Clients and the local network: DHCP, time, names, printers' discovery. Answers to them come in anyway.
bool needs_no_rule(const HostUse::Listener& listener) {
  static const Ports udp{68, 123, 323, 546, 631, 1900, 5353, 5355};
  static const Ports tcp{5355};
  return (listener.tcp ? tcp : udp).contains(listener.port);
}

bool is_made_by_programs(std::string_view interface) {
  for (const std::string_view begin :
       {"docker", "br-", "veth", "virbr", "vnet", "cni", "flannel", "cali", "cilium", "lxc", "wg", "tun",
        "tap", "tailscale", "dummy", "ifb", "podman", "kube"})
    if (interface.starts_with(begin)) return true;
  return false;
}

std::string listed(const std::vector<std::string>& items) {
  return items.empty() ? "none" : join(items, ",");
}

std::string listed(const Ports& ports) {
  std::vector<std::string> items;
  for (const auto port : ports) items.push_back(format("{}", port));
  return listed(items);
}

void add_once(std::vector<std::string>& items, const std::string& item) {
  if (!item.empty() && std::ranges::find(items, item) == items.end()) items.push_back(item);
}

/// Fits templates to one use.
class Suggester {
 public:
  explicit Suggester(const HostUse& use) : use_(use) {
    find_ssh();
    for (const auto& listener : use.listeners) {
      if (needs_no_rule(listener)) continue;
      (listener.tcp ? tcp_ : udp_).insert(listener.port);
    }
    for (const auto& interface : use.interfaces)
      if (interface.leads_out) outside_.push_back(interface.name);
  }

  std::vector<Suggestion> all() {
    suggest_kubernetes();
    suggest_docker();
    suggest_vpn();
    suggest_router();
    suggest_web();
    suggest_mail();
    suggest_database();
    suggest_bastion();
    suggest_others();
    return std::move(suggestions_);
  }

 private:
  // --- facts

  void find_ssh() {
    for (const auto& listener : use_.listeners)
      if (listener.tcp && (listener.program == "sshd" || listener.port == kSsh)) ssh_.insert(listener.port);
    if (use_.ssh_port != 0) ssh_.insert(use_.ssh_port);
    add_once(ssh_clients_, use_.ssh_client);
    for (const auto& peer : peers_of(ssh_)) add_once(ssh_clients_, peer);
  }

  std::vector<std::string> peers_of(const Ports& ports) const {
    std::vector<std::string> peers;
    for (const auto& connection : use_.connections)
      if (ports.contains(connection.own_port)) add_once(peers, connection.peer);
    return peers;
  }

  bool listens(std::uint16_t port) const { return tcp_.contains(port); }
  bool has_program(std::string_view program) const {
    return std::ranges::find(use_.listeners, program, &HostUse::Listener::program) != use_.listeners.end();
  }
  const HostUse::Interface* find_interface(std::string_view begin) const {
    const auto found = std::ranges::find_if(
        use_.interfaces, [&](const HostUse::Interface& one) { return one.name.starts_with(begin); });
    return found == use_.interfaces.end() ? nullptr : &*found;
  }

  /// Those of `known` that something listens on.
  Ports open_among(const Ports& known) const {
    Ports ports;
    for (const auto port : tcp_)
      if (known.contains(port) && !ssh_.contains(port)) ports.insert(port);
    return ports;
  }

  std::vector<std::string> networks_inside() const {
    std::vector<std::string> networks;
    for (const auto& interface : use_.interfaces)
      if (!interface.leads_out && !is_made_by_programs(interface.name))
        for (const auto& network : interface.networks) add_once(networks, network);
    return networks;
  }

  std::vector<std::string> inside() const {
    std::vector<std::string> names;
    for (const auto& interface : use_.interfaces)
      if (!interface.leads_out && !is_made_by_programs(interface.name) && !interface.networks.empty())
        names.push_back(interface.name);
    return names;
  }

  static bool is_in(const std::string& address, const std::vector<std::string>& networks) {
    for (const Family family : {Family::ipv4, Family::ipv6}) {
      const auto one = read_address(address, family);
      for (const auto& text : networks) {
        const auto network = read_address(text, family);
        if (one && network && within(*one, *network)) return true;
      }
    }
    return false;
  }

  /// "tcp 80, 443 (nginx)".
  std::string named(const Ports& ports) const {
    std::vector<std::string> numbers;
    std::vector<std::string> programs;
    for (const auto port : ports) {
      numbers.push_back(format("{}", port));
      for (const auto& listener : use_.listeners)
        if (listener.tcp && listener.port == port) add_once(programs, listener.program);
    }
    return format("tcp {}{}", join(numbers, ", "),
                  programs.empty() ? "" : format(" ({})", join(programs, ", ")));
  }

  // --- filling in

  static void set(Suggestion& suggestion, const std::string& place, const std::string& value) {
    if (value == "none" || value.empty())
      suggestion.missing.push_back(place);
    else
      suggestion.values.emplace_back(place, value);
  }

  /// Only where it is not the default.
  static void set_unless(Suggestion& suggestion, const std::string& place, const std::string& value,
                         std::string_view preset) {
    if (value != preset) suggestion.values.emplace_back(place, value);
  }

  void set_ssh(Suggestion& suggestion) const {
    // A list without the caller's own address would lock the caller out.
    if (!ssh_clients_.empty() && !use_.caller_unknown)
      suggestion.values.emplace_back("ssh_from", listed(ssh_clients_));
    else if (!ssh_.empty() || use_.caller_unknown)
      suggestion.missing.emplace_back("ssh_from");
    if (!ssh_.empty()) set_unless(suggestion, "ssh_ports", listed(ssh_), "22");
  }

  void add(Suggestion suggestion, Ports tcp, const Ports& udp = {}) {
    tcp.insert(ssh_.begin(), ssh_.end());
    for (const auto& listener : use_.listeners) {
      if (needs_no_rule(listener) || (listener.tcp ? tcp : udp).contains(listener.port)) continue;
      const bool known = std::ranges::any_of(suggestion.closes, [&](const HostUse::Listener& one) {
        return one.tcp == listener.tcp && one.port == listener.port;
      });
      if (!known) suggestion.closes.push_back(listener);
    }
    drop_what_does_not_fit(suggestion);
    suggestions_.push_back(std::move(suggestion));
  }

  // Names of interfaces can be anything.
  static void drop_what_does_not_fit(Suggestion& suggestion) {
    const auto rules = built_in_template(suggestion.name);
    std::erase_if(suggestion.values, [&](const auto& value) {
      const auto* place = rules.find(value.first);
      if (place != nullptr && read_place_value(*place, value.second)) return false;
      suggestion.missing.push_back(value.first);
      return true;
    });
  }

  // --- the templates

  void suggest_kubernetes() {
    if (!listens(kKubelet) && !has_program("kubelet")) return;
    Suggestion suggestion{.name = "kubernetes-node", .because = named({kKubelet})};
    std::vector<std::string> nodes;
    for (const auto& interface : use_.interfaces)
      if (interface.leads_out)
        for (const auto& network : interface.networks) add_once(nodes, network);
    set(suggestion, "node_networks", listed(nodes));
    // The interface of a plugin has the network of this node's pods, not of all.
    suggestion.missing.emplace_back("pod_networks");
    std::vector<std::string> callers;
    for (const auto& peer : peers_of({kApiServer}))
      if (!is_in(peer, nodes)) add_once(callers, peer);
    set_unless(suggestion, "api_from", listed(callers), "none");
    set_ssh(suggestion);
    Ports reached = tcp_;  // by the cluster
    add(std::move(suggestion), reached, udp_);
  }

  void suggest_docker() {
    if (find_interface("docker") == nullptr && !has_program("docker-proxy") && !has_program("dockerd"))
      return;
    Suggestion suggestion{.name = "docker-host", .because = "docker"};
    Ports tcp;
    Ports udp;
    Ports own;
    for (const auto& published : use_.published) (published.tcp ? tcp : udp).insert(published.port);
    for (const auto& listener : use_.listeners) {
      if (needs_no_rule(listener)) continue;
      if (listener.program == "docker-proxy")
        (listener.tcp ? tcp : udp).insert(listener.port);
      else if (listener.tcp && (web_ports().contains(listener.port) || mail_ports().contains(listener.port)))
        own.insert(listener.port);
    }
    set(suggestion, "outside", listed(outside_));
    set_unless(suggestion, "published_tcp", listed(tcp), "80,443");
    set_unless(suggestion, "published_udp", listed(udp), "none");
    set_unless(suggestion, "host_ports", listed(own), "none");
    set_ssh(suggestion);
    tcp.insert(own.begin(), own.end());
    add(std::move(suggestion), tcp, udp);
  }

  void suggest_vpn() {
    const auto* vpn = find_interface("wg");
    if (vpn == nullptr && !udp_.contains(kWireGuard)) return;
    Suggestion suggestion{.name = "vpn-gateway",
                          .because = vpn != nullptr ? vpn->name : format("udp {}", kWireGuard)};
    set(suggestion, "outside", outside_.empty() ? "" : outside_.front());
    if (vpn != nullptr) set_unless(suggestion, "vpn", vpn->name, "wg0");
    // The socket of WireGuard is the kernel's, and no program's.
    Ports ports;
    for (const auto& listener : use_.listeners)
      if (!listener.tcp && listener.program.empty() && !needs_no_rule(listener)) ports.insert(listener.port);
    const std::uint16_t port = ports.contains(kWireGuard) || ports.size() != 1 ? kWireGuard : *ports.begin();
    set_unless(suggestion, "vpn_port", format("{}", port), "51820");
    set(suggestion, "vpn_networks", vpn == nullptr ? "" : listed(vpn->networks));
    // Where nothing shows which interface leads out, it may be any of them.
    if (outside_.empty() && !inside().empty())
      suggestion.missing.emplace_back("inside");
    else
      set_unless(suggestion, "inside", listed(inside()), "none");
    set_ssh(suggestion);
    add(std::move(suggestion), {53}, {port, 53});
  }

  void suggest_router() {
    if (!use_.forwards || outside_.empty() || inside().empty() || find_interface("docker") != nullptr ||
        listens(kKubelet))
      return;
    Suggestion suggestion{
        .name = "router-nat",
        .because = format("forwards between {} and {}", outside_.front(), listed(inside()))};
    set(suggestion, "outside", outside_.front());
    set(suggestion, "inside", listed(inside()));
    std::vector<std::string> clients;
    for (const auto& client : ssh_clients_)
      if (!is_in(client, networks_inside())) clients.push_back(client);
    // Nobody is connected now: who comes from outside later would be shut out.
    if (use_.caller_unknown || (!ssh_.empty() && ssh_clients_.empty()))
      suggestion.missing.emplace_back("ssh_from");
    else
      set_unless(suggestion, "ssh_from", listed(clients), "none");
    if (!ssh_.empty()) set_unless(suggestion, "ssh_ports", listed(ssh_), "22");
    add(std::move(suggestion), {53}, {53, 67, 123, 547});
  }

  void suggest_web() {
    const Ports web = open_among(web_ports());
    if (web.empty()) return;
    const Ports mail = open_among(mail_ports());
    Ports all = web;
    all.insert(mail.begin(), mail.end());
    Suggestion suggestion{.name = "web-server", .because = named(all)};
    set_unless(suggestion, "web_ports", listed(web), "80,443");
    suggestion.values.emplace_back("mail_ports", listed(mail));
    set_ssh(suggestion);
    add(std::move(suggestion), all);
  }

  void suggest_mail() {
    const Ports mail = open_among(mail_ports());
    if (mail.empty()) return;
    const Ports web = open_among(web_ports());
    Suggestion suggestion{.name = "mail-server", .because = named(mail)};
    suggestion.values.emplace_back("mail_ports", listed(mail));
    set_unless(suggestion, "web_ports", listed(web), "none");
    set_ssh(suggestion);
    Ports all = web;
    all.insert(mail.begin(), mail.end());
    add(std::move(suggestion), all);
  }

  void suggest_database() {
    const Ports ports = open_among(database_ports());
    if (ports.empty()) return;
    Suggestion suggestion{.name = "database", .because = named(ports)};
    set(suggestion, "app_servers", listed(peers_of(ports)));
    suggestion.values.emplace_back("db_ports", listed(ports));
    std::vector<std::string> addresses;
    bool all = false;
    for (const auto& listener : use_.listeners) {
      if (!listener.tcp || !ports.contains(listener.port)) continue;
      all = all || listener.address.empty();
      add_once(addresses, listener.address);
    }
    if (!all) suggestion.values.emplace_back("db_addresses", listed(addresses));
    set_ssh(suggestion);
    add(std::move(suggestion), ports);
  }

  void suggest_bastion() {
    const bool serves = std::ranges::any_of(tcp_, [&](std::uint16_t port) { return !ssh_.contains(port); });
    if (ssh_.empty() || serves) return;
    std::vector<std::string> hosts;
    for (const auto& connection : use_.connections)
      if (connection.peer_port == kSsh && !ssh_.contains(connection.own_port))
        add_once(hosts, connection.peer);
    if (hosts.empty()) return;
    Suggestion suggestion{.name = "bastion", .because = "ssh comes in and goes on"};
    suggestion.values.emplace_back("inside", listed(hosts));
    if (use_.apt_user) suggestion.values.emplace_back("update_users", "root,_apt");
    set_ssh(suggestion);
    add(std::move(suggestion), {});
  }

  // Where nothing else fits.
  void suggest_others() {
    if (!suggestions_.empty()) return;
    Ports ports = tcp_;
    for (const auto port : ssh_) ports.erase(port);
    if (!ports.empty()) {
      Suggestion suggestion{.name = "web-server", .because = named(ports)};
      suggestion.values = {{"web_ports", "none"}, {"mail_ports", "none"}, {"other_ports", listed(ports)}};
      set_ssh(suggestion);
      add(std::move(suggestion), ports);
      return;
    }
    if (ssh_.empty()) {
      add({.name = "workstation", .because = "nothing listens"}, {});
      return;
    }
    suggest_ssh_alone();
  }

  void suggest_ssh_alone() {
    Suggestion suggestion{.name = "ssh-from-one-address", .because = "nothing but ssh listens"};
    // One of each family: the caller's own before others.
    std::map<bool, std::string> one;
    for (const auto& client : ssh_clients_) one.try_emplace(client.find(':') != std::string::npos, client);
    std::vector<std::string> addresses;
    for (const auto& [six, client] : one) addresses.push_back(client);
    set(suggestion, "ssh_from", use_.caller_unknown ? "" : listed(addresses));
    set_unless(suggestion, "ssh_ports", listed(ssh_), "22");
    add(std::move(suggestion), {});
    add({.name = "workstation",
         .values = {{"open_ports", listed(ssh_)}},
         .because = "a desktop or laptop that is reached by ssh"},
        {});
  }

  const HostUse& use_;
  Ports tcp_{};  ///< that something listens on, but for those that need no rule
  Ports udp_{};
  Ports ssh_{};
  std::vector<std::string> ssh_clients_{};  ///< the caller's own first
  std::vector<std::string> outside_{};
  std::vector<Suggestion> suggestions_{};
};

}  // namespace

std::vector<Suggestion> suggest_templates(const HostUse& use) {
  return Suggester(use).all();
}

std::string suggested_words(const Suggestion& suggestion) {
  std::string words = "template apply " + suggestion.name;
  for (const auto& [place, value] : suggestion.values) words += " --set " + shell_quote(place + "=" + value);
  for (const auto& place : suggestion.missing) words += " --set " + place + "=?";
  return words;
}

}  // namespace rewall

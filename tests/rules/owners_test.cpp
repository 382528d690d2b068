#include "rules/owners.h"

#include <array>
#include <catch2/catch.hpp>

#include "rules/rules_file.h"
#include "support/corpus.h"

using namespace rewall;

namespace {

const std::vector<Owner>& owners() {
  static const std::vector<Owner> all = default_owners();
  return all;
}

Ruleset v4(const std::string& text) {
  return {.v4 = parse_tables(text, Family::ipv4, "v4").value()};
}

/// Whose a rule is, beside `there`; "" for a person's.
std::string owner_of(const std::string& line, const Ruleset& there = {}) {
  const std::array<const Ruleset*, 1> rulesets{&there};
  const Ownership ownership(owners(), rulesets);
  const auto chain_end = line.find(' ');
  const auto* owner = ownership.of_rule(line.substr(0, chain_end), line.substr(chain_end + 1));
  return owner == nullptr ? "" : owner->name;
}

std::string chain_owner(const std::string& chain) {
  const Ownership ownership(owners(), {});
  const auto* owner = ownership.of_chain(chain);
  return owner == nullptr ? "" : owner->name;
}

std::string set_owner(const std::string& set) {
  const Ownership ownership(owners(), {});
  const auto* owner = ownership.of_set(set);
  return owner == nullptr ? "" : owner->name;
}

/// The owners of all rules in built-in chains of a dump.
std::map<std::string, int> owners_in(const std::filesystem::path& path, Family family) {
  Ruleset ruleset;
  auto& tables = family == Family::ipv4 ? ruleset.v4 : ruleset.v6;
  tables = parse_tables(contents(path), family, path.string()).value();
  const std::array<const Ruleset*, 1> rulesets{&ruleset};
  const Ownership ownership(owners(), rulesets);
  std::map<std::string, int> counts;
  for (const auto& table : tables.tables) {
    for (const auto& chain : table.chains) {
      if (!chain.built_in()) continue;
      for (const auto& rule : chain.rules) {
        const auto* owner = ownership.of_rule(chain.name, rule.words);
        ++counts[owner == nullptr ? "" : owner->name];
      }
    }
  }
  return counts;
}

}  // namespace

TEST_CASE("chains are known by the names that their programs give them") {
  CHECK(chain_owner("DOCKER") == "docker");
  CHECK(chain_owner("DOCKER-ISOLATION-STAGE-1") == "docker");
  CHECK(chain_owner("NETAVARK-1D8721804F16F") == "podman");
  CHECK(chain_owner("CNI-HOSTPORT-DNAT") == "podman");
  CHECK(chain_owner("KUBE-SVC-2CMXP7HKUVJN7L6M") == "kubernetes");
  CHECK(chain_owner("cali-FORWARD") == "calico");
  CHECK(chain_owner("OLD_CILIUM_POST_nat") == "cilium");
  CHECK(chain_owner("FLANNEL-POSTRTG") == "flannel");
  CHECK(chain_owner("f2b-sshd") == "fail2ban");
  CHECK(chain_owner("LIBVIRT_FWX") == "libvirt");
  CHECK(chain_owner("FI-vnet0") == "libvirt");
  CHECK(chain_owner("ts-input") == "tailscale");
  CHECK(chain_owner("CROWDSEC_CHAIN") == "crowdsec");
  CHECK(chain_owner("sshguard") == "sshguard");
}

TEST_CASE("chains of people are nobody else's") {
  for (const char* chain : {"INPUT", "docker", "MYDOCKER", "DOCKER-USER", "CNI-ADMIN", "ts-teamspeak",
                            "FI-web", "ufw-user-input", "sshguard-mine", "LOGDROP"}) {
    INFO(chain);
    CHECK(chain_owner(chain).empty());
  }
}

TEST_CASE("sets are known by their names") {
  CHECK(set_owner("f2b-sshd6") == "fail2ban");
  CHECK(set_owner("KUBE-CLUSTER-IP") == "kubernetes");
  CHECK(set_owner("cali40masq-ipam-pools") == "calico");
  CHECK(set_owner("crowdsec-blacklists-0") == "crowdsec");
  CHECK(set_owner("sshguard4") == "sshguard");
  CHECK(set_owner("blocklist").empty());
}

TEST_CASE("a rule that leads to a foreign chain is foreign") {
  CHECK(owner_of("INPUT -p tcp -m multiport --dports 22 -j f2b-sshd") == "fail2ban");
  CHECK(owner_of("FORWARD -j DOCKER-USER") == "docker");
  CHECK(owner_of("FORWARD -g DOCKER-FORWARD") == "docker");
  CHECK(owner_of("INPUT -m comment --comment \"kubernetes health check\" -j KUBE-NODEPORTS") == "kubernetes");
  CHECK(owner_of("POSTROUTING -s 10.88.0.0/16 -j NETAVARK-1D8721804F16F") == "podman");
  CHECK(owner_of("INPUT -m comment --comment \"-j DOCKER\" -j ACCEPT").empty());
  CHECK(owner_of("INPUT -m comment --comment -j -j ACCEPT").empty());
  CHECK(owner_of("INPUT -jf2b-sshd") == "fail2ban");
}

TEST_CASE("a rule that names foreign sets alone is foreign") {
  CHECK(owner_of("INPUT -p tcp -m multiport --dports 22 -m set --match-set f2b-sshd src -j REJECT") ==
        "fail2ban");
  CHECK(owner_of("INPUT -m set --match-set crowdsec-blacklists-0 src -j DROP") == "crowdsec");
  CHECK(owner_of("INPUT -m set --match-set f2b-sshd src -m set ! --match-set office src -j DROP").empty());
  CHECK(owner_of("INPUT -m set --match-set office src -j ACCEPT").empty());
}

TEST_CASE("docker's rules in other chains are known by their exact shapes") {
  for (const char* rule :
       {"POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE",
        "POSTROUTING -s 172.18.0.0/16 ! -o br-0123456789ab -j MASQUERADE",
        "POSTROUTING -s 172.17.0.2/32 -d 172.17.0.2/32 -p tcp -m tcp --dport 80 -j MASQUERADE",
        "POSTROUTING -o docker_gwbridge -m addrtype --src-type LOCAL -j MASQUERADE",
        "FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "FORWARD -i docker0 ! -o docker0 -j ACCEPT", "FORWARD -i docker0 -o docker0 -j ACCEPT",
        "PREROUTING -d 172.17.0.2/32 ! -i docker0 -j DROP",
        "PREROUTING -d 127.0.0.1/32 ! -i lo -p tcp -m tcp --dport 8080 -j DROP", "DOCKER-USER -j RETURN"}) {
    INFO(rule);
    CHECK(owner_of(rule) == "docker");
  }
}

TEST_CASE("a rule of a person that names what docker names is the person's") {
  for (const char* rule :
       {"INPUT -i docker0 -p tcp -m tcp --dport 5432 -j ACCEPT", "FORWARD -i docker0 -o eth0 -j DROP",
        "FORWARD -i docker0 -o br-0123456789ab -j ACCEPT", "FORWARD -s 172.17.0.0/16 -i docker0 -j DROP",
        "POSTROUTING -s 10.8.0.0/24 ! -o tun0 -j MASQUERADE",
        "POSTROUTING -s 172.17.0.0/16 -o eth0 -j MASQUERADE",
        "POSTROUTING -s 10.0.0.5/32 -d 10.0.0.6/32 -p tcp -m tcp --dport 80 -j MASQUERADE",
        "PREROUTING -d 127.0.0.0/8 ! -i lo -j DROP", "INPUT -s 172.17.0.0/16 -j ACCEPT",
        "DOCKER-USER -i eth0 -p tcp -m tcp --dport 8080 -j DROP"}) {
    INFO(rule);
    CHECK(owner_of(rule).empty());
  }
}

TEST_CASE("a bridge that a person named is docker's where docker's chains name it") {
  const std::string rule = "POSTROUTING -s 172.30.0.0/16 ! -o shop+.1 -j MASQUERADE";
  CHECK(owner_of(rule).empty());
  const auto there =
      v4("*filter\n:FORWARD ACCEPT\n:DOCKER-CT -\n:DOCKER-USER -\n"
         "-A DOCKER-CT -o shop+.1 -j ACCEPT\n-A DOCKER-USER -i tun0 -j DROP\nCOMMIT\n");
  CHECK(owner_of(rule, there) == "docker");
  CHECK(owner_of("POSTROUTING -s 172.30.0.0/16 ! -o shopX1 -j MASQUERADE", there).empty());
  CHECK(owner_of("POSTROUTING -s 10.8.0.0/24 ! -o tun0 -j MASQUERADE", there).empty());
}

TEST_CASE("rules of programs that mark them by comment are theirs") {
  CHECK(owner_of(
            "FORWARD -m comment --comment \"cali:S93hcgKJrXEqnTfs\" -m comment --comment \"Policy explicitly "
            "accepted packet.\" -m mark --mark 0x10000/0x10000 -j ACCEPT") == "calico");
  CHECK(owner_of(
            "POSTROUTING -s 10.42.0.0/16 -d 10.42.0.0/16 -m comment --comment \"flanneld masq\" -j RETURN") ==
        "flannel");
  CHECK(owner_of("INPUT -m comment --comment \"not flanneld masq\" -j ACCEPT").empty());
}

TEST_CASE("every rule that docker's own tests expect outside its chains is docker's") {
  const auto folder = corpus();
  int dumps = 0;
  for (const auto& row : rows(folder / "manifest.tsv")) {
    if (!row.at("file").starts_with("moby__")) continue;
    INFO(row.at("file"));
    const auto counts = owners_in(folder / "dumps" / row.at("file"), family_of(row));
    CHECK(counts.size() == 1);
    CHECK(counts.contains("docker"));
    ++dumps;
  }
  CHECK(dumps == 39);
}

TEST_CASE("libvirt's rules of a host without its chains are known, and the host's own are not") {
  const auto folder = corpus();
  const auto path =
      folder / "dumps" / "aosp-mirror__iptables__tests__shell__testcases__ipt-save__dumps__fedora27-iptables";
  auto counts = owners_in(path, Family::ipv4);
  CHECK(counts["libvirt"] == 11);
}

TEST_CASE("in dumps of hosts without such programs nothing is foreign") {
  const auto folder = corpus();
  int dumps = 0;
  for (const auto& row : rows(folder / "manifest.tsv")) {
    const auto& file = row.at("file");
    const bool other = file.starts_with("firehol__") || file.starts_with("batfish__") ||
                       file.starts_with("puppetlabs__") || file.starts_with("MaxKellermann__");
    if (!other || row.at("load_status") != "0") continue;
    INFO(file);
    const auto counts = owners_in(folder / "dumps" / file, family_of(row));
    CHECK((counts.empty() || (counts.size() == 1 && counts.contains(""))));
    ++dumps;
  }
  CHECK(dumps > 10);
}

TEST_CASE("an owner's expression knows a rule in whatever way it names the chain") {
  const auto knows = [](const std::string& rule, const std::string& chain, const std::string& words) {
    const std::vector<Owner> one{{.name = "x", .rule = rule}};
    return Ownership(one, {}).of_rule(chain, words) != nullptr;
  };
  const std::string drop = "-s 192.0.2.1/32 -j DROP";
  for (const char* rule :
       {"^-A (INPUT|FORWARD) .*-j DROP", "^-A (INPUT -s .*|FORWARD -j ACCEPT)$", "^-A INPUT ", "-j DROP$",
        "^-A (IN|FOR)(PUT|WARD) ", "^-A (IN|FOR)PUT", "^-A (INP?UT|FORWARD) ", "^-A (X |INPUT) ?-s",
        "^-A (X) |INPUT", "^-A (X|INPUT)? ?", "^-A (X|[IJ]NPUT) ", "^-A (X -j [)]|INPUT -s .*)$",
        "^-A (X -m [[:alpha:]]+|INPUT -s .*)$", "^-A ((X)|INPUT) ", "^-A (X \\)|INPUT) ",
        "^-A (X -j \\(|INPUT) "}) {
    INFO(rule);
    CHECK(knows(rule, "INPUT", drop));
  }
  CHECK(knows("^-A (IN *-j|X) ", "IN-j", drop));
  CHECK(knows("^-A (IN|X) *OUT ", "IN OUT", drop));
  CHECK(knows("^-A (IN OUT|X) ", "IN OUT", drop));
  for (const char* rule : {"^-A (INPUT|FORWARD) ", "^-A (INPUT -s .*|FORWARD -s .*)$"}) {
    CHECK(knows(rule, "FORWARD", drop));
    CHECK_FALSE(knows(rule, "OUTPUT", drop));
    CHECK_FALSE(knows(rule, "FORWARD-2", drop));
  }
}

TEST_CASE("an owner's expression takes no more time and memory than rules are worth") {
  for (const auto& owner : owners()) {
    INFO(owner.name);
    CHECK(check_owner_rule(owner.rule));
  }
  for (const char* good :
       {"^-A FORWARD -i ([a-z0-9]+) -o \\1 ", ".*-m comment --comment \"(a|b)*\"", "a{1,30}", "[{]{2}",
        "(x{8}){8}", "^-A (FORWARD|INPUT) .*(-i|-o) (br-[0-9a-f]{12}|%i)"}) {
    INFO(good);
    CHECK(check_owner_rule(good));
  }
  for (const std::string& bad :
       {std::string("a{1,255}{1,255}"), std::string("((x{20}){20}){20}"), std::string(5000, 'a'),
        std::string("(.*)(.*)\\1\\2c"), std::string("^(a*)*\\1b"), std::string("^(.*) \\1"),
        std::string("([^ ]+) \\1"), std::string("^((ab){2})\\1")}) {
    INFO(bad);
    const auto checked = check_owner_rule(bad);
    REQUIRE_FALSE(checked);
    CHECK(checked.error().kind == ErrorKind::usage);
  }
}

TEST_CASE("interfaces outside a part decide whose its rules are only where an expression may match them") {
  const auto depends = [](const std::vector<Owner>& all, const std::string& rules) {
    return depends_on_interfaces(all, v4("*filter\n:FORWARD ACCEPT\n:zone -\n" + rules + "COMMIT\n"));
  };
  CHECK_FALSE(depends(owners(), ""));
  CHECK_FALSE(depends(owners(), "-A zone -i shop0 -o shop0 -j ACCEPT\n"));
  CHECK_FALSE(depends(owners(), "-A FORWARD -i shop0 -j ACCEPT\n"));
  CHECK(depends(owners(), "-A zone -j DROP\n-A FORWARD -i shop0 -o shop0 -j ACCEPT\n"));
  CHECK(depends(owners(), "-A FORWARD -i shop0 ! -o shop0 -j ACCEPT\n"));
  // These are not written so that the chains of their rules can be told.
  CHECK(depends({{.name = "x", .rule = "-i %i -j DROP$"}}, "-A zone -i shop0 -j DROP\n"));
  CHECK(depends({{.name = "x", .rule = "^-A (%i|FORWARD) "}}, "-A zone -j DROP\n"));
  CHECK(depends({{.name = "x", .rule = "(-i %i"}}, "-A zone -j DROP\n"));  // no expression
}

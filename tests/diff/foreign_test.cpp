#include "support/native.h"
#include "support/rulesets.h"

using namespace rewall;
using namespace rewall::testing;

namespace {

const std::vector<Owner>& owners() {
  static const std::vector<Owner> all = default_owners();
  return all;
}

Lines foreign(const Ruleset& from, const Ruleset& to) {
  return foreign_only(compare(from, to), from, to, owners());
}

/// Whose each change is, "" for a person's.
Lines marks(const Ruleset& from, const Ruleset& to) {
  Diff diff = compare(from, to);
  mark_foreign(diff, from, to, owners());
  Lines out;
  for (const auto& change : diff.changes) out.push_back(change.foreign);
  return out;
}

const Lines kBanned{":f2b-sshd - [0:0]", "-A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd",
                    "-A f2b-sshd -s 203.0.113.1/32 -j REJECT", "-A f2b-sshd -j RETURN"};

}  // namespace

TEST_CASE("a chain of fail2ban with its jump and its bans is fail2ban's alone") {
  CHECK(foreign(filter({}), filter(kBanned)) == Lines{"fail2ban"});
  CHECK(foreign(filter(kBanned), filter({})) == Lines{"fail2ban"});
  auto more = kBanned;
  more.insert(more.end() - 1, "-A f2b-sshd -s 203.0.113.2/32 -j REJECT");
  CHECK(foreign(filter(kBanned), filter(more)) == Lines{"fail2ban"});
  // In the chain a rule is its owner's whatever it says.
  CHECK(foreign(filter(kBanned), filter({kBanned[0], kBanned[1], "-A f2b-sshd -j ACCEPT"})) ==
        Lines{"fail2ban"});
}

TEST_CASE("several owners are named in order, and nothing is nobody's") {
  const auto both = filter(
      {":f2b-sshd - [0:0]", ":DOCKER - [0:0]", "-A INPUT -j f2b-sshd", "-A FORWARD -o docker0 -j DOCKER"});
  CHECK(foreign(filter({}), both) == Lines{"docker", "fail2ban"});
  CHECK(foreign(both, both).empty());
}

TEST_CASE("one change of a person makes a snapshot a person's") {
  auto lines = kBanned;
  lines.push_back("-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT");
  CHECK(foreign(filter({}), filter(lines)).empty());
  CHECK(marks(filter({}), filter(lines)) == Lines{"fail2ban", "", "fail2ban", "fail2ban", "fail2ban"});
}

TEST_CASE("policies and chains of people are nobody else's") {
  CHECK(foreign(v4("*filter\n:INPUT ACCEPT\nCOMMIT\n"), v4("*filter\n:INPUT DROP\nCOMMIT\n")).empty());
  CHECK(foreign(filter({}), filter({":mine - [0:0]"})).empty());
}

TEST_CASE("a rule that was a person's and is docker's, or the reverse, is a change of the person's") {
  const auto own = filter({":DOCKER - [0:0]", "-A FORWARD -o docker0 -j ACCEPT"});
  const auto dockers = filter({":DOCKER - [0:0]", "-A FORWARD -o docker0 -j DOCKER"});
  CHECK(foreign(own, dockers).empty());
  CHECK(foreign(dockers, own).empty());
}

TEST_CASE("the rules of a chain that docker makes for people are theirs") {
  const auto made = filter({":DOCKER-USER - [0:0]", "-A FORWARD -j DOCKER-USER", "-A DOCKER-USER -j RETURN"});
  CHECK(foreign(filter({}), made) == Lines{"docker"});
  const auto used = filter({":DOCKER-USER - [0:0]", "-A FORWARD -j DOCKER-USER",
                            "-A DOCKER-USER -s 203.0.113.9/32 -j DROP", "-A DOCKER-USER -j RETURN"});
  CHECK(foreign(made, used).empty());
}

TEST_CASE("a chain of one owner that has another's name now is a person's doing") {
  const Lines rules{"-s 203.0.113.1/32 -j REJECT", "-s 203.0.113.2/32 -j REJECT", "-j RETURN"};
  const auto named = [&](const std::string& name) {
    Lines all{":" + name + " - [0:0]"};
    for (const auto& rule : rules) all.push_back("-A " + name + " " + rule);
    return filter(all);
  };
  CHECK(foreign(named("f2b-ssh"), named("f2b-sshd")) == Lines{"fail2ban"});
  CHECK(foreign(named("f2b-ssh"), named("mine")).empty());
}

TEST_CASE("sets are known by their names") {
  CHECK(foreign(sets("create f2b-sshd hash:ip\n"),
                sets("create f2b-sshd hash:ip\nadd f2b-sshd 203.0.113.1\n")) == Lines{"fail2ban"});
  CHECK(foreign(sets("create bad hash:ip\n"), sets("create bad hash:ip\nadd bad 203.0.113.1\n")).empty());
}

TEST_CASE("a bridge that only docker's chains name tells whose a rule is") {
  const std::string rule = "-A FORWARD -i br-lan ! -o br-lan -j ACCEPT";
  const Lines chain{":DOCKER - [0:0]", "-A DOCKER -d 172.18.0.2/32 ! -i br-lan -o br-lan -j ACCEPT"};
  CHECK(foreign(filter(chain), filter({chain[0], rule, chain[1]})) == Lines{"docker"});
  CHECK(foreign(filter({}), filter({rule})).empty());
}

TEST_CASE("docker's rules that go round a person's one are what moved") {
  // Two go behind one: the shorter way to say it is that the one went to the front.
  const Lines docker{"-A FORWARD -j DOCKER-USER", "-A FORWARD -o docker0 -j DOCKER"};
  const std::string own = "-A FORWARD -i wg0 -j ACCEPT";
  const Lines chains{":DOCKER - [0:0]", ":DOCKER-USER - [0:0]"};
  const auto before = filter({chains[0], chains[1], docker[0], docker[1], own});
  const auto after = filter({chains[0], chains[1], own, docker[0], docker[1]});
  REQUIRE(lines(compare(before, after)) ==
          Lines{"moved filter/FORWARD 3>1 {-i wg0 -j ACCEPT} -> {-i wg0 -j ACCEPT}"});
  CHECK(foreign(before, after) == Lines{"docker"});
  // Past another rule of a person it moved itself.
  const std::string other = "-A FORWARD -i wg1 -j DROP";
  CHECK(foreign(filter({chains[0], chains[1], docker[0], docker[1], other, own}),
                filter({chains[0], chains[1], own, docker[0], docker[1], other}))
            .empty());
}

TEST_CASE("without owners nothing is foreign") {
  const Ruleset from = filter({});
  const Ruleset to = filter(kBanned);
  CHECK(foreign_only(compare(from, to), from, to, {}).empty());
}

TEST_CASE("changes in a native table are those of its owner") {
  const auto banned = [](const std::string& address) {
    return "table inet f2b-table {\n\tset addr-set-sshd {\n\t\ttype ipv4_addr\n\t\telements = { " + address +
           " }\n\t}\n}\n";
  };
  const std::string own = "table inet filter {\n\tchain input {\n\t\tdrop\n\t}\n}\n";
  CHECK(foreign(native(banned("192.0.2.1")), native(banned("192.0.2.2"))) == Lines{"fail2ban"});
  CHECK(foreign(native(""), native(banned("192.0.2.2"))) == Lines{"fail2ban"});
  CHECK(marks(native(banned("192.0.2.1")), native(banned("192.0.2.2") + own)) ==
        Lines{"fail2ban", "", "", ""});
  CHECK(foreign(native(banned("192.0.2.1")), native(banned("192.0.2.2") + own)).empty());
}

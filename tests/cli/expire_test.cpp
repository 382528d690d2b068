// Rules that expire: what a change added is taken out when it is due, and nothing else, whatever happens
// between. A time that nobody has to wait for is made to be over in the state file.
#include "support/guarded_host.h"

using namespace rewall;
using nlohmann::json;

namespace {

/// A GuardedHost whose `./due [ID]` makes the expiries, or one of them, be over; the process that waits
/// looks.
class ExpiringHost : public GuardedHost {
 public:
  ExpiringHost() {
    ok("install -m 755 /dev/stdin due <<'END'\n#!/bin/sh\ncd " + shell_quote(repository()) +
       "/.git/rewall\nfor f in expiries/${1-????????????????}; do\n"
       "test -f $f && sed -i \"s/^due .*/due $(($(date +%s) - 100)) 0/\" $f; done\n"
       "kill -USR1 $(cut -d' ' -f1 expire.lock) 2>/dev/null || :\nEND\n");
    ok("iptables-save >web; sed -i '/^\\*filter/,/^COMMIT/s/^COMMIT/-A INPUT -s 192.0.2.7\\/32 -p tcp -m tcp "
       "--dport "
       "443 -j ACCEPT\\nCOMMIT/' web");
  }
  ExpiringHost(const ExpiringHost&) = delete;
  ExpiringHost& operator=(const ExpiringHost&) = delete;
  ~ExpiringHost() { kill_waiter(); }

  void kill_waiter() const {
    sh("p=$(cut -d' ' -f1 repo/.git/rewall/expire.lock) && test -n \"$p\" || exit 0; while grep -qsa "
       "\"$REWALL_REPO\" /proc/$p/cmdline && kill -9 $p; do sleep 0.02; done");
  }
  json expiries() const { return status()["expiries"]; }
  json expired() const { return status()["expired"]; }
  void until_expired() const { until("test -z \"$(ls repo/.git/rewall/expiries | grep -v ended)\""); }
  bool waits() const {
    return sh("! flock -n -s repo/.git/rewall/expire.lock true && grep -qsa \"$REWALL_REPO\" /proc/$(cut -d' "
              "' "
              "-f1 repo/.git/rewall/expire.lock)/cmdline")
               .status == 0;
  }
};

constexpr const char* kWeb = "-A INPUT -s 192.0.2.7/32 -p tcp -m tcp --dport 443 -j ACCEPT";

}  // namespace

TEST_CASE("what a change added is taken out when it is due, by a process that waits") {
  const ExpiringHost host;
  const auto before = host.live();
  const auto said = host.sh("rewall apply --expire 2h web");
  INFO(said.out << said.err);
  REQUIRE(said.status == 0);
  CHECK(has(said.err, "1 rule expires at "));
  CHECK(has(host.rules(), kWeb));
  CHECK(host.waits());
  const auto change = host.hash("HEAD");
  const auto expiries = host.expiries();
  REQUIRE(expiries.size() == 1);
  CHECK(expiries[0]["command"] == "rewall apply --expire 2h web");
  CHECK(expiries[0]["change"] == change);
  CHECK(expiries[0]["parts"] == json{"ip filter INPUT -s 192.0.2.7/32 -p tcp -m tcp --dport 443 -j ACCEPT"});
  CHECK(expiries[0]["seconds_left"].get<int>() > 7000);
  const auto text = host.ok("rewall status");
  CHECK(has(text, "expires  1 rule expires at "));
  CHECK(has(text, "rewall apply --expire 2h web"));

  host.ok("./due");
  host.until_expired();
  CHECK(host.live() == before);
  const auto newest = host.newest();
  CHECK(newest["trigger"] == "expire");
  CHECK(newest["subject"] == "expired: filter/INPUT: -1 from 192.0.2.7/32 tcp dport 443 ACCEPT");
  CHECK(newest["commands"] == json{"rewall apply --expire 2h web"});
  CHECK(newest["author"] == json::parse(host.ok("rewall log -n 1 --json " + change))[0]["author"]);
  const auto expired = host.expired();
  REQUIRE(expired.size() == 1);
  CHECK(expired[0]["says"] == "took out 1 rule");
  CHECK(expired[0]["result"] == host.hash("HEAD"));
  CHECK(has(host.ok("rewall status"), "expired  "));
  host.until("! grep -qsa . /proc/$(cut -d' ' -f1 repo/.git/rewall/expire.lock)/cmdline");
  const auto undone = host.sh("rewall undo");
  CHECK(undone.status == 0);
  CHECK(has(host.rules(), kWeb));
  CHECK(host.expiries().empty());
  CHECK(has(undone.err, "in force again, and does not expire again: 1 rule of root"));
  CHECK(has(undone.err, "(rewall apply --expire 2h web), over since "));
  // A redo of what took them out has nothing to say, a restore of a snapshot that had them has.
  CHECK_FALSE(has(host.sh("rewall redo").err, "does not expire"));
  CHECK(has(host.sh("rewall restore " + change).err, "does not expire again: 1 rule"));
  CHECK_FALSE(has(host.sh("rewall restore --dry-run HEAD~1").err, "does not expire"));
}

TEST_CASE("of what was kept for good nothing is said when it comes back") {
  const ExpiringHost host;
  host.ok("rewall apply --expire 2h web; rewall confirm --expiry $(cd repo/.git/rewall/expiries; ls)");
  CHECK_FALSE(has(host.sh("rewall undo; rewall redo").err, "does not expire"));
  CHECK(has(host.rules(), kWeb));
}

TEST_CASE("a change that expires is made again by its own command, not by a restore that is for good") {
  const ExpiringHost host;
  const auto shown = host.ends(
      3, GuardedHost::on_terminal("apply --for 1m --expire 2h web", "'Reverting in ' answer:revert"));
  INFO(shown);
  CHECK(has(shown, "To try again: rewall -C " + host.repository() + " apply --for 1m --expire 2h web"));
  host.ok("rewall apply --yes --for 1m --expire 2h web");
  CHECK(host.expiries().size() == 1);
}

TEST_CASE("whichever rewall finds that rules are overdue takes them out") {
  const ExpiringHost host;
  const auto before = host.live();
  for (const char* command : {"log -n 1", "status", "diff", "snapshot"}) {
    INFO(command);
    host.ok("rewall apply --expire 2h web");
    host.kill_waiter();
    host.ok("./due");
    const auto said = host.sh(std::string("rewall ") + command);
    CHECK(said.status == 0);
    CHECK(has(said.err, "expired at "));
    CHECK(host.live() == before);
    CHECK(host.newest()["trigger"] == "expire");
  }
}

TEST_CASE("where the process that waits died, the next rewall starts another") {
  const ExpiringHost host;
  const auto before = host.live();
  host.ok("rewall apply --expire 2h web");
  host.kill_waiter();
  CHECK_FALSE(host.waits());
  host.ok("rewall log");
  CHECK(host.waits());
  host.ok("kill -STOP $(cut -d' ' -f1 repo/.git/rewall/expire.lock)");
  host.ok("./due; rewall log");
  CHECK(host.live() == before);
}

TEST_CASE("of a rule that somebody removed, put in anew or altered, nothing is taken out") {
  const ExpiringHost host;
  host.ok("rewall apply --expire 2h web");
  const std::string remove = std::string("iptables -D ") + (kWeb + 3);
  std::string left;
  SECTION("removed") {
    left = remove;
  }
  SECTION("removed and put in anew") {
    left = remove + "; rewall snapshot; iptables -A " + (kWeb + 3);
  }
  SECTION("altered") {
    left = "iptables-save | sed 's/--dport 443/--dport 444/' | iptables-restore";
  }
  SECTION("undone") {
    left = "rewall undo";
  }
  host.ok(left + "; rewall snapshot");
  const auto live = host.live();
  const auto head = host.hash("HEAD");
  host.ok("./due");
  host.until_expired();
  CHECK(host.live() == live);
  CHECK(host.hash("HEAD") == head);
  CHECK(host.expired()[0]["says"] == "nothing was left to take out: it is not there as the change added it");
  CHECK(host.expired()[0]["result"].is_null());
}

TEST_CASE("a rule that was moved, commented, or undone and redone is taken out all the same") {
  const ExpiringHost host;
  const auto before = host.live();
  host.ok("rewall apply --expire 2h web");
  SECTION("moved") {
    host.ok(std::string("iptables -D ") + (kWeb + 3) + "; iptables -I " + (kWeb + 3) + "; rewall snapshot");
  }
  SECTION("undone and redone") {
    host.ok("rewall undo; rewall redo");
  }
  SECTION("unrecorded changes elsewhere") {
    host.ok("iptables -A FORWARD -s 192.0.2.99 -j DROP");
    host.ok("./due");
    host.until_expired();
    CHECK(has(host.rules(), "-A FORWARD -s 192.0.2.99/32 -j DROP"));
    host.ok("iptables -D FORWARD -s 192.0.2.99 -j DROP");
  }
  host.ok("./due 2>/dev/null");
  host.until_expired();
  CHECK(host.live() == before);
}

TEST_CASE(
    "what a change removed stays removed when the rest expires, and a rule that was there twice is there "
    "once") {
  const ExpiringHost host;
  host.ok(
      "sed -i '/MASQUERADE/d; s/^\\(-A INPUT.*RELATED.*\\)/\\1\\n\\1/' web; rewall apply --expire 2h web");
  CHECK(host.expiries()[0]["parts"].size() == 2);
  host.ok("./due");
  host.until_expired();
  const auto rules = host.rules();
  CHECK_FALSE(has(rules, "MASQUERADE"));
  CHECK_FALSE(has(rules, kWeb));
  CHECK(host.ok("iptables -S INPUT | grep -c RELATED") == "1\n");
}

TEST_CASE("a rule that a change altered is as before when its time is up, and never both or neither") {
  const ExpiringHost host;
  constexpr const char* kOld = "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT";
  constexpr const char* kNew = "-A INPUT -s 198.51.100.0/24 -p tcp -m tcp --dport 22 -j ACCEPT";
  const auto before = host.live();
  host.ok("iptables-save >web; sed -i '/--dport 22 /s,INPUT,INPUT -s 198.51.100.0/24,' web");
  const auto has_one = [&](const std::string& one, const std::string& other) {
    CHECK(has(host.rules(), one));
    CHECK_FALSE(has(host.rules(), other));
  };
  SECTION("by a file") {
    CHECK(has(host.ends(0, "rewall apply --expire 2h web"), "1 rule expires at "));
    has_one(kNew, kOld);
    host.ok("./due");
    host.until_expired();
    CHECK(host.live() == before);
    CHECK(host.expired()[0]["says"] == "gave 1 rule its old words back");
    host.ok("rewall undo");
    has_one(kNew, kOld);
  }
  SECTION("by a command") {
    host.ok(
        "rewall try --keep --expire 2h -- iptables -R INPUT 3 -s 198.51.100.0/24 -p tcp --dport 22 -j "
        "ACCEPT");
    has_one(kNew, kOld);
    host.ok("./due");
    host.until_expired();
    CHECK(host.live() == before);
  }
  SECTION("by a boot after its time") {
    host.ok("rewall apply --expire 2h web");
    host.kill_waiter();
    host.ok("./due; iptables -F; rewall restore --boot");
    has_one(kOld, kNew);
  }
  SECTION("and altered again by somebody, it is left alone") {
    host.ok(
        "rewall apply --expire 2h web; iptables -R INPUT 3 -s 198.51.0.0/16 -p tcp --dport 22 -j ACCEPT; "
        "rewall snapshot; ./due");
    host.until_expired();
    CHECK(has(host.rules(), "-s 198.51.0.0/16"));
    CHECK_FALSE(has(host.rules(), kOld));
  }
  SECTION("the chain that it jumped to is gone by then") {
    host.ok("iptables -N guests; iptables -R INPUT 3 -p tcp --dport 22 -j guests; rewall snapshot");
    host.ok("rewall try --keep --expire 2h -- iptables -R INPUT 3 -s 198.51.100.7 -p udp -j ACCEPT");
    host.ok("iptables -X guests; rewall snapshot; ./due");
    host.until_expired();
    CHECK_FALSE(has(host.rules(), "198.51.100.7"));
    CHECK_FALSE(has(host.rules(), "guests"));
  }
}

TEST_CASE("rules that end with the same words get each its own old words back") {
  const ExpiringHost host;
  host.ok("iptables -A INPUT -p tcp --dport 80 -j ACCEPT; rewall snapshot");
  const auto before = host.live();
  const std::string alter = "iptables -R INPUT 3 -p tcp --dport 8080 -j ACCEPT; ";
  const std::string more = GENERATE("iptables -R INPUT 4 -p tcp --dport 8080 -j ACCEPT",
                                    "iptables -I INPUT -p tcp --dport 8080 -j ACCEPT",
                                    "iptables -A INPUT -p tcp --dport 8080 -j ACCEPT");
  INFO(more);
  host.ok("rewall try --keep --expire 2h -- sh -c '" + alter + more + "'");
  CHECK(host.expiries()[0]["parts"].size() == 2);
  host.ok("./due");
  host.until_expired();
  CHECK(host.live() == before);
}

TEST_CASE("of two changes that alter one rule for a time, nothing stays that is over") {
  const ExpiringHost host;
  const auto before = host.live();
  const std::string first =
      GENERATE("-R INPUT 3 -p tcp --dport 8080 -j ACCEPT", "-A INPUT -p tcp --dport 8080 -j ACCEPT");
  const bool altered = first.starts_with("-R");
  host.ok("rewall try --keep --expire 2h -- iptables " + first);
  host.ok("sleep 1.1; rewall try --keep --expire 2h -- iptables -R INPUT " +
          std::string(altered ? "3" : "4") + " -p tcp --dport 9090 -j ACCEPT");
  auto both = host.expiries();
  REQUIRE(both.size() == 2);
  const bool swapped = both[0]["parts"].dump().find("9090") != std::string::npos;
  const auto earlier = both[swapped ? 1 : 0]["id"].get<std::string>();
  const auto later = both[swapped ? 0 : 1]["id"].get<std::string>();
  const auto end = [&](const std::string& id) {
    host.ok("./due " + id);
    host.until("test -e repo/.git/rewall/expiries/" + id + ".ended");
  };
  SECTION("the earlier is over first") {
    end(earlier);
    CHECK(has(host.rules(), "9090"));
    end(later);
    CHECK(host.live() == before);
  }
  SECTION("the later is over first") {
    end(later);
    CHECK(has(host.rules(), "8080"));
    end(earlier);
    CHECK(host.live() == before);
  }
  SECTION("both are over while the machine is off") {
    host.kill_waiter();
    host.ok("./due; iptables -F; rewall -q restore --boot");
    CHECK(host.live() == before);
  }
}

TEST_CASE("rules expire also in a chain that was renamed since") {
  const ExpiringHost host;
  SECTION("that was there") {
    host.ok(
        "iptables -N c1; iptables -A c1 -s 192.0.2.1 -j ACCEPT; iptables -A c1 -s 192.0.2.3 -j ACCEPT; "
        "iptables -A INPUT -j c1; rewall snapshot; "
        "rewall try --keep --expire 2h -- iptables -R c1 1 -s 192.0.2.2 -j ACCEPT; iptables -E c1 c2; rewall "
        "snapshot; "
        "./due");
    host.until_expired();
    CHECK(has(host.rules(), "-A c2 -s 192.0.2.1/32 -j ACCEPT"));
    CHECK_FALSE(has(host.rules(), "192.0.2.2"));
  }
  SECTION("that the change made") {
    const auto before = host.live();
    host.ok(
        "rewall try --keep --expire 2h -- sh -c 'iptables -N n1; iptables -A n1 -s 192.0.2.2 -j ACCEPT; "
        "iptables -A "
        "INPUT -j n1'; iptables -E n1 n2; rewall snapshot; ./due");
    host.until_expired();
    CHECK(host.live() == before);
  }
}

TEST_CASE("undo goes on behind a change of which only what expired is left") {
  const ExpiringHost host;
  const auto before = host.live();
  host.ok("iptables -A INPUT -p udp --dport 53 -j ACCEPT; rewall snapshot");
  host.ok("rewall try --keep --expire 2h -- iptables -A INPUT -p tcp --dport 8080 -j ACCEPT");
  host.kill_waiter();
  host.ok("./due; iptables -F; rewall -q restore --boot");
  CHECK_FALSE(has(host.rules(), "8080"));
  for (int i = 0; i < 4 && host.live() != before; ++i) host.ok("rewall undo");
  CHECK(host.live() == before);
}

TEST_CASE("a boot that passes over HEAD leaves out what expired before HEAD") {
  const ExpiringHost host;
  host.ok("rewall apply --expire 2h web; ./due");
  host.until_expired();
  host.kill_waiter();
  host.ok(empty_object("HEAD") + "iptables -F");
  const auto said = host.ends(9, "rewall restore --boot");
  CHECK(has(said, "left out: 1 rule"));
  CHECK_FALSE(has(host.rules(), kWeb));
  CHECK(has(host.rules(), "--dport 22"));
}

TEST_CASE("a guard that leaves out what had expired says so wherever it names the old ruleset") {
  const ExpiringHost host;
  host.ok("rewall apply --expire 2h web; rewall try --for 10m -- ./break");
  const bool fires = GENERATE(true, false);
  host.ok("./due");
  if (fires) {
    host.time_is_up();
    host.until_gone();
  } else {
    host.ok("rewall rollback");
  }
  const auto said = host.sh("rewall status").out;
  INFO(said);
  CHECK(has(said, ", without 1 rule that had expired)"));
  CHECK_FALSE(has(host.rules(), kWeb));
}

TEST_CASE("a member expires whatever its comment is by then") {
  const ExpiringHost host;
  host.ok(
      "ipset create s hash:ip comment; rewall snapshot; "
      "for i in t z; do echo \"add s 192.0.2.2 comment $i\" >$i; done; rewall try --keep --expire 2h -- "
      "ipset restore -file t; "
      "ipset -exist restore -file z; ./due");
  host.until_expired();
  CHECK(host.sh("ipset test s 192.0.2.2").status == 1);
}

TEST_CASE("a member expires in a set that was renamed") {
  const ExpiringHost host;
  host.ok(
      "ipset create s hash:ip; ipset add s 192.0.2.1; ipset create other hash:ip; ipset add other 192.0.2.2; "
      "rewall "
      "snapshot; rewall try --keep --expire 2h -- ipset add s 192.0.2.2; ipset rename s t; ./due");
  host.until_expired();
  INFO(host.expired().dump());
  CHECK(host.ok("ipset save t | grep -c add") == "1\n");
  CHECK(host.sh("ipset test t 192.0.2.2").status == 1);
  host.ok("ipset test other 192.0.2.2");
}

TEST_CASE("chains, sets and members that a change added expire too, those of other programs do not") {
  const ExpiringHost host;
  const auto before = host.live();
  const auto said = host.sh(
      "rewall try --keep --expire 2h -- sh -c 'iptables -N guests; iptables -A guests -j ACCEPT; iptables -A "
      "INPUT -i eth7 -j guests; ipset create more hash:ip; ipset add more 192.0.2.9; ipset add bad "
      "192.0.2.68; "
      "iptables -A INPUT -m set --match-set more src -j DROP; iptables -N f2b-sshd; iptables -A INPUT -j "
      "f2b-sshd; iptables -A f2b-sshd -s 192.0.2.5 -j REJECT'");
  INFO(said.out << said.err);
  REQUIRE(said.status == 0);
  CHECK_FALSE(host.armed());
  CHECK(has(said.err, "3 rules, 1 chain, 1 set, 2 set members expire at "));
  const auto id = host.expiries()[0]["id"].get<std::string>();
  host.ok("./due");
  host.until_expired();
  INFO(host.expired().dump());
  CHECK(has(host.rules(), "-A f2b-sshd -s 192.0.2.5/32"));
  host.ok("iptables -D INPUT -j f2b-sshd; iptables -F f2b-sshd; iptables -X f2b-sshd");
  CHECK(host.live() == before);
}

TEST_CASE("each expiry makes a snapshot of its own, in the name of who asked for it") {
  const ExpiringHost host;
  const auto before = host.live();
  host.ok("rewall apply --expire 2h web");
  host.ok("rewall try --keep --expire 3h -- iptables -A FORWARD -s 192.0.2.8 -j ACCEPT");
  const auto both = host.expiries();
  REQUIRE(both.size() == 2);
  host.ok("./due " + both[1]["id"].get<std::string>());
  host.until("test $(ls repo/.git/rewall/expiries/*.ended | wc -l) = 1");
  CHECK(host.newest()["subject"] == "expired: filter/FORWARD: -1 from 192.0.2.8/32 ACCEPT");
  CHECK(has(host.rules(), kWeb));
  CHECK(host.waits());
  host.ok("./due");
  host.until_expired();
  CHECK(host.live() == before);
}

TEST_CASE("a guard that takes the change back ends its expiry") {
  const ExpiringHost host;
  host.ok("rewall apply --for 10m --expire 1h --yes web");
  CHECK(host.expiries().size() == 1);
  host.ok("rewall rollback");
  CHECK(host.expiries().empty());
  CHECK(host.expired().empty());
}

TEST_CASE("what expires while a guard is armed is not brought back by it") {
  const ExpiringHost host;
  const auto before = host.live();
  host.ok("rewall apply --expire 2h web");
  host.ok("rewall try --for 10m --yes -- ./break; ./due");
  host.until("grep -q ^done repo/.git/rewall/expiries/*");
  const auto id = host.expiries()[0]["id"].get<std::string>();
  for (const std::string more : {"", " --extend 1d"})
    CHECK(has(host.ends(3, "rewall confirm --expiry " + id + more), "were taken out at "));
  CHECK(host.expiries().size() == 1);
  SECTION("rolled back") {
    host.ok("rewall rollback");
  }
  SECTION("fired") {
    host.time_is_up();
    host.until_gone();
  }
  host.until_expired();
  CHECK(host.live() == before);
}

TEST_CASE("a machine that starts does not load what expired while it was off") {
  const ExpiringHost host;
  const auto before = host.live();
  host.ok("rewall apply --expire 2h web");
  host.kill_waiter();
  host.ok(
      "for f in repo/.git/rewall/expiries/*; do sed -i 's/^place [^ ]* /place "
      "00000000-1111-2222-3333-444444444444 /' $f; done");
  const auto restart = [&] {
    host.ok(
        "for p in iptables ip6tables; do for t in filter nat mangle; do $p -t $t -F; $p -t $t -X; done; "
        "for c in INPUT FORWARD OUTPUT; do $p -P $c ACCEPT; done; done; ipset destroy");
  };
  SECTION("still to come: it is loaded, and somebody waits for it") {
    restart();
    host.ok("rewall restore --boot");
    CHECK(has(host.rules(), kWeb));
    CHECK(host.waits());
    CHECK(host.expiries().size() == 1);
  }
  SECTION("over") {
    host.ok("./due");
    restart();
    const auto said = host.sh("rewall restore --boot");
    INFO(said.err);
    CHECK(said.status == 0);
    CHECK(has(said.err, "left out: 1 rule that rewall apply --expire 2h web added"));
    CHECK(host.live() == before);
    CHECK(host.expiries().empty());
    CHECK(host.expired()[0]["says"] == "left out at the start of the machine");
    CHECK(host.sh("rewall diff").status == 0);
  }
}

TEST_CASE("of two changes that add the same rule for a time nothing stays that is over") {
  const ExpiringHost host;
  const auto before = host.live();
  const std::string add = "rewall try --keep --expire 2h -- iptables " + std::string(kWeb);
  host.ok(add);
  const auto first = host.expiries()[0]["id"].get<std::string>();
  host.ok(add);
  host.kill_waiter();
  SECTION("a machine that starts") {
    host.ok("./due");
    host.ok(
        "for p in iptables ip6tables; do for t in filter nat mangle; do $p -t $t -F; $p -t $t -X; done; "
        "for c in INPUT FORWARD OUTPUT; do $p -P $c ACCEPT; done; done; ipset destroy");
    const auto said = host.sh("rewall restore --boot");
    INFO(said.err);
    CHECK(said.status == 0);
    CHECK_FALSE(has(said.err, "does not expire again"));
    CHECK(host.live() == before);
  }
  SECTION("a history that is damaged") {
    host.ok(empty_object("HEAD:rules.v4"));
    const auto count = [&] { return host.ok("iptables -S INPUT | grep -c 192.0.2.7 || :"); };
    host.ok("./due " + first);
    host.sh("rewall status");
    CHECK(count() == "1\n");
    host.ok("./due");
    host.sh("rewall status");
    host.until("! iptables -S INPUT | grep -q 192.0.2.7");
  }
}

TEST_CASE("what a guard takes back that expired before is among what expired") {
  const ExpiringHost host;
  host.ok("rewall apply --for 10m --yes --expire 2h web; ./due");
  host.until("grep -q ^done repo/.git/rewall/expiries/*");
  host.ok("rewall rollback");
  const auto status = host.status();
  CHECK(status["expiries"].empty());
  REQUIRE(status["expired"].size() == 1);
  CHECK(has(status["expired"][0]["says"].get<std::string>(), "taken out at "));
}

TEST_CASE("an expiry that waits for the end of a guard is looked at when somebody ends the guard") {
  const ExpiringHost host;
  host.ok("rewall apply --expire 2h web; rewall restore --for 10m --yes old; ./due");
  host.until("grep -q ^done repo/.git/rewall/expiries/*");
  // It would look by itself after 5 seconds.
  host.ok(
      "rewall rollback; for i in $(seq 30); do ls repo/.git/rewall/expiries | grep -q ended && exit 0; "
      "sleep 0.1; done; exit 1");
}

TEST_CASE("what would expire can be kept for good, or longer") {
  const ExpiringHost host;
  host.ok("rewall apply --expire 2h web");
  const auto id = host.expiries()[0]["id"].get<std::string>();
  host.ok("rewall confirm --expiry " + id.substr(0, 8) + " --extend 1d");
  CHECK(host.expiries()[0]["seconds_left"].get<int>() > 93000);
  CHECK(has(host.ends(2, "rewall confirm --expiry ffffffffffffffffff"),
            "'rewall -C " + host.repository() + " status' lists what expires"));
  host.ends(2, "rewall confirm --expiry " + id + " --extend 0s");
  host.ok("rewall confirm --expiry " + id);
  CHECK(host.expiries().empty());
  CHECK(has(host.rules(), kWeb));
  host.until("! grep -qsa . /proc/$(cut -d' ' -f1 repo/.git/rewall/expire.lock)/cmdline");
}

TEST_CASE("a change that adds nothing cannot expire, and is not made") {
  const ExpiringHost host;
  const auto before = host.live();
  host.ok("sed -i '/--dport/d' web");
  for (const char* option : {" --dry-run", ""})
    CHECK(
        has(host.ends(3, std::string("rewall apply --expire 1h web") + option), "nothing of it can expire"));
  CHECK(host.live() == before);
  CHECK(host.expiries().empty());
  CHECK_FALSE(host.waits());
  host.ends(2, "rewall apply --expire 0s web");
  host.ends(2, "rewall try --keep");
  host.ends(2, "rewall try --expire 1h");
}

TEST_CASE("try --keep leaves a command that fails to its guard") {
  const ExpiringHost host;
  const auto before = host.live();
  host.ends(1, "rewall try --keep --expire 1h -- sh -c './break; exit 7'");
  CHECK(host.armed());
  host.ok("rewall rollback");
  CHECK(host.live() == before);
  CHECK(host.expiries().empty());
}

TEST_CASE("a file of an expiry that cannot be read is in nobody's way, and status says so") {
  const ExpiringHost host;
  const std::string file = "repo/.git/rewall/expiries/0123456789abcdef";
  host.ok("mkdir repo/.git/rewall/expiries");
  for (const char* make : {"mkfifo", "mkdir", "echo garbage >", "echo rewall expiry 9 >", ": >"}) {
    INFO(make);
    host.ok(std::string(make) + " " + file);
    const auto said = host.ends(1, "timeout 20 " + shell_quote(REWALL_PROGRAM) + " status");
    CHECK(has(said, "problem  rules are in force that should have expired"));
    CHECK(has(said, "cannot be read: "));
    host.ok("rewall apply --expire 2h web; ./due 2>/dev/null; rewall log");
    host.ok("rewall -q restore old; rm -r repo/.git/rewall/expiries/*");
  }
}

TEST_CASE("where the disk is full, what is due goes all the same, and is recorded when there is room") {
  const ExpiringHost host;
  host.ok("rewall apply --expire 2h web");
  host.kill_waiter();
  host.ok(
      "./due; unshare -m bash -ec 'mkdir small; mount -t tmpfs -o size=2m none small; cp -a repo small; "
      "dd if=/dev/zero of=small/fill bs=1k status=none 2>/dev/null || :; " REWALL_PROGRAM
      " -C small/repo status >said 2>&1 || :; iptables-save >after; rm small/fill; " REWALL_PROGRAM
      " -C small/repo -q snapshot; git -C small/repo log -3 --format=%s%n%b >log'");
  INFO(host.ok("cat said log"));
  CHECK_FALSE(has(host.ok("cat after"), kWeb));
  CHECK(has(host.ok("cat said"), "not recorded: "));
  CHECK(has(host.ok("cat log"), "expired: filter/INPUT: -1 from 192.0.2.7/32 tcp dport 443 ACCEPT"));
  CHECK(has(host.ok("cat log"), "Rewall-Trigger: expire"));
}

TEST_CASE("where the disk is read-only, what is due goes once, and is recorded when it can be") {
  const ExpiringHost host;
  host.ok("rewall apply --expire 2h web");
  host.kill_waiter();
  host.ok(
      "./due; unshare -m bash -ec 'mount --make-rprivate /; r() { " REWALL_PROGRAM
      " -C repo \"$@\"; }; mount --bind repo repo; mount -o remount,bind,ro repo; r status >said 2>&1 || :; "
      "iptables-save >after; iptables -A INPUT -s 192.0.2.7 -p tcp --dport 443 -j ACCEPT; r status >again "
      "2>&1 || :; "
      "iptables-save >later; mount -o remount,bind,rw repo; r -q snapshot; git -C repo log -3 "
      "--format=%s%n%b >log; "
      "ls repo/.git/rewall/expiries >files'");
  INFO(host.ok("cat said again log files"));
  CHECK_FALSE(has(host.ok("cat after"), kWeb));
  CHECK(has(host.ok("cat said"), "not recorded: "));
  CHECK_FALSE(has(host.ok("cat again"), "OVERDUE"));
  CHECK(has(host.ok("cat later"), kWeb));
  CHECK(has(host.ok("cat log"), "Rewall-Trigger: expire"));
  CHECK(has(host.ok("cat files"), ".ended"));
}

TEST_CASE("where the history is damaged, what is due goes all the same, and its process ends") {
  const ExpiringHost host;
  host.ok("rewall apply --expire 2h web");
  host.ok(empty_object("HEAD") + "./due");
  host.until_expired();
  CHECK_FALSE(has(host.rules(), kWeb));
  host.until("! grep -qsa . /proc/$(cut -d' ' -f1 repo/.git/rewall/expire.lock)/cmdline");
}

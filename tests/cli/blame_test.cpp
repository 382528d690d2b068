#include <catch2/catch.hpp>
#include <string>

#include "support/host.h"

using namespace rewall;

TEST_CASE("blame names the snapshot, the time, the person and the command of each rule") {
  const Host host;
  host.ok(
      "rewall init; iptables -A INPUT -i lo -j ACCEPT; rewall snapshot; "
      "iptables -I INPUT -p tcp --dport 22 -m comment --comment $'\\e[2Jssh' -j ACCEPT; rewall snapshot; "
      "ip6tables -A FORWARD -j DROP; rewall snapshot");
  // What a watch would have written, by git's own hand.
  host.ok(
      "cd repo; sed -i '/-A INPUT -i lo/a -A INPUT -p icmp -j ACCEPT' rules.v4; "
      "printf 'ping\\n\\nRewall-Trigger: watch\\nRewall-Backend: nft\\nRewall-Command: iptables -A INPUT -p "
      "icmp -j "
      "ACCEPT\\n' | git -c user.name=alice -c user.email=alice@example.org commit -q -a -F - "
      "--date 2026-11-22T17:20:01+0100");
  const auto hashes = host.ok("git -C repo log --reverse --format=%h --abbrev=10");
  const auto hash = [&hashes](std::size_t n) { return std::string(split_lines(hashes)[n]); };
  const auto text =
      host.ok("rewall blame | sed -E 's/20[0-9]{2}-[0-9]{2}-[0-9]{2} [0-9:]{5}  root {8}/WHEN  WHO/'");
  CHECK(text ==
        "ip filter INPUT\n  " + hash(2) + "  WHEN  WHO  1    -p tcp --dport 22 -j ACCEPT  # \\x1b[2Jssh\n  " +
            hash(1) + "  WHEN  WHO  2    -i lo -j ACCEPT\n  " + hash(4) +
            "  2026-11-22 17:20  alice         3    -p icmp -j ACCEPT  <- iptables -A INPUT -p icmp -j "
            "ACCEPT\n\nip6 filter FORWARD\n  " +
            hash(3) + "  WHEN  WHO  1    -j DROP\n");

  CHECK(host.ok("rewall blame --json --chain INPUT | python3 -c 'import json,sys\n"
                "for r in json.load(sys.stdin): print(r[\"family\"], r[\"table\"], r[\"chain\"], r[\"pos\"], "
                "r[\"rule\"], "
                "r[\"hash\"][:10], r[\"command\"])' | tail -n 2") ==
        "ipv4 filter INPUT 2 -i lo -j ACCEPT " + hash(1) + " None\nipv4 filter INPUT 3 -p icmp -j ACCEPT " +
            hash(4) + " iptables -A INPUT -p icmp -j ACCEPT\n");
  CHECK(has(host.ok("rewall blame --json --chain INPUT"),
            "\"time\":\"2026-11-22T17:20:01+01:00\",\"author\":\"alice <alice@example.org>\""));
  CHECK(has(host.ok("rewall blame --family ipv6"), "ip6 filter FORWARD"));
  CHECK_FALSE(has(host.ok("rewall blame --family ipv6"), "INPUT"));
  CHECK(host.ok("rewall blame HEAD~1 --table filter --chain INPUT | wc -l") == "3\n");
  CHECK(host.ok("rewall blame --table nat") == "");

  host.ok("iptables -A INPUT -j LOG");
  CHECK(has(host.ok("rewall blame LIVE"), "not recorded                    3    -j LOG\n"));
  CHECK(
      has(host.ok("rewall blame --json LIVE"),
          "\"rule\":\"-j LOG\",\"hash\":null,\"time\":null,\"author\":null,\"perhaps\":[],\"command\":null"));
  CHECK(has(host.ok("rewall blame file:repo/rules.v4"), hash(4)));
  CHECK(host.ends(2, "rewall blame --chain INPTU") ==
        "rewall: error: this revision has no chain 'INPTU'\nhint: did you mean 'INPUT'?\n");
  CHECK(has(host.ends(2, "rewall blame --table fliter"), "did you mean 'filter'?"));
}

TEST_CASE("blame goes on behind a snapshot that was written by hand") {
  const Host host;
  host.ok("rewall init; iptables -A INPUT -i lo -j ACCEPT; iptables -A FORWARD -j DROP; rewall snapshot");
  host.ok(
      "cd repo; printf '# mine\\n*filter\\n:INPUT ACCEPT [0:0]\\n:FORWARD ACCEPT [7:9]\\n-A FORWARD -j "
      "DROP\\n-A INPUT "
      "-i lo -j ACCEPT\\n-A FORWARD -s 192.0.2.1 -j LOG\\nCOMMIT\\n' >rules.v4; "
      "git -c user.name=x -c user.email=x@example.org commit -q -a -m hand");
  host.ok("iptables -A FORWARD -s 192.0.2.1/32 -j LOG; rewall snapshot");
  const auto wanted = host.ok("git -C repo log --reverse --format=%h --abbrev=10 | sed -n '2p;2p;3p'");
  CHECK(host.ok("rewall blame | grep -oE '^  [0-9a-f]{10}' | tr -d ' '") == wanted);
}

TEST_CASE("a history that is packed is blamed as one that is not") {
  const Host host;
  host.ok(
      "rewall init; for n in 1 2 3 4 5 6; do iptables -I INPUT $((n / 2 + 1)) -p tcp --dport $n -j ACCEPT; "
      "rewall "
      "snapshot; done");
  const auto loose = host.ok("rewall blame --json");
  host.ok("git -C repo gc -q; chmod -R go-rwx repo");
  CHECK(host.ok("ls repo/.git/objects/pack/*.pack | wc -l") == "1\n");
  CHECK(host.ok("rewall blame --json") == loose);
  // Damage is said.
  host.ok("f=$(echo repo/.git/objects/pack/*.pack); chmod u+w $f; truncate -s -200 $f");
  CHECK(has(host.ends(5, "rewall blame"), "rewall: error: "));
}

TEST_CASE("blame and log say who put back what a rollback, an undo and a redo put back") {
  const Host host;
  host.ok("iptables -A INPUT -p tcp --dport 443 -j ACCEPT; rewall init");
  const auto first = std::string(trim(host.ok("git -C repo rev-parse --short=10 HEAD")));
  host.ok("rewall try --for 10m --yes -- iptables -D INPUT 1; rewall rollback");
  const auto back = std::string(trim(host.ok("git -C repo rev-parse --short=10 HEAD")));
  CHECK(has(host.ok("rewall blame"), "  " + first + "  "));
  CHECK(has(host.ok("rewall blame"), "(put back by root, rollback " + back + ")\n"));
  CHECK(has(host.ok("rewall blame --json"), R"("put_back":{"hash":")" + back));
  CHECK(has(host.ok("rewall log -n 1"), "  (back to " + first + ")\n"));
  host.ok("iptables -A INPUT -j DROP; rewall snapshot; rewall undo");
  const auto change = std::string(trim(host.ok("git -C repo rev-parse --short=10 HEAD~1")));
  CHECK(has(host.ok("rewall log -n 1"), "  (takes back " + change + ")\n"));
  host.ok("rewall redo");
  CHECK(has(host.ok("rewall log -n 1"), "  (puts back " + change + ")\n"));
  CHECK(has(host.ok("rewall blame"), "  " + change + "  "));
}

TEST_CASE("log never folds what a person's command did to foreign parts") {
  const Host host;
  host.ok(
      "iptables -N f2b-sshd; iptables -A INPUT -j f2b-sshd; rewall init; "
      "iptables -A f2b-sshd -s 203.0.113.1 -j DROP; rewall snapshot; "
      "iptables -A f2b-sshd -s 203.0.113.2 -j DROP; rewall snapshot; rewall restore --exact HEAD~1; "
      "iptables -A f2b-sshd -s 203.0.113.3 -j DROP; rewall snapshot; "
      "iptables -A f2b-sshd -s 203.0.113.4 -j DROP; rewall snapshot");
  const auto log = host.ok("rewall log");
  CHECK(split_lines(log).size() == 4);
  CHECK(has(log, "  restore   "));
  CHECK(has(log, "2 snapshots by fail2ban only"));
}

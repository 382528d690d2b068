#pragma once

#include <nlohmann/json.hpp>

#include "support/host.h"
#include "support/terminal.h"

namespace rewall {

/// A host whose history is an open firewall (the tag `open`), then LIVE (the tag `old`): rules in three
/// tables of both families, and sets. `./break` makes another firewall of it that lets nothing in.
/// `./leave MILLISECONDS [REPOSITORY]` moves the deadline of the guard that is armed: so much time is left
/// from then on, however long the test took to come so far.
class GuardedHost : public Host {
 public:
  explicit GuardedHost(const std::string& more = "true") {
    ok("cat >terminal.py <<'END'" + std::string(kTerminal) + "END\n");
    ok("install -m 755 /dev/stdin break <<'END'\n#!/bin/sh\niptables -P INPUT DROP; iptables -F INPUT\n"
       "iptables -t nat -F; ip6tables -P FORWARD DROP; ip6tables -F; ipset flush bad\n"
       "iptables -t mangle -A OUTPUT -j MARK --set-mark 1\nEND\n");
    ok("install -m 755 /dev/stdin leave <<'END'\n#!/bin/sh\ncd ${2-" + shell_quote(repository()) +
       "}/.git/rewall\nat=$(($(cut -d. -f1 /proc/uptime) * 1000 + 999 + $1))\n"
       "sed -i \"s/^deadline .*/deadline $at/\" guard\n"
       "kill -USR1 $(cut -d' ' -f1 guard.lock) 2>/dev/null || :\necho $at\nEND\n");
    ok("rewall init; rewall tag open; ipset create bad hash:ip; ipset add bad 192.0.2.66; "
       "ipset add bad 192.0.2.67; iptables -P INPUT DROP; "
       "iptables -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT; "
       "iptables -A INPUT -m set --match-set bad src -j DROP; iptables -A INPUT -p tcp --dport 22 -j ACCEPT; "
       "iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE; ip6tables -A FORWARD -s 2001:db8::/32 -j "
       "DROP; " +
       more + "; rewall snapshot; rewall tag old");
  }
  /// What the host's own programs say of both backends and the sets, without comments, counters and tables
  /// that hold nothing; members in one order.
  std::string live() const {
    std::string all = ok("ipset save | sed 's/ initval [^ ]*//' | sort");
    for (const char* program :
         {"iptables-nft-save", "ip6tables-nft-save", "iptables-legacy-save", "ip6tables-legacy-save"}) {
      all += std::string(program) + "\n";
      std::string table;
      bool empty = true;
      const std::string text =
          ok(program + std::string(R"( | sed -e '/^#/d' -e 's/\[[0-9]*:[0-9]*\]/[0:0]/')"));
      for (const auto line : split_lines(text)) {
        if (line.starts_with('*')) table.clear();
        if (line.starts_with('*')) empty = true;
        if (!line.starts_with('*') && line != "COMMIT" && !has(line, " ACCEPT [0:0]")) empty = false;
        table += std::string(line) + "\n";
        if (line == "COMMIT" && !empty) all += table;
      }
    }
    return all;
  }

  bool armed() const { return sh("test -e repo/.git/rewall/guard").status == 0; }
  struct Armed {
    std::string id{};
    std::string process{};
  };
  Armed guard() const {
    return {.id = line("sed -n 's/^id //p' repo/.git/rewall/guard"),
            .process = line("cut -d' ' -f1 repo/.git/rewall/guard.lock")};
  }

  /// No time is left for the guard that is armed. The return value is its deadline.
  std::int64_t time_is_up(int milliseconds = 0) const {
    return std::stoll(ok("./leave " + std::to_string(milliseconds)));
  }
  void until_gone() const { until("test ! -e repo/.git/rewall/guard"); }

  /// Nothing of a guard that was armed: no file, no copy, no process.
  void nothing_left_of(const Armed& guard) const {
    REQUIRE(guard.id.size() == 16);
    until("test ! -e /run/rewall/guard-" + guard.id);
    until("! grep -qsa . /proc/" + guard.process + "/cmdline");  // that of a zombie is empty
    CHECK_FALSE(armed());
  }

  nlohmann::json status() const { return nlohmann::json::parse(sh("rewall -q --json status").out); }
  nlohmann::json newest() const { return nlohmann::json::parse(ok("rewall log -n 1 --json"))[0]; }
  std::string hash(const std::string& revision) const { return line("git -C repo rev-parse " + revision); }

  /// The command that runs `rewall WORDS` as in two minutes: the machine's clock, which deadlines are told
  /// by, is ahead (time_namespaces(7)).
  static std::string later(const std::string& words) {
    return "unshare --time --boottime 120 --fork " + shell_quote(REWALL_PROGRAM) + " " + words;
  }

  /// The command that runs `rewall WORDS` on a terminal (kTerminal).
  static std::string on_terminal(const std::string& words, const std::string& talk) {
    return "python3 terminal.py " + shell_quote("exec " REWALL_PROGRAM " " + words) + " " + talk;
  }

 private:
  std::string line(const std::string& command) const { return std::string(trim(ok(command))); }
};

}  // namespace rewall

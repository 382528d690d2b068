// The words and habits that people bring from git, systemctl and ssh.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <regex>
#include <string>

#include "support/host.h"

using namespace rewall;
using nlohmann::json;

namespace {

/// Three snapshots: a first one, "open http", and a policy DROP.
void make_history(const Host& host) {
  host.ok(
      "rewall init; iptables -A INPUT -p tcp --dport 80 -j ACCEPT; rewall snapshot -m 'open http'; "
      "iptables -P INPUT DROP; rewall snapshot");
}

}  // namespace

TEST_CASE("a file where a revision is wanted is named as one") {
  const Host host;
  host.ok("rewall init; iptables-save >rules.v4; cp rules.v4 'my rules'");
  for (const char* command : {"diff rules.v4", "diff HEAD rules.v4", "show rules.v4", "restore rules.v4",
                              "blame rules.v4", "checkout rules.v4"})
    CHECK(has(host.ends(2, std::string("rewall ") + command),
              "rules.v4: no such revision\nhint: the file of this name is a revision too: file:rules.v4\n"));
  CHECK(has(host.ends(2, "rewall diff 'my rules'"), "'file:my rules'"));
}

TEST_CASE("a script is no rules file, and the error says how to run it") {
  const Host host;
  host.ok(
      "rewall init; printf '#!/bin/sh\\nset -e\\niptables -A INPUT -j ACCEPT\\n' >fw.sh; "
      "printf '#!/bin/bash -e\\niptables -A INPUT -j ACCEPT\\n' >fw.bash; "
      "printf '# mine\\niptables -A INPUT -p tcp --dport 22 -j ACCEPT\\niptables -A INPUT -j DROP\\n' >list; "
      "printf 'flush ruleset\\ntable ip t {\\n}\\n' >fw.nft; printf '#!/usr/bin/env python3\\nrun()\\n' "
      ">fw.py; "
      "printf -- '-P INPUT ACCEPT\\n-A INPUT -j DROP\\n' >listed");
  const std::vector<std::pair<std::string, std::string>> all{
      {"fw.sh", "for a shell script use: rewall -C [^ ]* try -- sh fw.sh"},
      {"list", "for a shell script use: rewall -C [^ ]* try -- sh list"},
      {"fw.bash", "for a script of bash use: rewall -C [^ ]* try -- bash -e fw.bash"},
      {"fw.nft", "for a script of nft use: rewall -C [^ ]* try -- nft -f fw.nft"},
      {"fw.py", "for a script of python3 use: rewall -C [^ ]* try -- python3 fw.py"},
      {"listed", ".*put '\\*filter' before them and COMMIT after them"}};
  for (const auto& [file, says] : all)
    for (const char* command : {"rewall apply ", "rewall import ", "rewall diff HEAD file:"}) {
      const auto said = host.ends(2, command + file);
      INFO(said);
      CHECK(std::regex_search(said, std::regex("hint: " + says + "\n")));
    }
  host.ok("rewall try --yes -- sh list </dev/null; rewall confirm");
  CHECK(has(host.rules(), "--dport 22 -j ACCEPT\n-A INPUT -j DROP"));
}

// What --json prints is what man/schema/ says of it.
#include <catch2/catch.hpp>
#include <filesystem>
#include <set>
#include <string>

#include "support/host.h"

using namespace rewall;

namespace {

/// The schemas that the commands of this process were held against.
std::set<std::string>& held() {
  static std::set<std::string> all;
  return all;
}

/// Runs `rewall --json WORDS`, which must end with `status`, and holds its output against a schema.
void hold(const Host& host, const std::string& schema, const std::string& words, int status = 0) {
  INFO(words);
  const auto said = host.sh("export EDITOR=true; rewall --json " + words + " >out");
  INFO(host.ok("cat out") << said.err);
  CHECK(said.status == status);
  const auto fits =
      host.sh("python3 " REWALL_SOURCE_DIR "/tests/support/schema.py " REWALL_SOURCE_DIR "/man/schema/" +
              schema + ".json <out");
  INFO(fits.out << fits.err);
  CHECK(fits.status == 0);
  held().insert(schema);
}

void hold_changes(const Host& host) {
  hold(host, "init", "init");
  hold(host, "init", "init");
  host.ok("iptables -A INPUT -p tcp --dport 22 -j ACCEPT; ipset create s hash:ip; ipset add s 192.0.2.1");
  hold(host, "snapshot", "snapshot");
  host.ok("iptables -R INPUT 1 -p tcp --dport 2222 -m comment --comment c -j ACCEPT; iptables -P INPUT DROP");
  hold(host, "snapshot", "snapshot -m two");
  hold(host, "restore", "restore --dry-run HEAD~1", 1);
  hold(host, "restore", "restore HEAD~1");
  hold(host, "undo", "undo");
  hold(host, "redo", "redo");
  host.ok("iptables-save | sed s/22/23/ >rules.v4");
  hold(host, "apply", "apply rules.v4");
  hold(host, "apply", "apply --expire 2h --yes rules.v4");
  hold(host, "try", "try --yes -- iptables -A INPUT -j DROP");
  hold(host, "status", "status");
  hold(host, "confirm", "confirm --extend 1m");
  hold(host, "rollback", "rollback");
  hold(host, "try", "try --keep --expire 2h -- iptables -I INPUT -s 192.0.2.7 -j ACCEPT");
  hold(host, "status", "status");
  hold(host, "import", "import rules.v4");
  hold(host, "edit", "edit --yes");
  hold(host, "watch", "watch --once");
}

void hold_questions(const Host& host) {
  host.ok("iptables -A OUTPUT -j ACCEPT; ipset add s 192.0.2.2");
  hold(host, "status", "status", 1);
  hold(host, "log", "log");
  hold(host, "log", "log -p -3");
  hold(host, "show", "show");
  hold(host, "show", "show HEAD~1");
  hold(host, "show", "show LIVE");
  hold(host, "diff", "diff", 1);
  hold(host, "diff", "diff HEAD~3 HEAD", 1);
  hold(host, "blame", "blame");
  hold(host, "blame", "blame LIVE");
  hold(host, "trace", "trace -p tcp --dport 22 --state NEW");
  hold(host, "ports", "ports");
  hold(host, "ports", "ports --listening");
  hold(host, "ports", "ports --forward HEAD --local 203.0.113.5");
  hold(host, "trace", "trace --why HEAD -s 192.0.2.1 -i eth0");
  hold(host, "trace", "trace --expect DEPENDS --why --hook OUTPUT -o eth0", 1);
  hold(host, "checkout", "checkout HEAD");
  hold(host, "checkout", "checkout HEAD -o there");
  hold(host, "verify", "verify");
  host.sh("rewall --json doctor >out; true");
  hold(host, "doctor", "doctor", host.sh("rewall doctor").status);
  hold(host, "gc", "gc");
  hold(host, "tag", "tag good");
  hold(host, "tag", "tag");
  hold(host, "tag", "tag -d good");
  hold(host, "config", "config");
  hold(host, "config", "config lock.wait");
  hold(host, "config", "config lock.wait 20s");
  hold(host, "config", "config --unset lock.wait");
  hold(host, "hooks", "hooks list");
  hold(host, "hooks", "hooks install cron --root $PWD/root");
  hold(host, "hooks", "hooks remove cron --root $PWD/root");
  hold(host, "check", "check --suggest");
  hold(host, "expect", "expect add accept -p tcp --dport 2222 -s 192.0.2.1 --state NEW");
  hold(host, "expect", "expect add accept -p tcp --dport 2222 -s 192.0.2.1 --state NEW");
  hold(host, "expect", "expect add drop -p icmp --comment why");
  hold(host, "expect", "expect");
  hold(host, "check", "check", 1);
  hold(host, "check", "check HEAD", 1);
  hold(host, "expect", "expect remove 2");
  hold(host, "expect", "expect remove 1");
  hold(host, "error", "diff nothing", 2);
  hold(host, "error", "confirm --new-session", 3);
}

void hold_sharing(const Host& host) {
  host.ok("git init -q --bare r.git");
  hold(host, "remote", "remote add origin $PWD/r.git");
  hold(host, "status", "status", 1);
  hold(host, "push", "push");
  hold(host, "remote", "remote");
  host.ok("unshare -u sh -c 'hostname other; " REWALL_PROGRAM " -C other init; " REWALL_PROGRAM
          " -C other remote add origin $PWD/r.git; " REWALL_PROGRAM " -C other push'");
  hold(host, "fetch", "fetch");
  hold(host, "fleet", "fleet list");
  hold(host, "fleet", "fleet status", 1);
  hold(host, "fleet", "fleet log");
  hold(host, "fleet", "fleet diff other $(hostname)", 1);
  hold(host, "fleet", "fleet diff --against other", 1);
  hold(host, "fleet", "fleet check");
  hold(host, "fleet", "fleet ports");
  hold(host, "remote", "remote rm origin");
  hold(host, "clone", "-C cloned clone $PWD/r.git --host other");
}

void hold_templates(const Host& host) {
  hold(host, "template", "template list");
  hold(host, "template", "template show web-server");
  hold(host, "template", "template render database --set app_servers=192.0.2.1");
  hold(host, "template", "template suggest");
  hold(host, "template", "template diff open", 1);
  hold(host, "template", "template apply --dry-run open", 1);
  hold(host, "template", "template apply --for 1h open");
}

}  // namespace

TEST_CASE("the output of every command with --json is as its schema says") {
  const Host host;
  host.ok("hostname >name");
  hold_changes(host);
  hold_questions(host);
  hold_sharing(host);
  hold_templates(host);
  for (const auto& file : std::filesystem::directory_iterator(REWALL_SOURCE_DIR "/man/schema")) {
    INFO(file.path());
    CHECK(held().contains(file.path().stem().string()));
  }
  const auto commands = host.ok("rewall --help | sed -nE 's/^  ([a-z]+)(, [a-z]+)?  .*/\\1/p'");
  for (const auto command : split_lines(commands)) {
    if (command == "completion" || command == "help") continue;  // they print text
    INFO(command);
    CHECK(std::filesystem::exists(std::string(REWALL_SOURCE_DIR "/man/schema/") + std::string(command) +
                                  ".json"));
  }
}

TEST_CASE("the test of the schemas sees what does not fit") {
  const Host host;
  const auto says = [&host](const std::string& json) {
    return host.ends(1, "echo '" + json +
                            "' | python3 " REWALL_SOURCE_DIR "/tests/support/schema.py " REWALL_SOURCE_DIR
                            "/man/schema/push.json");
  };
  CHECK(has(says(R"({"remote": "o", "url": "u", "snapshots": 1, "changed": true})"), "notes is missing"));
  const std::string whole = R"("remote": "o", "url": "u", "changed": true, "notes": [])";
  CHECK(has(says("{" + whole + R"(, "snapshots": "1"})"), "$.snapshots: '1' is not integer"));
  CHECK(has(says("{" + whole + R"(, "snapshots": -1})"), "beyond minimum"));
  CHECK(has(says("{" + whole + R"(, "snapshots": 1, "more": 1})"), "more is not described"));
}

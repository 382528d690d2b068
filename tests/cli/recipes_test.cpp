// The commands that rewall-recovery(7) and rewall-tutorial(7) tell people to type, taken from the pages and
// run in the state that each is for. What cannot be here, another host and the system's services, is replaced
// by name.
#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <string>
#include <vector>

#include "core/text.h"
#include "support/host.h"

namespace rewall {
namespace {

// The lines with a `#` before them in a section of a page, in order; those of a here document are one.
std::vector<std::string> typed_in(const std::string& page, const std::string& section) {
  const Host reader;
  const auto text = reader.ok("cat " REWALL_SOURCE_DIR "/man/" + page);
  const auto begin = text.find(section + "\n");
  REQUIRE(begin != std::string::npos);
  std::vector<std::string> commands;
  bool document = false;
  for (const auto line : split_lines(std::string_view(text).substr(begin + section.size() + 1))) {
    if (line.starts_with(".Sh ") || line.starts_with(".Ss ")) break;
    const auto words = line.starts_with(".Dl ") ? line.substr(4) : line;
    if (document) {
      commands.back() += "\n" + std::string(words);
      document = words != "END";
    } else if (words.starts_with("# ")) {
      commands.emplace_back(words.substr(2));
      document = has(words, "<<'END'");
    }
  }
  REQUIRE_FALSE(commands.empty());
  return commands;
}

// What a page says, for this test's folder.
std::string here(std::string command) {
  static const std::vector<std::pair<std::string, std::string>> kPlaces{
      {"ssh://git@backup.example.org/firewalls.git", "remote.git"},
      {"/mnt/backup/firewalls.git", "mnt.git"},
      {"/var/lib/rewall", "repo"},
      {"/root/", ""},
      {"web1", "$(hostname)"},
      {"hooks install systemd", "hooks install systemd --root $PWD/root"},
      {"'cat >firewall.sh", "cat >firewall.sh"}};
  for (const auto& [from, to] : kPlaces)
    for (auto at = command.find(from); at != std::string::npos; at = command.find(from, at + to.size()))
      command.replace(at, from.size(), to);
  return command;
}

void type_all(const Host& host, const std::string& section, const std::vector<std::string>& commands) {
  for (const auto& command : commands) {
    if (command.starts_with("systemctl")) continue;
    // A terminal would ask; here the words are enough.
    const bool differs = command.starts_with("rewall diff") || command.starts_with("rewall status") ||
                         command.starts_with("rewall doctor") || command.starts_with("rewall verify") ||
                         has(command, "--dry-run");
    const auto outcome = host.sh("cd .; " + here(command));
    INFO(section << ": " << command << "\n" << outcome.out << outcome.err);
    CHECK((outcome.status == 0 || (differs && (outcome.status == 1 || outcome.status == 5))));
  }
}

void type(const Host& host, const std::string& page, const std::string& section) {
  type_all(host, section, typed_in(page, section));
}

// Rules, a set that they name, and a table of nft, recorded and pushed.
void make_host(const Host& host) {
  host.load_guide_firewall();
  host.ok(
      "ipset create trusted hash:ip; ipset add trusted 192.0.2.7; iptables -I INPUT -m set --match-set "
      "trusted src "
      "-j ACCEPT; nft 'table inet fw { chain input { type filter hook input priority 5; tcp dport 23 drop; "
      "}; "
      "}'; "
      "git init -q --bare remote.git; rewall init -q; rewall remote add origin $PWD/remote.git; rewall tag "
      "good; "
      "rewall push -q");
}

// Everything that is in force.
std::string in_force(const Host& host) {
  return host.rules() + host.ok("ipset save | grep -v '^create'; nft -s list table inet fw");
}

}  // namespace

TEST_CASE("the recipes for who is locked out bring the old rules back") {
  const Host host;
  make_host(host);
  const auto before = in_force(host);
  host.ok("rewall try --yes --for 10m -- iptables -P OUTPUT DROP");
  CHECK(in_force(host) != before);
  type(host, "rewall-recovery.7", ".Ss While a guard is armed");
  CHECK(in_force(host) == before);

  host.ok("iptables -F INPUT; ipset add trusted 192.0.2.8; nft flush table inet fw");
  type(host, "rewall-recovery.7", ".Ss Without a guard");
  CHECK(in_force(host) == before);
}

TEST_CASE("the recipe for a lost host brings its firewall back, with rewall and without") {
  const Host host;
  make_host(host);
  const auto before = in_force(host);
  host.ok(
      "iptables -F; iptables -X; iptables -P INPUT ACCEPT; ipset destroy; nft delete table inet fw; rm -rf "
      "repo; "
      "rewall init -q");
  type(host, "rewall-recovery.7", ".Sh A HOST IS LOST");
  CHECK(in_force(host) == before);
  CHECK(host.ok("git -C repo log --format=%s | wc -l") >= "2");

  host.ok("iptables -F; iptables -X; iptables -P INPUT ACCEPT; ipset destroy; nft delete table inet fw");
  std::string all;
  for (const auto& command : typed_in("rewall-recovery.7", ".Ss Without rewall")) {
    if (!has(command, "<rules.v6")) all += here(command) + "; ";  // empty here, and to be left out
  }
  host.ok(all);
  CHECK(in_force(host) == before);
}

TEST_CASE("the recipe for a damaged history keeps the damaged one and goes on, with a remote and without") {
  const Host host;
  make_host(host);
  const auto before = in_force(host);
  const std::string page = "rewall-recovery.7";
  const std::string section = ".Sh THE HISTORY IS DAMAGED";
  host.ok("rewall config lock.wait 7s; ipset add trusted 192.0.2.8; " + empty_object("HEAD^{tree}"));
  const auto all = typed_in(page, section);
  const auto aside = [](const std::string& command) { return command.starts_with("mv "); };
  const auto remote = std::ranges::find_if(all, aside);
  REQUIRE(remote != all.end());
  const auto alone = std::find_if(remote + 1, all.end(), aside);
  const auto settings = std::find_if(all.begin(), all.end(),
                                     [](const std::string& command) { return command.starts_with("cp "); });
  REQUIRE(alone < settings);
  REQUIRE(settings < all.end());
  type_all(host, section, {all.begin(), remote});  // what can be read
  SECTION("with a remote, its history goes on") {
    type_all(host, section, {remote, alone});
    CHECK(host.ok("git -C repo log --format=%s | sed -n 1p") == "after the repository was damaged\n");
    CHECK(host.ok("git -C repo log --format=%s | wc -l") == "2\n");
    CHECK(has(host.ok("rewall show"), "192.0.2.8"));
  }
  SECTION("without, a new one begins, and names the difference from the last files of the old one") {
    type_all(host, section, {remote, remote + 1});
    type_all(host, section, {alone + 1, settings});
    CHECK(host.ok("git -C repo log --format=%s | wc -l") == "1\n");
    CHECK(has(host.ends(1, "rewall diff file:repo.damaged LIVE"), "192.0.2.8"));
  }
  type_all(host, section, {settings, all.end()});
  host.ok("test -d repo.damaged; rewall status; rewall verify");
  CHECK(host.ok("rewall config lock.wait") == "7s\n");
  host.ok("ipset del trusted 192.0.2.8");
  CHECK(in_force(host) == before);  // none of it touched the firewall
}

TEST_CASE("where only some files of a damaged history cannot be read, an import brings the others") {
  const Host host;
  make_host(host);
  host.ok(
      "iptables -A INPUT -p tcp --dport 8443 -j ACCEPT; rewall snapshot -m second; ipset add trusted "
      "192.0.2.8; "
      "rewall snapshot -m third; " +
      empty_object("HEAD~1:ipset") + "mv repo repo.damaged; rewall init");
  const Host reader;
  const auto text = reader.ok("cat " REWALL_SOURCE_DIR "/man/rewall-recovery.7");
  const std::string command = "rewall import --git /var/lib/rewall.damaged rules.v4";
  REQUIRE(has(text, ".Ql " + command));
  host.ok(here(command));
  CHECK(has(host.ok("git -C repo log --format=%s"), "second\n"));
}

TEST_CASE("the recipes without rewall bring rules, sets and tables of nft back") {
  const Host host;
  make_host(host);
  const auto before = in_force(host);
  host.ok(
      "for i in 1 2 3; do rewall snapshot -q --allow-empty -m $i; done >/dev/null; iptables -F; ipset add "
      "trusted "
      "192.0.2.9; nft add rule inet fw input tcp dport 24 drop");
  for (const std::string section : {".Sh REWALL ITSELF DOES NOT WORK", ".Ss Sets", ".Ss Tables of nft"}) {
    std::string all = section == ".Sh REWALL ITSELF DOES NOT WORK" ? "" : "cd repo; ";
    for (const auto& command : typed_in("rewall-recovery.7", section)) {
      if (!has(command, "rules.v6")) all += here(command) + "; ";
    }
    host.ok("set -e; " + all);
  }
  CHECK(in_force(host) == before);
  CHECK(has(host.ok("cat before.v4"), ":INPUT DROP"));

  // A table that the snapshot lacks: the words of the page for it.
  const auto text = host.ok("cat " REWALL_SOURCE_DIR "/man/rewall-recovery.7");
  for (const char* words : {"iptables -t Ar table Fl F\n", "iptables -t Ar table Fl X\n",
                            "iptables -t Ar table Fl P Ar chain Cm ACCEPT ."})
    REQUIRE(has(text, words));
  host.ok(
      "iptables -t mangle -N mine; iptables -t mangle -A INPUT -j mine; iptables -t mangle -P OUTPUT DROP");
  host.ok(
      "iptables-restore <repo/rules.v4; iptables -t mangle -F; iptables -t mangle -X; iptables -t mangle -P "
      "OUTPUT "
      "ACCEPT");
  CHECK(host.ok("rewall diff HEAD LIVE").empty());

  host.ok("rewall try --yes --for 10m -- true");
  CHECK(has(host.ok(typed_in("rewall-recovery.7", ".Ss The guard's process").front()), host.repository()));
}

TEST_CASE("the tutorial's commands do what it says, one after the other") {
  const Host host;
  host.ok("ip link set lo up");
  const std::string page = "rewall-tutorial.7";
  type(host, page, ".Sh THE STATE OF TODAY");
  type(host, page, ".Sh FIRST RULES");
  type(host, page, ".Sh TEN MINUTES");
  const auto kept = host.rules();
  CHECK(has(kept, ":INPUT DROP"));
  CHECK(has(kept, "-A INPUT -s 198.51.100.7/32 -p tcp -m tcp --dport 22 -j ACCEPT"));
  type(host, page, ".Sh KEEP IT");
  type(host, page, ".Sh WHO CHANGES WHAT");
  type(host, page, ".Sh BEFORE FAIL2BAN");
  CHECK(std::filesystem::exists(host.folder() / "firewall-before-fail2ban/rules.v4"));
  CHECK(has(host.ok("rewall tag"), "before-fail2ban"));
  type(host, page, ".Sh A BACKUP ELSEWHERE");
  type(host, page, ".Sh THE NEXT CHANGE");
  CHECK(has(host.rules(), "--dport 8443"));
  host.ok("rewall restore -q good");
  CHECK(host.rules() == kept);
  host.ok("rewall restore -q before");
  CHECK(has(host.rules(), ":INPUT ACCEPT"));
  host.until("test \"$(git -C mnt.git rev-parse hosts/$(hostname))\" = \"$(git -C repo rev-parse HEAD)\"");
}

}  // namespace rewall

#include "kernel/refusal.h"

#include <catch2/catch.hpp>
#include <vector>

#include "rules/print.h"
#include "rules/rules_file.h"

using namespace rewall;

namespace {

/// Rules as a person writes them: the comments make their lines other ones than those of the program's input,
/// where *filter is line 1, the chains are 2 to 4 and the rules 5 to 7.
constexpr std::string_view kFile =
    "# my firewall\n"                                 // 1
    "*filter\n"                                       // 2
    ":INPUT DROP [0:0]\n"                             // 3
    ":FORWARD DROP [0:0]\n"                           // 4
    ":OUTPUT ACCEPT [0:0]\n"                          // 5
    "# ssh\n"                                         // 6
    "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n"   // 7
    "# the web\n"                                     // 8
    "-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT\n"   // 9
    "-A INPUT -p tcp -m tcp --dport 443 -j ACCEPT\n"  // 10
    "COMMIT\n";

Tables tables() {
  auto parsed = parse_tables(std::string(kFile), Family::ipv4, "rules.v4");
  REQUIRE(parsed);
  return *std::move(parsed);
}

/// What an iptables-restore that ended so leaves to say. `err` is quoted from iptables 1.8.9.
Error refused(const std::string& err, int status = 2,
              const std::function<bool(const std::string&)>& accepts = nullptr) {
  const Tables read = tables();
  return refusal({.tables = read, .file = "rules.v4", .text = canonical_text(read)},
                 {.status = status, .err = err}, accepts);
}

}  // namespace

TEST_CASE("a refused rule is named by its line in the file, not in the program's input") {
  const auto nft = refused(
      "iptables-nft-restore v1.8.9 (nf_tables): unknown option \"--dprt\"\n"
      "Error occurred at line: 6\n"
      "Try `iptables-nft-restore -h' or 'iptables-nft-restore --help' for more information.\n");
  CHECK(nft.kind == ErrorKind::kernel);
  CHECK(nft.message ==
        "rules.v4:9: table filter: unknown option \"--dprt\": -A INPUT -p tcp -m tcp --dport 80 -j ACCEPT");
  CHECK(nft.hint.empty());
  const auto legacy = refused(
      "iptables-restore v1.8.9 (legacy): Couldn't load target `NOPE':No such file or directory\n\n"
      "Error occurred at line: 7\n"
      "Try `iptables-restore -h' or 'iptables-restore --help' for more information.\n");
  CHECK(legacy.message ==
        "rules.v4:10: table filter: Couldn't load target `NOPE':No such file or directory: "
        "-A INPUT -p tcp -m tcp --dport 443 -j ACCEPT");
  CHECK(legacy.hint == "no such extension is installed; `iptables -m NAME --help` shows those that are");
}

TEST_CASE("a rule whose set is missing gets the hint to create the set") {
  const auto missing = refused(
      "iptables-nft-restore v1.8.9 (nf_tables): Set nope doesn't exist.\n\n"
      "Error occurred at line: 5\n");
  CHECK(missing.message ==
        "rules.v4:7: table filter: Set nope doesn't exist.: -A INPUT -p tcp -m tcp --dport 22 -j ACCEPT");
  CHECK(missing.hint == "the revision has no such set: create it, or take the rule out");
}

TEST_CASE("a program without raw sockets cannot ask for sets, and the hint says what is missing") {
  const auto error = refused("iptables-nft-restore v1.8.9 (nf_tables): Can't open socket to ipset.\n\n", 1);
  CHECK(error.message == "rules.v4: Can't open socket to ipset.");
  CHECK(error.hint.find("CAP_NET_RAW") != std::string::npos);
}

TEST_CASE("where the kernel refuses a rule the program names its line and no reason") {
  const auto vague = refused(
      "iptables-nft-restore v1.8.9 (nf_tables): \n"
      "line 5: RULE_APPEND failed (Invalid argument): rule in chain INPUT\n",
      4);
  CHECK(vague.message ==
        "rules.v4:7: table filter: RULE_APPEND failed (Invalid argument): rule in chain INPUT: "
        "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT");
  CHECK(vague.hint == "the kernel has no such match or target, or not in this table and chain");
}

TEST_CASE("a loop of chains is named, whatever the program says of it") {
  const auto loop = [](const std::string& rules, const std::string& err) {
    const auto read = parse_tables(
        "*filter\n:INPUT ACCEPT [0:0]\n:a - [0:0]\n:b - [0:0]\n:c - [0:0]\n" + rules + "COMMIT\n",
        Family::ipv4, "rules.v4");
    REQUIRE(read);
    return refusal({.tables = *read, .file = "rules.v4", .text = canonical_text(*read)},
                   {.status = 4, .err = err});
  };
  const std::string rules = "-A INPUT -j a\n-A a -p tcp -g b\n-A b -j c\n-A b -s 10.0.0.1 -j a\n";
  const auto nft = loop(rules,
                        "iptables-nft-restore v1.8.9 (nf_tables): \n"
                        "line 11: RULE_APPEND failed (Too many links): rule in chain b\n");
  CHECK(nft.message == "rules.v4:9: table filter: a loop of chains, a -> b -> a: -A b -s 10.0.0.1 -j a");
  CHECK(nft.hint == "take one of these jumps out");
  CHECK(loop(rules, "iptables-restore: line 12 failed\n").message ==
        "rules.v4: table filter: a loop of chains, a -> b -> a");
  CHECK(loop("-A c -j c\n", "iptables-restore: line 9 failed\n").message ==
        "rules.v4: table filter: a loop of chains, c -> c");
  CHECK(loop("-A INPUT -j a\n-A INPUT -j b\n-A a -j c\n-A b -j c\n", "iptables-restore: line 12 failed\n")
            .message == "rules.v4: table filter: refused by the kernel");
}

TEST_CASE("a refusal at the line of COMMIT is of the table, unless trying finds the rule") {
  const std::string commit = "iptables-restore: line 8 failed\n";
  CHECK(refused(commit, 1).message == "rules.v4: table filter: refused by the kernel");
  std::vector<std::string> tried;
  const auto found = refused(commit, 1, [&](const std::string& text) {
    tried.push_back(text);
    return text.find("--dport 80") == std::string::npos;
  });
  CHECK(found.message ==
        "rules.v4:9: table filter: refused by the kernel: -A INPUT -p tcp -m tcp --dport 80 -j ACCEPT");
  REQUIRE_FALSE(tried.empty());
  CHECK(tried.front() == "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n");
  // A kernel that takes all rules one time and none the other time names no rule.
  CHECK(refused(commit, 1, [](const std::string&) { return true; }).message ==
        "rules.v4: table filter: refused by the kernel");
}

TEST_CASE("a warning of a missing module is the reason where the program gives none") {
  const auto warned = refused(
      "Warning: Extension REJECT revision 0 not supported, missing kernel module?\n"
      "iptables-nft-restore v1.8.9 (nf_tables): \n"
      "line 5: RULE_APPEND failed (No such file or directory): rule in chain INPUT\n",
      4);
  CHECK(warned.message ==
        "rules.v4:7: table filter: Extension REJECT revision 0 not supported, missing kernel module?: "
        "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT");
}

TEST_CASE("a program that says nothing useful is quoted by how it ended") {
  CHECK(refused("", 1).message == "rules.v4: refused by the kernel");
  const Tables read = tables();
  const RestoreInput input{.tables = read, .file = "rules.v4", .text = canonical_text(read)};
  CHECK(refusal(input, {.status = 137, .signal = 9}).message == "rules.v4: killed by signal 9");
}

TEST_CASE("a program that may not work, although this process has the privilege, is no error of permission") {
  const auto error = refused(
      "iptables-nft-restore v1.8.9 (nf_tables): Could not fetch rule set generation id: Permission denied "
      "(you must be root)\n",
      4);
  CHECK(error.kind == ErrorKind::kernel);
}

TEST_CASE("a long rule is quoted by its beginning") {
  const std::string rule = "-A INPUT -m comment --comment \"" + std::string(240, 'x') + "\" -j ACCEPT";
  const std::string text = "*filter\n:INPUT ACCEPT [0:0]\n" + rule + "\nCOMMIT\n";
  auto read = parse_tables(text, Family::ipv4, "rules.v4");
  REQUIRE(read);
  const auto error = refusal({.tables = *read, .file = "rules.v4", .text = text},
                             {.status = 2, .err = "iptables-restore: line 3 failed\n"});
  CHECK(error.message.ends_with(rule.substr(0, 200) + "..."));
}

TEST_CASE("a refused member of a set is named by file and line") {
  const auto error = set_refusal(
      "ipset", "create a hash:ip\nadd a 192.0.2.1\nadd a nonsense\n",
      {.status = 1,
       .err = "ipset v7.17: Error in line 3: Syntax error: cannot parse nonsense: resolving to IPv4 address "
              "failed\n"});
  CHECK(error.kind == ErrorKind::kernel);
  CHECK(error.message ==
        "ipset:3: Syntax error: cannot parse nonsense: resolving to IPv4 address failed: add a nonsense");
  const auto whole =
      set_refusal("ipset", "create a hash:ip\n", {.status = 1, .err = "ipset v7.17: no memory\n"});
  CHECK(whole.message == "ipset: no memory");
}

// Every hint of the source: what it says is run in the very state in which it is printed, and helps. A hint
// that is in none of the lists below fails the first test.
#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <vector>

#include "support/guarded_host.h"

using namespace rewall;

namespace {

namespace fs = std::filesystem;

std::string source(const fs::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// --- the hints of the source

/// The string literals from `from` to the end of the statement or of the element, in one.
std::string literals(const std::string& text, std::size_t from) {
  std::string all;
  int depth = 0;
  for (std::size_t i = from; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') {
      for (++i; i < text.size() && text[i] != '"'; ++i) {
        if (text[i] == '\\') ++i;
        all += text[i];
      }
      all += '\n';
    } else if (c == '(' || c == '{') {
      ++depth;
    } else if (c == ')' || c == '}') {
      if (--depth < 0) break;
    } else if (c == ';') {
      break;
    }
  }
  return all;
}

std::string in_one(std::string text) {
  std::erase(text, '\n');
  return text;
}

/// The rows of core/messages.h that have a hint.
std::map<std::string, std::string> rows() {
  const auto text = source(REWALL_SOURCE_DIR "/src/core/messages.h");
  std::map<std::string, std::string> all;
  const std::string begin = "inline constexpr Message ";
  for (auto at = text.find(begin); at != std::string::npos;) {
    const auto next = text.find(begin, at + 1);
    const auto row = text.substr(at + begin.size(), next - at - begin.size());
    const auto hint = row.find(".hint =");
    if (hint != std::string::npos) all[row.substr(0, row.find('{'))] = in_one(literals(row, hint));
    at = next;
  }
  return all;
}

/// The literals of a stretch of a source, one by one.
void add_each(const std::string& file, const std::string& text, std::size_t from, std::size_t to,
              std::set<std::string>& all) {
  static const std::regex kLiteral(R"(("([^"\\]|\\.)*"\s*)+)");
  const auto part = text.substr(from, to - from);
  for (std::sregex_iterator hit(part.begin(), part.end(), kLiteral), end; hit != end; ++hit) {
    // What git says, by which the hint is chosen.
    const auto before = std::string_view(part).substr(0, static_cast<std::size_t>(hit->position()));
    if (before.ends_with('{') || before.ends_with("says(") || before.ends_with("find(") ||
        before.ends_with("said, "))
      continue;
    const auto words = in_one(literals(hit->str(), 0));
    if (words.find(' ') != std::string::npos) all.insert(file + ": " + words);
  }
}

bool of_a_name(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

/// Where hints begin in a source.
std::set<std::size_t> beginnings(const std::string& text) {
  std::set<std::size_t> all;
  for (const std::string word :
       {"hinted(", "hint = ", "hint += ", ".hint =\n", "Fault{", "refuse(", " add_failures("}) {
    for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
      if (at == 0 || !of_a_name(word.front()) || !of_a_name(text[at - 1])) all.insert(at);
    }
  }
  return all;
}

/// Where functions that make hints begin, and a table of them.
std::set<std::size_t> makers(const std::string& text) {
  std::set<std::size_t> all;
  const std::string table = "\nconstexpr std::array<Trouble";
  const std::string function = "\nstd::string ";
  for (auto at = text.find(table); at != std::string::npos; at = text.find(table, at + 1)) all.insert(at);
  for (auto at = text.find(function); at != std::string::npos; at = text.find(function, at + 1)) {
    const auto name = at + function.size();
    auto end = name;
    while (end < text.size() && of_a_name(text[end])) ++end;
    if (text[end] == '(' && text.substr(name, end - name).find("hint") != std::string::npos) all.insert(at);
  }
  return all;
}

/// The hints that stand elsewhere: "ops/host/doctor.cpp: rewall tag good".
std::set<std::string> others() {
  std::set<std::string> all;
  for (const auto& entry : fs::recursive_directory_iterator(REWALL_SOURCE_DIR "/src")) {
    if (entry.path().extension() != ".cpp") continue;
    const auto text = source(entry.path());
    const auto name = fs::relative(entry.path(), REWALL_SOURCE_DIR "/src").string();
    for (const auto at : beginnings(text)) {
      const auto words = in_one(literals(text, at));
      if (!words.empty()) all.insert(name + ": " + words);
    }
    for (const auto from : makers(text)) add_each(name, text, from, text.find("\n}", from + 1), all);
  }
  return all;
}

// --- the cases

/// A state, a command that prints the hint there, and what the hint says.
struct Case {
  std::string hint{};    ///< the row of core/messages.h, or "FILE: a part of the hint"
  std::string state{};   ///< shell
  std::string run{};     ///< prints the hint
  int status = 0;        ///< of `run`
  std::string says{};    ///< a regular expression for the hint; its first group is the command to run
  int helps = 0;         ///< the exit status of that
  std::string proof{};   ///< shell that succeeds then; $hint is the hint
  std::string added{};   ///< to the command, where only a person knows the value
  std::string within{};  ///< a command that runs its last word, a shell line: around all but the state
};

/// Has a copy of /etc in the place of /etc; the state makes the copy.
constexpr const char* kOwnEtc = "unshare -m bash -c 'mount --bind etc /etc; eval \"$0\"'";
constexpr const char* kCopyEtc = "cp -a /etc etc; rm -rf etc/rewall; ";

constexpr const char* kOne = "iptables -A INPUT -s 192.0.2.1 -j DROP; ";

/// The journal of a restore of HEAD that was killed, with HEAD~1 in force before.
constexpr const char* kInterrupted =
    "(umask 077; printf 'rewall journal 1\nbefore %s\nwanted %s\nbackends nft\nlooks-at auto\nbegan "
    "1700000000 0\nprocess 1\ntrigger restore\nend\n' $(git -C repo rev-parse HEAD~1 HEAD^{tree}) "
    ">repo/.git/rewall/journal)";

const std::vector<Case>& of_restore() {
  static const std::vector<Case> all{
      {"nothing_to_undo", "rewall init", "rewall undo", 3, "'(rewall.* log)' lists", 0, ""},
      {"all_is_undone", std::string("rewall init; ") + kOne + "rewall snapshot; rewall undo", "rewall undo",
       3, "'(.* redo)'", 0, "iptables -C INPUT -s 192.0.2.1 -j DROP"},
      {"nothing_to_redo", "rewall init", "rewall redo", 3, "'(rewall.* log)' lists", 0, ""},
      {"changed_since_undo",
       std::string("rewall init; ") + kOne + "rewall snapshot; rewall undo; iptables -N x; rewall snapshot",
       "rewall redo", 3, "'(rewall.* log)' lists", 0, ""},
      {"cli/program.cpp: ; on a full disk", std::string("rewall init; ") + kOne + "rewall snapshot",
       "rewall undo", 5, "'(rewall [^']*restore) REV'", 0, "", " HEAD~1",
       "unshare -m bash -c 'mkdir -p small; mount -t tmpfs -o size=1m none small; cp -a repo small; export "
       "REWALL_REPO=$PWD/small/repo; dd if=/dev/zero of=small/fill bs=1k status=none 2>/dev/null; eval "
       "\"$0\"'"},
      {"changed_unrecorded",
       std::string("rewall init; ") + kOne + "rewall snapshot; rewall undo; iptables -N x", "rewall redo", 3,
       "see what changed: (.* diff);", 1, ""},
      {"part_of_other_backend",
       "iptables-legacy -A INPUT -s 192.0.2.1 -j DROP; rewall init; iptables-legacy -F; iptables -A INPUT -s "
       "192.0.2.2 -j DROP; rewall snapshot",
       "rewall restore --table filter HEAD~1", 2, "all of it: (.*)", 0,
       "iptables-legacy -C INPUT -s 192.0.2.1 -j DROP"},
      {"damaged_tip",
       std::string("rewall init; ") + kOne +
           "rewall snapshot; cd repo/.git/objects; b=$(git -C $REWALL_REPO "
           "rev-parse HEAD:rules.v4); rm -f ${b:0:2}/${b:2}",
       "rewall verify >/dev/null; h=$(git -C repo rev-parse HEAD); rm -f repo/.git/objects/${h:0:2}/${h:2}; "
       "rewall "
       "log",
       5, "in force: (.*); go on with", 0, "! iptables -C INPUT -s 192.0.2.1 -j DROP"},
      {"not_by_rewall",
       "rewall init; git -C repo config user.name r; git -C repo config user.email r@h; echo garbage "
       ">>repo/rules.v4; git -C repo commit -qam mine",
       "rewall diff", 5, "undo that commit: (.*)", 0, "rewall diff"},
      {"not_iptables_save", "rewall init; printf '#!/bin/sh\\niptables -N mine\\n' >fw.sh; chmod +x fw.sh",
       "rewall apply fw.sh", 2, "use: (.*)", 0, "iptables -S mine; rewall confirm"},
      {"compressed", "rewall init; iptables -N x; iptables-save >rules.v4; gzip rules.v4",
       "rewall import rules.v4.gz", 2, "first: (.*)", 0, "rewall import rules.v4"},
      {"damaged_snapshots",
       std::string("rewall init; ") + kOne + "rewall snapshot; iptables -N x; rewall snapshot",
       "h=$(git -C repo rev-parse HEAD~1); rm -f repo/.git/objects/${h:0:2}/${h:2}; rewall log", 5,
       "'(.* verify)' lists", 1, "rewall restore HEAD"},
      {"ops/history/signature.cpp: 'rewall config sign.allowed'",
       "rewall init; rewall config sign.allowed /nowhere/x", "rewall verify", 1,
       "'(rewall[^'\n]* config sign.allowed)'", 0, ""},
      {"signature_required",
       std::string(
           "rewall init; ssh-keygen -q -t ed25519 -N '' -f key; echo \"* $(cat key.pub)\" >allowed; rewall "
           "config sign.allowed $PWD/allowed; rewall config sign.require true; ") +
           kOne,
       "rewall restore HEAD", 3, "accept unsigned ones: (rewall.*)", 0, "rewall restore HEAD"},
      {"ops/history/signature.cpp: sign.require asks",
       std::string(
           "rewall init; ssh-keygen -q -t ed25519 -N '' -f key; touch allowed; rewall config sign.allowed "
           "$PWD/allowed; rewall config sign.key $PWD/key; ") +
           kOne + "rewall snapshot; rewall config sign.require true",
       "rewall restore HEAD", 3, "see: (rewall.*)", 1, ""},
      {"ops/restore/restore.cpp: the newest signed one with other rules than now is",
       std::string(
           "rewall init; ssh-keygen -q -t ed25519 -N '' -f key; echo \"* $(cat key.pub)\" >allowed; rewall "
           "config sign.allowed $PWD/allowed; ") +
           kOne +
           "rewall config sign.key $PWD/key; iptables -N signed; rewall snapshot; iptables -N more; rewall "
           "snapshot; rewall snapshot --allow-empty; rewall config sign.require true",
       "rewall restore HEAD~3", 3, "the newest signed one with other .*: (rewall [^;]*);", 0,
       "iptables -S signed; ! iptables -S more"},
      {"signed_for_another_host",
       std::string(
           "rewall init; ssh-keygen -q -t ed25519 -N '' -f key; echo \"* $(cat key.pub)\" >allowed; rewall "
           "config sign.allowed $PWD/allowed; rewall config sign.key $PWD/key; ") +
           kOne + "rewall snapshot; rewall config sign.require true; git -C repo branch -m hosts/renamed",
       "rewall restore HEAD", 3, "see: (rewall.*)", 0, "rewall snapshot --allow-empty; rewall restore HEAD"},
      {"ops/history/verify.cpp: name another snapshot",
       "rewall init; git -C repo tag mine HEAD:rules.v4; ! rewall restore mine", "rewall verify --all", 1,
       "name another snapshot so: (.*) REV", 0, "rewall verify --all | grep 'ok.*tags'; rewall restore mine",
       " HEAD"},
      {"store/git.cpp: earlier snapshots",
       std::string("rewall init; ") + kOne +
           "rewall snapshot; b=$(git -C repo rev-parse HEAD:rules.v4); rm -f "
           "repo/.git/objects/${b:0:2}/${b:2}",
       "rewall diff", 5, "earlier snapshots: (.*)", 0, "rewall show HEAD~1"},
      {"booted_fallback",
       std::string("rewall init; ") + kOne + "rewall snapshot; rewall config sign.require true; iptables -F",
       "rewall restore --boot", 9, "see 'rewall .* doctor' and '(.* log)', then restore", 0,
       "rewall config sign.require false; rewall restore HEAD~1; iptables -C INPUT -s 192.0.2.1 -j DROP; "
       "iptables -S | grep -- '-P INPUT ACCEPT'"},
      {"not_recovered",
       std::string("ipset create old hash:ip; ip6tables -N six; iptables -A INPUT -s 192.0.2.1 -m recent "
                   "--set; rewall init; rewall tag old; iptables -F; ip6tables -X six; ipset destroy; "
                   "iptables -N b; rewall "
                   "snapshot; iptables -X b; iptables -N c; mkdir -m 755 bin; ") +
           "for p in ipt ip6t; do printf '#!/bin/sh\necho no room >&2\nexit 4\n' >bin/${p}ables-nft-restore; "
           "chmod +x bin/${p}ables-nft-restore; done; " +
           kInterrupted,
       "rewall snapshot", 9, "by hand: (rewall .* checkout .*)", 0,
       "ipset list old; ip6tables -S six; rewall diff old LIVE; rewall snapshot", "",
       "env PATH=$PWD/bin:$PATH bash -c 'eval \"$0\"'"},
  };
  return all;
}

const std::vector<Case>& of_guard() {
  static const std::string kArmed = "rewall init; rewall try --for 10m -- iptables -N tried; ";
  // What the guard goes back to cannot be read while it fires.
  static const std::string kLockdown =
      "o=$(git -C repo rev-parse HEAD~1:rules.v4); o=repo/.git/objects/${o:0:2}/${o:2}; mv $o kept; "
      "rm -r /run/rewall/guard-$(sed -n 's/^id //p' repo/.git/rewall/guard); sed -i 's/^deadline .*/deadline "
      "1/' "
      "repo/.git/rewall/guard; kill -USR1 $(cut -d' ' -f1 repo/.git/rewall/guard.lock); for i in $(seq 200); "
      "do test -e repo/.git/rewall/guard || break; sleep 0.1; done; mv kept $o";
  static const std::string kTwo = kArmed + "rewall -C b init; ";
  static const std::vector<Case> all{
      {"commands/restore.cpp: what can be restored",
       "iptables -N wanted; rewall init; rewall try --for 10m --yes -- iptables -X wanted; " + kLockdown,
       "rewall undo", 3, "can be restored: (.*)", 0, "iptables -S wanted"},
      {"no_guard_armed", "rewall init", "rewall confirm", 3, "see: (.* status);", 0, ""},
      {"guard_ended", kArmed + "rewall confirm", "rewall rollback", 3, "'(.* log)' has", 0, ""},
      {"guard_of_other", kTwo, "rewall -C b confirm", 3, "'(.* confirm)' keeps", 0, "iptables -S tried"},
      {"guard_armed_already", kArmed, "rewall try --for 1m -- true", 3, "'([^']* rollback)' reverts", 0,
       "rewall try --for 1m -- true; rewall confirm; ! iptables -S tried"},
      {"guard_before_restart",
       kArmed + "kill -9 $(cut -d' ' -f1 repo/.git/rewall/guard.lock); sed -i 's/^place [^ ]* /place "
                "00000000-1111-2222-3333-444444444444 /' repo/.git/rewall/guard",
       "rewall confirm --extend 5m", 3, "'([^']* rollback)' puts", 0, "! iptables -S tried"},
      {"guard_armed_elsewhere", kTwo, "rewall -C b try -- true", 3, "'([^']* rollback)' reverts", 0,
       "rewall -C b try -- true; rewall -C b confirm"},
      {"guard_armed_silent", kTwo + "kill -STOP $(cut -d' ' -f1 repo/.git/rewall/guard.lock)",
       "rewall -C b try -- true", 3, "'(ss .*)' shows", 0,
       "ss -xlp src '@rewall*' | grep -q pid=$(cut -d' ' -f1 repo/.git/rewall/guard.lock); kill -CONT $(cut "
       "-d' ' "
       "-f1 repo/.git/rewall/guard.lock); rewall rollback; rewall -C b try -- true; rewall -C b confirm"},
      {"ops/guard/guard_state.cpp: rm -r", "rewall init; echo garbage >repo/.git/rewall/guard",
       "rewall confirm", 5, "should be: (.*)", 0, "rewall try -- true; rewall confirm"},
      {"expiry_is_over",
       "rewall init; rewall try --keep --expire 2h -- iptables -N tried; rewall try --for 10m --yes -- "
       "iptables -N x; "
       "sed -i 's/^due .*/due 1 0/' repo/.git/rewall/expiries/*; kill -USR1 $(cut -d' ' -f1 "
       "repo/.git/rewall/expire.lock); for i in $(seq 200); do grep -q ^done repo/.git/rewall/expiries/* && "
       "break; "
       "sleep 0.1; done",
       "rewall confirm --expiry $(ls repo/.git/rewall/expiries)", 3, "see them: (rewall .*log -n 5)", 0, ""},
      {"no_such_expiry", "rewall init", "rewall confirm --expiry 1234", 2, "'(.* status)'", 0, ""},
      {"expire_needs_command", "rewall init", "rewall try --expire 2h", 2, "for example: (.*)", 0,
       "iptables -C INPUT -s 192.0.2.7 -j ACCEPT; rewall -q confirm --expiry $(rewall --json status | sed -n "
       "'s/.*\"expiries\":\\[{\"id\":\"\\([0-9a-f]*\\).*/\\1/p')"},
      {"rolled_back_while_running", "rewall init",
       "rewall try -- bash -c 'REWALL rollback; iptables -N later'", 3, "'(.* log)' has", 0,
       "! iptables -S later"},
      {"in_force_unrecorded", kArmed + empty_object("HEAD:rules.v4"), "rewall rollback", 5,
       "'(.* confirm)' ends", 5, "! iptables -S tried && ! rewall status | grep -q ARMED"},
      {"rest_not_taken_back", "rewall init",
       "rewall try -- bash -c 'REWALL rollback; REWALL snapshot --allow-empty; iptables -N later'", 3,
       "'(.* diff)' shows", 1, ""},
  };
  return all;
}

const std::vector<Case>& of_commands() {
  static const std::vector<Case> all{
      {"cli/parser.cpp: did you mean 'rewall {}'?", "rewall init", "rewall snapshto", 2,
       "did you mean '(.*)'", 0, ""},
      {"unknown_command", "", "rewall zzzzzz", 2, "'(rewall --help)'", 0, ""},
      {"unknown_option", "", "rewall log --zzzzzz", 2, "'(rewall log --help)'", 0, ""},
      {"unexpected_argument", "", "rewall status x", 2, "'(rewall status --help)'", 0, ""},
      {"argument_missing", "", "rewall checkout", 2, "'(rewall checkout --help)'", 0, ""},
      {"option_without_value", "", "rewall log --since", 2, "'(rewall log --help)'", 0, ""},
      {"option_takes_no_value", "", "rewall log --all=1", 2, "'(rewall log --help)'", 0, ""},
      {"not_together", "", "rewall diff --stat --text", 2, "'(rewall diff --help)'", 0, ""},
      {"cli/brought_words.cpp: 'rewall undo' reverts",
       std::string("rewall init; ") + kOne + "rewall snapshot", "rewall revert", 2, "'(rewall undo)'", 0,
       "! iptables -C INPUT -s 192.0.2.1 -j DROP"},
      {"cli/brought_words.cpp: 'rewall restore REV' makes", "rewall init", "rewall reset", 2,
       "'(rewall restore) REV'", 0, ""},
      {"cli/brought_words.cpp: 'rewall fetch' fetches",
       "git init -q --bare r.git; rewall init --remote $PWD/r.git", "rewall pull", 2, "'(rewall fetch)'", 0,
       ""},
      {"cli/brought_words.cpp: 'rewall snapshot' records", "rewall init", "rewall stash", 2,
       "'(rewall snapshot)'", 0, ""},
      {"cli/brought_words.cpp: 'rewall fleet list' shows", "rewall init", "rewall branch", 2,
       "'(rewall fleet list)'", 0, ""},
      {"cli/brought_words.cpp: 'rewall apply FILE' and", "rewall init; iptables -N x; iptables-save >r",
       "rewall merge", 2, "'(rewall apply) FILE'", 0, "", " --family ipv4 r"},
      {"cli/brought_words.cpp: 'rewall log' lists", "rewall init", "rewall list", 2, "'(rewall log)'", 0, ""},
      {"cli/brought_words.cpp: 'rewall try -- iptables -F' runs", std::string("rewall init; ") + kOne,
       "rewall flush", 2, "'(rewall try -- iptables -F)'", 0,
       "rewall confirm; ! iptables -C INPUT -s 192.0.2.1 -j DROP"},
      {"cli/brought_words.cpp: 'rewall restore --dry-run' shows", std::string("rewall init; ") + kOne,
       "rewall reload", 2, "'(rewall restore --dry-run)'", 1, "rewall restore HEAD"},
      {"cli/brought_words.cpp: 'rewall snapshot' records the live rules; 'rewall push'",
       "git init -q --bare r.git; rewall init --remote $PWD/r.git", "rewall backup", 2,
       "'(rewall snapshot)' records the live rules; 'rewall push'", 0, "rewall push"},
      {"cli/brought_words.cpp: 'rewall checkout LIVE' prints", "rewall init", "rewall export", 2,
       "'(rewall checkout LIVE)'", 0, ""},
      {"cli/brought_words.cpp: 'rewall try -- COMMAND' runs", "rewall init", "rewall iptables -N x", 2,
       "'(rewall try --) COMMAND'", 0, "iptables -S x; rewall confirm", " iptables -N x"},
      {"cli/brought_words.cpp: 'rewall status' shows whether a guard", "rewall init", "rewall stop", 2,
       "'(rewall status)'", 0, ""},
      {"cli/brought_words.cpp: 'rewall hooks list' lists what", "", "rewall install", 2,
       "'(rewall hooks list)'", 0, ""},
      {"cli/brought_words.cpp: 'rewall confirm' keeps the change",
       "rewall init; rewall try --for 10m --yes -- iptables -N x", "rewall keep", 2, "'(rewall confirm)'", 0,
       "iptables -S x"},
      {"cli/brought_words.cpp: 'rewall rollback' reverts the change",
       "rewall init; rewall try --for 10m --yes -- iptables -N x", "rewall cancel", 2, "'(rewall rollback)'",
       0, "! iptables -S x"},
      {"cli/brought_words.cpp: 'rewall confirm --extend 10m' gives",
       "rewall init; rewall try --for 10m --yes -- iptables -N x", "rewall extend", 2,
       "'(rewall confirm --extend 10m)'", 0, "rewall confirm"},
      {"cli/brought_words.cpp: 'rewall --version' prints", "", "rewall version", 2, "'(rewall --version)'", 0,
       ""},
      {"cli/brought_words.cpp: a snapshot records all live rules", "rewall init; iptables -N x",
       "rewall commit -am x", 2, "subject: (rewall snapshot -m) MESSAGE", 0,
       "rewall log --oneline | grep mine", " mine"},
      {"cli/brought_words.cpp: a snapshot stays as it is", "rewall init", "rewall commit --amend", 2,
       "for it: (rewall tag) NAME", 0, "rewall tag | grep mine", " mine"},
      {"cli/brought_words.cpp: a push sends the branch",
       "git init -q --bare r.git; rewall init --remote "
       "$PWD/r.git",
       "rewall push -u origin main", 2, "named: (rewall push)", 0, ""},
      {"cli/brought_words.cpp: to list the snapshots that changed a chain",
       std::string("rewall init; ") + kOne + "rewall snapshot", "rewall diff --chain INPUT", 2,
       "chain: (rewall log --chain) CHAIN", 0, "", " INPUT"},
      {"cli/brought_words.cpp: nothing is staged", "rewall init", "rewall diff --cached", 2,
       "'(rewall diff)'", 0, ""},
      {"cli/brought_words.cpp: 'rewall config KEY VALUE' is", "rewall init",
       "rewall config --global lock.wait 9s", 2, "'(rewall config) KEY VALUE'", 0,
       "rewall config lock.wait | grep 9s", " lock.wait 9s"},
      {"cli/brought_words.cpp: to load rules from standard input",
       "rewall init; iptables -N x; iptables-save "
       ">r; iptables -X x",
       "rewall apply <r", 2, "input: (rewall apply -)", 0, "iptables -S x", " --family ipv4 <r"},
      {"cli/brought_words.cpp: 'rewall remote' lists", "rewall init --remote $PWD/r.git",
       "rewall remote get-url origin", 2, "'(rewall remote)'", 0, ""},
      {"cli/brought_words.cpp: to add an expectation", "rewall init", "rewall expect accept -p icmp", 2,
       "expectation: (rewall expect add) VERDICT PACKET", 0, "rewall expect | grep icmp", " accept -p icmp"},
      {"cli/brought_words.cpp: to install one", "", "rewall hooks enable cron --root $PWD/root", 2,
       "one: (rewall hooks install) NAME", 0, "test -d root", " cron --root $PWD/root"},
      {"cli/brought_words.cpp: 'rewall undo' reverts the newest change alone",
       std::string("rewall init; ") + kOne + "rewall snapshot", "rewall undo HEAD~1", 2, "'(rewall undo)'", 0,
       "! iptables -C INPUT -s 192.0.2.1 -j DROP"},
      {"cli/brought_words.cpp: 'rewall template list' lists the templates", "", "rewall template web-server",
       2, "'rewall template list' lists the templates, '(rewall template show) NAME'", 0, "", " web-server"},
      {"cli/parser.cpp: write -- before the command", "rewall init", "rewall try iptables -N x", 2,
       "command: (rewall .*)", 0, "iptables -S x; rewall confirm"},
      {"restore_takes_no_input", "rewall init; iptables -N x; iptables-save >r; iptables -X x",
       "rewall restore <r", 2, "these rules: (.* apply -);", 0, "iptables -S x", " --family ipv4 <r"},
      {"empty_revision", "rewall init", "rewall restore ''", 2, "'(.* log)' lists", 0, ""},
      {"commands/restore.cpp: to put the rules of this file",
       "rewall init; iptables -N x; iptables-save >r; "
       "iptables -X x",
       "rewall restore r", 2, "in force: (.*)", 0, "iptables -S x"},
      {"commands/apply.cpp: to put the revision of this name",
       "iptables -N x; rewall init; rewall tag mine; "
       "iptables -X x",
       "rewall apply mine", 2, "in force: (.*)", 0, "iptables -S x"},
      {"commands/config.cpp: to set it", "rewall init", "rewall config lock.wait=9s", 2, "set it: (.*)", 0,
       "rewall config lock.wait | grep 9s"},
      {"cli/brought_words.cpp: 'rewall verify' checks", "rewall init", "rewall fsck", 2, "'(rewall verify)'",
       0, ""},
      {"cli/brought_words.cpp: 'rewall status' compares", "rewall init", "rewall st", 2, "'(rewall status)'",
       0, ""},
      {"cli/brought_words.cpp: nothing rewrites the history; 'rewall undo'",
       std::string("rewall init; ") + kOne + "rewall snapshot", "rewall squash", 2, "'(rewall undo)'", 0,
       "! iptables -C INPUT -s 192.0.2.1 -j DROP"},
      {"cli/brought_words.cpp: 'rewall checkout REV' prints", "rewall init", "rewall cat-file", 2,
       "'(rewall checkout) REV'", 0, "", " HEAD"},
      {"cli/brought_words.cpp: 'rewall log --grep RE' searches", "rewall init", "rewall grep x", 2,
       "'(rewall log --grep) RE'", 0, "rewall blame", " first"},
      {"cli/brought_words.cpp: 'rewall blame' shows", "rewall init", "rewall annotate", 2, "'(rewall blame)'",
       0, ""},
      {"cli/brought_words.cpp: for scripts: 'rewall status --json'", "rewall init", "rewall status -s", 2,
       "'(rewall status --json)'", 0, ""},
      {"cli/brought_words.cpp: the history of a host is one line", "rewall init", "rewall log --graph", 2,
       "'(rewall log --oneline)'", 0, ""},
      {"cli/brought_words.cpp: 'rewall config KEY' prints", "rewall init", "rewall config --get lock.wait", 2,
       "'(rewall config) KEY'", 0, "", " lock.wait"},
      {"ops/history/revision.cpp: the file of this name", "iptables -N x; iptables-save >r; rewall init",
       "rewall diff r", 2, "too: (.*)", 127, "rewall diff HEAD file:r"},
      {"unknown_key", "rewall init", "rewall config zzzzzz", 2, "'(.* config --list)'", 0, ""},
      {"not_a_key", "rewall init", "rewall config --unset zzzzzz", 2, "'(.* config --list)'", 0, ""},
      {"not_a_snapshot", "rewall init; iptables -N x", "rewall tag y LIVE", 2, "\\('(.*)'\\)", 0,
       "rewall tag y HEAD"},
      {"template_needs_name", "", "rewall template show", 2, "'(.*)' lists", 0, ""},
      {"template_takes_no_name", "", "rewall template list x", 2, "'(rewall .*template show) NAME'", 0, "",
       " open"},
      {"ops/template/templates.cpp: 'rewall template list'", "", "rewall template show zzzzzz", 2,
       "'(.*)' lists", 0, ""},
      {"rules/template.cpp: its places:", "", "rewall template render open --set zzzzzz=1", 2, "places: (.*)",
       0, ""},
      {"place_needs_value", "", "rewall template render database", 2, "see '(.*)'", 0, ""},
      {"hooks_list_takes_no_name", "", "rewall hooks list x", 2, "'(.*)' lists", 0, ""},
      {"hooks_needs_name", "", "rewall hooks install", 2, "'(.*)' lists", 0, ""},
      {"remote_remove_arguments", "rewall init --remote $PWD/r.git", "rewall remote remove", 2,
       "example: (.*)", 0, "[ -z \"$(rewall remote)\" ]"},
      {"remote_address_arguments", "rewall init", "rewall remote add origin", 2, "example: (.*)", 0,
       "rewall remote | grep backup.example.org"},
      {"ops/host/integrations.cpp: did you mean", "", "rewall hooks install systemdd --root $PWD/root", 2,
       "did you mean '(.*)'\\?", 0, "", " --version >/dev/null; true"},
      {"store/snapshot.cpp: see 'rewall log' and 'rewall tag'", "rewall init", "rewall show zzzzzz", 2,
       "see '(.* log)'", 0, ""},
      {"store/snapshot.cpp: of this host nothing is recorded",
       "git init -q --bare r.git; unshare -u sh -c 'hostname other; REWALL init'; git -C repo push -q "
       "$PWD/r.git hosts/other; rewall -C c clone $PWD/r.git",
       "rewall -C c diff zzzzzz HEAD", 2, "'(.* fleet list)'", 0, ""},
      {"store/snapshot.cpp: nothing is recorded yet",
       "git init -q --bare r.git; unshare -u sh -c 'hostname other; REWALL init'; git -C repo push -q "
       "$PWD/r.git hosts/other; rewall -C c clone $PWD/r.git",
       "rewall -C c show HEAD", 2, "run '(.*)'", 0, "rewall -C c show HEAD"},
      {"no_such_tag", "rewall init", "rewall tag -d zzzzzz", 2, "see '(.*)'", 0, ""},
      {"bad_expected_verdict", "rewall init", "rewall expect add allow -p tcp", 2, "for example: (.*)", 0,
       "rewall expect | grep -q 'drop -p tcp --dport 3306'"},
      {"no_such_expectation", "rewall init", "rewall expect remove 7", 2, "'(.* expect)' lists", 0, ""},
      {"expectation_fails", "rewall init; rewall expect add accept -p icmp; iptables -P INPUT DROP",
       "iptables-save >closed; iptables -P INPUT ACCEPT; rewall apply --family ipv4 closed", 3,
       "'(.* expect)' lists", 0, ""},
      {"no_such_remote", "rewall init --remote $PWD/r.git", "rewall push zzzzzz", 2, "see '(.*)'", 0, ""},
      {"hash_names_tag", "rewall init; git -C repo tag 20261128", "rewall show 20261128", 2,
       "the tag of this name is (.*)", 127, "rewall show ${hint##* }"},
      {"cli/brought_words.cpp: 'rewall hooks install systemd' installs", "", "rewall enable", 2,
       "'(rewall hooks install systemd)' installs", 0, "test -s root/etc/systemd/system/rewall-watch.service",
       " --root $PWD/root"},
      {"edit_needs_terminal", "rewall init; iptables -N x; iptables-save >r; iptables -X x",
       "rewall edit </dev/null", 2, "'(.* apply) FILE' takes", 0, "iptables -S x", " --family ipv4 r"},
      {"edit_in_nft_words",
       "nft add table ip filter; nft add chain ip filter INPUT '{ type filter hook input priority 0; }'; nft "
       "add rule ip filter INPUT tcp dport '{ 22, 80 }' accept; rewall init",
       "rewall edit --yes --table filter", 2, "(rewall .*)", 0, "nft list table ip filter | grep '22, 81'",
       " --yes", "EDITOR='sed -i s/80/81/' bash -c 'eval \"$0\"'"},
      {"no_editor",
       "rewall init; mkdir -m 755 bin; printf '#!/bin/sh\n: >%s\n' $PWD/opened >bin/nano; chmod 755 bin/nano",
       "PATH=/nowhere; rewall edit --yes", 2, "name one: (EDITOR=nano .*)", 0, "test -e opened", " --yes",
       "env -u EDITOR -u VISUAL PATH=$PWD/bin:$PATH bash -c 'eval \"$0\"'"},
      {"fleet_status_takes_no_host", "rewall init; git -C repo branch hosts/a; git -C repo branch hosts/b",
       "rewall fleet status a", 2, "'(.* fleet diff) HOST HOST'", 0, "", " a b"},
  };
  return all;
}

const std::vector<Case>& of_remote() {
  static const std::string kOther =
      "git init -q --bare r.git; unshare -u sh -c 'hostname other; REWALL init'; git -C repo push -q "
      "$PWD/r.git hosts/other; ";
  // A server that answers after a while.
  static const std::string kSlow =
      "git init -q --bare r.git; rewall init --remote ssh://h$PWD/r.git; echo 3 >wait; printf '#!/bin/sh\n"
      "sleep $(cat %s)\nshift $(($# - 1)); exec sh -c \"$1\"\n' $PWD/wait >ssh; chmod +x ssh; git -C repo "
      "config core.sshCommand $PWD/ssh; git -C repo config ssh.variant simple; ";
  static const std::vector<Case> all{
      {"no_remote", "git init -q --bare r.git; rewall init", "rewall push", 2, "add one: (.*) URL", 0,
       "rewall push", " $PWD/r.git"},
      {"nothing_recorded", kOther + "rewall -C c clone $PWD/r.git", "rewall -C c undo", 3, "rules: (.*)", 0,
       "rewall -C c log"},
      {"nothing_to_push", kOther + "rewall -C c clone $PWD/r.git", "rewall -C c push", 2, "take one: (.*)", 0,
       "rewall -C c push"},
      {"no_such_host", kOther, "rewall fleet diff zzzzzz yyyyyy", 2, "'(.* list)' shows", 0, ""},
      {"network_busy",
       "git init -q --bare r.git; rewall init --remote $PWD/r.git; rewall config lock.wait 100ms",
       "(flock 9; rewall push 9>&-) 9<>repo/.git/rewall/network", 5, "wait: (.*)", 0, "rewall push"},
      {"commands/remote.cpp: give it the new address",
       "git init -q --bare r.git; rewall init --remote /nowhere", "rewall remote add origin http://token@h/x",
       2, "(rewall.* set-url origin) ADDRESS", 0, "rewall push", " $PWD/r.git"},
      {"remote_exists", "git init -q --bare r.git; rewall init --remote /nowhere",
       "rewall remote add origin $PWD/r.git", 2, "(rewall.*)", 0, "rewall push"},
      {"ops/remote/network.cpp: check the name",
       "git init -q --bare r.git; rewall init --remote "
       "ssh://git@nowhere.invalid/x",
       "rewall push", 7, "address: (rewall .* set-url origin) ADDRESS", 0, "rewall push", " $PWD/r.git"},
      {"ops/remote/clone.cpp: to clone in its place", kOther, "rewall clone $PWD/r.git", 5, "its place: (.*)",
       0, "rewall clone $PWD/r.git"},
      {"ops/remote/network.cpp: create it there", "rewall init --remote $PWD/new.git", "rewall push", 7,
       "create it there: (.*); or", 0, "rewall push"},
      {"branch_diverged",
       "git init -q --bare r.git; rewall init --remote $PWD/r.git; rewall push; mv repo first; iptables -N "
       "y; rewall "
       "init --remote $PWD/r.git",
       "rewall push", 7, "see them: (.*); then", 0, "git -C repo branch -m hosts/second; rewall push"},
      {"ops/remote/clone.cpp: if you trust the remote",
       std::string(kCopyEtc) +
           "git init -q --bare r.git; git init -q -b hosts/big big; cd big; git config user.name b; git "
           "config "
           "user.email b@b; head -c 30000000 /dev/zero >rules.v4; git add .; git commit -qm big; git push -q "
           "../r.git hosts/big",
       "rewall clone $PWD/r.git --host big", 7, "allow more: (.*)", 0, "rewall clone $PWD/r.git --host big",
       "", kOwnEtc},
      {"ops/history/verify.cpp: a remote that has it",
       std::string("git init -q --bare r.git; rewall init --remote $PWD/r.git; ") + kOne +
           "rewall snapshot; rewall push; " + empty_object("HEAD:rules.v4"),
       "rewall verify", 1, "gives it back: (.*)", 0, "rewall verify"},
      {"commands/command_output.cpp: if you trust the remote",
       "git init -q --bare r.git; rewall init --remote $PWD/r.git; rewall push; rewall config fetch.snapshot "
       "10k; git init -q -b hosts/big big; cd big; git config user.name b; git config user.email b@b; seq "
       "9999 >rules.v4; git add .; git commit -qm big; git push -q ../r.git hosts/big",
       "rewall fetch", 7, "allow more: (.*)", 0,
       "rewall fetch; git -C repo rev-parse -q --verify origin/hosts/big"},
      {"ops/context/git_command.cpp: a hook of git refuses",
       "git init -q --bare r.git; rewall init --remote $PWD/r.git; printf '#!/bin/sh\nexit 1\n' "
       ">repo/.git/hooks/reference-transaction; chmod +x repo/.git/hooks/reference-transaction",
       "rewall push", 7, "prints: (git .*)", 0,
       "rm $(eval \"${hint##*: }\")/reference-transaction; rewall push"},
      {"ops/remote/network.cpp: allow more time", kSlow + "rewall config network.timeout 1s", "rewall push",
       7, "allow more time: (.*)", 0, "rewall push"},
      {"ops/host/doctor_remotes.cpp: 'rewall fetch {}' waits longer", kSlow + "rewall push; echo 12 >wait",
       "rewall doctor", 1, "'(rewall [^\n]*)' waits longer", 0, ""},
  };
  return all;
}

const std::vector<Case>& of_store() {
  static const std::string kBranch = "$(git -C repo symbolic-ref HEAD)";
  // An iptables-nft-save that does what the file `lie` says, or its work.
  static const std::string kLiar =
      "iptables -N x; iptables -A INPUT -j ACCEPT; iptables -A INPUT -j DROP; rewall init; iptables -N y; "
      "mkdir -m 755 bin; printf '#!/bin/sh\n. %s\nexec /usr/sbin/iptables-nft-save \"$@\"\n' $PWD/lie "
      ">bin/iptables-nft-save; chmod 755 bin/iptables-nft-save";
  static const std::vector<Case> all{
      {"incompatible_rule",
       "iptables -A INPUT -m recent --set; rewall init; nft add rule ip filter INPUT ct state new accept",
       "rewall snapshot", 8, "'(nft -a list chain [^']*)' shows", 0, ""},
      {"unsayable_rule",
       "iptables -A INPUT -m recent --set; rewall init; nft add rule ip filter INPUT tcp dport '{ 22, 80 }' "
       "accept",
       "rewall "
       "diff",
       8, "'(nft -a list chain [^']*)' shows", 0, ""},
      {"no_repository", "", "rewall status", 5, "run '(.*)'", 0, "rewall status"},
      {"store/access.cpp: its .git is gone", "rewall init; rm -r repo/.git", "rewall snapshot", 5,
       "left: (mv .*)", 0, "test -e repo.old/rules.v4; rewall snapshot"},
      {"store/repository.cpp: its .git is gone", "rewall init; rm -r repo/.git", "rewall init", 5,
       "gone: (mv .*); then", 0, "rewall init"},
      {"repository_locked", "rewall init; rewall config lock.wait 100ms; iptables -N x",
       "(flock 9; rewall snapshot 9>&-) 9<>repo/.git/rewall/lock", 5, "for it: (.*)", 0, "rewall snapshot"},
      {"git_lock_left", "rewall init; iptables -N x; touch repo/.git/" + kBranch + ".lock", "rewall snapshot",
       5, "work here: (.*)", 0, "rewall snapshot"},
      {"no_host_branch",
       "rewall init; rm repo/.git/rewall/host; git -C repo branch -qm hosts/a; git -C repo branch "
       "hosts/b; git -C repo checkout -q --detach; rm repo/.git/rewall/host 2>/dev/null || true",
       "rewall status", 5, "then: (git .*)hosts/NAME", 0, "rewall status", "hosts/a"},
      {"ops/host/doctor.cpp: rewall tag good", "rewall init", "rewall doctor", 1,
       "HEAD has no rules yet; when .*(rewall -C [^ ]* tag good)", 0, "rewall doctor | grep 'ok.*good'"},
      {"ops/host/doctor.cpp: rewall tag -d", "rewall init; git -C repo tag 20261128", "rewall doctor", 1,
       "(rewall -C [^ ]* tag -d .*)", 0, "! rewall doctor | grep 20261128"},
      {"ops/host/doctor.cpp: checkout HEAD --", "rewall init; echo mine >>repo/rules.v4", "rewall doctor", 1,
       "(git -C .* checkout HEAD -- .*)", 0, "rewall doctor | grep 'ok.*work tree'"},
      {"ops/host/doctor.cpp: checkout hosts/", "rewall init; git -C repo checkout -qb mine", "rewall doctor",
       1, "(git -C .* checkout hosts/.*)", 0, "rewall doctor | grep 'ok.*branch'"},
      {"ops/host/doctor.cpp: work here: rm", "rewall init; touch repo/.git/" + kBranch + ".lock",
       "rewall doctor", 1, "work here: (rm .*)", 0, "rewall doctor | grep 'ok.*locks'"},
      {"ops/host/doctor_host.cpp: make it", "rewall init; rewall config sign.key $PWD/keys/key",
       "rewall doctor", 1, "make it: (mkdir .*)", 0, "rewall doctor | grep 'ok.*signing'"},
      {"ops/host/doctor.cpp: chmod", "rewall init; chmod g+r repo", "rewall doctor", 1, "(chmod 700 .*)", 0,
       "rewall doctor | grep 'ok.*modes'"},
      {"ops/host/doctor_remotes.cpp: rewall push",
       "git init -q --bare r.git; rewall init --remote $PWD/r.git; rewall "
       "push; iptables -N x; rewall snapshot; sleep 2.1; rewall config push.stale 1s",
       "rewall doctor", 1, "(rewall -C [^ ]* push origin)", 0, "rewall doctor | grep 'ok.*backlog'"},
      {"ops/host/doctor_remotes.cpp: rewall remote add origin ADDRESS",
       "git init -q --bare r.git; rewall init", "rewall doctor", 1,
       "(rewall -C [^ ]* remote add origin) ADDRESS", 0, "rewall doctor | grep 'ok.*privacy'", " $PWD/r.git"},
      {"ops/host/doctor.cpp: revert the change: rewall rollback",
       "rewall init; rewall try --for 1m --yes -- iptables -N tried; kill -9 $(cut -d' ' -f1 "
       "repo/.git/rewall/guard.lock); while [ -s /proc/$(cut -d' ' -f1 repo/.git/rewall/guard.lock)/cmdline "
       "]; do sleep "
       "0.1; done",
       "unshare --time --boottime 120 --fork REWALL doctor", 1, "(rewall [^;\n]* rollback); or", 0,
       "! iptables -S tried 2>/dev/null"},
      {"ops/host/doctor.cpp: what one accepts the other may drop",
       "iptables -N mine; iptables-legacy -A INPUT -s 192.0.2.1 -j DROP; rewall init; echo 'iptables -A "
       "INPUT -s "
       "192.0.2.1 -j DROP; iptables-legacy -P INPUT ACCEPT; iptables-legacy -F' >script",
       "rewall doctor", 1, "(rewall -C [^ ]* try --for 10m -- sh) SCRIPT", 0,
       "rewall confirm; iptables -C INPUT -s 192.0.2.1 -j DROP; rewall doctor | grep 'ok.*backends'",
       " script"},
      {"ops/host/doctor.cpp: 'nft list ruleset'", "ebtables-nft -A INPUT -j mark --mark-set 1; rewall init",
       "rewall doctor", 1, "'(nft list ruleset)'", 0, ""},
      {"ops/host/doctor_remotes.cpp: {}, with ssh:// or https://", "rewall init --remote git://127.0.0.1/x",
       "rewall doctor", 1, "(rewall -C [^ ]* remote set-url origin) ADDRESS, with ssh", 0,
       "rewall doctor | grep 'ok.*privacy'", " ssh://git@127.0.0.1/x"},
      {"ops/host/doctor_remotes.cpp: {}, without the password",
       "rewall init --remote https://u:secret@127.0.0.1/x", "rewall doctor", 1,
       "(rewall -C [^ ]* remote set-url origin) ADDRESS, without", 0, "rewall doctor | grep 'ok.*privacy'",
       " https://127.0.0.1/x"},
      {"ops/restore/recovery.cpp: rm REPOSITORY",
       std::string("rewall init; ") + kOne + "echo garbage >repo/.git/rewall/journal", "rewall snapshot", 5,
       "should be: (rm .*)", 0, "rewall snapshot"},
      {"set_name_unsayable", "rewall init; ipset create $'a\\nb' hash:ip", "rewall snapshot", 8,
       "give it another: (ipset rename .*) NEWNAME", 0, "ipset list renamed; rewall snapshot", " renamed"},
      {"config_unreadable", "rewall init; echo '[user' >>repo/.git/config", "rewall status", 5,
       "delete line [0-9]+ of that file; '(git config --file .* --list)' reads", 128,
       "n=${hint#*delete line }; sed -i \"${n%% *}d\" repo/.git/config; n=${hint#*\\'}; ${n%\\'*}; rewall "
       "status"},
      {"ops/host/doctor_host.cpp: install -d", "rewall init; rewall config export.path $PWD/out",
       "rewall doctor", 1, "(install -d .*)", 0,
       "rewall doctor | grep 'ok.*export.path'; rewall snapshot --allow-empty; test -e out/rules.v4"},
      {"ops/host/doctor_host.cpp: ssh-keygen",
       std::string(kCopyEtc) + "rewall init; rewall config sign.require true", "rewall doctor", 1,
       "(mkdir -p /etc/rewall; ssh-keygen .*)", 0,
       "rewall doctor | grep 'what this host signs does not count'", "", kOwnEtc},
      {"ops/host/doctor_host.cpp: a service has no agent",
       std::string(kCopyEtc) +
           "rewall init; ssh-keygen -q -t ed25519 -N secret -f locked; rewall config sign.key $PWD/locked",
       "rewall doctor", 1, "without one \\((mkdir .*)\\), and '.* config sign.key'", 0,
       "rewall config sign.key /etc/rewall/key; rewall doctor | grep 'ok.*signing'", "", kOwnEtc},
      {"ops/host/doctor_host.cpp: when signing works",
       "rewall init; ssh-keygen -q -t ed25519 -N '' -f key; rewall config sign.key $PWD/key", "rewall doctor",
       1, "when signing works: (.*)", 0, "rewall doctor | grep 'ok.*signature'"},
      {"ops/host/doctor.cpp: rewall snapshot",
       "git init -q --bare r.git; unshare -u sh -c 'hostname other; REWALL init'; git -C repo push -q "
       "$PWD/r.git hosts/other; rewall -C c clone $PWD/r.git",
       "rewall -C c doctor", 1, "no snapshot yet\n *(rewall .* snapshot)", 0,
       "rewall -C c doctor | grep 'ok.*history'"},
      {"ops/host/doctor.cpp: chown -R", "rewall init; chown 65534 repo/.git/config", "rewall doctor", 1,
       "(chown -R 0:0 .*)", 0, "rewall doctor | grep 'ok.*modes'"},
      {"ops/host/doctor.cpp: check what they wrote", "rewall init; chmod g+w repo/.git/config",
       "rewall doctor", 1, "check what they wrote, then: (chmod .*)", 0, "rewall doctor | grep 'ok.*modes'"},
      {"ops/host/doctor.cpp: 'rewall status' completes",
       std::string("rewall init; ") + kOne + "rewall snapshot; " + kInterrupted, "rewall doctor", 1,
       "'(rewall .* status)' completes", 0, "rewall doctor | grep 'ok.*journal'"},
      {"store/access.cpp: chown -R", "rewall init; chown 65534 repo/.git/config", "rewall status", 5,
       "(chown -R root: .*)", 0, "rewall status"},
      {"store/access.cpp: look at what they wrote", "rewall init; chmod g+w repo/.git/config",
       "rewall status", 5, "look at what they wrote, then: (chmod .*)", 0, "rewall status"},
      {"others_can_write", "mkdir open; rewall -C open/repo init; chown 65534 open; chmod 777 open",
       "rewall -C open/repo status", 5, "(chown root .*; chmod go-w .*)", 0, "rewall -C open/repo status"},
      {"ops/context/git_command.cpp: a git that was killed", "rewall init; touch repo/.git/packed-refs.lock",
       "rewall gc", 5, "'(rm .*)', then run", 0, "rewall gc"},
      {"ops/remote/gc.cpp: 'git -C {} fsck'",
       "rewall init; b=$(git -C repo rev-parse HEAD:rules.v4); rm -f repo/.git/objects/${b:0:2}/${b:2}",
       "rewall gc", 5, "'(git -C .* fsck)'", 2, ""},
      {"save_failed", kLiar, "echo 'echo broken >&2; exit 4' >lie; PATH=$PWD/bin:$PATH; rewall snapshot", 8,
       "run '(.*)' by hand", 4, "rewall snapshot"},
      {"rules_disagree", kLiar,
       "echo '/usr/sbin/iptables-nft-save | grep -v DROP; exit' >lie; PATH=$PWD/bin:$PATH; rewall snapshot",
       8, "run the command again; .*: '(.*)'", 0, "rewall snapshot"},
      {"chains_disagree", kLiar,
       "echo '/usr/sbin/iptables-nft-save | grep -v :x; exit' >lie; PATH=$PWD/bin:$PATH; rewall snapshot", 8,
       "run the command again; '.*' and '(nft list chains)' show", 0, "rewall snapshot"},
      {"table_disagrees", kLiar,
       "echo 'echo \"*nat\"; echo COMMIT; exit' >lie; PATH=$PWD/bin:$PATH; rewall snapshot", 8,
       "run the command again; .*: '(.*)'", 0, "rewall snapshot"},
      {"unloadable_rule",
       "iptables -A INPUT -m recent --set; rewall init; nft add rule ip filter INPUT limit rate 1/week",
       "rewall snapshot", 8, "'(nft -a list chain [^']*)' shows", 0,
       "nft delete rule ip filter INPUT handle $(nft -a list chain ip filter INPUT | sed -n 's/.*limit "
       "rate.* "
       "//p'); rewall snapshot"},
      {"table_dormant", "iptables -P INPUT DROP; rewall init; nft add table ip filter '{ flags dormant; }'",
       "rewall snapshot", 8, "activate it: (nft .*)", 0,
       "rewall snapshot; ! nft list ruleset | grep dormant"},
  };
  return all;
}

/// The printed hint: of an error, or of a line of doctor's.
std::string hint_in(const std::string& said) {
  const auto at = said.find("\nhint: ");
  return at == std::string::npos ? said : said.substr(at + 7, said.find('\n', at + 7) - at - 7);
}

std::string filled_in(std::string text) {
  for (auto at = text.find("REWALL "); at != std::string::npos; at = text.find("REWALL ", at + 1))
    text.replace(at, 6, REWALL_PROGRAM);
  return text;
}

void check(const std::vector<Case>& cases) {
  for (const auto& one : cases) {
    if (const char* only = std::getenv("ONLY"); only != nullptr && one.hint.find(only) == std::string::npos)
      INFO(one.hint);
    const Host host;
    const auto end = [&] {
      host.sh(
          "for l in */.git/rewall/guard.lock */.git/rewall/expire.lock; do p=$(cut -d' ' -f1 $l 2>/dev/null) "
          "&& "
          "grep -qsa \"$PWD\" /proc/$p/cmdline && kill -9 $p; done");
    };
    if (!one.state.empty()) host.ok("set -e; " + filled_in(one.state));
    const auto within = [&](const std::string& line) {
      return one.within.empty() ? line : "export -f rewall; " + one.within + " " + shell_quote(line);
    };
    const auto said = host.sh(within(filled_in(one.run)));
    INFO(said.out << said.err);
    CHECK(said.status == one.status);
    const auto hint =
        hint_in(said.err.empty() || said.out.find("BAD ") != std::string::npos ? said.out : said.err);
    std::smatch found;
    const bool says = std::regex_search(hint, found, std::regex(one.says));
    CHECK(says);
    if (says) {
      const auto command = found.str(1) + one.added;
      const auto helped = host.sh(within(command));
      INFO(command << "\n" << helped.out << helped.err);
      CHECK(helped.status == one.helps);
      if (!one.proof.empty()) {
        const auto proved =
            host.sh(within("set -e; hint=" + shell_quote(hint) + "; " + filled_in(one.proof)));
        INFO(one.proof << "\n" << proved.out << proved.err);
        CHECK(proved.status == 0);
      }
    }
    end();
  }
}

// --- the hints without a case here

/// Another test runs what they say.
const std::map<std::string, std::string>& elsewhere() {
  static const std::map<std::string, std::string> all{
      {"ops/host/doctor_host.cpp: a copy", "cli/doctor_test.cpp"},
      {"redo_after_rollback", "cli/promises_test.cpp"},
      {"nothing_to_keep", "cli/promises_test.cpp"},
      {"not_kept", "cli/promises_test.cpp"},
      {"not_executable", "cli/promises_test.cpp"},
      {"before_history", "cli/promises_test.cpp"},
      {"ops/host/doctor_host.cpp: remove what is not to run", "cli/promises_test.cpp"},
      {"ops/history/verify.cpp: mkdir -p REPOSITORY", "cli/promises_test.cpp"},
      {"ops/history/verify.cpp: no remote is there", "cli/promises_test.cpp"},
      {"ops/remote/network.cpp: git is missing", "cli/promises_test.cpp"},
      {"ops/remote/network.cpp: 'rewall verify' lists", "cli/promises_test.cpp"},
      {"interrupted_elsewhere", "ops/journal_test.cpp"},
      {"commands/edit.cpp: to try it again", "cli/edit_test.cpp"},
      {"ops/remote/network.cpp: git refuses a repository of another user", "cli/git_trouble_test.cpp"},
      {"old_connection", "share/new_login_test.cpp"},
      {"no_new_connection", "share/new_login_test.cpp"},
      {"unsayable_name", "kernel/printed_test.cpp"},
      {"unsayable_chain", "kernel/printed_test.cpp"},
      {"unit_enabled", "hooks/integrations_test.cpp"},
      {"integration_changed", "hooks/integrations_test.cpp"},
      {"integration_packaged", "hooks/integrations_test.cpp"},
      {"other_namespace", "cli/namespace_test.cpp"},
      {"left_to_owners", "cli/guard_owned_test.cpp"},
      {"table_owned", "cli/guard_owned_test.cpp"},
      {"not_confirmed", "cli/guard_terminal_test.cpp"},
      {"only_foreign_left", "cli/everyday_test.cpp"},
      {"guard_limited", "cli/guard_test.cpp"},
      {"locks_out", "cli/check_test.cpp"},
      {"may_lock_out", "cli/check_test.cpp"},
  };
  return all;
}

/// They name no command, or one that no test can run: why.
const std::map<std::string, std::string>& without_command() {
  static const std::map<std::string, std::string> all{
      {"ambiguous_expiry", "names a word of the command line, and no command"},
      {"ambiguous_revision", "names a word of the command line, and no command"},
      {"bad_expectation", "says what to change in the file"},
      {"branch_moved", "asks to wait, and to run the command again"},
      {"branch_refused", "asks a person who is not here"},
      {"capture_kept_changing", "asks to wait, and to run the command again"},
      {"chain_twice", "says what to change in the file"},
      {"chain_used_before", "says what to change in the file"},
      {"cli/parser.cpp: did you mean '{}'?", "names a word of the command line, and no command"},
      {"cli/brought_words.cpp: '--stat' lists", "names a word of the command line, and no command"},
      {"ops/history/revision.cpp: write it like file:", "names a word of the command line, and no command"},
      {"store/snapshot.cpp: a short hash has", "names a word of the command line, and no command"},
      {"cli/program.cpp: ", "an exception that no state brings about"},
      {"cli/brought_words.cpp: no question is asked", "names a word of the command line, and no command"},
      {"cli/brought_words.cpp: --dry-run shows", "names a word of the command line, and no command"},
      {"cli/brought_words.cpp: --table names", "names a word of the command line, and no command"},
      {"cli/brought_words.cpp: the exit status of diff", "names a word of the command line, and no command"},
      {"store/snapshot.cpp: this is the name of a chain", "names a word of the command line, and no command"},
      {"ops/remote/network.cpp: no route of this host",
       "names commands that look, which work in every state"},
      {"core/time.cpp: write a year", "names a word of the command line, and no command"},
      {"store/snapshot.cpp: did you mean", "names a word of the command line, and no command"},
      {"repository_exists", "the words are those of 'to clone in its place'"},
      {"clone_running", "asks to wait, and to run the command again"},
      {"commands/command_output.cpp: {} a table of nft", "names words of the command line, and no command"},
      {"commands/command_output.cpp: did you mean", "names a word of the command line, and no command"},
      {"commands/command_output.cpp: {} is for", "names words of the command line, and no command"},
      {"core/time.cpp: the formats are", "names words of the command line, and no command"},
      {"core/time.cpp: write", "names a word of the command line, and no command"},
      {"dry_run_of_fallback", "names commands that look, which work in every state"},
      {"edit_nft_alone", "names a word of the command line, and no command"},
      {"editor_not_found", "names a word of the command line, and no command"},
      {"ending_unknown", "names commands that look, which work in every state"},
      {"forbidden", "names commands that look, which work in every state"},
      {"family_against_name", "names a word of the command line, and no command"},
      {"family_in_doubt", "names a word of the command line, and no command"},
      {"foreign_of_other_form", "names a word of the command line, and no command"},
      {"fleet_diff_needs_two_hosts", "names a word of the command line, and no command"},
      {"folder_not_empty", "names a word of the command line, and no command"},
      {"confirmed_until_restart", "names a command that looks, which works in every state"},
      {"guard_not_ended", "names a command that looks, which works in every state"},
      {"gc_lock_unwritable", "names a command that looks, which works in every state"},
      {"git_missing", "installs a package"},
      {"import_git_takes_one_file", "names a word of the command line, and no command"},
      {"incompatible_table", "names commands that look, which work in every state"},
      {"ipset_missing", "installs a package"},
      {"iptables_missing", "installs a package"},
      {"kept_changing", "names commands that look, which work in every state"},
      {"kernel/connect.cpp: apt install", "installs a package"},
      {"kernel/nft_listing.cpp: see `nft list table", "names commands that look, which work in every state"},
      {"kernel/reading.cpp: ", "the same as incompatible_rule"},
      {"kernel/refusal.cpp: ", "says what to change in the file"},
      {"line_too_long", "says what to change in the file"},
      {"lost_sight", "no kernel here can be brought to it"},
      {"mixed", "no kernel here can be brought to it"},
      {"analysis/packet_words.cpp: rewall-packets(7) lists",
       "names a word of the command line, and no command"},
      {"no_address_in_line", "names a word of the command line, and no command"},
      {"no_packet_line", "names a word of the command line, and no command"},
      {"no_packet_value", "names a word of the command line, and no command"},
      {"packet_is_empty", "names a word of the command line, and no command"},
      {"packet_word_takes_one", "names a word of the command line, and no command"},
      {"states_and_status", "names a word of the command line, and no command"},
      {"unknown_packet_word", "names a word of the command line, and no command"},
      {"name_not_allowed", "names a word of the command line, and no command"},
      {"names_no_snapshot", "names a word of the command line, and no command"},
      {"network_has_host_bits", "names words of the command line, and no command"},
      {"nft_has_no_family", "names a word of the command line, and no command"},
      {"import_of_both", "says what to change in the file"},
      {"incompatible_part", "names commands that look, which work in every state"},
      {"lost_note", "says what to change in the file"},
      {"native_does_not_expire", "names a word of the command line, and no command"},
      {"nft_missing", "installs a package"},
      {"nft_table_beside_legacy", "says what to change in the file"},
      {"nft_table_of_iptables", "says what to change in the file"},
      {"nft_words_without_scratch", "asks for a privilege of the caller"},
      {"no_such_native", "names commands that look, which work in every state"},
      {"table_in_both_forms", "says what to change in the file"},
      {"no_chain_policy", "says what to change in the file"},
      {"no_commit", "says what to change in the file"},
      {"no_commit_before_table", "says what to change in the file"},
      {"no_commit_in_line", "says what to change in the file"},
      {"no_expiry", "limits are set outside"},
      {"no_history", "names a word of the command line, and no command"},
      {"no_position", "says what to change in the file"},
      {"no_raw_socket", "asks for a privilege of the caller"},
      {"no_rules_in_folder", "says what to change in the file"},
      {"no_scratch_permission", "asks for a privilege of the caller"},
      {"no_such_place", "a hint of rules/template.cpp, or a word of the command line"},
      {"no_such_template", "a hint of ops/template/templates.cpp, or a word of the command line"},
      {"no_table_line", "says what to change in the file"},
      {"not_a_plain_file", "names a word of the command line, and no command"},
      {"not_a_range", "names a word of the command line, and no command"},
      {"not_a_set_type", "says what to change in the file"},
      {"not_a_variable", "names a word of the command line, and no command"},
      {"not_an_address", "names a word of the command line, and no command"},
      {"not_permitted", "asks for a privilege of the caller"},
      {"not_replaceable", "asks for a privilege of the caller"},
      {"nothing_expires", "names a word of the command line, and no command"},
      {"nothing_in_force", "the rules are loaded by hand"},
      {"nul_byte", "says what to change in the file"},
      {"ops/context/event_hooks.cpp: this program", "asks a person who is not here"},
      {"ops/context/git_command.cpp: correct that line", "asks a person who is not here"},
      {"ops/context/settings.cpp: did you mean", "names a word of the command line, and no command"},
      {"ops/fleet/fleet_reader.cpp: did you mean", "names a word of the command line, and no command"},
      {"ops/fleet/hosts.cpp: did you mean", "names a word of the command line, and no command"},
      {"ops/history/blame.cpp: did you mean", "names a word of the command line, and no command"},
      {"ops/history/verify.cpp: restore an older one", "the snapshot of choice is a person's"},
      {"ops/history/verify.cpp: rewall did not make it",
       "names commands that look, which work in every state"},
      {"ops/history/verify.cpp: rewall leaves it alone", "there is nothing to do"},
      {"ops/host/doctor.cpp: apt install", "installs a package"},
      {"ops/host/doctor.cpp: df -h", "asks for space"},
      {"ops/host/doctor.cpp: see why", "names commands that look, which work in every state"},
      {"ops/host/doctor.cpp: ls -ld", "names commands that look, which work in every state"},
      {"ops/host/doctor.cpp: free some space", "asks for space"},
      {"ops/host/doctor.cpp: rewall hooks install systemd; systemctl enable",
       "changes the machine's own services"},
      {"ops/host/doctor_remotes.cpp: apt install", "installs a package"},
      {"ops/host/doctor_remotes.cpp: make sure that the repository there is private",
       "asks a person who is not here"},
      {"ops/host/integrations.cpp: run this command as root", "asks for a privilege of the caller"},
      {"ops/remote/gc.cpp: free some space", "asks for space"},
      {"ops/remote/network.cpp: ask the server's administrator", "asks a person who is not here"},
      {"ops/host/doctor_host.cpp: rewall-config(5)", "names a page of the manual"},
      {"no_reference", "is an example"},
      {"ops/history/verify.cpp: objects", "is the name of a check, and no hint"},
      {"store/snapshot.cpp: a short hash has", "names a word of the command line, and no command"},
      {"ops/remote/network.cpp: the remote's repository is damaged", "asks a person who is not here"},
      {"ops/remote/network.cpp: is the server up", "asks a person who is not here"},
      {"ops/remote/network.cpp: the remote has damaged", "asks a person who is not here"},
      {"ops/remote/network.cpp: the server", "asks a person who is not here"},
      {"ops/remote/network.cpp: unknown host key", "a person decides whom to trust"},
      {"ops/remote/network.cpp: if you trust the authority", "a person decides whom to trust"},
      {"ops/remote/network.cpp: no repository at this address", "the words are those of 'check the name'"},
      {"ops/remote/network.cpp: wrong password", "asks a person who is not here"},
      {"ops/remote/network.cpp: your history is safe", "asks to wait, and to run the command again"},
      {"ops/remote/push.cpp: ask the server", "asks a person who is not here"},
      {"ops/restore/recovery.cpp: run the command again", "asks to wait, and to run the command again"},
      {"integration_packaged", "needs an installed package: tests/matrix/packaged.sh has one"},
      {"other_backend", "names a word of the command line, and no command"},
      {"backend_left_out", "names a word of the command line, and no command"},
      {"policy_in_nat", "says what to change in the file"},
      {"policy_left_open", "says what to change in the file"},
      {"policy_of_own_chain", "says what to change in the file"},
      {"ops/remote/fetch.cpp: hosts/", "begins the name of a branch, and is no hint"},
      {"flush_behind_rules", "says what to change in the file"},
      {"no_rules_in_history", "names a word of the command line, and no command"},
      {"not_a_pair", "is an example"},
      {"owner_rule_refers_back", "says what to change in the expression"},
      {"owner_rule_repeats", "says what to change in the expression"},
      {"ops/history/verify.cpp: sign.require asks", "names a setting, and no command"},
      {"ops/host/doctor.cpp: 'ipset save' shows the reason", "loads a module of the kernel"},
      {"ops/host/doctor.cpp: 'iptables -S' shows the rule",
       "names commands that look, which work in every state"},
      {"ops/host/doctor.cpp: 'iptables-legacy -S' shows",
       "names commands that look, which work in every state"},
      {"ops/host/doctor.cpp: run it as root with CAP_NET_RAW", "asks for a privilege of the caller"},
      {"ops/host/doctor.cpp: see what is in force", "shows what a person looks at"},
      {"ops/host/doctor.cpp: take the line break", "asks a person who is not here"},
      {"ops/host/doctor_host.cpp: add the host's own public key", "asks a person who is not here"},
      {"program_outlives", "the wait is that of repository_locked"},
      {"push_hook_refused", "asks a person who is not here"},
      {"remote_part_refused", "asks a person who is not here"},
      {"reverted_while_running", "names a word of the command line, and no command"},
      {"set_needs_value", "names a word of the command line, and no command"},
      {"set_unsayable", "the owner of the set knows its comments"},
      {"sets_unreadable", "installs a package"},
      {"stages_differently", "no kernel here can be brought to it"},
      {"store/repository.cpp: take it away", "needs a disk that is read-only"},
      {"store/access.cpp: put the original back", "asks a person who is not here"},
      {"store/access.cpp: run it as root", "asks for a privilege of the caller"},
      {"store/foreign_history.cpp: the path counts", "names a word of the command line, and no command"},
      {"tag_like_branch", "names a word of the command line, and no command"},
      {"template_unreadable", "names a page of the manual"},
      {"unknown_chain", "says what to change in the file"},
      {"unknown_line", "says what to change in the file"},
      {"unknown_policy", "says what to change in the file"},
      {"unknown_rule_option", "says what to change in the file"},
      {"unknown_rules_table", "says what to change in the file"},
      {"unknown_set", "says what to change in the file"},
      {"tag_like_hash", "names a word of the command line, and no command"},
      {"ops/remote/clone.cpp: did you mean", "names words of the command line, and no command"},
      {"ops/remote/clone.cpp: rewall config ", "begins what is searched for, and is no hint"},
      {"ops/remote/clone.cpp: your history", "begins what is searched for, and is no hint"},
      {"ops/remote/clone.cpp: is the address right", "names a word of the command line, and no command"},
      {"ops/history/revision.cpp: for a {} use", "the words are those of not_iptables_save"},
      {"ops/history/revision.cpp: for rules without a table", "says what to change in the file"},
      {"wrong_usage", "the words of a library for what nobody has thought of"},
      {"unknown_table", "names a word of the command line, and no command"},
      {"unrecorded_unguarded", "names a word of the command line, and no command"},
      {"untried_rule", "asks for a privilege of the caller"}};
  return all;
}

}  // namespace

TEST_CASE("every hint of the source has a case that runs it, or a reason") {
  std::set<std::string> seen;
  for (const auto* cases : {&of_restore(), &of_guard(), &of_commands(), &of_remote(), &of_store()})
    for (const auto& one : *cases) seen.insert(one.hint);
  for (const auto& list : {elsewhere(), without_command()})
    for (const auto& [hint, why] : list) seen.insert(hint);
  std::set<std::string> known;
  for (const auto& [row, hint] : rows()) {
    known.insert(row);
    if (!seen.contains(row)) FAIL_CHECK("core/messages.h: " << row << ": " << hint);
  }
  const auto covers = [](const std::string& part, const std::string& hint) {
    const auto colon = part.find(": ");
    return colon != std::string::npos && hint.starts_with(part.substr(0, colon + 2)) &&
           hint.find(part.substr(colon + 2), colon) != std::string::npos;
  };
  const auto all = others();
  for (const auto& hint : all) {
    if (std::ranges::none_of(seen, [&](const auto& part) { return covers(part, hint); })) FAIL_CHECK(hint);
  }
  // A case of a hint that is gone.
  for (const auto& part : seen) {
    if (!known.contains(part) &&
        std::ranges::none_of(all, [&](const auto& hint) { return covers(part, hint); }))
      FAIL_CHECK("no hint of the source: " << part);
  }
  for (const auto& [hint, file] : elsewhere()) CHECK(fs::exists(REWALL_SOURCE_DIR "/tests/" + file));
}

TEST_CASE("the hints of restores help") {
  check(of_restore());
}

TEST_CASE("the hints of guards and expiries help") {
  check(of_guard());
}

TEST_CASE("the hints of wrong command lines help") {
  check(of_commands());
}

TEST_CASE("the hints of work with remotes help") {
  check(of_remote());
}

TEST_CASE("the hints of the repository and of doctor help") {
  check(of_store());
}

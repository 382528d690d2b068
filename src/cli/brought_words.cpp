#include "cli/brought_words.h"

#include <algorithm>
#include <array>
#include <vector>

#include "core/text.h"

namespace rewall {
namespace {

// "undo,redo: HEAD~1": a row is for these commands and words.
bool is_for(std::string_view row, std::string_view command, std::string_view word) {
  const auto colon = row.find(':');
  const auto commands = split(row.substr(0, colon), ',');
  const auto words = split(row.substr(colon + 2), ' ');
  return std::ranges::count(commands, command) > 0 && std::ranges::count(words, word) > 0;
}

// One letter more, less or other, or two neighbours swapped.
bool is_one_slip(std::string_view word, std::string_view other) {
  const auto common = [](std::string_view a, std::string_view b) {
    return static_cast<std::size_t>(std::ranges::mismatch(a, b).in1 - a.begin());
  };
  const auto begin = common(word, other);
  auto a = word.substr(begin);
  auto b = other.substr(begin);
  if (a.size() > 1 && b.size() > 1 && a[0] == b[1] && a[1] == b[0] && a.substr(2) == b.substr(2)) return true;
  if (a.size() > b.size()) return a.substr(1) == b;
  return b.size() > a.size() ? b.substr(1) == a : a.empty() || a.substr(1) == b.substr(1);
}

constexpr std::array<std::string_view, 6> kNeverGuessed{"--force", "--exact", "--yes",
                                                        "--boot",  "--keep",  "--allow-empty"};
constexpr std::array<std::string_view, 23> kNotGuessed{
    "restore", "undo",    "redo",     "apply",   "edit",     "try",      "rollback", "confirm",
    "clone",   "gc",      "import",   "push",    "init",     "add",      "set-url",  "remove",
    "rm",      "install", "--delete", "--unset", "--extend", "--expire", "--expiry"};

}  // namespace

std::string hint_for_brought_word(std::string_view command, std::string_view word) {
  struct Row {
    std::string_view words;
    std::string_view hint;
  };
  static constexpr std::array kRows = std::to_array<Row>({
      {": revert", "'rewall undo' reverts the newest change; 'rewall restore REV' goes back to a revision"},
      {": reset switch co", "'rewall restore REV' makes the live rules equal a revision"},
      {": reload restart",
       "'rewall restore --dry-run' shows what the newest snapshot would change, 'rewall restore' puts it in "
       "force"},
      {": pull update", "'rewall fetch' fetches the histories; a restore is a command of its own"},
      {": add stage stash save record ci new", "'rewall snapshot' records the live rules"},
      {": backup archive",
       "'rewall snapshot' records the live rules; 'rewall push' sends the history to a remote"},
      {": branch",
       "'rewall fleet list' shows the branches, one for each host; 'rewall tag NAME' names a revision"},
      {": merge rebase cherry-pick load", "'rewall apply FILE' and 'rewall edit' change the live rules"},
      {": list ls reflog history op whatchanged shortlog", "'rewall log' lists the snapshots"},
      {": dump print cat export iptables-save ip6tables-save -L -S",
       "'rewall checkout LIVE' prints the live rules, 'rewall checkout REV' those of a revision"},
      {": rm clean delete iptables ip6tables ipset nft ufw -A -I -D -R -P -N -X -F",
       "'rewall try -- COMMAND' runs a command that changes the firewall, like iptables -A, under a guard"},
      {": flush", "'rewall try -- iptables -F' runs a command that removes rules, under a guard"},
      {": start enable",
       "'rewall hooks install systemd' installs the services; then: systemctl enable --now rewall-watch"},
      {": stop disable",
       "'rewall status' shows whether a guard is armed; the service that records changes ends by: systemctl "
       "stop rewall-watch"},
      {": install uninstall remove purge",
       "'rewall hooks list' lists what can be installed, 'rewall hooks install NAME' installs it"},
      {": fsck", "'rewall verify' checks the history"},
      {": st info", "'rewall status' compares the live rules with HEAD"},
      {": amend describe squash abandon",
       "nothing rewrites the history; 'rewall undo' reverts the newest change, and is recorded too"},
      {": cat-file ls-files ls-tree", "'rewall checkout REV' prints the rules of a revision"},
      {": grep", "'rewall log --grep RE' searches the history, 'rewall blame' lists the rules"},
      {": annotate", "'rewall blame' shows which snapshot introduced each rule"},
      {": keep accept", "'rewall confirm' keeps the change of a guard"},
      {": cancel abort disarm",
       "'rewall rollback' reverts the change of a guard, 'rewall confirm' keeps it; both end the guard"},
      {": extend", "'rewall confirm --extend 10m' gives a guard more time"},
      {": version", "'rewall --version' prints the version"},
      {"snapshot: -a -am --all",
       "a snapshot records all live rules, and -m gives its subject: rewall snapshot -m MESSAGE"},
      {"snapshot: --amend", "a snapshot stays as it is; a name for it: rewall tag NAME"},
      {"push: -u --set-upstream main master HEAD",
       "a push sends the branch of this host, and a remote alone is named: rewall push"},
      {"rollback,confirm: -y --yes", "no question is asked: leave the option out"},
      {"restore,apply,undo,redo,template: -n --check --test",
       "--dry-run shows what would change, and changes nothing"},
      {"restore,apply,log,blame,fleet,edit: -t", "--table names the table"},
      {"diff: --chain --table", "to list the snapshots that changed a chain: rewall log --chain CHAIN"},
      {"diff: --exit-code --quiet",
       "the exit status of diff is 1 where something differs, without an option"},
      {"diff,show,log: --name-only --name-status --numstat --shortstat",
       "'--stat' lists the chains and sets that changed"},
      {"status: -s --short --porcelain", "for scripts: 'rewall status --json', and its exit status"},
      {"log: --graph", "the history of a host is one line: 'rewall log --oneline'"},
      {"config: --get", "'rewall config KEY' prints a setting"},
      {"diff: --cached --staged", "nothing is staged: 'rewall diff' compares HEAD with LIVE"},
      {"config: --global --system --local",
       "'rewall config KEY VALUE' is for this repository; /etc/rewall/config is for the whole host"},
      {"apply: FILE", "to load rules from standard input: rewall apply -"},
      {"remote: get-url show", "'rewall remote' lists the remotes with their addresses"},
      {"expect: accept drop reject", "to add an expectation: rewall expect add VERDICT PACKET"},
      {"hooks: enable", "to install one: rewall hooks install NAME"},
  });
  for (const auto& [words, hint] : kRows)
    if (is_for(words, command, word)) return std::string(hint);
  return {};
}

std::string hint_for_any_word(std::string_view command) {
  if (command == "undo" || command == "redo")
    return "'rewall undo' reverts the newest change alone; 'rewall restore REV' goes back to a revision";
  if (command == "snapshot") return hint_for_brought_word("snapshot", "-am");
  if (command == "push") return hint_for_brought_word("push", "-u");
  if (command == "template")
    return "'rewall template list' lists the templates, 'rewall template show NAME' shows one";
  return {};
}

std::string meant_by(std::string_view word, std::span<const std::string> candidates) {
  std::vector<std::string> near;
  for (const auto& candidate : candidates) {
    if (std::ranges::count(kNeverGuessed, candidate) > 0) continue;
    const bool same_begin = word.size() > 3 && word.front() == candidate.front();
    if (std::ranges::count(kNotGuessed, candidate) > 0 && (!same_begin || !is_one_slip(word, candidate)))
      continue;
    near.push_back(candidate);
  }
  return nearest(word, near);
}

}  // namespace rewall

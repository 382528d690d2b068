#include <array>
#include <span>

#include "commands/define.h"

namespace rewall {

std::span<const CommandEntry> command_table() {
  static constexpr std::array<CommandEntry, 35> kCommands{{
      {"init", "", "record", Effect::records, "Create the repository and take the first snapshot",
       "rewall init\nrewall init --remote git@backup.example.org:firewalls.git\n"
       "rewall init -c sign.key=/etc/rewall/key",
       define_init},
      {"snapshot", "commit", "record", Effect::records, "Record the live rules",
       "rewall snapshot\nrewall snapshot -m 'open https'", define_snapshot},
      {"status", "", "record", Effect::looks, "Show whether the live rules match the last snapshot (HEAD)",
       "rewall status || rewall diff", define_status},
      {"watch", "", "record", Effect::records, "Record every change and who made it, until stopped",
       "rewall watch\nrewall watch --once", define_watch},
      {"import", "", "record", Effect::records, "Import rules files as dated snapshots",
       "rewall import /root/rules.v4.bak.[321]\nrewall import /var/backups/iptables\n"
       "rewall import --git /etc iptables",
       define_import},
      {"verify", "", "record", Effect::looks, "Check that every snapshot is complete, signed and readable",
       "rewall verify\nrewall verify --all\nrewall verify good..HEAD\nrewall verify origin/hosts/web1",
       define_verify},
      {"gc", "", "record", Effect::looks, "Compact the repository", "rewall gc", define_gc},
      {"doctor", "", "record", Effect::looks, "Check this host for problems and show how to fix them",
       "rewall doctor\nrewall doctor || mail -s 'rewall needs a look' root", define_doctor},
      {"log", "", "look", Effect::looks, "List the snapshots",
       "rewall log -n 20\nrewall log --since yesterday --chain INPUT\nrewall log --author alice --oneline",
       define_log},
      {"show", "", "look", Effect::looks, "Show a snapshot and its changes",
       "rewall show\nrewall show HEAD~3", define_show},
      {"diff", "", "look", Effect::looks, "Compare two revisions by meaning",
       "rewall diff\nrewall diff good LIVE\nrewall diff HEAD file:/etc/iptables/rules.v4\n"
       "rewall diff --commands LIVE HEAD",
       define_diff},
      {"blame", "", "look", Effect::looks, "Show which snapshot introduced each rule",
       "rewall blame\nrewall blame --chain INPUT\nrewall blame good --table nat --family ipv4", define_blame},
      {"checkout", "", "look", Effect::looks, "Print or write a revision's files; the kernel is not touched",
       "rewall checkout good >rules.v4\nrewall checkout HEAD~1 -o /tmp/before", define_checkout},
      {"restore", "", "change", Effect::changes, "Make the live rules equal a revision",
       "rewall restore --dry-run good\nrewall restore HEAD~1\nrewall restore good --table nat",
       define_restore},
      {"undo", "", "change", Effect::changes, "Revert the newest change; again: the one before it",
       "rewall undo --dry-run\nrewall undo", define_undo},
      {"redo", "", "change", Effect::changes, "Put back the change that was undone last", "rewall redo",
       define_redo},
      {"apply", "", "change", Effect::changes, "Make the live rules equal a rules file",
       "rewall apply --dry-run /etc/iptables/rules.v4\nrewall apply rules.v4\n"
       "generate-rules | rewall apply --family ipv6 -\nrewall apply --expire 2h with-support-access.v4",
       define_apply},
      {"edit", "", "change", Effect::changes, "Edit, check and apply the live rules",
       "rewall edit\nrewall edit --family ipv6\nEDITOR='emacs -nw' rewall edit --table nat", define_edit},
      {"try", "", "change", Effect::changes,
       "Run a command that changes the firewall; revert it unless confirmed",
       "rewall try -- ./my-firewall.sh\nrewall try --for 1h\nrewall try --for 90s -- iptables -P INPUT DROP\n"
       "rewall try --keep --expire 2h -- iptables -I INPUT -s 192.0.2.7 -j ACCEPT",
       define_try},
      {"confirm", "", "change", Effect::records,
       "Keep a guarded change or rules that expire, or extend their time",
       "rewall confirm\nrewall confirm --new-session\nrewall confirm --extend 10m\nrewall confirm --expiry "
       "1a2b3c4d",
       define_confirm},
      {"rollback", "", "change", Effect::changes, "Revert the guarded change now", "rewall rollback",
       define_rollback},
      {"tag", "", "change", Effect::records, "List, set or delete names of revisions",
       "rewall tag good\nrewall tag before-upgrade HEAD~2\nrewall tag -d good", define_tag},
      {"check", "", "analyse", Effect::looks, "Check that a revision treats packets as is expected",
       "rewall check\nrewall check HEAD~1\nrewall check file:/etc/iptables/rules.v4\nrewall check --suggest",
       define_check},
      {"ports", "", "analyse", Effect::looks, "Show which ports are open, and to whom",
       "rewall ports\nrewall ports --listening\nrewall ports --forward\n"
       "rewall ports good --local 192.0.2.10",
       define_ports},
      {"expect", "", "analyse", Effect::looks,
       "List, add or remove expectations, which every change is held against",
       "rewall expect\nrewall expect add accept -p tcp --dport 22 -i eth0 --state NEW\n"
       "rewall expect add drop -p tcp --dport 3306 -i eth0 --state NEW --comment 'the database is ours'\n"
       "rewall expect remove 3",
       define_expect},
      {"trace", "", "analyse", Effect::looks, "Show which rules a packet meets, and its verdict",
       "rewall trace -p tcp -s 198.51.100.7 --dport 22 -i eth0 --state NEW\n"
       "rewall trace --why good -p udp --dport 53\n"
       "rewall trace --expect DROP HEAD --local 203.0.113.5 -p tcp -d 203.0.113.5 --syn --dport 3306\n"
       "rewall trace 'IP 198.51.100.7.40000 > 203.0.113.5.22: Flags [S], seq 1, length 0' -i eth0",
       define_trace},
      {"remote", "", "share", Effect::records, "List, add, change or remove remote repositories",
       "rewall remote\nrewall remote add origin ssh://git@backup.example.org/firewalls.git\n"
       "rewall remote set-url origin /mnt/backup/firewalls.git",
       define_remote},
      {"push", "", "share", Effect::records, "Send this host's history to a remote",
       "rewall push\nrewall push offsite", define_push},
      {"fetch", "", "share", Effect::records, "Fetch the histories of all hosts from a remote",
       "rewall fetch\nrewall log origin/hosts/web1", define_fetch},
      {"clone", "", "share", Effect::records, "Rebuild a lost host's repository from a remote",
       "rewall clone ssh://git@backup.example.org/firewalls.git --host web1", define_clone},
      {"fleet", "", "share", Effect::looks, "Compare the hosts whose histories are in this repository",
       "rewall fleet list\nrewall fleet status --against web1\nrewall fleet diff web1 web2\n"
       "rewall fleet diff --against web1 --chain INPUT\nrewall fleet log --since yesterday web1 web2\nrewall "
       "fleet ports web1",
       define_fleet},
      {"template", "", "set up", Effect::changes, "List, show, fill in or apply complete rulesets",
       "rewall template suggest\nrewall template show web-server\n"
       "rewall template apply web-server --set ssh_from=192.0.2.7\n"
       "rewall template render database --set app_servers=192.0.2.0/24 >rules",
       define_template},
      {"hooks", "", "set up", Effect::records, "Install or remove integrations: systemd, apt, fail2ban, ...",
       "rewall hooks list\nrewall hooks install systemd\nrewall hooks remove cron", define_hooks},
      {"config", "", "set up", Effect::looks, "Read or change a setting",
       "rewall config --list\nrewall config lock.wait 10s\nrewall config --unset lock.wait", define_config},
      {"completion", "", "set up", Effect::looks, "Print the completion script of a shell",
       "rewall completion bash >/etc/bash_completion.d/rewall", define_completion},
  }};
  return kCommands;
}

}  // namespace rewall

#!/usr/bin/env bash
# packaged.sh OLD NEW: the life of the package on a host of its own (boot.sh): installed, used, upgraded under an armed guard,
# removed, purged. OLD and NEW are packages of two versions. Prints a line for each thing that holds; ends at the first that does not.
set -euo pipefail
shopt -s inherit_errexit
old=$1 new=$2
systemd=false
[ ! -d /run/systemd/system ] || systemd=true
repository=/var/lib/rewall

say() { echo "ok: $*"; }
fails() {
  echo "FAILED: $*"
  exit 1
}
is() { [ "$1" = "$2" ] || fails "$3: '$1', not '$2'"; }
has() { [[ $1 == *"$2"* ]] || fails "'$2' is not in: $1"; }
has_not() { [[ $1 != *"$2"* ]] || fails "'$2' is in: $1"; }
until_true() {
  local i
  for ((i = 0; i < 1200; i++)); do
    if "$@"; then return; fi
    sleep 0.1
  done
  fails "two minutes went by without: $*"
}
apt() { apt-get -o Dpkg::Use-Pty=0 -y --allow-downgrades --no-install-recommends "$@" 2>&1 </dev/null; }
rules() { iptables-save | grep -v '^#' | sed 's/\[[0-9:]*\]//'; }
guard_gone() { [ ! -e $repository/.git/rewall/guard ]; }
guard_process() { pgrep -f "rewall -C $repository guard" | head -n 1; }
state() { systemctl "$1" rewall-watch.service rewall-restore.service 2>&1 | paste -sd' ' || true; }

iptables -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
iptables -A INPUT -i lo -j ACCEPT
iptables -P INPUT DROP
before=$(rules)

said=$(apt install "$old")
is "$(rules)" "$before" "the rules after the installation"
is "$(stat -c %a $repository)" 700 "the mode of $repository"
is "$(ls -A $repository)" "" "what is in $repository"
for event in pre-restore post-restore post-snapshot; do [ -d /etc/rewall/$event.d ] || fails "no /etc/rewall/$event.d"; done
is "$(dpkg --verify rewall)" "" "dpkg --verify"
if $systemd; then is "$(state is-active)" "inactive inactive" "the units"; fi
is "$(find /etc/systemd /run/systemd -name 'rewall*' 2>/dev/null)" "" "what enables a unit"
has "$(rewall hooks list)" "netfilter-persistent  packaged"
has "$(rewall hooks list)" "systemd               packaged"
has "$(rewall hooks list)" "fail2ban              packaged"
[ -e /usr/share/bash-completion/completions/rewall ] || fails "no completion"
say "installed: nothing enabled, nothing changed"

rewall init >/dev/null
has "$(rewall status)" "matches HEAD"
is "$(stat -c %a $repository)" 700 "the mode of $repository"
iptables -A INPUT -p tcp --dport 22 -j ACCEPT
has "$(netfilter-persistent save 2>&1)" "05-rewall save"
has "$(rewall log -1)" "netfilter-persistent save"
if $systemd; then
  systemctl enable --now rewall-watch.service 2>/dev/null
  systemctl enable rewall-restore.service 2>/dev/null
  iptables -A INPUT -p tcp --dport 443 -j ACCEPT
  watched() { [[ $(rewall log -1) == *443* ]]; }
  until_true watched
  say "used: init, the plugin of netfilter-persistent, the service that watches"
else
  say "used: init, the plugin of netfilter-persistent"
fi
# By watch, whose own /tmp is another, or by the command.
printf '#!/bin/sh\ncat >/tmp/told\n' >/usr/local/sbin/tell
chmod 755 /usr/local/sbin/tell
rewall config notify.command /usr/local/sbin/tell
iptables -A INPUT -p tcp --dport 8443 -j ACCEPT
$systemd || rewall -q snapshot >/dev/null
told() { grep -q 8443 /tmp/told 2>/dev/null; }
until_true told
rewall config --unset notify.command
say "used: a program is told of the change"
echo '# mine' >>/etc/fail2ban/action.d/rewall.conf
before=$(rules)

# It fires by the process of the old program.
rewall -q try --for 60s -- iptables -P FORWARD DROP
process=$(guard_process)
said=$(apt install "$new")
is "$(guard_process)" "$process" "the guard's process after the upgrade"
has "$(readlink "/proc/$process/exe")" "(deleted)"
has "$(rewall status || true)" "ARMED"
until_true guard_gone
is "$(rules)" "$before" "the rules after the guard"
has "$(rewall log -1 --json)" '"trigger":"rollback"'
say "upgraded under an armed guard: its old process fires, and the old rules are back"
is "$(tail -n 1 /etc/fail2ban/action.d/rewall.conf)" "# mine" "a changed file of the configuration"
if $systemd; then
  is "$(state is-enabled)" "enabled enabled" "the units after the upgrade"
  restarted() { [ "$(readlink "/proc/$(systemctl show -p MainPID --value rewall-watch.service)/exe")" = /usr/sbin/rewall ]; }
  until_true restarted
  say "upgraded: the service that watches is the new program; a changed file stays"
fi

# It fires by the new program.
said=$(apt install "$old")
rewall -q try --for 45s -- iptables -P FORWARD DROP
said=$(apt install "$new")
kill -9 "$(guard_process)"
if $systemd; then
  again() { [ "$(readlink "/proc/$(guard_process)/exe")" = /usr/sbin/rewall ]; }
  until_true again
else
  sleep 46
  has "$(rewall status 2>&1 || true)" "overdue"
fi
until_true guard_gone
is "$(rules)" "$before" "the rules after the guard"
say "upgraded under an armed guard whose process dies: the new program fires"

said=$(apt install "$old")
rewall -q try --for 1h -- iptables -P FORWARD DROP
said=$(apt install "$new")
rewall -q confirm
guard_gone || fails "the guard is still armed"
has "$(rules)" ":FORWARD DROP"
before=$(rules)
say "upgraded under an armed guard: the new program confirms"

rewall -q try --for 1h -- iptables -P OUTPUT DROP
if said=$(apt remove rewall); then fails "removed under an armed guard"; fi
has "$said" "a guard is armed"
has "$(rewall status || true)" "ARMED"
if $systemd; then is "$(state is-enabled)" "enabled enabled" "the units after a removal that was refused"; fi
rewall -q rollback
is "$(rules)" "$before" "the rules after the rollback"
say "not removed under an armed guard"

history=$(git -C $repository rev-parse HEAD)
said=$(apt remove rewall)
[ ! -e /usr/sbin/rewall ] || fails "the program is still there"
is "$(pgrep -x rewall || true)" "" "what still runs"
is "$(rules)" "$before" "the rules after the removal"
is "$(git -C $repository rev-parse HEAD)" "$history" "HEAD after the removal"
is "$(tail -n 1 /etc/fail2ban/action.d/rewall.conf)" "# mine" "a changed file of the configuration"
say "removed: rules, history and configuration stay"

said=$(apt install "$new")
has "$(rewall log -1 --json)" "$history"
if $systemd; then is "$(state is-enabled)" "enabled enabled" "the units after the removal"; fi
git config -f /etc/rewall/config push.auto false
said=$(apt purge rewall)
has "$said" "kept: $repository; to remove it too: rm -r $repository"
has "$said" "kept: /etc/rewall"
is "$(git -C $repository rev-parse HEAD)" "$history" "HEAD after the purge"
is "$(rules)" "$before" "the rules after the purge"
[ ! -e /etc/fail2ban/action.d/rewall.conf ] || fails "a file of the configuration is still there"
is "$(find /etc/systemd /run/systemd /var/lib/systemd -name '*rewall*' 2>/dev/null)" "" "what is left of the units"
say "purged: the history and the settings of a person stay, and where they are is said"

rm -r $repository /etc/rewall
said=$(apt install "$new")
said=$(apt purge rewall)
has_not "$said" "kept:"
is "$(find / -xdev \( -path /proc -o -path /packages -o -path /tmp \) -prune -o -name '*rewall*' -print)" "" "what is left"
say "purged without a history: nothing is left"

# shellcheck shell=bash disable=SC2154
# ./dev demo: the main job on a real kernel. This is a part of ./dev, which reads it.

# typed STATUS 'COMMANDS': prints them as a person types them, runs them, and ends the demo on any other exit status.
typed() {
  local wanted=$1 status=0
  case $2 in rewall*) echo ;; esac
  printf '# %s\n' "$2"
  eval "$2" || status=$?
  [ "$status" -eq "$wanted" ] || fail "demo: '$2' ended with $status where $wanted was promised"
}

told() { printf '\n--- %s\n' "$*"; }

told "The firewall of a guide, typed in by hand."
while IFS= read -r line; do
  case $line in iptables*) typed 0 "$line" ;; esac
done <"$root/tests/guide-firewall.sh"

told "Keep it. From here on every ruleset is a git commit."
typed 0 "rewall init"
rewall config ui.pager '' # a demo does not wait for a key
typed 0 "rewall status"

told "Somebody opens a port and changes a policy."
typed 0 "iptables -I INPUT 5 -p tcp --dport 8443 -m comment --comment 'admin page' -j ACCEPT"
typed 0 "iptables -P FORWARD DROP"
typed 1 "rewall status"
typed 1 "rewall diff"
typed 0 "rewall snapshot -m 'admin page; we forward nothing'"
typed 0 "rewall log"
typed 0 "iptables-save | grep -v '^#' >before"

told "Somebody loses everything."
typed 0 "iptables -F; iptables -P INPUT ACCEPT"
typed 1 "rewall diff"

told "Bring it back."
typed 0 "rewall restore HEAD"
typed 0 "rewall status"
typed 0 "rewall log"
typed 0 "iptables-save | grep -v '^#' >after"
typed 0 "diff before after && echo 'iptables-save says what it said before.'"
typed 0 "cat after"

told "A script that locks everybody out. Nobody confirms, so it is undone: here in three seconds."
typed 0 "rewall try --yes --for 3s -- sh -c 'iptables -F; ip6tables -P INPUT DROP; iptables -P OUTPUT DROP'"
typed 0 "rewall status"
told "... three seconds later:"
wait_for_guard
typed 0 "iptables-save | grep -v '^#' | diff before - && echo 'iptables-save says what it said before.'"
typed 0 "rewall status"

told "The same with an answer."
typed 0 "rewall try --yes --for 10m -- iptables -A INPUT -p tcp --dport 8080 -j ACCEPT"
typed 0 "rewall confirm"
typed 0 "rewall log -n 4"
grep -q -- '--dport 8443' after || fail "demo: the port that was opened is not in the restored rules"
[ "$(grep -c '^-A INPUT' after)" -eq 15 ] || fail "demo: the restored INPUT has not its 15 rules"

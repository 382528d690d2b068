# shellcheck shell=bash disable=SC2034,SC2154 # the parts of ./dev share variables
# The guard, at its deadline and at rest.

# From the deadline, as the guard's state has it, to the end of the firing, recording included: more than was asked for.
fired_after() {
  local deadline now state=$REWALL_REPO/.git/rewall/guard
  deadline=$(awk '$1 == "deadline" { print $2 }' "$state")
  wait_for_guard
  now=$(awk '{ printf "%d", $1 * 1000 }' /proc/uptime)
  echo $((now > deadline ? now - deadline : 0))
}

# guard_row RULES FILE LIMIT: LIVE is what FILE says; a script replaces all of it, and nobody confirms.
guard_row() {
  local other=$2.other
  other_rules <"$2" >"$other"
  iptables-nft-restore "$2"
  rewall --backend nft -q snapshot >/dev/null
  rewall --backend nft -q try --for 8s -- iptables-nft-restore "$other" >/dev/null
  row "guard: deadline to old ruleset, $1 rules" "$(fired_after) ms" - - "$3" " ms"
  iptables-nft-save | grep -v '^#' | cmp - <(iptables-nft-restore "$2" && iptables-nft-save | grep -v '^#') ||
    fail "bench: the guard did not put the old ruleset back"
}

bench_guard() {
  local pid before
  guard_row "$rules" a/rules.v4 5000
  iptables-nft -F
  iptables-nft -X
  rules=1000 chains=100 big_ruleset 0 >small
  guard_row 1000 small 1000
  iptables-nft -F
  iptables-nft -X
  rewall --backend nft -q snapshot >/dev/null
  rewall --backend nft -q try --for 1h >/dev/null
  pid=$(awk '{ print $1 }' "$REWALL_REPO/.git/rewall/guard.lock")
  sleep 1
  before=$(awk '/ctxt/ { n += $2 } END { print n }' "/proc/$pid/status")
  sleep 3
  row "guard at rest: resident" "$(awk '/VmRSS/ { printf "%.2f MB", $2 / 1024 }' "/proc/$pid/status")" - - 8 " MB"
  row "guard at rest: wake-ups in 3 s" \
    "$(awk -v b="$before" '/ctxt/ { n += $2 } END { print n - b }' "/proc/$pid/status")" - - 0 " "
  rewall -q rollback >/dev/null
}

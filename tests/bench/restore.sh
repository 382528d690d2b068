# shellcheck shell=bash disable=SC2034,SC2154 # the parts of ./dev share variables
# From one ruleset to another.

# LIVE is what HEAD says before each run, and goes from one ruleset to another.
bench_restore() {
  iptables-nft-restore a/rules.v4
  rewall --backend nft -q snapshot >/dev/null -m "as it was"
  big_ruleset 10 | iptables-nft-restore
  rewall --backend nft -q snapshot >/dev/null -m "10 changed rules"
  rewall -q checkout HEAD -o ten
  iptables-nft-restore a/rules.v4
  paired 0 0 11 rewall --backend nft -q snapshot -- rewall -q restore HEAD~1 -- iptables-nft-restore ten/rules.v4
  row "restore of 10 rules : iptables-restore" "$a_ms ms" "$b_ms ms" "$ratio" 0.05 ""

  other_rules <a/rules.v4 >other
  local load_other='iptables-nft-restore other && rewall --backend nft -q snapshot'
  paired 0 0 5 sh -c "$load_other" -- rewall -q restore base -- iptables-nft-restore a/rules.v4
  row "restore of all rules : iptables-restore" "$a_ms ms" "$b_ms ms" "$ratio" 2.5 ""
  bytes=$(wc -c <a/rules.v4)
  memory_row "restore of all rules, peak memory : the file" 40
  sh -c "$load_other" >/dev/null
  strace -f -qq -T --seccomp-bpf -e trace=sendmsg -o calls rewall -q restore base >/dev/null
  a_ms=$(sed -n 's/.*<\([0-9.]*\)>$/\1/p' calls | sort -g | tail -n 1 | awk '{ printf "%.2f", $1 * 1000 }')
  row "its transaction alone : iptables-restore" "$a_ms ms" "$b_ms ms" "$(awk -v a="$a_ms" -v b="$b_ms" 'BEGIN { printf "%.3f", a / b }')" 1 ""

  iptables-nft -F
  iptables-nft -X
  awk 'BEGIN { print "create many hash:ip maxelem 1000000 hashsize 524288"
    for (n = 0; n < 1000000; n++) printf "add many 10.%d.%d.%d\n", n / 65536, n / 256 % 256, n % 256 }' >members
  ipset restore <members
  rewall --backend nft -q snapshot -m "many members" >/dev/null
  rewall -q tag many >/dev/null
  paired 0 0 3 sh -c 'ipset flush many; rewall --backend nft -q snapshot' -- rewall -q restore many -- \
    sh -c 'ipset restore -exist <members'
  row "restore of 1000000 members : ipset restore" "$a_ms ms" "$b_ms ms" "$ratio" 1.5 ""
  ipset destroy many
}

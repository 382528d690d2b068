# shellcheck shell=bash disable=SC2034,SC2154 # the parts of ./dev share variables
# Beside a set of 1,000,000 members: the kernel's own listing of it takes 0.4 of an `ipset save`.

# set_row WHAT LIMIT BEFORE COMMAND...: a command of rewall : ipset save, after a shell brought LIVE and HEAD in place.
set_row() {
  local what=$1 limit=$2 before=$3
  shift 3
  paired 0 0 5 sh -c "$before" -- "$@" -- sh -c 'ipset save >/dev/null'
  row "$what : ipset save" "$a_ms ms" "$b_ms ms" "$ratio" "$limit" ""
}

bench_sets() {
  local rule='INPUT -p tcp --dport 8080 -j ACCEPT' snapshot='rewall --backend nft -q snapshot'
  iptables-nft -F
  iptables-nft -X
  awk 'BEGIN { print "create many hash:ip maxelem 1000000 hashsize 524288"
    for (n = 0; n < 1000000; n++) printf "add many 10.%d.%d.%d\n", n / 65536, n / 256 % 256, n % 256 }' | ipset restore
  iptables-nft -A INPUT -m set --match-set many src -j DROP
  rewall --backend nft -q snapshot >/dev/null
  set_row "restore of one rule, 1000000 members" 1.5 "iptables-nft -A $rule; $snapshot" rewall -q restore HEAD~1
  set_row "one member of 1000000 added back" 1.5 "ipset del many 10.1.2.3; $snapshot" rewall -q restore HEAD~1
  set_row "try of one rule, 1000000 members" 2 'rewall -q rollback >/dev/null 2>&1 || true' \
    rewall --backend nft -q try -- iptables-nft -A INPUT -p tcp --dport 8080 -j ACCEPT
  rewall -q rollback >/dev/null
  iptables-nft -F
  ipset destroy many
}

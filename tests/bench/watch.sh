# shellcheck shell=bash disable=SC2034,SC2154 # the parts of ./dev share variables
# The watch: how soon, how much, and what is missed.

watch_begins() {
  rewall --backend nft watch >watched 2>watch.err &
  watching=$!
  until rewall -q --json status | grep -q '"watch":true'; do sleep 0.1; done
  sleep 2
}

watch_ends() {
  kill "$watching"
  wait "$watching" || fail "bench: watch ended with $?"
  rewall --backend nft -q status >/dev/null || fail "bench: watch did not record the last state"
}

watch_cpu() { awk '{ print ($14 + $15 + $16 + $17) * 1000 / ticks }' "ticks=$(getconf CLK_TCK)" "/proc/$watching/stat"; }

watch_memory() { awk '/VmRSS/ { print $2 }' "/proc/$watching/status"; }

# watch_row RULES LIMIT: from a change to its commit, the median of 11.
watch_row() {
  local n begun before median
  for n in 1 2 3 4 5 6 7 8 9 10 11; do
    sleep 0.3
    before=$(tip)
    iptables-nft -A "zone-0000$((n % 10))" -p tcp --dport "$((10000 + n))" -j ACCEPT
    begun=$(date +%s%N)
    while [ "$(tip)" = "$before" ]; do sleep 0.002; done
    echo $((($(date +%s%N) - begun) / 1000000))
  done | sort -n >latencies
  median=$(sed -n 6p latencies)
  row "watch: change to commit, less settle, $1 rules" "$((median - 500)) ms" - - "$2" " ms"
}

bench_watch() {
  local n cpu memory count tip seen=0 watching
  big_ruleset 0 | iptables-nft-restore
  rewall --backend nft -q snapshot >/dev/null -m "before watch"
  watch_begins
  watch_row "$rules" 400
  cpu=$(watch_cpu) memory=$(watch_memory)
  for n in $(seq 600); do
    iptables-nft -A "zone-000$((n % 10))1" -p tcp --dport "$n" -j ACCEPT
    sleep 0.094
  done
  row "watch: cpu, 10 changes a second for a minute" \
    "$(awk -v a="$cpu" -v b="$(watch_cpu)" 'BEGIN { printf "%.2f %%", (b - a) / 600 }')" - - 5 " %"
  row "watch: memory after : before" "$(watch_memory) kB" "$memory kB" \
    "$(awk -v a="$(watch_memory)" -v b="$memory" 'BEGIN { printf "%.3f", a / b }')" 1.05 ""
  watch_ends

  iptables-nft -F
  iptables-nft -X
  rules=1000 chains=100 big_ruleset 0 | iptables-nft-restore
  rewall --backend nft -q snapshot >/dev/null
  watch_begins
  watch_row 1000 150
  count=$(git -C "$REWALL_REPO" rev-list --count HEAD)
  # As fast as the kernel takes them.
  cpu=$(watch_cpu) memory=$(watch_memory)
  for n in $(seq 10000); do echo "-A zone-00001 -p udp --dport $n -j LOG"; done |
    while read -r n; do printf '*filter\n%s\nCOMMIT\n' "$n" | iptables-nft-restore --noflush; done
  tip=$(date +%s%N)
  until rewall --backend nft -q status >/dev/null; do sleep 0.05; done
  row "watch: last of 10000 quick changes in history" "$((($(date +%s%N) - tip) / 1000000)) ms" - - 5000 " ms"
  row "watch: memory after : before" "$(watch_memory) kB" "$memory kB" \
    "$(awk -v a="$(watch_memory)" -v b="$memory" 'BEGIN { printf "%.3f", a / b }')" 2 ""
  watch_ends

  rewall -q config watch.settle 5ms
  rewall -q config watch.cpu 100%
  watch_begins
  count=$(git -C "$REWALL_REPO" rev-list --count HEAD)
  for n in $(seq 1000); do
    tip=$(tip)
    iptables-nft -A zone-00002 -p udp --dport "$n" -j ACCEPT
    for seen in $(seq 1000); do
      [ "$(tip)" = "$tip" ] || break
      sleep 0.005
    done
  done
  watch_ends
  seen=$(git -C "$REWALL_REPO" log -p --format= HEAD~1000..HEAD -- rules.v4 | grep -c '^+-A zone-00002 -p udp')
  row "watch: states of 1000 changes that are missed" "$((1000 - seen))" - - 0 " "
  row "watch: states that are invented" "$(($(git -C "$REWALL_REPO" rev-list --count HEAD) - count - 1000))" - - 0 " "
  rewall -q config watch.settle 500ms
  rewall -q config watch.cpu 5%
}

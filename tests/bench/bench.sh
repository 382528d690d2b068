# shellcheck shell=bash disable=SC2034,SC2154 # the parts of ./dev share variables
# ./dev bench: how fast it is, in ratios to other programs on this machine. This is a part of ./dev, which reads it.

for part in table history fleet restore sets guard watch; do
  # shellcheck disable=SC1090
  . "$root/tests/bench/$part.sh"
done

say "dev: loading $rules rules"
head_line
big_ruleset 0 | iptables-nft-restore
rewall --backend nft -q init >/dev/null
status_row "status, nothing changed, $rules rules"

# shellcheck disable=SC2016
paired 0 0 7 sh -c 'iptables-nft -A zone-00007 -p tcp --dport $((10000 + RUN)) -j ACCEPT' -- \
  rewall --backend nft -q snapshot -- iptables-nft-save
row "snapshot : iptables-save" "$a_ms ms" "$b_ms ms" "$ratio" 1.15 ""

big_ruleset 0 | iptables-nft-restore
rewall --backend nft -q snapshot >/dev/null -m "as it was"
rewall -q tag base >/dev/null
big_ruleset "$changed" | iptables-nft-restore
rewall --backend nft -q snapshot >/dev/null -m "$changed changed rules"
rewall -q checkout HEAD~1 -o a
rewall -q checkout HEAD -o b
paired 1 1 21 -- rewall diff HEAD~1 HEAD -- git diff --no-index a/rules.v4 b/rules.v4
row "diff of commits, $changed rules : git diff" "$a_ms ms" "$b_ms ms" "$ratio" 0.5 ""
bytes=$(cat a/rules.v4 b/rules.v4 | wc -c)
memory_row "diff of commits, peak memory : both files"
paired 1 1 21 -- rewall diff file:a/rules.v4 file:b/rules.v4 -- git diff --no-index a/rules.v4 b/rules.v4
row "diff of files, $changed rules : git diff" "$a_ms ms" "$b_ms ms" "$ratio" "" ""
memory_row "diff of files, peak memory : both files"
bench_history
bench_gc
bench_fleet
bench_restore
bench_sets
bench_guard
bench_watch

iptables-nft -F
iptables-nft -X
for n in 1 2 3 4 5 6 7 8 9 10; do iptables-nft -A INPUT -p tcp --dport "$n" -j ACCEPT; done
rewall --backend nft -q snapshot >/dev/null
status_row "status, nothing changed, 10 rules"
exit "$over"

# shellcheck shell=bash disable=SC2034,SC2154 # the parts of ./dev share variables
# A long history: blame, log, gc.

bench_history() {
  local snapshots=10000
  say "dev: making a history of $snapshots snapshots"
  git init -q -b hosts/bench history
  chmod -R go-rwx history
  mkdir -m 700 history/.git/rewall
  generate history -v commits="$snapshots" -v rules=1000 | git -C history fast-import --quiet
  chmod -R go-rwx history
  paired 0 0 3 -- rewall -C history blame -- git -C history blame HEAD rules.v4
  row "blame, 1000 rules, $snapshots snapshots : git blame" "$a_ms ms" "$b_ms ms" "$ratio" 1000 " ms"
  paired 0 0 11 -- sh -c 'rewall -C history log | head -n 50' -- git -C history log -n 50
  row "log, first page, $snapshots snapshots : git log" "$a_ms ms" "$b_ms ms" "$ratio" 50 " ms"
}

# A history as snapshots leave it, every object in a file of its own, and what gc makes of it. A snapshot on top of it is
# compared with one in a repository that has no past.
bench_gc() {
  local snapshots=10000 packed loose
  say "dev: making $snapshots snapshots of loose objects"
  git init -q -b hosts/bench long
  mkdir long/.git/rewall
  git init -q -b hosts/bench made
  generate history -v commits="$snapshots" -v rules=1000 | git -C made fast-import --quiet
  cat made/.git/objects/pack/*.pack | git -C long -c core.fsync=none unpack-objects -q
  git -C long update-ref refs/heads/hosts/bench "$(git -C made rev-parse hosts/bench)"
  chmod -R go-rwx long
  cp -r long aggressive
  loose=$(kilobytes long/.git/objects)
  rewall -C long -q gc >/dev/null
  git -C aggressive gc --quiet --aggressive --prune=now
  packed=$(kilobytes long/.git/objects)
  row "gc, $snapshots snapshots : git gc --aggressive" "$packed kB" "$(kilobytes aggressive/.git/objects) kB" \
    "$(awk -v a="$packed" -v b="$(kilobytes aggressive/.git/objects)" 'BEGIN { printf "%.3f", a / b }')" 1.1 ""
  row "  its loose objects before" "$loose kB" - - "" ""

  iptables-nft -F
  iptables-nft -X
  git -C long show HEAD:rules.v4 | iptables-nft-restore
  rewall -C fresh --backend nft -q init >/dev/null
  rewall -C long --backend nft -q snapshot >/dev/null
  # shellcheck disable=SC2016
  paired 0 0 15 sh -c 'iptables-nft -R zone-007 1 -p tcp --dport $((10000 + RUN)) -j ACCEPT' -- \
    rewall -C long --backend nft -q snapshot -- rewall -C fresh --backend nft -q snapshot
  row "snapshot after gc : in a fresh repository" "$a_ms ms" "$b_ms ms" "$ratio" 1.2 ""
  iptables-nft -F
  iptables-nft -X
  rm -r long fresh made aggressive
}

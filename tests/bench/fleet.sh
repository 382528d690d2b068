# shellcheck shell=bash disable=SC2034,SC2154 # the parts of ./dev share variables
# A clone of many hosts.

fleet_repository() {
  say "dev: making a clone of $1 hosts"
  git init -q -b hosts/bench "fleet-$1"
  mkdir -m 700 "fleet-$1/.git/rewall"
  generate fleet -v hosts="$1" -v rules=200 -v now="$(date +%s)" | git -C "fleet-$1" fast-import --quiet
  git -C "fleet-$1" pack-refs --all
  chmod -R go-rwx "fleet-$1"
}

bench_fleet() {
  local small_kb
  fleet_repository 1000
  fleet_repository 10000
  paired 1 0 5 -- rewall -C fleet-1000 fleet status --
  small_kb=$a_kb
  row "fleet status, 1000 hosts of 200 rules" "$a_ms ms" - - 1000 " ms"
  paired 1 0 3 -- rewall -C fleet-10000 fleet status --
  row "fleet status, 10000 hosts" "$a_ms ms" - - 10000 " ms"
  # Its name, its revision and a digest; and libgit2's cache of deltas, which ends at 16 MB, is not full with 1000.
  row "fleet status, memory of one host more" "$(awk -v a="$a_kb" -v b="$small_kb" 'BEGIN { printf "%.1f kB", (a - b) / 9000 }')" - - 2 " kB"
  paired 1 0 11 -- rewall -C fleet-10000 fleet diff web00001 web09999 --
  row "fleet diff of two, 10000 hosts" "$a_ms ms" - - 50 " ms"
}

#!/usr/bin/env bash
# corpus.sh PROGRAM KNOWN: each dump of ../shared/corpus that this system's own programs load goes round, in a network
# namespace of its own and on both backends: loaded, recorded, flushed and restored, the save is what it was. The file
# KNOWN lists those that do not, one "BACKEND DUMP" a line; a difference to this list is a failure.
set -euo pipefail

folder=$(realpath -m "$(dirname "${BASH_SOURCE[0]}")/../../../shared/corpus")
if [ ! -d "$folder" ]; then
  echo "corpus: skipped: $folder is not there"
  exit
fi

save() {
  local program
  for program in iptables ip6tables; do
    "$program-$1-save" 2>/dev/null | awk '
      /^\*/ { table = substr($0, 2) }
      !/^#/ { text[table] = text[table] $0 "\n" }
      END { printf "%s%s%s%s%s", text["raw"], text["mangle"], text["nat"], text["filter"], text["security"] }'
  done
}

flush() {
  local program line table
  for program in iptables ip6tables; do
    "$program-$1-save" 2>/dev/null >saved
    while read -r line policy _; do
      case $line in
        \**)
          table=${line#\*}
          "$program-$1" -w -t "$table" -F
          "$program-$1" -w -t "$table" -X
          ;;
        :*) [ "$policy" = - ] || "$program-$1" -w -t "$table" -P "${line#:}" ACCEPT ;;
      esac
    done <saved
  done
}

# go_round BACKEND DUMP FAMILY: prints what came of it.
go_round() {
  local backend=$1 dump=$2 program=iptables
  [ "$3" = 4 ] || program=ip6tables
  if ! "$program-$backend-restore" -w <"$folder/dumps/$dump" 2>said; then
    echo "not loaded: $backend $dump: $(head -n 1 said)"
    return
  fi
  save "$backend" >before
  if ! rewall --backend "$backend" -q init >said 2>&1; then
    echo "failed: $backend $dump: init: $(head -n 1 said)"
    return
  fi
  flush "$backend" 2>said
  if [ -s before ] && save "$backend" | cmp -s before -; then
    grep -q '^-A' before && echo "failed: $backend $dump: it was not flushed: $(head -n 1 said)" && return
  fi
  if ! rewall --backend "$backend" -q restore --exact HEAD >said 2>&1; then
    echo "failed: $backend $dump: restore: $(head -n 1 said)"
  elif ! save "$backend" >after || ! cmp -s before after; then
    echo "failed: $backend $dump: the save differs: $(diff before after | sed -n 2p)"
  else
    echo "ok: $backend $dump"
  fi
}

if [ "$1" = --one ]; then
  [ "$(readlink /proc/self/ns/net)" != "$outer" ] || exit 1
  aside=$(mktemp -d)
  cd "$aside"
  export REWALL_REPO=$aside/repository
  go_round "$2" "$3" "$4"
  cd /
  rm -rf "$aside"
  exit
fi

program=$(realpath "$1") known=$2
outer=$(readlink /proc/self/ns/net)
export outer PATH=${program%/*}:$PATH
report=$(mktemp)
for backend in nft legacy; do
  awk -F '\t' -v backend="$backend" 'NR > 1 { print backend, $1, $6 }' "$folder/manifest.tsv"
done | xargs -P "$(nproc)" -L 1 unshare --net "$BASH" "$0" --one | sort >"$report"
cat "$report"
sed -n 's/^failed: \([^:]*\):.*/\1/p' "$report" | sort >"$report.failed"
{ grep -sv '^#' "$known" || true; } | sort >"$report.known"
round=$(grep -c '^ok' "$report") || true
echo "corpus: $round dumps go round, $(wc -l <"$report.failed") fail, $(comm -12 "$report.failed" "$report.known" | wc -l) of them known"
bad=0
[ "$round" -gt 0 ] || bad=1
comm -23 "$report.failed" "$report.known" | sed 's/^/corpus: fails, and is not in the list: /' | grep . && bad=1
comm -13 "$report.failed" "$report.known" | sed 's/^/corpus: does not fail, take it from the list: /' | grep . && bad=1
rm "$report"*
exit "$bad"

# shellcheck shell=bash disable=SC2034,SC2154 # the parts of ./dev share variables
# The table that ./dev bench prints, and what fills its rows.

rules=50000
chains=5000
changed=100
over=0

# row WHAT REWALL OTHER RATIO LIMIT UNIT: UNIT "ms" when the limit is on REWALL itself, "" when it is on RATIO.
row() {
  local value=$4 limit="<= $5$6" ok=yes
  [ -z "$6" ] || value=$2
  if [ -z "$5" ]; then limit=- ok=-; fi
  awk -v v="$value" -v l="$5" 'BEGIN { exit !(l != "" && v + 0 > l + 0) }' && ok=NO over=1
  printf '%-44s %12s %12s %8s %9s  %s\n' "$1" "$2" "$3" "$4" "$limit" "$ok"
}

# paired WORDS...: the figures of tests/bench/paired.cpp, after a look at the exit statuses (A's is $1, B's is $2).
paired() {
  local wanted="$1 $2" figures status
  shift 2
  figures=$("$root/build/paired" "$@")
  status=$(cut -d' ' -f6- <<<"$figures")
  [ "$status" = "$wanted" ] || fail "bench: '$*' ended with '$status' where '$wanted' was expected"
  read -r a_ms b_ms ratio a_kb _ <<<"$figures"
}

status_row() {
  paired 0 0 21 -- rewall --backend nft status --
  row "$1" "$a_ms ms" - - 10 " ms"
}

# memory_row WHAT [LIMIT]: the last pair's peak beside the size of the files.
memory_row() {
  row "$1" "$(awk -v k="$a_kb" 'BEGIN { printf "%.1f MB", k / 1024 }')" \
    "$(awk -v b="$bytes" 'BEGIN { printf "%.1f MB", b / 1048576 }')" \
    "$(awk -v k="$a_kb" -v b="$bytes" 'BEGIN { printf "%.3f", k * 1024 / b }')" "${2:-6}" ""
}

head_line() { printf '%-44s %12s %12s %8s %9s  %s\n' what rewall other ratio limit ok; }

# generate NAME OPTION...: what NAME.awk prints.
generate() { awk "${@:2}" -f "$root/tests/bench/rules.awk" -f "$root/tests/bench/$1.awk"; }

# big_ruleset CHANGED: rules of many kinds, ten a chain; CHANGED of them, spread evenly, are other ones.
big_ruleset() { generate ruleset -v rules="$rules" -v chains="$chains" -v changed="$1"; }

# Rules of big_ruleset, none of which is what it was.
other_rules() { sed 's/-s 10\./-s 11./; s/--dport \([0-9]\)/--dport 1\1/; s/dport 1[0-9]\{5\}/dport 9/'; }

kilobytes() { du -sk "$1" | cut -f1; }

# The history's newest snapshot.
tip() { git -C "$REWALL_REPO" rev-parse HEAD; }

#!/usr/bin/env bash
# tidy.sh BUILD: clang-tidy of Debian 12 over the program's sources, as they are compiled in BUILD. What was clean stays clean
# until a file that is compiled with it changes: BUILD/tidy remembers that.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=$1

if ! clang-tidy --version 2>/dev/null | grep -q 'version 14\.'; then
  echo "tidy: clang-tidy version 14 is not here: skipped" >&2
  exit
fi
mkdir -p "$build/tidy"

# Of each object of the program: its source, and a digest of the project's files that are compiled into it.
objects() {
  ninja -C "$build" -t deps | awk -v build="$build" '
    /^CMakeFiles\/rewall[a-z_]*\.dir\/.*\.o: / { sub(/\.o: .*/, ""); object = $0; next }
    /^[^ ]/ { object = "" }
    object != "" && /^ / { print object, $1 }' |
    while read -r object file; do
      case $file in /usr/*) ;; /*) echo "$object $file" ;; *) echo "$object $build/$file" ;; esac
    done | sort -u
}

tidy() {
  local object=$1 source digest
  source=$build/$object
  [ -e "$source" ] || source=${object#*.dir/}
  digest=$(awk -v object="$object" '$1 == object { print $2 }' "$build/tidy/objects" | xargs cat .clang-tidy | sha256sum | cut -d' ' -f1)
  [ ! -e "$build/tidy/$digest" ] || return 0
  clang-tidy --quiet --config-file=.clang-tidy --extra-arg=-Wno-unknown-warning-option -p "$build" "$source" 2>/dev/null && touch "$build/tidy/$digest"
}

objects >"$build/tidy/objects"
export build
export -f tidy
cut -d' ' -f1 "$build/tidy/objects" | uniq | xargs -P "$(nproc)" -I{} bash -c 'tidy {}'

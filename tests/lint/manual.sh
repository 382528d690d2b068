#!/usr/bin/env bash
# manual.sh BUILD: the manual is well-formed, and names every command and option of --help and every setting.
set -euo pipefail
cd "$(dirname "$0")/../.."
program=$1/rewall
page=man/rewall.8
bad=0

mandoc -T lint -W warning man/*.[1-9] || bad=1
names=$("$program" --help | sed -nE 's/^  ([a-z]+)(, [a-z]+)?  .*/\1/p')
for name in $names; do
  grep -qE "^\.It (Xo )?Cm $name( |$)" "$page" || { echo "$page: $name is missing"; bad=1; }
done
for name in "" $names; do
  for option in $("$program" ${name:+"$name"} --help | sed '/^Examples:/,$d' | grep -oE -- '--[a-z-]+' | sort -u); do
    grep -qE -- "Fl -${option#--}( |$)" "$page" || { echo "$page: ${name:+$name }$option is missing"; bad=1; }
  done
done
for key in $(grep -oE '"[a-z]+\.[a-zA-Z]+"' src/ops/context/settings.h | tr -d '"' | sort -u); do
  grep -qxF ".It Cm $key" man/rewall-config.5 || { echo "man/rewall-config.5: $key is missing"; bad=1; }
done
exit "$bad"

#!/usr/bin/env bash
# manual.sh BUILD: the manual is well-formed, and names every setting. Its commands, options and references are held
# against the program by tests/cli/manual_test.cpp.
set -euo pipefail
cd "$(dirname "$0")/../.."
bad=0

mandoc -T lint -W warning man/*.[1-9] || bad=1
for key in $(grep -oE '"[a-z]+\.[a-zA-Z]+"' src/ops/context/settings.h | tr -d '"' | sort -u); do
  grep -qxF ".It Cm $key" man/rewall-config.5 || { echo "man/rewall-config.5: $key is missing"; bad=1; }
done
exit "$bad"

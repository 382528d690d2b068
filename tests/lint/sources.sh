#!/usr/bin/env bash
# sources.sh BUILD: every source below src/ is compiled into the program.
set -euo pipefail
cd "$(dirname "$0")/../.."
compiled=$(cat "$1"/compile_commands.json "$1"/CMakeFiles/*/Unity/*.cxx)
bad=0
while read -r source; do
  grep -qF "/$source\"" <<<"$compiled" || { echo "$source: CMakeLists.txt does not name it"; bad=1; }
done < <(find src -name '*.cpp')
exit "$bad"

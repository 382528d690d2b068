#!/usr/bin/env bash
# sources.sh BUILD: every source below src/ is compiled into the program, and none calls what throws where a file or
# folder cannot be read (core/file.h has what does not).
set -euo pipefail
cd "$(dirname "$0")/../.."
compiled=$(cat "$1"/compile_commands.json "$1"/CMakeFiles/*/Unity/*.cxx)
bad=0
while read -r source; do
  grep -qF "/$source\"" <<<"$compiled" || { echo "$source: CMakeLists.txt does not name it"; bad=1; }
done < <(find src -name '*.cpp')
functions='exists|is_directory|is_regular_file|is_symlink|is_empty|file_size|canonical|absolute|last_write_time|read_symlink'
if grep -rnE "(fs|filesystem)::($functions)\([^,]*\)|for \(.* : .*directory_iterator" src |
  grep -vE '(failed|ignored|error|gone|unknown|unseen|linked|closed)\)|symlink_status|\(status\)'; then
  echo "these throw: see entries_in() and path_exists() of core/file.h"
  bad=1
fi
exit "$bad"

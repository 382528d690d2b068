#!/usr/bin/env bash
# The sources are as clang-format of Debian 12 writes them.
set -euo pipefail
cd "$(dirname "$0")/../.."

if ! clang-format --version 2>/dev/null | grep -q 'version 14\.'; then
  echo "format: clang-format version 14 is not here: skipped" >&2
  exit
fi
find src tests \( -name '*.cpp' -o -name '*.h' \) -print0 | sort -z | xargs -0 clang-format --dry-run -Werror

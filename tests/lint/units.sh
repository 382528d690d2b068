#!/usr/bin/env bash
# units.sh BUILD: the units as they would run here, with the program that was built.
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
bad=0

for unit in hooks/systemd/*.service; do
  sed "s|^ExecStart=rewall|ExecStart=$1/rewall|" "$unit" >"$folder/${unit##*/}"
done
timeout 60 systemd-analyze verify --man=no "$folder"/*.service </dev/null || bad=1
for unit in "$folder"/*.service; do
  timeout 60 systemd-analyze security --offline=true --threshold=40 --no-pager "$unit" >"$folder/security" </dev/null ||
    { cat "$folder/security"; bad=1; }
done
exit "$bad"

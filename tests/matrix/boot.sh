#!/usr/bin/env bash
# boot.sh ROOT FOLDER init|none COMMAND...: runs COMMAND, as root, on a copy of the folder ROOT that is gone afterwards, in
# namespaces of its own for mounts, network and processes. With `init`, systemd of ROOT is process 1. FOLDER is /packages there,
# and COMMAND's exit status is in its file `status`.
set -euo pipefail

if [ "$1" != --inside ]; then
  rm -f "$2/status" "$2/said"
  unshare --mount --propagation private --net --pid --fork --uts --ipc --cgroup "$BASH" "$0" --inside "$@" || true
  [ ! -e "$2/said" ] || cat "$2/said"
  exit "$(cat "$2/status" 2>/dev/null || echo 125)"
fi
root=$2 folder=$3 init=$4
shift 4

# What is written is in memory: the copy costs nothing, and nothing of it stays.
mount -t tmpfs tmpfs /mnt
mkdir /mnt/{upper,work,root}
mount -t overlay -o "lowerdir=$root,upperdir=/mnt/upper,workdir=/mnt/work" overlay /mnt/root
cd /mnt/root
mount -t proc proc proc
mount -t sysfs sysfs sys
mkdir -p sys/fs/cgroup packages outside
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount --rbind /dev dev
mount -t tmpfs -o mode=755 run run
mount -t tmpfs -o mode=1777 tmp tmp
mount --bind "$folder" packages
rm -f usr/sbin/policy-rc.d etc/resolv.conf
ip link set lo up 2>/dev/null || true
pivot_root . outside
umount -l /outside
cd /
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive
if [ "$init" = none ]; then
  "$@" && status=0 || status=$?
  echo "$status" >/packages/status
  exit
fi
{
  printf '%q ' "$@"
  # shellcheck disable=SC2016
  printf '>/packages/said 2>&1 && status=0 || status=$?\necho $status >/packages/status\nsystemctl --force --force poweroff\n'
} >/command
cat >/etc/systemd/system/try.service <<'END'
[Unit]
After=basic.target
[Service]
ExecStart=/bin/bash /command
Environment=HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive
END
# What a host without hardware of its own has no use for.
for unit in systemd-udevd.service systemd-udev-trigger.service systemd-networkd.service getty.target systemd-logind.service; do
  ln -sf /dev/null "/etc/systemd/system/$unit"
done
export container=rewall-try
: >/packages/said
exec /lib/systemd/systemd --system --unit=try.service --log-target=null --show-status=no

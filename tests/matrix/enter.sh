#!/usr/bin/env bash
# enter.sh ROOT CHECKOUT BUILDS COMMAND...: runs COMMAND, as root, with the folder ROOT as the root of all files. The
# checkout is at /rewall/main, with build and build-test of the folder BUILDS as its own, and what lies beside it in shared/
# is at /rewall/shared. The mounts are gone with the last process.
set -euo pipefail

if [ "$1" != --mounted ]; then
  exec unshare --mount --propagation private "$BASH" "$0" --mounted "$@"
fi
root=$2 checkout=$3 builds=$4
shift 4

mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=755 run "$root/run"
mount -t tmpfs -o mode=1777 tmp "$root/tmp"
mkdir -p "$root"/rewall/{main,shared} "$root/mnt/outside"
mount --bind "$checkout" "$root/rewall/main"
for folder in build build-test; do mount --bind "$builds/$folder" "$root/rewall/main/$folder"; done
if [ -d "$checkout/../shared" ]; then mount --bind -o ro "$checkout/../shared" "$root/rewall/shared"; fi
# The network is the one outside, and so are its names.
rm -f "$root/etc/resolv.conf"
for file in resolv.conf hosts; do [ ! -e "/etc/$file" ] || cp -L "/etc/$file" "$root/etc/$file"; done

# Not by chroot: the kernel makes no user namespace for who is in one, and "/" is no mount there.
cd "$root"
pivot_root . mnt/outside
umount -l /mnt/outside
cd /rewall/main
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEV_NO_PACKAGES=1 \
  ${http_proxy:+"http_proxy=$http_proxy"} ${https_proxy:+"https_proxy=$https_proxy"} DEBIAN_FRONTEND=noninteractive "$@"

# shellcheck shell=bash disable=SC2016,SC2154
# ./dev package --try: the packages of each release of Debian, made, looked at by lintian and rpm, and lived with (packaged.sh).
# This is a part of ./dev, which reads it and matrix.sh.

# packages_plain RELEASE FILE: the folder of RELEASE as a host has it, with what the package FILE depends on.
packages_plain() {
  local release=$1 package=$2 folder=$matrix_cache/$1-plain said
  matrix_base "$release" "$folder"
  mkdir -p "$folder/packages"
  cp "$package" "$folder/packages/rewall.deb"
  said=$(mktemp)
  as_root unshare --mount "$BASH" -c 'mount -t proc proc "$0/proc"; mount --rbind /dev "$0/dev"
    cp -L /etc/resolv.conf /etc/hosts "$0/etc/"
    chroot "$0" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive ${http_proxy:+http_proxy="$http_proxy"} sh -ec "
      apt-get update
      apt-get satisfy -dy --no-install-recommends \"\$(dpkg-deb -f /packages/rewall.deb Depends)\"
      apt-get install -dy --no-install-recommends nftables systemd netfilter-persistent procps iproute2
      unshare --net apt-get satisfy -y --no-install-recommends \"\$(dpkg-deb -f /packages/rewall.deb Depends)\"
      unshare --net apt-get install -y --no-install-recommends nftables systemd netfilter-persistent procps iproute2
      apt-get clean"' "$folder" >"$said" 2>&1 </dev/null || { cat "$said" >&2; fail "$release: the packages could not be installed; see $said"; }
  rm "$said"
}

# packages_step RELEASE NAME COMMAND...: its output is in the log of that name.
packages_step() {
  local release=$1 name=$2 log=$root/build-matrix/$1-g++/package-$2.log begun=$SECONDS
  shift 2
  if "$@" >"$log" 2>&1; then
    say "dev: $release: package: $name: ok, $((SECONDS - begun)) s"
  else
    tail -n 30 "$log" >&2
    say "dev: $release: package: $name: FAILED, see $log"
    return 1
  fi
}

packages_try() {
  local release=$1 folder=$root/build-matrix/$1-g++/build packages bad=0 init
  as_owner mkdir -p "$folder"
  matrix_root "$release" "${packages_build[@]}" "${packages_run[@]}" dpkg-dev file lintian rpm
  packages_step "$release" build matrix_enter "$release" g++ sh -ec '
    rm -f build/*.deb build/*.rpm
    ./dev package
    cpack --config build/CPackConfig.cmake -G DEB -B build -D CPACK_DEBIAN_PACKAGE_RELEASE=2
    ./dev package rpm' || return 1
  packages_step "$release" lintian matrix_enter "$release" g++ sh -ec '
    lintian --version; lintian --allow-root --fail-on error,warning build/*.deb' || bad=1
  packages_step "$release" rpm matrix_enter "$release" g++ sh -ec '
    rpm -qplv build/*.rpm; rpm -qp --scripts build/*.rpm; rpm -qp --requires build/*.rpm
    rpm -qplv build/*.rpm | grep -q "^drwx------ .* /var/lib/rewall$"; rpm -qpc build/*.rpm | grep -qx /etc/fail2ban/action.d/rewall.conf' || bad=1
  packages_plain "$release" "$(ls "$folder"/rewall_*-1_*.deb)"
  packages=$(mktemp -d)
  cp "$folder"/*.deb "$root/tests/matrix/packaged.sh" "$packages"
  chmod -R a+rX "$packages"
  for init in init none; do
    packages_step "$release" "lived with, $init" as_root "$BASH" "$root/tests/matrix/boot.sh" "$matrix_cache/$release-plain" "$packages" "$init" \
      bash -c 'exec bash /packages/packaged.sh /packages/rewall_*-1_*.deb /packages/rewall_*-2_*.deb' || bad=1
  done
  as_root rm -rf "$packages"
  return "$bad"
}

# run_packages [RELEASE...]
run_packages() {
  local release lock bad=0
  [ $# -gt 0 ] || set -- bookworm trixie
  as_root mkdir -p "$matrix_cache"
  exec {lock}<"$matrix_cache"
  flock "$lock"
  for release in "$@"; do packages_try "$release" || bad=1; done
  exec {lock}<&-
  return "$bad"
}

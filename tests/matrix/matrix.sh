# shellcheck shell=bash disable=SC2016,SC2154
# ./dev matrix: the releases of Debian beside each other. Each is a folder that debootstrap made, kept for the next time.
# This is a part of ./dev, which reads it.

matrix_cache=${DEV_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/rewall-matrix}
matrix_servers=(fail2ban openssh-server lighttpd lighttpd-mod-openssl netfilter-persistent iptables-persistent ipset-persistent)

# The Debian mirror that this machine's apt has.
matrix_mirror() {
  local format='$(SITE) $(ORIGIN) $(LABEL)'
  apt-get indextargets --format "$format" 'Created-By: Packages' |
    awk '$2 == "Debian" && $3 == "Debian" && !n++ { print $1 }'
}

# matrix_enter RELEASE COMPILER COMMAND...: with the builds that this compiler made there.
matrix_enter() {
  local release=$1 compiler=$2 builds=$root/build-matrix/$1-$2
  shift 2
  as_owner mkdir -p "$root"/build{,-test} "$builds"/build{,-test}
  as_root "$BASH" "$root/tests/matrix/enter.sh" "$matrix_cache/$release" "$root" "$builds" CXX="$compiler" "$@" </dev/null
}

# matrix_base RELEASE FOLDER: makes FOLDER with debootstrap, unless it is there.
matrix_base() {
  local release=$1 folder=$2 mirror
  [ ! -d "$folder" ] || return 0
  needs debootstrap
  mirror=$(matrix_mirror)
  if [ -z "$mirror" ]; then
    as_root apt-get update >&2
    mirror=$(matrix_mirror)
    [ -n "$mirror" ] || fail "apt has no mirror of Debian here"
  fi
  say "dev: $release: debootstrap"
  as_root rm -rf "$folder.aside"
  as_root env "http_proxy=${http_proxy:-$(apt-config dump --format '%v' Acquire::http::Proxy)}" \
    debootstrap --variant=minbase --include=ca-certificates "$release" "$folder.aside" "$mirror" >&2
  # No service starts in there, and apt gets its packages as it does here.
  printf '#!/bin/sh\nexit 101\n' | as_root tee "$folder.aside/usr/sbin/policy-rc.d" >/dev/null
  as_root chmod 755 "$folder.aside/usr/sbin/policy-rc.d"
  { apt-config dump | grep -E '^Acquire::(https?|Check-|Retries|Languages)' || true; } |
    as_root tee "$folder.aside/etc/apt/apt.conf.d/90outside" >/dev/null
  # What breaks off half-way is made anew: nothing there is worth a sync for each file.
  echo force-unsafe-io | as_root tee "$folder.aside/etc/dpkg/dpkg.cfg.d/unsafe-io" >/dev/null
  as_root mv "$folder.aside" "$folder"
}

# matrix_root RELEASE PACKAGE...: the folder of RELEASE, with these packages in it.
matrix_root() {
  local release=$1 folder=$matrix_cache/$1 installed name missing=()
  shift
  matrix_base "$release" "$folder"
  installed=$(dpkg-query --admindir="$folder/var/lib/dpkg" -W -f='${db:Status-Status} ${Package}\n' "$@" 2>/dev/null || true)
  for name in "$@"; do
    grep -qxF "installed $name" <<<"$installed" || missing+=("$name")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  say "dev: $release: installing ${missing[*]}"
  # They are unpacked without a network: nothing that a package does there touches the firewall of this machine.
  matrix_enter "$release" packages sh -ec 'unshare --net dpkg --configure -a; apt-get update
    apt-get install -dy --no-install-recommends "$@"; unshare --net apt-get install -y --no-install-recommends "$@"
    apt-get clean' sh "${missing[@]}" >&2
}

# matrix_step NAME COMMAND...: its output is in the log of that name; prints "ok" or "FAILED" for the table.
matrix_step() {
  local log=$logs/$1.log begun=$SECONDS
  shift
  say "dev: $release, $compiler: $(basename "$log" .log)"
  if matrix_enter "$release" "$compiler" "$@" >"$log" 2>&1; then
    echo "ok"
  else
    echo "FAILED"
    tail -n 30 "$log" >&2
    say "dev: $release, $compiler: FAILED, see $log"
  fi
  say "dev: $release, $compiler: $((SECONDS - begun)) s"
}

# What ctest has printed: tests that passed, failed and were skipped.
matrix_counts() {
  awk '/^ *[0-9]+\/[0-9]+ Test +#/ { if (/ Passed /) passed++; else if (/\*Skipped /) skipped++; else failed++ }
    END { printf "%d/%d/%d", passed, failed, skipped }' "$1"
}

matrix_versions='version() { sed -nE "1s/[^0-9]*([0-9][0-9.]*).*/\1/p"; }
  for of in "$CXX --version" "iptables --version" "git --version" "pkg-config --modversion libgit2" "systemctl --version"; do
    found=$($of 2>/dev/null | version)
    echo "${found:--}"
  done'

matrix_row() { printf '%-9s %-8s %-8s %-9s %-8s %-8s %-8s %-7s %-7s %-8s %s\n' "$@"; }

# matrix_try RELEASE COMPILER WHAT: one row of the table, where WHAT is "ci" or "all". Fails with any of the row's steps.
matrix_try() {
  local release=$1 compiler=$2 what=$3 logs=$root/build-matrix/$1-$2 versions build demo=- tests=- corpus=-
  readarray -t versions < <(matrix_enter "$release" "$compiler" sh -c "$matrix_versions")
  build=$(matrix_step build sh -ec './dev build; exec ctest --test-dir build --output-on-failure')
  if [ "$build" = ok ]; then
    demo=$(matrix_step demo ./dev demo)
    corpus=$(matrix_step corpus tests/matrix/corpus.sh build/rewall "tests/matrix/known-failures.$release")
    corpus="$corpus $(sed -n 's/^corpus: \([0-9]*\) .* round, \([0-9]*\) fail.*/\1\/\2/p' "$logs/corpus.log")"
    if [ "$what" = all ]; then
      tests=$(matrix_step tests sh -ec '
        cmake -S . -B build-test -G Ninja -DCMAKE_BUILD_TYPE=Debug -DREWALL_TESTS=ON -DREWALL_WERROR=ON
        ninja -C build-test
        exec ctest --test-dir build-test --output-on-failure -j $((2 * $(nproc)))')
      tests="$tests $(matrix_counts "$logs/tests.log")"
    fi
  fi
  matrix_row "$release" "$compiler" "${versions[@]}" "$build" "$demo" "$corpus" "$tests" >>"$table"
  case "$build $demo $tests $corpus" in *FAILED*) return 1 ;; esac
}

# run_matrix [--ci] [RELEASE...]: with --ci, what continuous integration runs of it.
run_matrix() {
  local what=all release compiler table lock bad=0
  local packages=("${packages_build[@]}" "${packages_run[@]}") compilers=(g++)
  if [ "${1:-}" = --ci ]; then
    what=ci
    shift
  else
    compilers+=(clang++)
    packages+=(clang "${packages_test[@]}" "${matrix_servers[@]}")
  fi
  [ $# -gt 0 ] || set -- bookworm trixie sid
  as_root mkdir -p "$matrix_cache"
  exec {lock}<"$matrix_cache"
  flock "$lock"
  for release in "$@"; do matrix_root "$release" "${packages[@]}"; done
  exec {lock}<&-
  table=$(mktemp)
  matrix_row release compiler version iptables git libgit2 systemd build demo corpus "tests: passed/failed/skipped" >"$table"
  for release in "$@"; do
    for compiler in "${compilers[@]}"; do matrix_try "$release" "$compiler" "$what" || bad=1; done
  done
  cat "$table"
  rm "$table"
  return "$bad"
}

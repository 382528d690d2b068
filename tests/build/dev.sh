#!/usr/bin/env bash
# dev.sh: what ./dev does with build folders and installs, on a project of a few lines in a folder that is gone afterwards.
set -euo pipefail
dev=$(realpath "$(dirname "$0")/../../dev")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export DEV_NO_PACKAGES=1
unset PREFIX DESTDIR CXX

fails() {
  printf 'FAILED: %s\n' "$*" >&2
  exit 1
}
has() { [[ $1 == *"$2"* ]] || fails "'$2' is not in: $1"; }
has_not() { [[ $1 != *"$2"* ]] || fails "'$2' is in: $1"; }

mkdir "$folder/one"
cd "$folder/one"
cp "$dev" dev
cat >CMakeLists.txt <<'END'
cmake_minimum_required(VERSION 3.22)
project(rewall CXX)
add_executable(rewall main.cpp)
install(TARGETS rewall DESTINATION sbin)
install(FILES main.cpp DESTINATION share/rewall)
install(FILES main.cpp DESTINATION lib/rewall RENAME kept.cpp)
END
echo 'int main() {}' >main.cpp

# A build folder that was made for another path, generator or compiler.
said=$(./dev build 2>&1)
has_not "$said" "was made"
said=$(./dev build 2>&1)
has_not "$said" "was made"
mv "$folder/one" "$folder/two"
cd "$folder/two"
said=$(./dev build 2>&1)
has "$said" "dev: build/ was made for the sources in $folder/one: CMake begins anew there"
build/rewall
rm -rf build
cmake -S . -B build -G 'Ninja Multi-Config' >/dev/null
has "$(./dev build 2>&1)" "build/ was made for Ninja Multi-Config: CMake begins anew there"
build/rewall
mkdir "$folder/bin"
printf '#!/bin/sh\nexec c++ "$@"\n' >"$folder/bin/mine"
chmod +x "$folder/bin/mine"
has "$(CXX=$folder/bin/mine ./dev build 2>&1)" "and CXX is $folder/bin/mine: CMake begins anew there"
grep -q "CMAKE_CXX_COMPILER:.*/mine$" build/CMakeCache.txt || fails "another compiler was asked for"
rm "$folder/bin/mine"
has "$(./dev build 2>&1)" "with the compiler $folder/bin/mine, which is gone: CMake begins anew there"
build/rewall

# What install puts somewhere uninstall takes away, and nothing else.
export DESTDIR=$folder/root
mkdir -p "$DESTDIR/usr/local/lib"
find "$DESTDIR" | sort >"$folder/before"
./dev install 2>/dev/null
[ -x "$DESTDIR/usr/local/sbin/rewall" ] || fails "nothing is installed"
said=$(./dev uninstall 2>&1)
has "$said" "dev: removed 3 files below $DESTDIR/usr/local"
find "$DESTDIR" | sort | diff "$folder/before" - || fails "it is not as before"
said=$(./dev uninstall 2>&1) && fails "there is nothing to remove"
has "$said" "nothing to remove: $DESTDIR/usr/local/share/rewall/installed is not there"

./dev install 2>/dev/null
echo '// mine' >>"$DESTDIR/usr/local/lib/rewall/kept.cpp"
echo mine >"$DESTDIR/usr/local/share/rewall/mine"
said=$(./dev install 2>&1)
has "$said" "dev: kept what somebody changed: $DESTDIR/usr/local/lib/rewall/kept.cpp.old"
echo '// mine again' >>"$DESTDIR/usr/local/lib/rewall/kept.cpp"
said=$(./dev uninstall 2>&1)
has "$said" "dev: kept, as somebody changed it: $DESTDIR/usr/local/lib/rewall/kept.cpp"
has "$said" "dev: removed 2 files"
(cd "$DESTDIR" && find . -type f | sort) >"$folder/after"
printf '%s\n' ./usr/local/lib/rewall/kept.cpp ./usr/local/lib/rewall/kept.cpp.old ./usr/local/share/rewall/mine |
  diff - "$folder/after" || fails "other files than those of a person are left"
echo "dev: all well"

#!/usr/bin/env bash
# build_c_program.sh PREFIX DIRECTORY PROGRAM.c: compiles the program with the C compiler alone, against the installed library as
# pkg-config names it and as a CMake project finds it that has no C++ in it, each shared and static, and runs them all.
set -euo pipefail

prefix=$1 directory=$2 source=$3
rm -rf "$directory"
mkdir -p "$directory"
packages=$(dirname "$(find "$prefix" -name cairn-win32.pc)")
export PKG_CONFIG_PATH=$packages
# shellcheck disable=SC2046  # flags are words
cc -std=c11 "$source" -o "$directory/shared" $(pkg-config --cflags --libs cairn-win32) -Wl,-rpath,"$(dirname "$packages")"
# shellcheck disable=SC2046
cc -std=c11 "$source" -o "$directory/static" $(pkg-config --cflags --libs cairn-win32-static)
cmake -S "$(dirname "$0")/c_project" -B "$directory/cmake" -D CMAKE_PREFIX_PATH="$prefix" -D source="$source" >/dev/null
cmake --build "$directory/cmake" >/dev/null
cp "$directory/cmake/found_shared" "$directory/cmake/found_static" "$directory"
ldd "$directory/shared" | grep -q libcairn_win32
ldd "$directory/found_shared" | grep -q libcairn_win32
for program in static found_static; do
  if ldd "$directory/$program" | grep -q libcairn; then
    echo "the static program needs a shared library of Cairn" >&2
    exit 1
  fi
done
for program in shared static found_shared found_static; do
  mkdir "$directory/log-$program"
  "$directory/$program" "$directory/log-$program" all
done

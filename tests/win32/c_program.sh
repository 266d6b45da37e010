#!/usr/bin/env bash
# What the tests do with programs in plain C.
#   c_program.sh run PROGRAM DIRECTORY SECTION          runs a section, or all, with an empty directory
#   c_program.sh valgrind PROGRAM DIRECTORY SECTION...  the same under valgrind; no report, nothing lost
#   c_program.sh compile "COMPILER FLAGS" INCLUDE FILE...  compiles each file without a warning
# 77: not there, which ctest shows as skipped.
set -euo pipefail

mode=$1
shift

empty_directory() {
  rm -rf "$1"
  mkdir -p "$1"
}

case $mode in
  run)
    empty_directory "$2"
    exec "$@"
    ;;
  valgrind)
    if ! command -v valgrind >/dev/null; then
      echo "valgrind expected, found none (Debian: valgrind)" >&2
      exit 77
    fi
    program=$1 directory=$2
    shift 2
    empty_directory "$directory"
    # Valgrind does not know all of io_uring.
    export CAIRN_STORAGE=posix
    exec valgrind -q --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite,possible \
      "$program" "$directory" "$@"
    ;;
  compile)
    read -ra compiler <<<"$1"
    include=$2
    shift 2
    if ! command -v "${compiler[0]}" >/dev/null; then
      echo "${compiler[0]} expected, found none" >&2
      exit 77
    fi
    for file in "$@"; do
      "${compiler[@]}" -Wall -Wextra -Wpedantic -Werror -fsyntax-only -I"$include" "$file"
    done
    ;;
esac

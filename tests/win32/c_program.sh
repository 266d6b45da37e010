#!/usr/bin/env bash
# What the tests do with programs in plain C.
#   c_program.sh run PROGRAM DIRECTORY SECTION          runs a section, or all, with an empty directory (all: that one)
#   c_program.sh valgrind PROGRAM DIRECTORY SECTION...  the same under valgrind; no report, nothing lost
#   c_program.sh compile "COMPILER FLAGS" INCLUDE FILE...  compiles each file without a warning
# 77: not there, which ctest shows as skipped.
set -euo pipefail

mode=$1
shift

# run_in DIRECTORY COMMAND...: COMMAND, in which @ stands for an empty directory: DIRECTORY, or, where there is much room in memory,
# one there, which takes a tenth of the time.
run_in() {
  local directory=$1 room
  shift
  room=$(df -k --output=avail /dev/shm 2>/dev/null | tail -n 1)
  if [[ ($mode == valgrind || $* != *" all") && ${room:-0} -gt 1000000 && -w /dev/shm ]]; then
    directory=$(mktemp -d /dev/shm/cairn-test.XXXXXX)
    # shellcheck disable=SC2064 # as it is now
    trap "rm -rf '$directory'" EXIT
  else
    rm -rf "$directory"
    mkdir -p "$directory"
  fi
  "${@/#@/$directory}"
}

case $mode in
  run)
    program=$1 directory=$2
    shift 2
    run_in "$directory" "$program" @ "$@"
    ;;
  valgrind)
    if ! command -v valgrind >/dev/null; then
      echo "valgrind expected, found none (Debian: valgrind)" >&2
      exit 77
    fi
    program=$1 directory=$2
    shift 2
    # Valgrind does not know all of io_uring.
    export CAIRN_STORAGE=posix
    # Whatever it says, it says of a process that the program started and killed, too.
    report=$(run_in "$directory" valgrind -q --error-exitcode=9 --leak-check=full \
      --errors-for-leak-kinds=definite,possible "$program" @ "$@" 2>&1) || { echo "$report" >&2; exit 1; }
    if [[ -n $report ]]; then
      echo "no word of valgrind's expected, found: $report" >&2
      exit 1
    fi
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

# What the scripts in tools/ share. Sourced, never run; each script sets its own `set -euo pipefail`.
# shellcheck shell=bash

# The top of the tree, whatever directory the caller is in.
cairn_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
cairn_jobs=$(nproc)

say() { printf '%s\n' "$*"; }
warn() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; }
die() {
  warn "$*"
  exit 1
}

# Microseconds, for differences. (The decimal mark of EPOCHREALTIME follows the locale.)
now_us() { printf '%s' "${EPOCHREALTIME/[.,]/}"; }
# seconds_since START_US -> "12.3"
seconds_since() {
  local tenths=$((($(now_us) - $1) / 100000))
  printf '%d.%d' $((tenths / 10)) $((tenths % 10))
}

# quietly LOG COMMAND...: on a terminal the command shows its own progress; elsewhere its output goes to LOG, and is
# shown when the command fails.
quietly() {
  local log=$1
  shift
  if [[ -t 1 ]]; then
    "$@"
    return
  fi
  mkdir -p "$(dirname "$log")"
  local status=0
  "$@" >"$log" 2>&1 || status=$?
  if ((status != 0)); then
    tail -n 100 "$log" >&2
    warn "exit $status of: $* (all of its output: $log)"
  fi
  return "$status"
}

# configure PRESET LOG: configures build/PRESET; a no-op that takes no time when nothing changed.
configure() {
  quietly "$2" cmake -S "$cairn_root" --preset "$1"
}

# build PRESET LOG TARGETS...
build() {
  local preset=$1 log=$2
  shift 2
  NINJA_STATUS="[$preset %f/%t, %es] " quietly "$log" \
    cmake --build "$cairn_root/build/$preset" --parallel "$cairn_jobs" --target "$@"
}

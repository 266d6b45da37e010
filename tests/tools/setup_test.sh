#!/usr/bin/env bash
# What tools/setup does, case by case: setup_test.sh TREE CASE. A copy of it runs with a PATH that holds stand-ins for
# dpkg-query and apt-get, and nothing that could reach the machine's own packages.
set -euo pipefail

tree=$1
case=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"

fail() {
  printf 'expected: %s\nfound:    %s\n--- output\n%s\n--- calls\n%s\n' "$1" "$2" "$(<"$work/output")" \
    "$(<"$work/calls")"
  exit 1
}
expect_status() { ((status == $1)) || fail "exit $1" "exit $status"; }
expect_output() { [[ $(<"$work/output") == "$1" ]] || fail "output '$1'" "another"; }
expect_output_has() { [[ $(<"$work/output") == *"$1"* ]] || fail "output with '$1'" "without"; }
expect_calls() { [[ $(<"$work/calls") == "$1" ]] || fail "calls '$1'" "others"; }

# stand_in NAME: a command made of standard input.
stand_in() {
  { printf '#!%s\n' "$BASH" && cat; } >"$work/bin/$1"
  chmod 755 "$work/bin/$1"
}

# run_setup MISSING... : runs it on a machine where all but these packages are installed.
run_setup() {
  printf '%s\n' "$@" >"$work/missing"
  status=0
  (cd / && PATH=$work/bin "${as[@]}" "$work/tree/tools/setup" "${options[@]}") >"$work/output" 2>&1 || status=$?
}

mkdir -p "$work/tree/tools" "$work/bin"
cp "$tree/tools/setup" "$tree/tools/lib.sh" "$work/tree/tools/"
touch "$work/calls"
for command in bash basename dirname env grep mkdir nproc sed setpriv tail; do
  if found=$(command -v "$command"); then ln -s "$found" "$work/bin/$command"; fi
done
stand_in dpkg-query <<EOF
grep -qx -- "\${!#}" "$work/missing" && exit 1
echo installed
EOF
# Installs by its word. --simulate fails while $work/stale is there; update removes that.
stand_in apt-get <<EOF
printf '%s\n' "\$*" >>"$work/calls"
case "\$*" in
  *--simulate*) [[ ! -e $work/stale ]] ;;
  update) "$(command -v rm)" "$work/stale" ;;
  install*) for name in "\${@:4}"; do sed -i "/^\$name\\\$/d" "$work/missing"; done ;;
esac
EOF
as=()
# Whoever runs the test without being root goes through sudo, which here grants everything.
if ((EUID != 0)); then stand_in sudo <<<'exec "$@"'; fi
options=()

case $case in
  changes-nothing-when-all-is-there)
    run_setup
    expect_status 0
    expect_output ""
    expect_calls ""
    [[ $(find "$work/tree" -type f | wc -l) == 2 ]] || fail "no new file" "$(find "$work/tree")"
    ;;
  installs-what-is-missing)
    run_setup cmake libfmt-dev
    expect_status 0
    expect_calls "install --simulate cmake libfmt-dev
install --yes --no-install-recommends cmake libfmt-dev"
    ;;
  benchmarks-peers-only-when-asked-for)
    run_setup libleveldb-dev fio
    expect_status 0
    expect_calls ""
    options=(--bench)
    run_setup libleveldb-dev fio
    expect_status 0
    expect_calls "install --simulate libleveldb-dev fio
install --yes --no-install-recommends libleveldb-dev fio"
    ;;
  fetches-lists-only-when-they-do-not-serve)
    touch "$work/stale"
    run_setup cmake
    expect_status 0
    expect_calls "install --simulate cmake
update
install --yes --no-install-recommends cmake"
    ;;
  believes-no-success-that-installed-nothing)
    stand_in apt-get <<<'exit 0'
    run_setup cmake
    expect_status 1
    expect_output_has "still missing after apt-get succeeded: cmake"
    ;;
  says-why-apt-get-failed)
    stand_in apt-get <<<'echo "E: no network" >&2; exit 100'
    run_setup cmake
    expect_status 100
    expect_output_has "E: no network"
    ;;
  check-installs-nothing)
    options=(--check)
    run_setup cmake git
    expect_status 1
    expect_output "setup: missing: cmake git"
    expect_calls ""
    ;;
  without-root-or-sudo-says-what-to-install)
    rm -f "$work/bin/sudo"
    if ((EUID == 0)); then as=(setpriv --reuid=65534 --regid=65534 --clear-groups); fi
    run_setup cmake git
    expect_status 1
    expect_output_has "apt-get install cmake git"
    expect_calls ""
    ;;
  *) fail "a case" "$case" ;;
esac

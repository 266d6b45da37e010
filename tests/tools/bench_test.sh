#!/usr/bin/env bash
# What tools/bench refuses and reports, case by case: bench_test.sh TREE CASE. Nothing is built or measured: a result of
# Google Benchmark with round numbers lies beside this file. Exit 77: a program that the case needs is not installed.
set -euo pipefail

tree=$1
case=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
result=$tree/tests/tools/bench_result.json

needs() {
  command -v "$1" >/dev/null || { printf 'skipped: %s is not installed\n' "$1" && exit 77; }
}
fail() {
  printf 'expected: %s\n--- output\n%s\n' "$1" "$(<"$work/output")"
  exit 1
}
run_bench() {
  status=0
  (cd "$work" && "$tree/tools/bench" "$@") >"$work/output" 2>&1 || status=$?
}
expect_status() { ((status == $1)) || fail "exit $1, found $status"; }
expect_output_has() { [[ $(<"$work/output") == *"$1"* ]] || fail "output with '$1'"; }

# refuses WORDS OPTIONS...: exit 1 with the words, in one line, before anything is set up.
refuses() {
  run_bench "${@:2}"
  expect_status 1
  [[ $(<"$work/output") == "bench: $1" ]] || fail "the line 'bench: $1' for ${*:2}"
}

# value EXPRESSION: of the document `d` in out.json.
value() { python3 -c "import json,sys; d=json.load(open(sys.argv[1])); print($1)" "$work/out.json"; }
expect_value() {
  local found
  found=$(value "$1")
  [[ $found == "$2" ]] || fail "$1 to be $2, found $found"
}

case $case in
  refuses-bad-options)
    touch "$work/file"
    refuses "unknown option --fast; see --help" --fast
    refuses "unknown option A1; see --help" A1
    for option in --rows --dir --json --out --report; do
      refuses "$option needs a value; see --help" "$option"
    done
    refuses "--rows: there is no row 'A2'; there are: A A1 A4 A16 A64 A256 B C S O T1 T2 T3 R M G" --rows A1,A2
    refuses "--rows: there is no row ''; there are: A A1 A4 A16 A64 A256 B C S O T1 T2 T3 R M G" --rows B,,C
    refuses "--rows: names of rows with commas between them expected, found ''" --rows ""
    refuses "--dir: an existing directory expected, found 'none'" --dir none
    refuses "--json: a file in an existing directory expected, found 'none/b.json'" --json none/b.json
    refuses "--json: a file in an existing directory expected, found '$work'" --json "$work"
    refuses "--out: a directory expected, found 'file'" --out file
    refuses "--report: a file expected, found 'none'" --report none
    ;;
  report-compares-with-the-floor-and-the-best-peer)
    needs python3
    run_bench --json out.json --report "$result"
    expect_status 0
    # Not the peer that is slower, and the ratio the right way round.
    expect_value "d['rows'][0]['best_peer']" rocksdb
    expect_value "d['rows'][0]['subjects']['cairn']['ratio_to_best_peer']" 2.0
    expect_value "d['rows'][0]['subjects']['cairn']['ratio_to_floor']" 1.6
    expect_value "d['rows'][0]['subjects']['cairn']['flushes_per_append']" 0.125
    expect_value "(d['rows'][0]['subjects']['cairn']['min'], d['rows'][0]['subjects']['cairn']['max'])" "(70000, 90000)"
    # 16 threads, and 160 us for one flush.
    expect_value "d['rows'][0]['physical_limit']" 100000.0
    expect_output_has "| A16 128B | cairn | 80,000 | 70,000 - 90,000 | appends/s | 1.6 | 2 | 0.125 | 190 | 250 | 300 | 400 |"
    ;;
  report-says-which-aims-are-met)
    needs python3
    run_bench --json out.json --report "$result"
    expect_output_has "- A16 128B: x the floor: 1.6, aim >= 1.3: met"
    expect_output_has "- A16 128B: x the best engine (rocksdb): 2, aim >= 2.2: **short by 9%**"
    expect_output_has "- A16 128B: of the physical limit: 0.8, aim >= 0.75: met"
    # Less is better here.
    expect_output_has "- C 128B-1t: x memcpy + XXH3: 3, aim <= 2: **short by 50%**"
    ;;
  report-believes-nobody-who-beats-the-physical-limit)
    needs python3
    sed 's/"p50_us": 160/"p50_us": 400/' "$result" >"$work/slow.json"
    run_bench --json out.json --report slow.json
    expect_output_has "- A16 128B: of the physical limit: 2, aim >= 0.75: no verdict, more than there is: the floor was disturbed"
    expect_value "d['rows'][0]['aims'][2]['met']" None
    ;;
  report-judges-opening-over-all-its-cases)
    needs python3
    run_bench --json out.json --report "$result"
    expect_output_has "- O: time at 512 MiB ever written, x that at 32 MiB: 1.5, aim <= 1.2: **short by 25%** (slope 21.3 ms per GiB)"
    ;;
  fails-when-an-engine-failed)
    needs python3
    sed 's|"run_name": "A16/128B/leveldb.*|"run_name": "A16/128B/leveldb", "run_type": "iteration", "error_occurred": true, "error_message": "does not make its appends durable"},|' \
      "$result" >"$work/failed.json"
    run_bench --report failed.json
    expect_status 1
    expect_output_has "FAILED: A16/128B/leveldb: does not make its appends durable"
    ;;
  fails-when-nothing-was-measured)
    needs python3
    printf '{"context": {"num_cpus": 2}, "benchmarks": []}' >"$work/empty.json"
    run_bench --report empty.json
    expect_status 1
    ;;
  says-when-flushes-cannot-be-counted)
    needs python3
    sed 's|"flushes_unavailable": ""|"flushes_unavailable": "no block device was found"|' "$result" >"$work/uncounted.json"
    run_bench --report uncounted.json
    expect_status 0
    expect_output_has "Flush counts are not available: no block device was found."
    ;;
  writes-table-and-plots)
    needs python3
    needs gnuplot
    run_bench --out out --report "$result"
    expect_status 0
    grep -q '^| A16 128B | cairn |' "$work/out/bench.md" || fail "the table in bench.md"
    for plot in appends-128B latency-A16-128B; do
      grep -q 'berkeley_db' "$work/out/$plot.svg" || fail "a plot $plot.svg that names each engine"
    done
    ;;
  *) fail "a case" ;;
esac

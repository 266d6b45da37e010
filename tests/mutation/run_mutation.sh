#!/usr/bin/env bash
# run_mutation.sh SOURCE BUILD COMPILER MUTATION: breaks the product as SOURCE/tests/mutation/MUTATION.patch says, in a copy, and runs
# the test that is expected to see it. Exit 0 if the test goes red. README.md tells more.
set -euo pipefail
source_dir=$1 build=$2 compiler=$3 name=$4
patch_file=$source_dir/tests/mutation/$name.patch
work=$build/tests/mutation/work/$name

fail() {
  printf '%s: %s\n' "$name" "$*" >&2
  exit 1
}
# header FIELD: its value in the lines before the patch; nothing when it is not there.
header() { sed -n "/^--- /q; s/^$1: //p" "$patch_file"; }

test_name=$(header Test)
filter=$(header Filter)
[[ -n $test_name && -n $filter && -n $(header Why) ]] || fail "$patch_file: Why, Test and Filter expected before the patch"
mapfile -t changed < <(sed -n 's|^+++ b/\([^[:space:]]*\).*|\1|p' "$patch_file")
((${#changed[@]})) || fail "$patch_file: holds no patch"
# The sources to compile: what is changed, and for a header those that are named.
mapfile -t units < <(printf '%s\n' "${changed[@]}" | grep '\.cc$' || true; header Unit)
((${#units[@]})) || fail "$patch_file: changes no source, so it must name one (Unit:)"

rm -rf "$work"
for file in "${changed[@]}"; do
  [[ -f $source_dir/$file ]] || fail "$file: no such file; the mutation no longer fits the product"
  install -D -m 644 "$source_dir/$file" "$work/$file"
done
patch --quiet --directory="$work" --strip=1 --fuzz=1 <"$patch_file" >"$work/patch.log" 2>&1 ||
  fail "no longer fits the product: $(<"$work/patch.log")"

# Other mutations run at the same time, each with a program of this name in its folder.
program=$(cd "$build" && find tests -path tests/mutation -prune -o -name "$test_name" -type f -perm -u+x -print)
[[ -n $program ]] || fail "the test program $test_name is not built"
link=$(ninja -C "$build" -t commands -s "$program" | sed '/^ninja: /d')

for unit in "${units[@]}"; do
  folder=${unit#tests/}
  # The folder's own, or those of the folder at the top.
  flags=$build/tests/mutation/${folder%/*}
  [[ -f $flags.flags ]] || flags=$build/tests/mutation/${folder%%/*}
  [[ -f $flags.flags ]] || fail "$unit: tests/mutation/CMakeLists.txt does not say how its folder is compiled"
  from=$source_dir/$unit
  [[ -f $work/$unit ]] && from=$work/$unit
  made=$work/$(basename "$unit").o
  # The copy is compiled instead of the original; what it includes by a relative name is where the original is. A mutated header
  # is found first, and must not be among those that are precompiled.
  headers=(-I "$work/${changed[0]%%/*}")
  [[ ${changed[*]} != *.h && -f $flags.pch ]] && headers=(-include-pch "$flags.pch")
  "$compiler" "${headers[@]}" "@$flags.flags" -iquote "$(dirname "$source_dir/$unit")" -c "$from" -o "$made" \
    >"$work/compile.log" 2>&1 || fail "does not compile: $(tail -n 20 "$work/compile.log")"
  # What is named first is taken, before a member of a library and before an object that holds the original among others.
  link=${link/ -o $program / -Wl,--allow-multiple-definition $made -o $program }
done
cd "$build"
link=${link//-o $program /-o $work/$test_name }
link=${link%% && cd *}
bash -c "$link" >"$work/link.log" 2>&1 || fail "does not link: $(tail -n 20 "$work/link.log")"

selected=$("$work/$test_name" --gtest_list_tests --gtest_filter="$filter" | grep -c '^  ' || true)
((selected > 0)) || fail "$filter: $test_name has no such test"
budget=$(header Budget)
rounds=$(header Rounds)
for ((round = 0; round < ${rounds:-1}; ++round)); do
  status=0
  env -u CAIRN_TEST_COUNTERS CAIRN_TEST_BUDGET="${budget:-0.3}" timeout 120 "$work/$test_name" --gtest_filter="$filter" \
    --gtest_brief=1 --gtest_fail_fast --gtest_break_on_failure=0 >"$work/test.log" 2>&1 || status=$?
  ((status == 0)) || break
done
((status != 0)) || fail "SURVIVED: $filter of $test_name stays green ($(header Why))"
((status != 124)) || fail "the test did not end within 120 s"
printf '%s: seen by %s (exit %s)\n' "$name" "$filter" "$status"
rm -rf "$work"

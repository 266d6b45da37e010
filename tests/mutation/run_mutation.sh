#!/usr/bin/env bash
# run_mutation.sh SOURCE BUILD MUTATION: breaks the product as SOURCE/tests/mutation/MUTATION.patch says, in a copy, and runs
# the test that is expected to see it. Exit 0 if the test goes red. README.md tells more.
set -euo pipefail
source_dir=$1 build=$2 name=$3
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

# The commands of the build, for other files.
command_for() { ninja -C "$build" -t commands -s "$1" | sed '/^ninja: /d'; }

# object_of A/B/C.cc: of A/CMakeFiles/*.dir/B/C.cc.o and A/B/CMakeFiles/*.dir/C.cc.o that which the build makes; or, where
# sources are compiled several at a time, the object of those that C.cc is among.
object_of() {
  local folder=$1 found
  while folder=$(dirname "$folder") && [[ $folder != . ]]; do
    found=$(cd "$build" && grep -lF "\"$source_dir/$1\"" "$folder"/CMakeFiles/*.dir/Unity/unity_*.cxx 2>/dev/null) &&
      head -n 1 <<<"$found.o" && return
    found=$(cd "$build" && compgen -G "$folder/CMakeFiles/*.dir/${1#"$folder"/}.o") && head -n 1 <<<"$found" && return
  done
}

program=$(cd "$build" && find tests -name "$test_name" -type f -perm -u+x | head -n 1)
[[ -n $program ]] || fail "the test program $test_name is not built"
link=$(command_for "$program")
cd "$build"
for unit in "${units[@]}"; do
  object=$(object_of "$unit")
  [[ -n $object ]] || fail "$unit: the build compiles no such file"
  compile=$(command_for "$object")
  from=$unit
  [[ -f $work/$unit ]] && from=$work/$unit || from=$source_dir/$unit
  made=$work/$(basename "$unit").o
  # The copy is compiled instead of the original, mutated headers are found first.
  compile=$(sed "s| -c [^ ]*| -c $from|" <<<"$compile")
  compile=${compile//-o $object/-o $made}
  compile=${compile/ -I/ -I$work\/${changed[0]%%\/*} -I}
  compile=${compile/ -c / -O0 -g0 -w -c }
  compile=$(sed 's/ -MD -MT [^ ]* -MF [^ ]*//' <<<"$compile")
  [[ $compile == *"-c $from"* && $compile == *"-o $made"* ]] || fail "$unit: did not understand how it is compiled: $compile"
  bash -c "$compile" >"$work/compile.log" 2>&1 || fail "does not compile: $(tail -n 20 "$work/compile.log")"
  # What is named first is taken, before a member of a library and before an object that holds the original among others.
  link=${link/ -o $program / -Wl,--allow-multiple-definition $made -o $program }
done
link=${link//-o $program /-o $work/$test_name }
link=${link%% && cd *}
bash -c "$link" >"$work/link.log" 2>&1 || fail "does not link: $(tail -n 20 "$work/link.log")"

selected=$("$work/$test_name" --gtest_list_tests --gtest_filter="$filter" | grep -c '^  ' || true)
((selected > 0)) || fail "$filter: $test_name has no such test"
status=0
budget=$(header Budget)
env -u CAIRN_TEST_COUNTERS CAIRN_TEST_BUDGET=${budget:-0.3} timeout 120 "$work/$test_name" --gtest_filter="$filter" --gtest_brief=1 --gtest_fail_fast --gtest_break_on_failure=0 \
  >"$work/test.log" 2>&1 || status=$?
((status != 0)) || fail "SURVIVED: $filter of $test_name stays green ($(header Why))"
((status != 124)) || fail "the test did not end within 120 s"
printf '%s: seen by %s (exit %s)\n' "$name" "$filter" "$status"
rm -rf "$work"

#!/usr/bin/env bash
# exports.sh NM LIBRARY HEADER...: fails unless the library shows exactly what the headers declare with CAIRN_WIN32_API.
set -euo pipefail

nm=$1 library=$2
shift 2
declared=$(awk '
  /^#/ { next }
  /^CAIRN_WIN32_API/ { declaration = ""; open = 1 }
  open { declaration = declaration " " $0 }
  open && /[(;]/ {
    sub(/[(;].*/, "", declaration)
    gsub(/\*/, " ", declaration)
    print words[split(declaration, words, " ")]
    open = 0
  }' "$@" | sort -u)
shown=$("$nm" -D --defined-only "$library" | awk '{ print $NF }' | sort -u)
if (($(wc -l <<<"$declared") < 45)); then
  echo "at least 45 declarations expected in $*, found: $declared" >&2
  exit 1
fi
diff <(echo "$declared") <(echo "$shown") >&2

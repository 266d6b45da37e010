#!/usr/bin/env bash
# python.sh PROGRAM LIBRARY DIRECTORY: runs the example on an empty directory, and once more on the log that is there then.
# 77: no Python, which ctest shows as skipped.
set -euo pipefail

if ! command -v python3 >/dev/null; then
  echo "python3 expected, found none (Debian: python3)" >&2
  exit 77
fi
rm -rf "$3"
python3 "$1" "$2" "$3"
python3 "$1" "$2" "$3"

# Reads the tables of docs/ktm.md: rows of three cells, what KTM has | Cairn | tests.
#   Fails for a row without a test, or when a function or notification of `wanted` has no row.
# The names of the tests are checked against tests/ by check_named_tests.cmake.
BEGIN { FS = "|" }
/^\| / && $2 !~ /^ (KTM|KTM has|what went wrong) *$/ {
  if (NF != 5) { wrong = wrong "\n" FILENAME ":" FNR ": 3 cells expected, found " NF - 2; next }
  ++rows
  first = first " " $2 " "
  if ($4 !~ /`[A-Z][A-Za-z0-9]+\.[A-Z][A-Za-z0-9]+`/) wrong = wrong "\n" FILENAME ":" FNR ": a test expected in the last cell, found none"
}
END {
  gsub(/,/, " ", first)
  for (i = split(wanted, names, " "); i > 0; --i)
    if (index(first, " " names[i] " ") == 0) wrong = wrong "\n" FILENAME ": a row for " names[i] " expected, found none"
  if (rows < 60) wrong = wrong "\n" FILENAME ": at least 60 rows expected, found " rows + 0
  if (wrong != "") { print substr(wrong, 2); exit 1 }
}

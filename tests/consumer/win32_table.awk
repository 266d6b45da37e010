# Reads the headers of the C API and then the tables of docs/win32.md: rows of three cells, function | how | tests.
#   Fails for a declared function without a row, for a row of a function that is not declared, and for a row without a test.
# The names of the tests are checked against tests/ by check_named_tests.cmake.
BEGIN { FS = "|" }
FILENAME ~ /\.h$/ {
  if (/^#/) next
  if (/^CAIRN_WIN32_API/ && !/ extern /) { declaration = ""; open = 1 }
  if (open) declaration = declaration " " $0
  if (open && /\(/) {
    sub(/\(.*/, "", declaration)
    gsub(/\*/, " ", declaration)
    name = words[split(declaration, words, " ")]
    declared[name] = FILENAME
    ++functions
    open = 0
  }
  next
}
/^\| / && $2 !~ /^ function *$/ {
  if (NF != 5) { wrong = wrong "\n" FILENAME ":" FNR ": 3 cells expected, found " NF - 2; next }
  if ($4 !~ /`[A-Z][A-Za-z0-9]+\.[A-Z][A-Za-z0-9]+`/) wrong = wrong "\n" FILENAME ":" FNR ": a test expected in the last cell, found none"
  if ($3 !~ /[a-z]/) wrong = wrong "\n" FILENAME ":" FNR ": what it does expected, found nothing"
  gsub(/[`,]/, " ", $2)
  for (i = split($2, names, " "); i > 0; --i) {
    if (!(names[i] in declared)) wrong = wrong "\n" FILENAME ":" FNR ": " names[i] " is declared in no header"
    if (names[i] in rows) wrong = wrong "\n" FILENAME ":" FNR ": a second row for " names[i]
    rows[names[i]] = FNR
  }
}
END {
  for (name in declared)
    if (!(name in rows)) wrong = wrong "\n" declared[name] ": a row for " name " expected in the document, found none"
  if (functions < 90) wrong = wrong "\nat least 90 functions expected, found " functions + 0
  if (wrong != "") { print substr(wrong, 2); exit 1 }
}

# Reads the table of docs/log.md: rows of four cells, CLFS | Cairn | example | tests.
#   mode=check     fails for a row without an example or without a test in its last cell, or if the rows are fewer than `least`
#   mode=generate  prints a C++ file in which each example is the body of a function
# The names of the tests are checked against tests/ by check_named_tests.cmake.
function code_of(cell) {  # `a` `b` -> a b
  gsub(/^[ \t]+|[ \t]+$/, "", cell)
  gsub(/`/, "", cell)
  return cell
}
BEGIN {
  FS = "|"
  if (mode == "generate") {
    print "// Made from docs/log.md. Each example of its table must compile."
    print "#include <cstdio>\n#include <fstream>\n#include <thread>\n#include <utility>\n#include <vector>\n"
    print "#include <cairn/log.h>"
    for (i = split(headers, header, " "); i > 0; --i) print "#include <" header[i] ">"
    print "\nusing namespace cairn;\nusing namespace cairn::log;\nusing namespace std::chrono_literals;\n"
    print "// NOLINTBEGIN"
  }
}
/^\| / && NF == 6 && $2 !~ /^ CLFS *$/ {
  ++rows
  example = code_of($4)
  if (mode == "generate") {
    printf "void example_%d(Log& log, Stream& stream, Reservation& reservation, std::span<const std::byte> bytes, Gather pieces, Lsn lsn, Lsn older) {\n", rows
    print "  (void)log, (void)stream, (void)reservation, (void)bytes, (void)pieces, (void)lsn, (void)older;"
    print "  " example "\n}\n"
    next
  }
  if (example == "") wrong = wrong "\n" FILENAME ":" FNR ": an example expected, found none"
  if ($5 !~ /`[A-Z][A-Za-z0-9]+\.[A-Z][A-Za-z0-9]+`/) wrong = wrong "\n" FILENAME ":" FNR ": a test expected in the last cell, found none"
}
/^\| / && NF != 6 { wrong = wrong "\n" FILENAME ":" FNR ": 4 cells expected, found " NF - 2 }
END {
  if (mode == "generate") exit 0
  if (rows < least) wrong = wrong "\n" FILENAME ": at least " least " rows expected, found " rows + 0
  if (wrong != "") { print substr(wrong, 2); exit 1 }
}

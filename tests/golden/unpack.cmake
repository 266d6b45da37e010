# Unpacks each archive of the list `packed` into the directory `unpacked`.
cmake_minimum_required(VERSION 3.25)
foreach(archive ${packed})
  file(ARCHIVE_EXTRACT INPUT ${archive} DESTINATION ${unpacked})
endforeach()

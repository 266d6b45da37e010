# What the adapters of rm/ need of others, found in one place: the build includes this file, and so does the installed package
# (cairnConfig.cmake).
#
# Targets, where the library is installed: PkgConfig::ROCKSDB, PkgConfig::LIBPQ, PkgConfig::LIBMARIADB, PkgConfig::SQLITE3.
# Sets for each adapter `cairn_lacks_rm_NAME` to what is not found, empty: all there.
find_package(PkgConfig QUIET)
# adapter, module, prefix, Debian package
foreach(row "rocksdb;rocksdb;ROCKSDB;librocksdb-dev" "postgres;libpq;LIBPQ;libpq-dev"
            "mariadb;libmariadb;LIBMARIADB;libmariadb-dev" "sqlite;sqlite3;SQLITE3;libsqlite3-dev")
  list(GET row 0 adapter)
  list(GET row 1 module)
  list(GET row 2 prefix)
  list(GET row 3 package)
  if(PkgConfig_FOUND AND NOT TARGET PkgConfig::${prefix})
    pkg_check_modules(${prefix} QUIET IMPORTED_TARGET GLOBAL ${module})
  endif()
  if(TARGET PkgConfig::${prefix})
    set(cairn_lacks_rm_${adapter} "")
  else()
    set(cairn_lacks_rm_${adapter} "${module} (Debian: ${package})")
  endif()
endforeach()

find_path(CAIRN_BERKELEY_DB_INCLUDE db.h DOC "Where Berkeley DB's header is")
find_library(CAIRN_BERKELEY_DB NAMES db-5.3 db-5 DOC "Berkeley DB")
set(cairn_lacks_rm_berkeley_db "")
if(NOT CAIRN_BERKELEY_DB OR NOT CAIRN_BERKELEY_DB_INCLUDE)
  set(cairn_lacks_rm_berkeley_db "Berkeley DB (Debian: libdb5.3-dev)")
endif()

# The libraries Cairn's own libraries are linked with, found in one place: the build includes this file, and so does the
# installed package (cairnConfig.cmake), so that the two cannot drift apart.
#
# Targets: Threads::Threads, PkgConfig::liburing, PkgConfig::libxxhash, PkgConfig::uuid.
# Sets cairn_missing to one sentence about what was not found; empty: all there. Whoever includes this decides what follows.
set(cairn_missing "")

find_package(Threads QUIET)
if(NOT Threads_FOUND)
  string(APPEND cairn_missing " POSIX threads.")
endif()

find_package(PkgConfig QUIET)
if(NOT PkgConfig_FOUND)
  string(APPEND cairn_missing " pkg-config (Debian: pkg-config).")
else()
  # module, least version, Debian package
  foreach(row "liburing;2.2;liburing-dev" "libxxhash;0.8;libxxhash-dev" "uuid;2.30;uuid-dev")
    list(GET row 0 module)
    list(GET row 1 least)
    list(GET row 2 package)
    if(NOT TARGET PkgConfig::${module})
      pkg_check_modules(${module} QUIET IMPORTED_TARGET ${module}>=${least})
    endif()
    if(NOT TARGET PkgConfig::${module})
      string(APPEND cairn_missing " ${module} ${least} or newer (Debian: ${package}).")
    endif()
  endforeach()
endif()

string(STRIP "${cairn_missing}" cairn_missing)

# What every target of Cairn shares. cairn_module() makes a library target of a folder.
include(GNUInstallDirs)
include(CairnDependencies)
if(cairn_missing)
  message(FATAL_ERROR "Cairn needs: ${cairn_missing}\ntools/setup installs what is missing on Debian.")
endif()

add_library(cairn_build INTERFACE)
target_compile_features(cairn_build INTERFACE cxx_std_20)
if(CAIRN_WARNINGS)
  target_compile_options(cairn_build INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion
                                               -Werror=switch)
else()
  target_compile_options(cairn_build INTERFACE -w)
endif()
# g++ collects garbage from 128 MiB on; up to a gigabyte more memory spares a tenth to a quarter of the time.
target_compile_options(cairn_build INTERFACE $<$<CXX_COMPILER_ID:GNU>:--param=ggc-min-heapsize=1000000>)
# A broken invariant of Cairn's own code stops the program in every build.
target_compile_options(cairn_build INTERFACE -UNDEBUG)
if(CAIRN_WERROR)
  target_compile_options(cairn_build INTERFACE -Werror)
endif()
if(CAIRN_SANITIZE)
  target_compile_options(cairn_build INTERFACE -fsanitize=${CAIRN_SANITIZE} -fno-omit-frame-pointer
                                               -fno-sanitize-recover=all)
  target_link_options(cairn_build INTERFACE -fsanitize=${CAIRN_SANITIZE})
endif()

# The tests are some forty programs: a linker that takes a third of the time, where there is one.
if(CAIRN_FAST_LINKER)
  find_program(CAIRN_LLD ld.lld DOC "Links the tests faster (Debian: lld)")
  if(CAIRN_LLD)
    add_link_options(-fuse-ld=lld)
  endif()
endif()

# Flags for the libraries and what the tests share, but not for the tests themselves: with "-O1" exploring tests run several
# times as fast, and the many test files still compile as fast as without.
set(CAIRN_LIBRARY_FLAGS "" CACHE STRING "More compiler flags for the libraries only")
separate_arguments(cairn_library_flags UNIX_COMMAND "${CAIRN_LIBRARY_FLAGS}")
if(CAIRN_SANITIZE_LIBRARIES)
  set(cairn_sanitize_libraries -fsanitize=${CAIRN_SANITIZE_LIBRARIES} -fno-sanitize-recover=all)
  target_link_options(cairn_build INTERFACE -fsanitize=${CAIRN_SANITIZE_LIBRARIES})
endif()

# cairn_module(NAME SOURCES ... HEADERS ... [LINK public libraries] [PRIVATE_LINK libraries])
# A library cairn_NAME, alias cairn::NAME, with public headers below include/ and private ones in the folder.
function(cairn_module name)
  cmake_parse_arguments(ARG "" "" "SOURCES;HEADERS;LINK;PRIVATE_LINK" ${ARGN})
  add_library(cairn_${name} STATIC ${ARG_SOURCES})
  add_library(cairn::${name} ALIAS cairn_${name})
  set_target_properties(cairn_${name} PROPERTIES EXPORT_NAME ${name} POSITION_INDEPENDENT_CODE ON)
  list(TRANSFORM ARG_HEADERS PREPEND include/)
  target_sources(cairn_${name} PUBLIC FILE_SET HEADERS BASE_DIRS include FILES ${ARG_HEADERS})
  target_include_directories(cairn_${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  target_compile_features(cairn_${name} PUBLIC cxx_std_20)
  target_compile_options(cairn_${name} PRIVATE ${cairn_library_flags} ${cairn_sanitize_libraries})
  target_link_libraries(cairn_${name} PUBLIC ${ARG_LINK}
                        PRIVATE $<BUILD_INTERFACE:cairn_build> ${ARG_PRIVATE_LINK})
endfunction()

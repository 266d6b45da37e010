# Installs the libraries as the CMake package `cairn` (cairn::log, cairn::recovery, cairn::tm, cairn::sim, cairn::rm_kit,
# cairn::win32, cairn::win32_shared, the adapters that were built as cairn::rm_NAME), and the command.
include(CMakePackageConfigHelpers)

set(cairn_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/cairn)

set(cairn_components log recovery tm sim rm_kit)
if(CAIRN_BUILD_WIN32)
  list(APPEND cairn_components win32 win32_shared)
endif()
set(cairn_internal)  # what adapters are linked with
if(CAIRN_BUILD_RM)
  foreach(adapter berkeley_db files last_resource mariadb postgres queue rocksdb sqlite xa)
    if(TARGET cairn_rm_${adapter})
      list(APPEND cairn_components rm_${adapter})
    endif()
  endforeach()
  set(cairn_internal cairn_rm_names cairn_rm_stream)
endif()
list(TRANSFORM cairn_components PREPEND cairn_ OUTPUT_VARIABLE cairn_libraries)
list(APPEND cairn_libraries ${cairn_internal})

install(
  TARGETS ${cairn_libraries}
  EXPORT cairnTargets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development
  FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development)
install(EXPORT cairnTargets NAMESPACE cairn:: DESTINATION ${cairn_package_dir}
        COMPONENT development)

configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/cairnConfig.cmake.in
                              ${PROJECT_BINARY_DIR}/cairnConfig.cmake
                              INSTALL_DESTINATION ${cairn_package_dir})
# Before 1.0 a minor version may break the API, so only the same minor version fits.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/cairnConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
install(
  FILES ${PROJECT_BINARY_DIR}/cairnConfig.cmake ${PROJECT_BINARY_DIR}/cairnConfigVersion.cmake
        ${PROJECT_SOURCE_DIR}/cmake/CairnDependencies.cmake ${PROJECT_SOURCE_DIR}/cmake/CairnAdapters.cmake
  DESTINATION ${cairn_package_dir}
  COMPONENT development)

if(CAIRN_BUILD_TOOLS)
  install(TARGETS cairn RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT tools)
endif()

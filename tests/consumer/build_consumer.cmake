# Installs the build tree `build` of `source`, with all its `libraries`, below `work`, and builds two projects against the installed package: the
# consumer, and the README's example.
cmake_minimum_required(VERSION 3.25)

function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

# Writes the README's one block between ```LANGUAGE and ``` to `out`, word for word.
function(extract_readme_block language out)
  file(READ ${source}/README.md readme)
  string(REGEX MATCHALL "\n```${language}\n" starts "${readme}")
  list(LENGTH starts count)
  if(NOT count EQUAL 1)
    message(FATAL_ERROR "README.md: one block marked ${language} expected, found ${count}")
  endif()
  string(FIND "${readme}" "${starts}" begin)
  string(LENGTH "${starts}" marker)
  math(EXPR begin "${begin} + ${marker}")
  string(SUBSTRING "${readme}" ${begin} -1 rest)
  string(FIND "${rest}" "\n```\n" length)
  if(length EQUAL -1)
    message(FATAL_ERROR "README.md: the block marked ${language} does not end")
  endif()
  string(SUBSTRING "${rest}" 0 ${length} block)
  file(WRITE ${out} "${block}\n")
endfunction()

function(build_against_installed project binary_dir)
  run(${CMAKE_COMMAND} -S ${project} -B ${binary_dir} -G ${generator}
      -D CMAKE_CXX_COMPILER=${compiler} -D CMAKE_PREFIX_PATH=${work}/prefix
      -D CMAKE_FIND_USE_PACKAGE_REGISTRY=OFF)
  run(${CMAKE_COMMAND} --build ${binary_dir})
endfunction()

file(REMOVE_RECURSE ${work})
run(${CMAKE_COMMAND} --build ${build} --target ${libraries})
run(${CMAKE_COMMAND} --install ${build} --prefix ${work}/prefix --component development)

build_against_installed(${CMAKE_CURRENT_LIST_DIR}/project ${work}/consumer)

extract_readme_block(cmake ${work}/readme/CMakeLists.txt)
extract_readme_block(cpp ${work}/readme/app.cc)
build_against_installed(${work}/readme ${work}/readme/build)

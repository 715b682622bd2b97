# The three kinds of target. Each folder is one library; its name is the folder's path.

function(entente_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wconversion -Wno-sign-conversion
    -Wshadow -Wnon-virtual-dtor -Wold-style-cast -Woverloaded-virtual -Wnull-dereference -Werror)
  # GCC 12 reports these wrongly at -O2 on std::variant and std::string (GCC bugs 105562, 105329).
  target_compile_options(${target} PRIVATE -Wno-maybe-uninitialized -Wno-restrict -Wno-null-dereference)
endfunction()

# The headers that nearly every file includes are compiled once and reused: a third of the build time.
set(ENTENTE_COMMON_HEADERS
  <nlohmann/json.hpp> <algorithm> <functional> <map> <memory> <optional> <string> <unordered_map>
  <variant> <vector>)
set(CMAKE_PCH_WARN_INVALID OFF)
add_library(entente_pch STATIC ${PROJECT_SOURCE_DIR}/cmake/pch/common.cpp)
target_link_libraries(entente_pch PUBLIC nlohmann_json::nlohmann_json)
target_precompile_headers(entente_pch PRIVATE ${ENTENTE_COMMON_HEADERS})
entente_warnings(entente_pch)

# Compiles a target's files a few at a time: most of a file's cost is in what it includes, and in the
# templates that each would instantiate again. Names in an anonymous namespace are then shared by
# the files of a target. Folders that are changed most often are compiled file by file instead.
option(ENTENTE_UNITY "Compile the files of a target a few at a time" ON)
function(entente_together target)
  set_target_properties(${target} PROPERTIES ENTENTE_TOGETHER ON UNITY_BUILD ${ENTENTE_UNITY} UNITY_BUILD_BATCH_SIZE 8)
  if(ENTENTE_UNITY)
    # Meant for headers; here every file is included by another one.
    target_compile_options(${target} PRIVATE -Wno-subobject-linkage)
  endif()
endfunction()

# A sanitizer makes a test many times slower.
function(entente_time_limit test seconds)
  if(ENTENTE_SANITIZE)
    math(EXPR seconds "${seconds} * 5")
  endif()
  set_tests_properties(${test} PROPERTIES TIMEOUT ${seconds})
endfunction()

# entente_library(NAME SOURCES a.cpp ... [PUBLIC lib ...] [PRIVATE lib ...] [FILE_BY_FILE])
function(entente_library name)
  cmake_parse_arguments(ARG "FILE_BY_FILE" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  if(NOT ARG_FILE_BY_FILE)
    entente_together(${name})
  endif()
  target_include_directories(${name} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>)
  target_link_libraries(${name} PUBLIC ${ARG_PUBLIC} PRIVATE ${ARG_PRIVATE})
  target_precompile_headers(${name} REUSE_FROM entente_pch)
  entente_warnings(${name})
endfunction()

# entente_program(NAME SOURCES a.cpp ... LIBS lib ...)
function(entente_program name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  entente_together(${name})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${ARG_LIBS})
  # No page is both written and run, and what calls go through can not be written once it runs.
  target_link_options(${name} PRIVATE LINKER:-z,relro LINKER:-z,now LINKER:-z,noexecstack)
  target_precompile_headers(${name} REUSE_FROM entente_pch)
  entente_warnings(${name})
endfunction()

# entente_test(NAME SOURCES a.cpp ... LIBS lib ... [LABELS label ...] [FILE_BY_FILE] [POSTGRES] [MARIADB])
# One Catch2 program; ctest lists each of its cases. POSTGRES, MARIADB: it runs beside a server of its own.
function(entente_test name)
  cmake_parse_arguments(ARG "FILE_BY_FILE;POSTGRES;MARIADB" "" "SOURCES;LIBS;LABELS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  if(NOT ARG_FILE_BY_FILE)
    entente_together(${name})
  endif()
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${ARG_LIBS} entente_catch_main)
  target_compile_definitions(${name} PRIVATE
    ENTENTE_SOURCE_DIR="${PROJECT_SOURCE_DIR}" ENTENTE_BINARY_DIR="${PROJECT_BINARY_DIR}")
  target_precompile_headers(${name} REUSE_FROM entente_catch_main)
  entente_warnings(${name})
  # Tests are compiled once and run once: optimizing them would cost more than it saves. Their tables
  # name only the members that a case is about.
  target_compile_options(${name} PRIVATE -O0 -Wno-missing-field-initializers)
  set(launcher)
  if(ARG_POSTGRES)
    set(launcher ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/tests/support/postgres.py run --)
  elseif(ARG_MARIADB)
    set(launcher ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/tests/support/mariadb.py)
  endif()
  add_test(NAME ${name} COMMAND ${launcher} $<TARGET_FILE:${name}>
    WORKING_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR})
  entente_time_limit(${name} 600)
  if(ARG_LABELS)
    set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}")
  endif()
endfunction()

# entente_false_array_bounds(a.cpp ...): GCC 12 or 14 sees writes past a std::string's buffer where there are
# none, in these files, at -O2 (GCC bug 105651).
function(entente_false_array_bounds)
  set_source_files_properties(${ARGN} PROPERTIES COMPILE_OPTIONS "-Wno-array-bounds;-Wno-stringop-overflow")
endfunction()

# How everything is compiled.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
# Line tables make crash reports and profiles readable and cost little.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1")

set(ENTENTE_SANITIZE "" CACHE STRING "Empty, 'address' (with undefined behaviour) or 'thread'")
if(ENTENTE_SANITIZE STREQUAL "address")
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
elseif(ENTENTE_SANITIZE STREQUAL "thread")
  # Protobuf's map fields have two members more where this macro is defined, which Debian's library,
  # built without it, knows nothing of. libstdc++ alone has to be told.
  add_compile_options(-fsanitize=thread -fno-omit-frame-pointer -U__SANITIZE_THREAD__ -D_GLIBCXX_TSAN=1)
  add_link_options(-fsanitize=thread)
elseif(ENTENTE_SANITIZE)
  message(FATAL_ERROR "ENTENTE_SANITIZE is '${ENTENTE_SANITIZE}'; it may be empty, address or thread")
endif()

if(ENTENTE_SANITIZE)
  set(CMAKE_CXX_FLAGS_RELEASE "-O1 -g1")  # Reports stay readable, and builds short.
endif()

option(ENTENTE_COVERAGE "Count which lines and branches run" OFF)
if(ENTENTE_COVERAGE)
  # Unoptimized and file by file, or a line's count is not its own. Crash tests kill: what they count is lost.
  add_compile_options(--coverage -fprofile-update=atomic)
  add_link_options(--coverage)
  set(CMAKE_CXX_FLAGS_RELEASE "-O0 -g1")
  set(ENTENTE_UNITY OFF CACHE BOOL "" FORCE)
endif()

# An overrun of a buffer or an index ends the process at once instead of going on with what it wrote. The
# sanitizers see more, and the C library's own checks would hide it from them.
add_compile_options(-fstack-protector-strong -fstack-clash-protection)
add_compile_definitions(_GLIBCXX_ASSERTIONS)
if(NOT ENTENTE_SANITIZE AND NOT ENTENTE_COVERAGE)
  add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
endif()

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  # What ccache needs to work with precompiled headers, and to share results between clones.
  set(CMAKE_CXX_COMPILER_LAUNCHER
    ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
    CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${CCACHE_PROGRAM})
  add_compile_options(-fpch-preprocess)
endif()
find_program(MOLD_PROGRAM mold)
if(MOLD_PROGRAM)
  add_link_options(-fuse-ld=mold)
endif()

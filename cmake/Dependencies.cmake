# All from Debian 12 or 13; docs/dependencies.md gives the reason for each.
find_package(Threads REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(Catch2 REQUIRED)  # 2 or 3
find_package(Boost 1.74 REQUIRED COMPONENTS system)
find_package(CLI11 REQUIRED)
find_package(spdlog REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(PostgreSQL REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(Protobuf REQUIRED)
find_package(Python3 3.9 REQUIRED COMPONENTS Interpreter)
find_package(PkgConfig REQUIRED)
pkg_check_modules(RE2 REQUIRED IMPORTED_TARGET re2)
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-cpp)
pkg_check_modules(MARIADB REQUIRED IMPORTED_TARGET libmariadb)
pkg_check_modules(CARES REQUIRED IMPORTED_TARGET libcares)
pkg_check_modules(GRPC REQUIRED IMPORTED_TARGET grpc++)
find_library(JEMALLOC_LIBRARY jemalloc REQUIRED)
find_library(SODIUM_LIBRARY sodium REQUIRED)  # Linked by its name, which the SDK's users can find, too.
find_library(GRPC_REFLECTION_LIBRARY grpc++_reflection REQUIRED)
find_program(GRPC_CPP_PLUGIN grpc_cpp_plugin REQUIRED)

# Boost headers set up once for every target that uses Asio or Beast.
add_library(entente_boost INTERFACE)
target_link_libraries(entente_boost INTERFACE Boost::headers Boost::system Threads::Threads)
target_compile_definitions(entente_boost INTERFACE
  BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_DISABLE_CONCEPTS)
if(ENTENTE_SANITIZE STREQUAL "thread")
  # Asio's fences, which the sanitizer does not model, stand beside locks that it does.
  target_compile_options(entente_boost INTERFACE -Wno-tsan)
endif()

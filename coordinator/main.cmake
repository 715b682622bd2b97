# The one program: `entente serve` and the command line client.
find_package(ZLIB REQUIRED)
entente_library(entente_serve
  SOURCES auditing.cpp authentication.cpp call_tls.cpp cluster_bulk.cpp cluster_node.cpp config.cpp dead_letters.cpp process/descriptors.cpp listen_tls.cpp log/log_line.cpp
    process/machine_memory.cpp log/operations_log.cpp process/private_file.cpp commands/probe_command.cpp log/process_log.cpp provider_keys.cpp serve.cpp servers.cpp signing_keys.cpp store_rewriter.cpp
    commands/store_commands.cpp commands/version_command.cpp
  PUBLIC entente_base
  PRIVATE entente_api entente_audit entente_cluster entente_identity entente_engine entente_marks entente_observe entente_outlets entente_participants entente_probe entente_runtime entente_storage
    entente_storage_open entente_storage_sealed entente_net_core entente_net_dns entente_net_http entente_net_grpc entente_net_signing entente_boost spdlog::spdlog CLI11::CLI11
    OpenSSL::Crypto PkgConfig::CARES PkgConfig::GRPC sodium PostgreSQL::PostgreSQL SQLite::SQLite3 ZLIB::ZLIB protobuf::libprotobuf)
entente_program(entente
  SOURCES main.cpp
  LIBS entente_serve entente_cli CLI11::CLI11)
# Sanitizers bring an allocator of their own.
if(NOT ENTENTE_SANITIZE)
  target_link_libraries(entente PRIVATE ${JEMALLOC_LIBRARY})
endif()

# `cmake --install BUILD --component sdk`: the SDK's libraries, its public headers and what
# find_package(Entente) and pkg-config read. Without --component the program `entente` comes too.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(headers ${CMAKE_INSTALL_INCLUDEDIR})
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/Entente)

set(sdk_targets
  entente_base entente_boost entente_net_core entente_net_http entente_net_postgres entente_net_signing
  entente_participant_proto
  entente_sdk_client entente_sdk_core entente_sdk_grpc entente_sdk_grpc_server entente_sdk_mysql
  entente_sdk_participant entente_sdk_postgres entente_sdk_sqlite)
set_target_properties(entente_base PROPERTIES EXPORT_NAME Base)
set_target_properties(entente_boost PROPERTIES EXPORT_NAME Boost)
set_target_properties(entente_net_core PROPERTIES EXPORT_NAME NetCore)
set_target_properties(entente_net_http PROPERTIES EXPORT_NAME NetHttp)
set_target_properties(entente_net_postgres PROPERTIES EXPORT_NAME NetPostgres)
set_target_properties(entente_net_signing PROPERTIES EXPORT_NAME NetSigning)
set_target_properties(entente_participant_proto PROPERTIES EXPORT_NAME ParticipantProto)
set_target_properties(entente_sdk_client PROPERTIES EXPORT_NAME Client)
set_target_properties(entente_sdk_core PROPERTIES EXPORT_NAME Core)
set_target_properties(entente_sdk_grpc PROPERTIES EXPORT_NAME ParticipantGrpc)
set_target_properties(entente_sdk_grpc_server PROPERTIES EXPORT_NAME ParticipantGrpcServer)
set_target_properties(entente_sdk_mysql PROPERTIES EXPORT_NAME Mysql)
set_target_properties(entente_sdk_participant PROPERTIES EXPORT_NAME Participant)
set_target_properties(entente_sdk_postgres PROPERTIES EXPORT_NAME Postgres)
set_target_properties(entente_sdk_sqlite PROPERTIES EXPORT_NAME Sqlite)
target_compile_features(entente_base PUBLIC cxx_std_20)

install(TARGETS ${sdk_targets} EXPORT EntenteTargets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT sdk
  INCLUDES DESTINATION ${headers})
install(DIRECTORY participant-sdk/include/entente DESTINATION ${headers} COMPONENT sdk
  PATTERN base EXCLUDE)
# What the public headers need of base/ stands below entente/ too, and says so in its includes: a
# service may have a base/status.h of its own.
set(base_headers check ids json limits status time)
install(CODE "
  foreach(name ${base_headers})
    file(READ \"${PROJECT_SOURCE_DIR}/base/\${name}.h\" text)
    string(REPLACE \"#include \\\"base/\" \"#include \\\"entente/base/\" text \"\${text}\")
    file(WRITE \"${PROJECT_BINARY_DIR}/sdk-headers/\${name}.h\" \"\${text}\")
  endforeach()" COMPONENT sdk)
foreach(name ${base_headers})
  install(FILES ${PROJECT_BINARY_DIR}/sdk-headers/${name}.h DESTINATION ${headers}/entente/base
    COMPONENT sdk)
endforeach()
install(FILES proto/entente/participant/v1/participant.proto
  DESTINATION ${CMAKE_INSTALL_DATADIR}/entente/proto/entente/participant/v1 COMPONENT sdk)
install(EXPORT EntenteTargets NAMESPACE Entente:: DESTINATION ${package} COMPONENT sdk)
configure_package_config_file(cmake/EntenteConfig.cmake.in ${PROJECT_BINARY_DIR}/EntenteConfig.cmake
  INSTALL_DESTINATION ${package})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/EntenteConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/EntenteConfig.cmake ${PROJECT_BINARY_DIR}/EntenteConfigVersion.cmake
  DESTINATION ${package} COMPONENT sdk)

# The same for whoever does not use CMake. entente_pkg_config(COMPONENT DESCRIPTION REQUIRES LIBS)
file(RELATIVE_PATH ENTENTE_PC_UP /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
function(entente_pkg_config component description requires libs)
  set(ENTENTE_PC_NAME entente-${component})
  set(ENTENTE_PC_DESCRIPTION ${description})
  set(ENTENTE_PC_REQUIRES ${requires})
  set(ENTENTE_PC_LIBS ${libs})
  configure_file(cmake/entente.pc.in ${PROJECT_BINARY_DIR}/${ENTENTE_PC_NAME}.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/${ENTENTE_PC_NAME}.pc
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT sdk)
endfunction()
set(core "-lentente_sdk_core -lentente_base -lboost_system -pthread")
set(http "-lentente_net_http -lentente_net_core ${core} -lssl -lcrypto")
entente_pkg_config(client "The client of an Entente coordinator" "nlohmann_json"
  "-lentente_sdk_client ${http}")
entente_pkg_config(participant "A participant of Entente's transactions, over REST" "nlohmann_json"
  "-lentente_sdk_participant -lentente_sdk_client -lentente_net_signing ${http} -lsodium")
entente_pkg_config(participant-grpc "A participant of Entente's transactions, over gRPC"
  "entente-participant protobuf grpc++"
  "-lentente_sdk_grpc_server -lentente_sdk_grpc -lentente_participant_proto -lgrpc++_reflection")
entente_pkg_config(sqlite "Entente's barrier and outbox in SQLite" "entente-client sqlite3"
  "-lentente_sdk_sqlite")
entente_pkg_config(postgres "Entente's barrier, two-phase commit and outbox in PostgreSQL"
  "entente-client libpq" "-lentente_sdk_postgres -lentente_net_postgres")
entente_pkg_config(mysql "Entente's barrier in MariaDB and MySQL" "nlohmann_json libmariadb"
  "-lentente_sdk_mysql ${core}")

# What the program is made of, as CycloneDX: build/entente.cdx.json.
add_custom_command(OUTPUT ${PROJECT_BINARY_DIR}/entente.cdx.json
  COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/tools/sbom.py --program $<TARGET_FILE:entente>
    --version ${PROJECT_VERSION} --lock ${PROJECT_SOURCE_DIR}/dashboard/package-lock.json
    --out ${PROJECT_BINARY_DIR}/entente.cdx.json
  DEPENDS entente ${PROJECT_SOURCE_DIR}/tools/sbom.py ${PROJECT_SOURCE_DIR}/dashboard/package-lock.json
  VERBATIM)
add_custom_target(sbom ALL DEPENDS ${PROJECT_BINARY_DIR}/entente.cdx.json)
install(FILES ${PROJECT_BINARY_DIR}/entente.cdx.json DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/entente
  COMPONENT coordinator)

install(TARGETS entente RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT coordinator)

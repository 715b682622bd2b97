# `cmake --install BUILD --component sdk`: the SDK's libraries, its public headers and what
# find_package(Entente) reads. Without --component the program `entente` comes too.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# Headers lie in a folder of their own, so that "base/..." can not meet anybody else's.
set(headers ${CMAKE_INSTALL_INCLUDEDIR}/entente-sdk)
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/Entente)

set(sdk_targets
  entente_base entente_boost entente_participant_proto entente_sdk_client entente_sdk_core
  entente_sdk_grpc entente_sdk_grpc_server entente_sdk_participant entente_sdk_postgres
  entente_sdk_sqlite)
set_target_properties(entente_base PROPERTIES EXPORT_NAME Base)
set_target_properties(entente_boost PROPERTIES EXPORT_NAME Boost)
set_target_properties(entente_participant_proto PROPERTIES EXPORT_NAME ParticipantProto)
set_target_properties(entente_sdk_client PROPERTIES EXPORT_NAME Client)
set_target_properties(entente_sdk_core PROPERTIES EXPORT_NAME Core)
set_target_properties(entente_sdk_grpc PROPERTIES EXPORT_NAME ParticipantGrpc)
set_target_properties(entente_sdk_grpc_server PROPERTIES EXPORT_NAME ParticipantGrpcServer)
set_target_properties(entente_sdk_participant PROPERTIES EXPORT_NAME Participant)
set_target_properties(entente_sdk_postgres PROPERTIES EXPORT_NAME Postgres)
set_target_properties(entente_sdk_sqlite PROPERTIES EXPORT_NAME Sqlite)
target_compile_features(entente_base PUBLIC cxx_std_20)

install(TARGETS ${sdk_targets} EXPORT EntenteTargets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT sdk
  INCLUDES DESTINATION ${headers})
install(DIRECTORY participant-sdk/include/entente DESTINATION ${headers} COMPONENT sdk)
install(FILES base/check.h base/ids.h base/json.h base/limits.h base/status.h base/time.h
  DESTINATION ${headers}/base COMPONENT sdk)
install(FILES proto/entente/participant/v1/participant.proto
  DESTINATION ${CMAKE_INSTALL_DATADIR}/entente/proto/entente/participant/v1 COMPONENT sdk)
install(EXPORT EntenteTargets NAMESPACE Entente:: DESTINATION ${package} COMPONENT sdk)
configure_package_config_file(cmake/EntenteConfig.cmake.in ${PROJECT_BINARY_DIR}/EntenteConfig.cmake
  INSTALL_DESTINATION ${package})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/EntenteConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/EntenteConfig.cmake ${PROJECT_BINARY_DIR}/EntenteConfigVersion.cmake
  DESTINATION ${package} COMPONENT sdk)

install(TARGETS entente RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT coordinator)

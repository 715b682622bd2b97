# `cpack -G DEB` in the build folder: the coordinator as a Debian package, with a systemd unit. What
# it depends on is read from the program.
install(FILES deploy/systemd/entente.service DESTINATION /usr/lib/systemd/system
  COMPONENT coordinator)
install(FILES deploy/systemd/entente.json DESTINATION /etc/entente COMPONENT coordinator)
install(FILES LICENSE RENAME copyright DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/entente
  COMPONENT coordinator)
install(FILES docs/operations.md docs/cli.md docs/api.md DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/entente
  COMPONENT coordinator)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME entente)
set(CPACK_PACKAGE_VENDOR Entente)
set(CPACK_PACKAGE_CONTACT "The Entente maintainers <maintainers@entente.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "coordinator for transactions that span services")
set(CPACK_PACKAGE_DESCRIPTION
  "Entente drives sagas, try-confirm-cancel and two-phase commits over REST and gRPC, keeps each of
them durable and ends it committed everywhere or undone everywhere.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL coordinator)
set(CPACK_COMPONENTS_GROUPING ALL_COMPONENTS_IN_ONE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
  "${PROJECT_SOURCE_DIR}/deploy/debian/conffiles;${PROJECT_SOURCE_DIR}/deploy/debian/postinst;${PROJECT_SOURCE_DIR}/deploy/debian/prerm")
include(CPack)

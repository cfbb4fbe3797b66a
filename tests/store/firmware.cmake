# Firmware and its roll-outs, and what devices say of them: real PostgreSQL, time is the test's.
klyuchnik_test(test_firmware_store LABEL store FIXTURES klyuchnik_cluster
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/firmware_test.cpp ${CMAKE_CURRENT_LIST_DIR}/store.cpp
  LINKS klyuchnik_test_cluster klyuchnik_handlers_devices PkgConfig::pqxx PostgreSQL::PostgreSQL)
target_include_directories(test_firmware_store PRIVATE ${CMAKE_BINARY_DIR}/generated)
target_compile_definitions(test_firmware_store PRIVATE PQXX_HAVE_OPTIONAL)

# The store of the domain "devices" and what remembers beside it: real PostgreSQL, time is the test's.
klyuchnik_test(test_devices_store LABEL store FIXTURES klyuchnik_cluster
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/devices_test.cpp ${CMAKE_CURRENT_LIST_DIR}/store.cpp
  LINKS klyuchnik_test_cluster klyuchnik_handlers_devices PkgConfig::pqxx PostgreSQL::PostgreSQL)
target_include_directories(test_devices_store PRIVATE ${CMAKE_BINARY_DIR}/generated)
target_compile_definitions(test_devices_store PRIVATE PQXX_HAVE_OPTIONAL)

# The runtime's own threads against a real PostgreSQL: time is the test's, no broker, no process.
klyuchnik_test(test_runtime LABEL store FIXTURES klyuchnik_cluster
  SOURCES
    ${CMAKE_CURRENT_LIST_DIR}/alarms_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/commands_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/fleet_views_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/letters_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/store.cpp
    ${CMAKE_CURRENT_LIST_DIR}/timed_work_test.cpp
  LINKS klyuchnik_test_cluster klyuchnik_handlers_runtime PkgConfig::pqxx PostgreSQL::PostgreSQL)
target_include_directories(test_runtime PRIVATE ${CMAKE_BINARY_DIR}/generated)
target_compile_definitions(test_runtime PRIVATE PQXX_HAVE_OPTIONAL)

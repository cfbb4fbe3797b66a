# The store as PostgreSQL sees it: real server, no broker, no handlers running. The tests read the embedded
# statements and speak through db/access itself, so they are built as a part of it is.
klyuchnik_test(test_store LABEL store FIXTURES klyuchnik_cluster
  SOURCES
    ${CMAKE_CURRENT_LIST_DIR}/constraints_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/faults_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/grants_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/migrations_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/relay_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/statements_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/store.cpp
    ${CMAKE_CURRENT_LIST_DIR}/values_test.cpp
  LINKS klyuchnik_test_cluster klyuchnik_db PkgConfig::pqxx PostgreSQL::PostgreSQL
        nlohmann_json::nlohmann_json)
target_include_directories(test_store PRIVATE ${CMAKE_BINARY_DIR}/generated)
target_compile_definitions(test_store PRIVATE PQXX_HAVE_OPTIONAL)

# Routes of the bridge on a real database, with the handlers' side played by the test.
klyuchnik_test(test_bridge_store LABEL store FIXTURES klyuchnik_cluster
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/bridge_test.cpp ${CMAKE_CURRENT_LIST_DIR}/store.cpp
  LINKS klyuchnik_test_cluster klyuchnik_bridge klyuchnik_db PkgConfig::pqxx PostgreSQL::PostgreSQL
        nlohmann_json::nlohmann_json)
target_include_directories(test_bridge_store PRIVATE ${CMAKE_BINARY_DIR}/generated)
target_compile_definitions(test_bridge_store PRIVATE PQXX_HAVE_OPTIONAL)

# Documents, uploads and the rights of cabinets against a real PostgreSQL: time is the test's.
klyuchnik_test(test_documents_store LABEL store FIXTURES klyuchnik_cluster
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/documents_test.cpp ${CMAKE_CURRENT_LIST_DIR}/store.cpp
  LINKS klyuchnik_test_cluster klyuchnik_handlers_keys PkgConfig::pqxx PostgreSQL::PostgreSQL)
target_include_directories(test_documents_store PRIVATE ${CMAKE_BINARY_DIR}/generated)
target_compile_definitions(test_documents_store PRIVATE PQXX_HAVE_OPTIONAL)

# The whole system for a test. One PostgreSQL cluster serves a whole ctest run: tests that need it say FIXTURES
# klyuchnik_cluster; a test run by hand starts the cluster itself.
klyuchnik_library(klyuchnik_test_cluster
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/cluster.cpp
  LINKS klyuchnik_test_process
  PRIVATE_LINKS PostgreSQL::PostgreSQL)
target_compile_definitions(klyuchnik_test_cluster PRIVATE
  KLYUCHNIK_CLUSTER_SCRIPT="${CMAKE_SOURCE_DIR}/db/cluster"
  KLYUCHNIK_SHARED_CLUSTER="${CMAKE_BINARY_DIR}/test-cluster"
  KLYUCHNIK_HANDLERS="$<TARGET_FILE:klyuchnik-handlers>")
add_dependencies(klyuchnik_test_cluster klyuchnik-handlers)

add_executable(klyuchnik-test-cluster ${CMAKE_CURRENT_LIST_DIR}/cluster_main.cpp)
target_link_libraries(klyuchnik-test-cluster PRIVATE klyuchnik_flags klyuchnik_test_cluster)
add_test(NAME cluster_up COMMAND klyuchnik-test-cluster up)
add_test(NAME cluster_down COMMAND klyuchnik-test-cluster down)
set_tests_properties(cluster_up PROPERTIES FIXTURES_SETUP klyuchnik_cluster TIMEOUT 120)
set_tests_properties(cluster_down PROPERTIES FIXTURES_CLEANUP klyuchnik_cluster TIMEOUT 120)

klyuchnik_library(klyuchnik_test_world
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/world.cpp
  LINKS klyuchnik_test_cluster klyuchnik_test_broker klyuchnik_sim_cabinet klyuchnik_topics
  PRIVATE_LINKS klyuchnik_witness_parts GTest::gtest PkgConfig::httplib nlohmann_json::nlohmann_json)
target_compile_definitions(klyuchnik_test_world PRIVATE
  KLYUCHNIK_HANDLERS="$<TARGET_FILE:klyuchnik-handlers>"
  KLYUCHNIK_BRIDGE="$<TARGET_FILE:klyuchnik-bridge>"
  KLYUCHNIK_TEST_LOGS="${CMAKE_BINARY_DIR}/test-logs")
add_dependencies(klyuchnik_test_world klyuchnik-handlers klyuchnik-bridge)

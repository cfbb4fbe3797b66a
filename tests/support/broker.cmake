add_library(klyuchnik_raw_client STATIC ${CMAKE_CURRENT_LIST_DIR}/raw_client.cpp)
target_link_libraries(klyuchnik_raw_client
  PUBLIC klyuchnik_flags Threads::Threads
  PRIVATE PkgConfig::mosquitto)

add_library(klyuchnik_test_broker STATIC ${CMAKE_CURRENT_LIST_DIR}/test_broker.cpp)
target_link_libraries(klyuchnik_test_broker PUBLIC klyuchnik_flags klyuchnik_raw_client klyuchnik_test_certificates)
target_compile_definitions(klyuchnik_test_broker PRIVATE
  KLYUCHNIK_BROKER_SCRIPTS="${CMAKE_SOURCE_DIR}/broker"
  KLYUCHNIK_GUARD_FILE="$<TARGET_FILE:klyuchnik_guard>")
# The guard is loaded, not linked, so only this says that it must be built.
add_dependencies(klyuchnik_test_broker klyuchnik_guard)

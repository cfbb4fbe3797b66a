# What is killed, paused and cut here must cost nobody a fact, an ask or an event.
klyuchnik_test(test_faults LABEL faults TIMEOUT 150 FIXTURES klyuchnik_cluster
  SOURCES
    ${CMAKE_CURRENT_LIST_DIR}/broker_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/crash_points_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/device_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/dispatcher_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/load.cpp
    ${CMAKE_CURRENT_LIST_DIR}/postgres_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/two_handlers_test.cpp
  LINKS klyuchnik_test_world klyuchnik_witness_parts)
target_compile_definitions(test_faults PRIVATE KLYUCHNIK_SIM="$<TARGET_FILE:klyuchnik-sim>")
add_dependencies(test_faults klyuchnik-sim)

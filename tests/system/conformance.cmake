# The real tool against devices on a real broker.
klyuchnik_test(test_conformance_tool LABEL system TIMEOUT 240
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/conformance_test.cpp
  LINKS klyuchnik_test_broker klyuchnik_test_process klyuchnik_sim_cabinet)
target_compile_definitions(test_conformance_tool PRIVATE KLYUCHNIK_SIM="$<TARGET_FILE:klyuchnik-sim>")
add_dependencies(test_conformance_tool klyuchnik-sim)

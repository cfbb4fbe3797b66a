klyuchnik_test(test_conformance LABEL unit
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/conformance_test.cpp
  LINKS klyuchnik_sim_conformance)
target_compile_definitions(test_conformance PRIVATE KLYUCHNIK_TOPICS_DIR="${CMAKE_SOURCE_DIR}/topics")

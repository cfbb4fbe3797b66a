klyuchnik_test(test_broker_access
  LABEL unit
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/access_test.cpp
  LINKS klyuchnik_guard_access)

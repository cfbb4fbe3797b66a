klyuchnik_test(test_access
  LABEL system
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/access_test.cpp
  LINKS klyuchnik_test_broker)

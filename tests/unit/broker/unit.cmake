klyuchnik_test(test_broker_guard
  LABEL unit
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/access_test.cpp ${CMAKE_CURRENT_LIST_DIR}/control_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/credentials_test.cpp ${CMAKE_CURRENT_LIST_DIR}/flood_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/left_sessions_test.cpp
  LINKS klyuchnik_guard_rules_tested)

klyuchnik_test(test_handlers LABEL unit
  SOURCES
    ${CMAKE_CURRENT_LIST_DIR}/journal_rules_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/keys_rules_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/message_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/work_test.cpp
  LINKS klyuchnik_handlers_keys)

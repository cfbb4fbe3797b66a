klyuchnik_test(test_handlers LABEL unit
  SOURCES
    ${CMAKE_CURRENT_LIST_DIR}/alarms_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/command_body_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/command_rules_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/devices_rules_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/document_rules_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/firmware_rules_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/guard_watch_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/journal_rules_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/keys_rules_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/message_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/rights_document_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/work_test.cpp
  LINKS klyuchnik_handlers_keys klyuchnik_handlers_devices PkgConfig::sodium)

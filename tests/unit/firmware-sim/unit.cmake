klyuchnik_test(test_firmware_sim LABEL unit
  SOURCES
    ${CMAKE_CURRENT_LIST_DIR}/documents_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/journal_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/ledger_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/protocol_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/schedule.cpp
    ${CMAKE_CURRENT_LIST_DIR}/schedule_test.cpp
  LINKS
    klyuchnik_sim_load)

# The same libraries against a real broker, with a model server behind it.
klyuchnik_test(test_cabinet_client LABEL system
  SOURCES
    ${CMAKE_CURRENT_LIST_DIR}/cabinet_client_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/model_server.cpp
  LINKS
    klyuchnik_sim_load
    PkgConfig::mosquitto)

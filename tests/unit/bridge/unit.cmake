klyuchnik_test(test_bridge LABEL unit
  SOURCES
    ${CMAKE_CURRENT_SOURCE_DIR}/unit/bridge/address_test.cpp
    ${CMAKE_CURRENT_SOURCE_DIR}/unit/bridge/api_test.cpp
    ${CMAKE_CURRENT_SOURCE_DIR}/unit/bridge/ask_client_test.cpp
    ${CMAKE_CURRENT_SOURCE_DIR}/unit/bridge/attempts_test.cpp
    ${CMAKE_CURRENT_SOURCE_DIR}/unit/bridge/auth_test.cpp
    ${CMAKE_CURRENT_SOURCE_DIR}/unit/bridge/cabinet_test.cpp
    ${CMAKE_CURRENT_SOURCE_DIR}/unit/bridge/claim_codes_test.cpp
    ${CMAKE_CURRENT_SOURCE_DIR}/unit/bridge/claims_test.cpp
    ${CMAKE_CURRENT_SOURCE_DIR}/unit/bridge/device_certificates_test.cpp
    ${CMAKE_CURRENT_SOURCE_DIR}/unit/bridge/event_ring_test.cpp
    ${CMAKE_CURRENT_SOURCE_DIR}/unit/bridge/http_test.cpp
    ${CMAKE_CURRENT_SOURCE_DIR}/unit/bridge/json_test.cpp
    ${CMAKE_CURRENT_SOURCE_DIR}/unit/bridge/large_body_test.cpp
    ${CMAKE_CURRENT_SOURCE_DIR}/unit/bridge/openapi_test.cpp
    ${CMAKE_CURRENT_SOURCE_DIR}/unit/bridge/pages_test.cpp
    ${CMAKE_CURRENT_SOURCE_DIR}/unit/bridge/pending_asks_test.cpp
    ${CMAKE_CURRENT_SOURCE_DIR}/unit/bridge/problem_test.cpp
    ${CMAKE_CURRENT_SOURCE_DIR}/unit/bridge/retries_test.cpp
  LINKS klyuchnik_bridge nlohmann_json::nlohmann_json OpenSSL::Crypto)

klyuchnik_test(test_http_server LABEL unit
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/server_test.cpp
  LINKS klyuchnik_bridge klyuchnik_test_certificates OpenSSL::SSL)

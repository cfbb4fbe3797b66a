klyuchnik_test(test_devices_rest LABEL system FIXTURES klyuchnik_cluster
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/devices_rest_test.cpp
  LINKS klyuchnik_test_world OpenSSL::Crypto)

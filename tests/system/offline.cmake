klyuchnik_test(test_offline LABEL system TIMEOUT 180 FIXTURES klyuchnik_cluster
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/offline_test.cpp
  LINKS klyuchnik_test_world PkgConfig::httplib)

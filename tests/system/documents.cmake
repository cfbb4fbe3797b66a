foreach(name IN ITEMS documents rights_document)
  klyuchnik_test(test_${name} LABEL system FIXTURES klyuchnik_cluster TIMEOUT 120
    SOURCES ${CMAKE_CURRENT_LIST_DIR}/${name}_test.cpp
    LINKS klyuchnik_test_world PkgConfig::httplib)
endforeach()

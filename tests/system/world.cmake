foreach(name IN ITEMS keys journal asks bad_input rest running commands alarms letters)
  klyuchnik_test(test_${name} LABEL system FIXTURES klyuchnik_cluster
    SOURCES ${CMAKE_CURRENT_LIST_DIR}/${name}_test.cpp
    LINKS klyuchnik_test_world PkgConfig::httplib)
endforeach()
target_compile_definitions(test_bad_input PRIVATE KLYUCHNIK_TOPICS_DIR="${CMAKE_SOURCE_DIR}/topics")
target_compile_definitions(test_running PRIVATE KLYUCHNIK_HANDLERS="$<TARGET_FILE:klyuchnik-handlers>")

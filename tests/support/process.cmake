klyuchnik_library(klyuchnik_test_process SOURCES ${CMAKE_CURRENT_LIST_DIR}/process.cpp)

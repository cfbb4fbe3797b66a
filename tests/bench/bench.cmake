klyuchnik_program(klyuchnik-bench
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/latency.cpp
  LINKS klyuchnik_process klyuchnik_topics PkgConfig::mosquitto PostgreSQL::PostgreSQL Threads::Threads)

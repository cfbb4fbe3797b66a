klyuchnik_test(test_process LABEL unit
  SOURCES
    unit/process/bounded_queue_test.cpp
    unit/process/clock_test.cpp
    unit/process/crash_point_test.cpp
    unit/process/log_test.cpp
    unit/process/metrics_test.cpp
    unit/process/settings_test.cpp
    unit/process/shutdown_test.cpp
  LINKS klyuchnik_process nlohmann_json::nlohmann_json)

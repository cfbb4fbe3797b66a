klyuchnik_test(test_mqtt_session LABEL system TIMEOUT 120
  SOURCES system/mqtt_session_test.cpp
  LINKS klyuchnik_process klyuchnik_test_certificates PkgConfig::mosquitto)

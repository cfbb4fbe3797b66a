klyuchnik_test(test_mqtt_link LABEL system
  SOURCES system/mqtt_link_test.cpp
  LINKS klyuchnik_sim_device klyuchnik_test_certificates klyuchnik_raw_client)

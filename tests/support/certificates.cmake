# Certificates as broker/certificates makes them, and a Mosquitto that shows them and knows no other rules.
klyuchnik_library(klyuchnik_test_certificates
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/bare_broker.cpp ${CMAKE_CURRENT_LIST_DIR}/certificates.cpp
  PRIVATE_LINKS klyuchnik_test_process)
target_compile_definitions(klyuchnik_test_certificates PRIVATE KLYUCHNIK_BROKER_SCRIPTS="${CMAKE_SOURCE_DIR}/broker")

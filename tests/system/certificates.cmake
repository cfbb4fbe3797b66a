klyuchnik_test(test_certificates LABEL system
  SOURCES system/certificates_test.cpp
  LINKS klyuchnik_test_broker klyuchnik_test_certificates klyuchnik_test_process)

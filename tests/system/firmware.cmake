# Firmware from the upload to the birth that confirms it: every program is real, the devices are simulated.
klyuchnik_test(test_firmware LABEL system FIXTURES klyuchnik_cluster TIMEOUT 120
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/firmware_test.cpp
  LINKS klyuchnik_test_world OpenSSL::Crypto)
target_compile_definitions(test_firmware PRIVATE KLYUCHNIK_HANDLERS="$<TARGET_FILE:klyuchnik-handlers>")

# klyuchnik-witness: fills a fresh system through its public API for the demo, and holds the database against
# what the simulators wrote down. It is a test client: it may speak HTTP and read the database, the product's own
# programs and the simulator may not do both.
klyuchnik_library(klyuchnik_witness_parts
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/witness/account.cpp ${CMAKE_CURRENT_LIST_DIR}/witness/seed.cpp
          ${CMAKE_CURRENT_LIST_DIR}/witness/verdict.cpp
  LINKS klyuchnik_topics klyuchnik_process klyuchnik_db
  PRIVATE_LINKS PkgConfig::httplib nlohmann_json::nlohmann_json)
klyuchnik_program(klyuchnik-witness
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/witness/main.cpp
  LINKS klyuchnik_witness_parts)

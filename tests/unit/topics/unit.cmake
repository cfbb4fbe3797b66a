# The contract alone: no services, no I/O but reading topics/golden and topics/asyncapi.yaml.
klyuchnik_test(test_topics LABEL unit
  SOURCES
    unit/topics/asyncapi_test.cpp
    unit/topics/bad_test.cpp
    unit/topics/chunk_test.cpp
    unit/topics/codec_test.cpp
    unit/topics/golden.cpp
    unit/topics/golden_test.cpp
    unit/topics/mutation_test.cpp
    unit/topics/names_test.cpp
    unit/topics/rights_document_test.cpp
    unit/topics/strictness_test.cpp
  LINKS klyuchnik_topics nlohmann_json::nlohmann_json)
target_compile_definitions(test_topics PRIVATE
  KLYUCHNIK_TOPICS_DIR="${CMAKE_SOURCE_DIR}/topics")

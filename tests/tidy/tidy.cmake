add_test(NAME Tidy.TheTreeKeepsItsRules COMMAND ${CMAKE_CURRENT_LIST_DIR}/check ${CMAKE_SOURCE_DIR})
add_test(NAME Tidy.EveryRuleFindsItsBreach COMMAND ${CMAKE_CURRENT_LIST_DIR}/check --self-test)
add_test(NAME Tidy.TheSourcesAreFormatted COMMAND ${CMAKE_CURRENT_LIST_DIR}/format)
set_tests_properties(Tidy.TheTreeKeepsItsRules Tidy.EveryRuleFindsItsBreach Tidy.TheSourcesAreFormatted
  PROPERTIES LABELS tidy TIMEOUT 300)

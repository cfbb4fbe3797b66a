# Writes OUT: the file IN as a C++ function. Called at build time by bridge/CMakeLists.txt.
file(READ ${IN} text)
set(pieces "")
# Compilers limit the length of one literal; neighbouring ones are joined.
string(LENGTH "${text}" length)
set(at 0)
while(at LESS length)
  string(SUBSTRING "${text}" ${at} 8000 piece)
  string(APPEND pieces "R\"json~(${piece})json~\"\n")
  math(EXPR at "${at} + 8000")
endwhile()
file(WRITE ${OUT} "// Made from ${IN} at build time.\n#include \"bridge/rest/openapi.hpp\"\n\nnamespace klyuchnik::bridge {\nstd::string_view openapi_document() {\n    return\n${pieces};\n}\n}  // namespace klyuchnik::bridge\n")

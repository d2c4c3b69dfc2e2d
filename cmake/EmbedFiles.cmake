# Writes OUTPUT, a C++ source that defines `const std::vector<EmbeddedFile> &SYMBOL()`, which HEADER
# declares, with the FILES, each a "name=path" pair, separated by "|".
# Run as: cmake -DOUTPUT=... -DHEADER=... -DSYMBOL=... -DFILES=... -P EmbedFiles.cmake

set(text "#include \"${HEADER}\"\n\nnamespace llmopt {\n\n")
string(APPEND text "const std::vector<EmbeddedFile> &${SYMBOL}() {\n")
string(APPEND text "  static const std::vector<EmbeddedFile> files = {\n")
string(REPLACE "|" ";" FILES "${FILES}")
foreach(entry ${FILES})
  string(REGEX MATCH "^([^=]+)=(.*)$" matched "${entry}")
  set(name "${CMAKE_MATCH_1}")
  file(READ "${CMAKE_MATCH_2}" content)
  string(APPEND text "      {\"${name}\", R\"__LLMOPT__(${content})__LLMOPT__\"},\n")
endforeach()
string(APPEND text "  };\n  return files;\n}\n\n} // namespace llmopt\n")
file(WRITE "${OUTPUT}" "${text}")

# llmopt_embed(OUTPUT HEADER SYMBOL name=path...): a C++ source that defines
# `const std::vector<EmbeddedFile> &SYMBOL()` of HEADER with the files.
function(llmopt_embed output header symbol)
  set(paths "")
  foreach(entry ${ARGN})
    string(REGEX REPLACE "^[^=]+=" "" path "${entry}")
    list(APPEND paths "${path}")
  endforeach()
  string(REPLACE ";" "|" files "${ARGN}")
  add_custom_command(
    OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -DOUTPUT=${output} -DHEADER=${header} -DSYMBOL=${symbol}
            "-DFILES=${files}" -P ${CMAKE_SOURCE_DIR}/cmake/EmbedFiles.cmake
    DEPENDS ${paths} ${CMAKE_SOURCE_DIR}/cmake/EmbedFiles.cmake
    VERBATIM)
endfunction()

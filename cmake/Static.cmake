# LLMOPT_STATIC: programs that need libc alone, for machines with none of the packages. The distributions'
# packages have static libraries of ICU and PCRE2; {fmt} is used as headers; SentencePiece is built from
# its published source.

if(LLMOPT_BUILD_COMPILER)
  message(FATAL_ERROR "LLMOPT_STATIC is for the runtime: give -DLLMOPT_BUILD_COMPILER=OFF (MLIR is packaged as a shared library)")
endif()

set(CMAKE_FIND_LIBRARY_SUFFIXES .a)
set(LLMOPT_FMT fmt::fmt-header-only)
add_link_options(-static-libstdc++ -static-libgcc -Wl,--gc-sections)
add_compile_options(-ffunction-sections -fdata-sections)

function(llmopt_add_sentencepiece)
  set(folder ${CMAKE_SOURCE_DIR}/.deps/sentencepiece)
  if(NOT EXISTS ${folder}/CMakeLists.txt)
    message(FATAL_ERROR "The source of SentencePiece is not in ${folder}: scripts/setup.sh --static fetches it")
  endif()
  set(SPM_ENABLE_SHARED OFF)
  set(SPM_ENABLE_TCMALLOC OFF)
  set(CMAKE_POLICY_DEFAULT_CMP0077 NEW) # its options are the variables above
  set(CMAKE_WARN_DEPRECATED OFF)
  add_subdirectory(${folder} ${CMAKE_BINARY_DIR}/sentencepiece EXCLUDE_FROM_ALL)
  target_compile_options(sentencepiece-static PRIVATE -w)
endfunction()

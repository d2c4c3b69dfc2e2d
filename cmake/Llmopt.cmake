# The project's own targets: one place for warnings, sanitizers and include paths.

function(llmopt_target_options target)
  target_include_directories(${target} PUBLIC ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR})
  target_compile_options(${target} PRIVATE -Wall -Wextra -Werror)
  if(LLMOPT_SANITIZE)
    # GCC sees uninitialized members in instrumented moves of std::variant.
    target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
    target_compile_options(${target} PUBLIC -fsanitize=address,undefined -fno-sanitize-recover=all
                           -fno-omit-frame-pointer)
    target_link_options(${target} PUBLIC -fsanitize=address,undefined)
  endif()
endfunction()

# llmopt_library(NAME source... LIBS library...): a static library of this project.
function(llmopt_library target)
  cmake_parse_arguments(ARG "" "" "LIBS" ${ARGN})
  add_library(${target} STATIC ${ARG_UNPARSED_ARGUMENTS})
  llmopt_target_options(${target})
  target_link_libraries(${target} PUBLIC ${ARG_LIBS})
endfunction()

# llmopt_mlir_library(...): the same for a library that includes MLIR; it shares one precompiled
# header (owned by LLMOPTIR) and links the shared libMLIR.
function(llmopt_mlir_library target)
  llmopt_library(${target} ${ARGN})
  target_include_directories(${target} SYSTEM PUBLIC ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
  target_link_libraries(${target} PUBLIC MLIR LLVM)
  # Code that mlir-tblgen writes does not use every parameter.
  target_compile_options(${target} PRIVATE -Wno-unused-parameter)
  if(NOT target STREQUAL LLMOPTIR)
    target_link_libraries(${target} PUBLIC LLMOPTIR)
    target_precompile_headers(${target} REUSE_FROM LLMOPTIR)
  endif()
endfunction()

# llmopt_tool(NAME source... LIBS library...): a program in bin/.
function(llmopt_tool target)
  cmake_parse_arguments(ARG "" "" "LIBS" ${ARGN})
  add_executable(${target} ${ARG_UNPARSED_ARGUMENTS})
  llmopt_target_options(${target})
  target_link_libraries(${target} PRIVATE ${ARG_LIBS} CLI11::CLI11 ${LLMOPT_FMT})
endfunction()

# llmopt_unit_test(NAME [GPU] source... LIBS library...): a GoogleTest program whose tests CTest knows by name.
# Tests find the source tree in LLMOPT_SOURCE_DIR. With GPU, those of the suites Card/ need a card.
function(llmopt_unit_test target)
  cmake_parse_arguments(ARG "GPU" "" "LIBS" ${ARGN})
  add_executable(${target} ${ARG_UNPARSED_ARGUMENTS})
  llmopt_target_options(${target})
  target_link_libraries(${target} PRIVATE ${ARG_LIBS} GTest::gtest GTest::gmock GTest::gtest_main)
  # What mlir-tblgen writes does not use every parameter.
  target_compile_options(${target} PRIVATE -Wno-unused-parameter)
  target_compile_definitions(${target} PRIVATE LLMOPT_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test/unit)
  gtest_discover_tests(${target} TEST_FILTER "-Card/*" DISCOVERY_TIMEOUT 60 PROPERTIES LABELS unit)
  if(ARG_GPU)
    gtest_discover_tests(${target} TEST_FILTER "Card/*" DISCOVERY_TIMEOUT 60 PROPERTIES LABELS gpu)
  endif()
endfunction()

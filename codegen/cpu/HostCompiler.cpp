#include "codegen/cpu/HostCompiler.h"

#include "support/Process.h"

#include <filesystem>
#include <utility>

namespace llmopt {

std::vector<std::string> HostTarget::command() const {
  // No contraction across expressions: sums come out alike however a loop is vectorized.
  return {compiler,  "-std=c++17", "-O3", "-march=" + cpu, "-ffp-contract=off",
          "-shared", "-fPIC",      "-o",  "model.so",      "model.cpp"};
}

Result<HostTarget> resolveHostTarget(const std::string &cpu) {
  HostTarget target;
  target.cpu = cpu;
  LLMOPT_ASSIGN(target.compiler,
                findCompiler("install a C++ compiler or set CXX: the CPU target compiles its "
                             "source when the artifact is made"));
  auto macros =
      runProgram({target.compiler, "-march=" + cpu, "-dM", "-E", "-x", "c++", "/dev/null"}, "/");
  if (!macros) {
    auto works = runProgram({target.compiler, "-E", "-x", "c++", "/dev/null"}, "/");
    if (!works)
      return works.error().within("the C++ compiler does not work");
    return macros.error().within("--cpu " + cpu);
  }
  // A macro of the compiler, and the flag of /proc/cpuinfo for the same feature.
  static constexpr std::pair<const char *, const char *> features[] = {
      {"__SSE4_2__", "sse4_2"},
      {"__AVX__", "avx"},
      {"__AVX2__", "avx2"},
      {"__FMA__", "fma"},
      {"__F16C__", "f16c"},
      {"__BMI2__", "bmi2"},
      {"__AVX512F__", "avx512f"},
      {"__AVX512BW__", "avx512bw"},
      {"__AVX512DQ__", "avx512dq"},
      {"__AVX512VL__", "avx512vl"},
      {"__AVX512VNNI__", "avx512_vnni"},
      {"__AVX512BF16__", "avx512_bf16"}};
  for (auto [macro, feature] : features)
    if (macros->find(std::string("#define ") + macro + " ") != std::string::npos)
      target.features.push_back(feature);
  return target;
}

Status compileHostModule(const HostTarget &target, const std::string &directory) {
  auto output = runProgram(target.command(), directory);
  if (!output)
    return output.error().within("compiling model.cpp");
  std::error_code code;
  if (!std::filesystem::exists(std::filesystem::path(directory) / "model.so", code))
    return makeError("compiling model.cpp: {} made no model.so", target.compiler);
  return success();
}

} // namespace llmopt

#include "codegen/cpu/HostCompiler.h"

#include "support/Files.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/Program.h"

#include <cstdlib>

namespace llmopt {

/// Runs a program in `directory`, its output and errors in one string.
static Result<std::string> run(const std::vector<std::string> &command,
                               const std::string &directory) {
  llvm::SmallString<128> log;
  if (std::error_code code = llvm::sys::fs::createTemporaryFile("llmopt", "log", log))
    return makeError("cannot make a temporary file: {}", code.message());
  llvm::FileRemover remover(log);
  // The shell changes the folder; the command's words are passed as they are.
  std::vector<llvm::StringRef> arguments = {"/bin/sh", "-c", "cd \"$0\" && exec \"$@\"", directory};
  arguments.insert(arguments.end(), command.begin(), command.end());
  std::optional<llvm::StringRef> redirects[] = {llvm::StringRef(""), log.str(), log.str()};
  std::string problem;
  int status =
      llvm::sys::ExecuteAndWait("/bin/sh", arguments, std::nullopt, redirects, 0, 0, &problem);
  LLMOPT_ASSIGN(std::string output, readFile(log.str().str()));
  if (status != 0)
    return makeError("{} failed{}{}: {}", command.front(), problem.empty() ? "" : ": ", problem,
                     llvm::StringRef(output).trim().substr(0, 2000).str());
  return output;
}

std::vector<std::string> HostTarget::command() const {
  // No contraction across expressions: sums come out alike however a loop is vectorized.
  return {compiler,  "-std=c++17", "-O3", "-march=" + cpu, "-ffp-contract=off",
          "-shared", "-fPIC",      "-o",  "model.so",      "model.cpp"};
}

static Result<std::string> findCompiler() {
  const char *chosen = std::getenv("CXX");
  std::string name = chosen && *chosen ? chosen : "c++";
  auto path = llvm::sys::findProgramByName(name);
  if (!path)
    return makeError("no C++ compiler '{}' found; install one or set CXX: the CPU target compiles "
                     "its source when the artifact is made",
                     name);
  return *path;
}

Result<HostTarget> resolveHostTarget(const std::string &cpu) {
  HostTarget target;
  target.cpu = cpu;
  LLMOPT_ASSIGN(target.compiler, findCompiler());
  auto macros = run({target.compiler, "-march=" + cpu, "-dM", "-E", "-x", "c++", "/dev/null"}, "/");
  if (!macros) {
    // The compiler goes on to list every CPU it knows.
    llvm::StringRef message = macros.error().message();
    return makeError("--cpu {}: {}", cpu, message.split('\n').first.str());
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
    if (llvm::StringRef(*macros).contains(std::string("#define ") + macro + " "))
      target.features.push_back(feature);
  return target;
}

Status compileHostModule(const HostTarget &target, const std::string &directory) {
  auto output = run(target.command(), directory);
  if (!output)
    return output.error().within("compiling model.cpp");
  return success();
}

} // namespace llmopt

#include "codegen/ArtifactWriter.h"

#include "codegen/EmbeddedFile.h"
#include "codegen/PlanEmitter.h"
#include "codegen/cpu/CpuEmitter.h"
#include "codegen/cpu/HostCompiler.h"
#include "codegen/cuda/CudaEmitter.h"
#include "ir/Dialect.h"
#include "ir/weights/Materializer.h"
#include "runtime/artifact/Artifact.h"
#include "support/Files.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/raw_ostream.h"

#include <filesystem>

using namespace mlir;

namespace llmopt {

namespace fs = std::filesystem;

static Result<std::vector<SourceFile>> emitPlanned(PlannedModule &planned,
                                                   const ArtifactOptions &options) {
  if (options.target == "cpu") {
    LLMOPT_ASSIGN(std::string text, emitCpuSource(planned));
    return std::vector<SourceFile>{{"model.cpp", std::move(text)}};
  }
  if (options.target == "cuda")
    return emitCudaSources(planned, options.arch);
  return makeError("unknown target '{}'; known: cpu, cuda", options.target);
}

Result<std::string> emitSource(ModuleOp module, const ArtifactOptions &options) {
  LLMOPT_ASSIGN(PlannedModule planned, planModule(module));
  LLMOPT_ASSIGN(std::vector<SourceFile> files, emitPlanned(planned, options));
  std::string text;
  for (const SourceFile &file : files)
    text += (text.empty() ? "" : "\n") + file.text;
  return text;
}

static Status makeFolder(const std::string &path) {
  std::error_code code;
  fs::create_directory(path, code);
  if (code)
    return makeError("cannot make {}: {}", path, code.message());
  return success();
}

static Status writeSources(const std::string &directory, const std::vector<SourceFile> &files,
                           const ArtifactOptions &options) {
  bool cpu = options.target == "cpu";
  if (!cpu)
    LLMOPT_TRY(makeFolder(directory + "/source"));
  for (const SourceFile &file : files)
    LLMOPT_TRY(writeFile(directory + "/" + file.path, file.text));
  LLMOPT_TRY(makeFolder(directory + "/kernels"));
  for (const EmbeddedFile &header : cpu ? cpuKernelHeaders() : cudaKernelHeaders())
    LLMOPT_TRY(writeFile(directory + "/kernels/" + header.name, header.content));
  return success();
}

static Status copyFiles(const std::string &directory, const std::vector<std::string> &files) {
  for (const std::string &file : files) {
    LLMOPT_ASSIGN(std::string content, readFile(file));
    LLMOPT_TRY(writeFile(directory + "/" + fs::path(file).filename().string(), content));
  }
  return success();
}

Result<Manifest> describeModule(ModuleOp module, const Plan &plan, const ArtifactOptions &options) {
  auto config = module->getAttrOfType<DictionaryAttr>(LLMDialect::configAttrName);
  auto integer = [&](StringRef name) {
    return config ? config.getAs<IntegerAttr>(name) : IntegerAttr();
  };
  if (!integer("context_length") || !integer("vocabulary"))
    return makeError("the module's llm.config lacks context_length or vocabulary");
  Manifest manifest;
  manifest.compilerVersion = LLMOPT_VERSION;
  manifest.target = options.target;
  manifest.arch = options.target == "cpu" ? options.cpu : options.arch;
  auto precision = module->getAttrOfType<StringAttr>(LLMDialect::precisionAttrName);
  manifest.precision = precision ? precision.getValue().str() : "32-true"; // as the frontends do
  if (auto quantization = module->getAttrOfType<StringAttr>(LLMDialect::quantizationAttrName))
    manifest.quantization = quantization.getValue().str();
  manifest.batchInvariant = module->hasAttr(LLMDialect::batchInvariantAttrName);
  if (auto model = config.getAs<StringAttr>("model"))
    manifest.model = model.getValue().str();
  manifest.contextLength = integer("context_length").getInt();
  manifest.vocabularySize = integer("vocabulary").getInt();
  if (auto stops = config.getAs<DenseI64ArrayAttr>("stop_tokens"))
    for (int64_t id : stops.asArrayRef())
      manifest.stopTokens.push_back(static_cast<int32_t>(id));
  manifest.parameters = options.parameters;
  manifest.randomWeights = options.randomWeights;
  for (const PlanWeight &weight : plan.weights)
    manifest.weightBytes += weight.bytes();
  return manifest;
}

/// Sizes and checksums of everything in the folder.
static Status recordFiles(const std::string &directory, Manifest &manifest, int threads) {
  for (const auto &entry : fs::recursive_directory_iterator(directory)) {
    if (!entry.is_regular_file())
      continue;
    std::string name = fs::relative(entry.path(), directory).string();
    LLMOPT_ASSIGN(manifest.files[name], recordFile(entry.path().string(), threads));
  }
  return success();
}

Status writeArtifact(ModuleOp module, const TensorSource *source, const std::string &path,
                     const ArtifactOptions &options) {
  LLMOPT_ASSIGN(PendingDirectory pending,
                PendingDirectory::create(path, "an artifact", isArtifact));
  const std::string &directory = pending.path();
  LLMOPT_ASSIGN(PlannedModule planned, planModule(module));
  LLMOPT_ASSIGN(std::vector<SourceFile> sources, emitPlanned(planned, options));
  LLMOPT_ASSIGN(Manifest manifest, describeModule(module, planned.plan, options));
  LLMOPT_TRY(writeSources(directory, sources, options));
  if (options.target == "cpu") {
    LLMOPT_ASSIGN(HostTarget host, resolveHostTarget(options.cpu));
    manifest.requiredFeatures = host.features;
    LLMOPT_TRY(compileHostModule(host, directory));
  }
  std::string ir;
  llvm::raw_string_ostream stream(ir);
  module.print(stream);
  LLMOPT_TRY(writeFile(directory + "/module.mlir", ir));
  LLMOPT_TRY(writeFile(directory + "/plan.json", planned.plan.toJson().dump(1) + "\n"));
  LLMOPT_TRY(copyFiles(directory, options.copies));
  MaterializeOptions materialize;
  materialize.threads = options.threads;
  materialize.quiet = options.quiet;
  LLMOPT_TRY(materializeWeights(module, source, directory + "/weights.safetensors", materialize));
  LLMOPT_TRY(recordFiles(directory, manifest, options.threads));
  LLMOPT_TRY(writeFile(directory + "/manifest.json", manifest.serialize()));
  return pending.commit();
}

} // namespace llmopt

//===- SmallModel.h - A model whose kernels are the test's own functions ----------------------===//
//
// Three launches: "embed" (few rows or many), "attention" (per sequence) and "head" (own kernel or
// the library's product), and kernels that choose tokens. Written to disk and opened as it would
// be.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_TEST_UNIT_CUDA_DEVICE_SMALLMODEL_H
#define LLMOPT_TEST_UNIT_CUDA_DEVICE_SMALLMODEL_H

#include "runtime/artifact/Artifact.h"
#include "test/unit/runtime/TinyModel.h"

#include <memory>

namespace llmopt {

struct SmallModel {
  static constexpr int64_t vocabulary = 8, contextLength = 32, pageTokens = 4, pageBytes = 64;

  tiny::TemporaryDirectory folder;
  Artifact artifact;

  SmallModel();
  /// Makes "head_few" an instance of a template, matvec of 4 rows; its schedule in the plan.
  static Json &scheduleHead(Plan &plan);
  /// Makes decodes of up to 4 rows a kernel of their own, "step_rows4".
  void addPersistentStep();
  std::shared_ptr<const Artifact> shared() const { return std::make_shared<Artifact>(artifact); }
};

} // namespace llmopt

#endif // LLMOPT_TEST_UNIT_CUDA_DEVICE_SMALLMODEL_H

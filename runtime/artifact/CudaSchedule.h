//===- CudaSchedule.h - Which instance of a template a function of the plan is ----------------===//
//
// Of a function of a linear, in plan.json:
//
//   {"kind": "matvec_panels", "parameters": {"columns": 16, "depth": 128, ...},
//    "depth": 4096, "columns": 6144,     // of the weight
//    "segments": [[2048, 2], [1024, 1]], // units, and the columns that each takes
//    "weight": "bf16", "compute": "bf16"}
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_ARTIFACT_CUDASCHEDULE_H
#define LLMOPT_RUNTIME_ARTIFACT_CUDASCHEDULE_H

#include "support/CudaTemplates.h"
#include "support/Json.h"

namespace llmopt {

struct CudaSchedule {
  const CudaTemplate *kind = nullptr; ///< null: the function is no instance of a template
  CudaLinearShape shape;
  CudaParameters parameters;

  Json toJson() const;
  /// There is an instance of what was read; `what` names the function.
  static Result<CudaSchedule> fromJson(const Json &json, const std::string &what);

  CudaInstance instance() const { return kind->instance(shape, parameters); }
  std::string macros(const std::string &function) const {
    return kind->macros(function, shape, parameters);
  }
};

} // namespace llmopt

#endif // LLMOPT_RUNTIME_ARTIFACT_CUDASCHEDULE_H

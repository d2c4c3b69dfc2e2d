//===- llmopt-opt.cpp - Run passes on IR ---------------------------------------------------------------===//

#include "ir/Dialect.h"
#include "passes/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Transforms/Passes.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  registry.insert<llmopt::LLMDialect, mlir::func::FuncDialect>();
  mlir::registerTransformsPasses();
  llmopt::registerPasses();
  return mlir::asMainReturnCode(
      mlir::MlirOptMain(argc, argv, "llmopt pass driver\n", registry));
}

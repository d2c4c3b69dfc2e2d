// Every pass is followed by a check of the phase.
// RUN: llmopt-opt %S/Inputs/gated.mlir --llm-cpu=precision=bf16-true --dump-pass-pipeline -o /dev/null 2>&1 | FileCheck %s --check-prefix=PASSES -DTARGET=cpu
// RUN: llmopt-opt %S/Inputs/gated.mlir --llm-cuda=precision=bf16-true --dump-pass-pipeline -o /dev/null 2>&1 | FileCheck %s --check-prefix=PASSES -DTARGET=cuda
// RUN: llmopt-opt %S/Inputs/gated.mlir --llm-cpu=fuse=false --dump-pass-pipeline -o /dev/null 2>&1 | FileCheck %s --check-prefix=UNFUSED

// PASSES: builtin.module(llm-fuse-projections,llm-verify-phase,llm-lower-precision{precision=bf16-true},llm-verify-phase,canonicalize{{.*}},llm-verify-phase,cse,llm-verify-phase,llm-fuse-kernels{enabled=true},llm-verify-phase,llm-schedule{arch={{(sm_90a)?}} batch-invariant=false target=[[TARGET]] tuning=},llm-verify-phase,llm-plan-memory,llm-verify-phase)
// UNFUSED: builtin.module(llm-lower-precision{precision=32-true},{{.*}},llm-fuse-kernels{enabled=false},

// RUN: llmopt-opt %S/Inputs/gated.mlir --llm-cuda="batch-invariant=true arch=sm_80" --dump-pass-pipeline -o /dev/null 2>&1 | FileCheck %s --check-prefix=INVARIANT
// INVARIANT: llm-schedule{arch=sm_80 batch-invariant=true target=cuda tuning=}

// A module for a target is placed, in five kernels a layer.
// RUN: llmopt-opt %S/Inputs/gated.mlir --llm-cpu=precision=bf16-true | FileCheck %s

// CHECK: llm.batch_invariant
// CHECK-SAME: llm.phase = "placed", llm.precision = "bf16-true"
// CHECK: "rope_table"(
// CHECK: "embed"(
// CHECK: "norm_linear_rope_append"(
// CHECK: "attention"(
// CHECK: "linear_add"(
// CHECK: "norm_linear_activation_mul"(
// CHECK: "linear_add"(
// CHECK: "norm_linear_rope_append"(
// CHECK: "attention"(
// CHECK: "linear_add"(
// CHECK: "norm_linear_activation_mul"(
// CHECK: "linear_add"(
// CHECK: "gather_rows_norm_linear"(
// CHECK-NOT: llm.kernel

// A refusal of a pass ends the pipeline.
// RUN: not llmopt-opt %S/Inputs/gated.mlir --llm-cpu=precision=8-true 2>&1 | FileCheck %s --check-prefix=REFUSED
// REFUSED: error: unknown precision '8-true'
// REFUSED-NOT: llm.kernel

// No pass changes what any kind of model computes.
// RUN: %python %S/every_pipeline.py %S/Inputs/alibi.mlir %S/Inputs/gated.mlir %S/Inputs/learned_positions.mlir
// RUN: %python %S/every_pipeline.py %S/Inputs/parallel.mlir %S/Inputs/partial_rotary.mlir %S/Inputs/tied.mlir

// With batch-invariant every variant of a linear adds up K in one order, the vendor's library is not asked, and
// attention adds up parts of the keys with fixed bounds.

// RUN: llmopt-opt %S/Inputs/gated.mlir --llm-cuda="precision=bf16-true arch=sm_80 batch-invariant=true" | FileCheck %s --implicit-check-not='kind = "matvec' --implicit-check-not='kind = "library"' --check-prefixes=CHECK,SM80
// RUN: llmopt-opt %S/Inputs/gated.mlir --llm-cuda="precision=bf16-true arch=sm_90a batch-invariant=true" | FileCheck %s --implicit-check-not='kind = "matvec' --implicit-check-not='kind = "library"' --check-prefixes=CHECK,SM90
// RUN: llmopt-opt %S/Inputs/gated.mlir --llm-cuda="arch=sm_90a batch-invariant=true" | FileCheck %s --implicit-check-not='kind = "matvec' --implicit-check-not='kind = "library"' --check-prefixes=CHECK,F32
// RUN: llmopt-opt %S/Inputs/gated.mlir --llm-cuda="precision=bf16-mixed arch=sm_90a batch-invariant=true" --verify-pass-semantics | FileCheck %s --implicit-check-not='kind = "matvec' --implicit-check-not='kind = "library"' --check-prefixes=CHECK,MIXED

// CHECK: llm.batch_invariant

// SM80: llm.kernel "norm_linear_rope_append"
// SM80-SAME: variants = [{columns = 32 : i64, depth = 256 : i64, kind = "gemm", max_rows = 16 : i64,
// SM80-SAME: warp_depths = 4
// SM80-SAME: {columns = 64 : i64, depth = 256 : i64, kind = "gemm", rows = 64
// SM80-SAME: warp_depths = 4

// SM90: llm.kernel "norm_linear_rope_append"
// SM90-SAME: kind = "gemm_wgmma", max_rows = 8 : i64
// SM90-SAME: kind = "gemm_wgmma", max_rows = 128 : i64
// SM90-SAME: kind = "gemm_wgmma", rows = 256

// F32: llm.kernel "norm_linear_rope_append"
// F32-SAME: kind = "gemm", max_rows = 16 : i64
// F32-SAME: warp_depths = 1
// F32-SAME: warp_depths = 1

// MIXED: llm.kernel "norm_linear_rope_append"
// MIXED-SAME: depth = 128 : i64, kind = "gemm", max_rows = 16 : i64
// MIXED-SAME: warp_depths = 4
// MIXED-SAME: depth = 128 : i64, kind = "gemm", rows = 64
// MIXED-SAME: warp_depths = 4

// CHECK: llm.kernel "attention"
// CHECK-SAME: part_keys = 128

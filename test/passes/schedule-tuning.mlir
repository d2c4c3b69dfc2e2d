// What llmopt-tune found is what a linear gets; the other variants stay as they are.

// RUN: llmopt-opt %s --llm-schedule='target=cuda tuning=%S/Inputs/tuning.json' | FileCheck %s
// CHECK: {blocks = 1 : i64, columns = 16 : i64, depth = 512 : i64, kind = "matvec_panels", max_rows = 1 : i64, rows = 1 : i64, stages = 1 : i64, warps = 8 : i64}
// CHECK-SAME: {blocks = 2 : i64, columns = 32 : i64, depth = 128 : i64, kind = "matvec_panels", max_rows = 4 : i64, rows = 4 : i64, stages = 2 : i64, warps = 4 : i64}
// CHECK-SAME: {columns = 64 : i64, consumers = 1 : i64, kind = "gemm_wgmma", rows = 64 : i64, stages = 3 : i64}]

// It is for one architecture, and what a linear cannot be is refused.
// RUN: not llmopt-opt %s --llm-schedule='target=cuda arch=sm_80 tuning=%S/Inputs/tuning.json' 2>&1 | FileCheck %s --check-prefix=ARCH
// ARCH: error: {{.*}}tuning.json is for sm_90a, not sm_80
// RUN: sed 's/"warps": 4/"warps": 40/' %S/Inputs/tuning.json > %t.json
// RUN: not llmopt-opt %s --llm-schedule='target=cuda tuning=%t.json' 2>&1 | FileCheck %s --check-prefix=BAD
// BAD: error: {{.*}}: function 'matvec_panels depth 24 columns 40 streams 1 bf16 rows 4': a block would have 1312 threads; 1024 is the most
// RUN: not llmopt-opt %s --llm-schedule='target=cuda tuning=%t.no.json' 2>&1 | FileCheck %s --check-prefix=MISSING
// MISSING: error: cannot open {{.*}}.no.json

!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = bf16>
module attributes {llm.phase = "kernels", llm.config = {vocabulary = 24 : i64}} {
  llm.weight @e : tensor<24x24xbf16> {
    %0 = llm.load "e" : tensor<24x24xbf16>
    llm.yield %0 : tensor<24x24xbf16>
  }
  llm.weight @h : tensor<40x24xbf16> {
    %0 = llm.load "h" : tensor<40x24xbf16>
    llm.yield %0 : tensor<40x24xbf16>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x40xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x24xbf16>
    %h = llm.get_weight @h : tensor<40x24xbf16>
    %x = llm.kernel "embed"(%tokens, %e) : (tensor<?xi32>, tensor<24x24xbf16>) -> tensor<?x24xbf16> {
    ^bb0(%a0: tensor<?xi32>, %a1: tensor<24x24xbf16>):
      %0 = llm.embed %a0, %a1 : (tensor<?xi32>, tensor<24x24xbf16>) -> tensor<?x24xbf16>
      llm.yield %0 : tensor<?x24xbf16>
    }
    %y = llm.kernel "linear"(%x, %h) : (tensor<?x24xbf16>, tensor<40x24xbf16>) -> tensor<?x40xf32> {
    ^bb0(%a0: tensor<?x24xbf16>, %a1: tensor<40x24xbf16>):
      %0 = llm.linear %a0, %a1 : (tensor<?x24xbf16>, tensor<40x24xbf16>) -> tensor<?x40xf32>
      llm.yield %0 : tensor<?x40xf32>
    }
    %l = llm.kernel "gather_rows"(%y, %rows) : (tensor<?x40xf32>, tensor<?xi32>) -> tensor<?x40xf32> {
    ^bb0(%a0: tensor<?x40xf32>, %a1: tensor<?xi32>):
      %0 = llm.gather_rows %a0, %a1 : (tensor<?x40xf32>, tensor<?xi32>) -> tensor<?x40xf32>
      llm.yield %0 : tensor<?x40xf32>
    }
    return %l, %cache : tensor<?x40xf32>, !cache
  }
}
